//! The pages of a listing: reads the request for one, and builds its body.

use serde_json::{Value, json};

use super::call::Call;
use super::response::{ApiError, ResponseBody};
use super::rules::{PageIds, Rules};

/// The page that a client requests.
#[derive(Debug, PartialEq)]
pub(super) struct PageRequest {
    pub(super) limit: usize,
    pub(super) ascending: bool,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
}

impl PageRequest {
    /// Reads `limit`, `order`, `after` and `before`.
    pub(super) fn read(call: &Call, default: usize, max: usize) -> Result<Self, ApiError> {
        let limit = match call.query("limit") {
            Some(text) => read_limit(text, max)?,
            None => default,
        };
        let ascending = match call.query("order") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(other) => {
                return Err(ApiError::invalid(format!(
                    "Invalid value: '{other}'. Supported values are: 'asc' and 'desc'."
                ))
                .with_param("order")
                .with_code("invalid_value"));
            }
        };
        // An empty cursor counts as unset.
        let cursor = |name| call.query(name).filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Self { limit, ascending, after: cursor("after"), before: cursor("before") })
    }
}

fn read_limit(text: &str, max: usize) -> Result<usize, ApiError> {
    let Ok(limit) = text.parse::<i64>() else {
        return Err(ApiError::invalid(format!(
            "Invalid type for 'limit': expected an integer, but got '{text}' instead."
        ))
        .with_param("limit")
        .with_code("invalid_type"));
    };
    let refused = |what, sign, bound, code| {
        Err(ApiError::invalid(format!(
            "Invalid 'limit': integer {what} value. Expected a value {sign} {bound}, but got {limit} instead."
        ))
        .with_param("limit")
        .with_code(code))
    };
    match usize::try_from(limit) {
        Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
        Ok(1..) => refused("above maximum", "<=", max, "integer_above_max_value"),
        _ => refused("below minimum", ">=", 1, "integer_below_min_value"),
    }
}

/// The serial numbers of the items on a page.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) serials: Vec<u64>,
    pub(super) has_more: bool,
}

/// Builds the body of a page.
pub(super) fn page_body(data: Vec<Value>, has_more: bool, rules: &Rules) -> ResponseBody {
    let mut body = json!({ "object": "list", "has_more": has_more });
    match rules.page_ids {
        PageIds::Given => {
            let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
            body["first_id"] = id(data.first());
            body["last_id"] = id(data.last());
        }
        PageIds::Null => {
            body["first_id"] = Value::Null;
            body["last_id"] = Value::Null;
        }
        PageIds::Omitted => {}
    }
    body["data"] = Value::Array(data);
    body.into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::call::Body;
    use super::super::routes::Route;
    use super::super::rules::ErrorShape;
    use super::*;

    pub(in super::super) fn request(query: &str) -> Result<PageRequest, ApiError> {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let call = Call {
            route: Route::List,
            method: String::new(),
            path: String::new(),
            ids: Vec::new(),
            query: query.split('&').filter_map(pair).collect(),
            body: Body::Nothing,
        };
        PageRequest::read(&call, 4, 6)
    }

    #[test]
    fn a_page_has_first_and_last_ids_as_the_rules_say() {
        let ids = |page_ids| {
            let rules = Rules { page_ids, ..Rules::default() };
            let data = ["a", "b"].map(|id| json!({ "id": id }));
            let ResponseBody::Json(page) = page_body(data.into(), true, &rules) else {
                unreachable!()
            };
            assert_eq!(page["has_more"], true);
            (page.get("first_id").cloned(), page.get("last_id").cloned())
        };
        assert_eq!(ids(PageIds::Given), (Some(json!("a")), Some(json!("b"))));
        assert_eq!(ids(PageIds::Null), (Some(Value::Null), Some(Value::Null)));
        assert_eq!(ids(PageIds::Omitted), (None, None));
    }

    #[test]
    fn an_invalid_page_request_is_refused() {
        for (query, message) in [
            (
                "limit=7",
                "Invalid 'limit': integer above maximum value. Expected a value <= 6, but got 7 instead.",
            ),
            (
                "limit=0",
                "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
            ),
            (
                "limit=-1",
                "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got -1 instead.",
            ),
            (
                "limit=many",
                "Invalid type for 'limit': expected an integer, but got 'many' instead.",
            ),
            ("order=up", "Invalid value: 'up'. Supported values are: 'asc' and 'desc'."),
        ] {
            let refused = request(query).unwrap_err();
            let (status, body) = refused.to_response(ErrorShape::OpenAI);
            assert_eq!((status, body["error"]["message"].as_str()), (400, Some(message)));
        }
    }
}
