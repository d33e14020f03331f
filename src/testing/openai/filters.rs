//! The filters of a search, which compare attributes.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::call::{Fields, missing_parameter, not_one_of, wrong_type};
use super::response::ApiError;

/// A condition on the attributes of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Filter {
    Compare { operator: Operator, key: String, value: Value },
    And(Vec<Self>),
    Or(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
}

/// The types of filters.
const TYPES: [&str; 10] = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"];

impl Filter {
    /// Reads the filter at `path`.
    pub(super) fn read(value: &Value, path: &str) -> Result<Self, ApiError> {
        let mut fields = Fields::of(value, path)?;
        let kind = fields.required_text("type")?;
        let operator = match kind {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "gt" => Operator::Greater,
            "gte" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "lte" => Operator::LessOrEqual,
            "in" => Operator::In,
            "nin" => Operator::NotIn,
            "and" | "or" => return read_compound(fields, kind == "and"),
            other => return Err(not_one_of(&fields.path("type"), other, &TYPES)),
        };
        let key = fields.required_text("key")?.to_owned();
        let path = fields.path("value");
        let value = fields.value("value").ok_or_else(|| missing_parameter(&path))?.clone();
        fields.finish()?;
        operator.check_type(&value, &path)?;
        Ok(Self::Compare { operator, key, value })
    }

    pub(super) fn matches(&self, attributes: &Map<String, Value>) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.matches(attributes)),
            Self::Or(filters) => filters.iter().any(|filter| filter.matches(attributes)),
            Self::Compare { operator, key, value } => operator.matches(attributes.get(key), value),
        }
    }
}

fn read_compound(mut fields: Fields<'_>, and: bool) -> Result<Filter, ApiError> {
    let path = fields.path("filters");
    let filters = fields.array("filters", usize::MAX)?.ok_or_else(|| missing_parameter(&path))?;
    fields.finish()?;
    let filters: Result<Vec<Filter>, ApiError> = filters
        .iter()
        .enumerate()
        .map(|(at, filter)| Filter::read(filter, &format!("{path}[{at}]")))
        .collect();
    Ok(if and { Filter::And(filters?) } else { Filter::Or(filters?) })
}

impl Operator {
    /// Checks that the operator accepts a value of this type.
    fn check_type(self, value: &Value, path: &str) -> Result<(), ApiError> {
        let scalar = value.is_string() || value.is_number() || value.is_boolean();
        match self {
            Self::In | Self::NotIn if value.is_array() => Ok(()),
            Self::In | Self::NotIn => Err(wrong_type(path, "an array", value)),
            Self::Equal | Self::NotEqual if scalar => Ok(()),
            Self::Equal | Self::NotEqual => {
                Err(wrong_type(path, "one of a string, number or boolean", value))
            }
            _ if value.is_number() || value.is_string() => Ok(()),
            _ => Err(wrong_type(path, "one of a number or string", value)),
        }
    }

    fn matches(self, attribute: Option<&Value>, value: &Value) -> bool {
        let is = |expected: &dyn Fn(Ordering) -> bool| {
            attribute.and_then(|attribute| compare(attribute, value)).is_some_and(expected)
        };
        let is_among = || {
            let equals = |one: &Value| {
                attribute.and_then(|found| compare(found, one)) == Some(Ordering::Equal)
            };
            value.as_array().is_some_and(|values| values.iter().any(equals))
        };
        match self {
            Self::Equal => is(&Ordering::is_eq),
            Self::NotEqual => !is(&Ordering::is_eq),
            Self::Greater => is(&Ordering::is_gt),
            Self::GreaterOrEqual => is(&Ordering::is_ge),
            Self::Less => is(&Ordering::is_lt),
            Self::LessOrEqual => is(&Ordering::is_le),
            Self::In => is_among(),
            Self::NotIn => !is_among(),
        }
    }
}

/// Compares two values of the same type. Values of different types have no order.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(filter: &Value) -> bool {
        let attributes = json!({ "size": 5, "name": "fox", "wild": true, "share": 0.5 });
        Filter::read(filter, "filters").unwrap().matches(attributes.as_object().unwrap())
    }

    fn compares(kind: &str, key: &str, value: &Value) -> bool {
        matches(&json!({ "type": kind, "key": key, "value": value }))
    }

    #[test]
    fn every_operator_compares_values_of_its_types() {
        for (kind, less, equal, greater) in [
            ("eq", false, true, false),
            ("ne", true, false, true),
            ("gt", false, false, true),
            ("gte", false, true, true),
            ("lt", true, false, false),
            ("lte", true, true, false),
        ] {
            // The attribute is less than, equal to, greater than the value.
            for (values, holds) in [
                ([json!(6), json!("goose")], less),
                ([json!(5.0), json!("fox")], equal),
                ([json!(4.5), json!("dog")], greater),
            ] {
                assert_eq!(compares(kind, "size", &values[0]), holds, "{kind} {}", values[0]);
                assert_eq!(compares(kind, "name", &values[1]), holds, "{kind} {}", values[1]);
            }
        }
        assert!(compares("eq", "wild", &json!(true)) && compares("ne", "wild", &json!(false)));
        assert!(
            compares("in", "size", &json!([1, 5])) && !compares("in", "size", &json!([1, "5"]))
        );
        assert!(
            compares("nin", "name", &json!(["dog"])) && !compares("nin", "name", &json!(["fox"]))
        );
    }

    #[test]
    fn a_missing_attribute_is_only_unequal() {
        for kind in ["eq", "gt", "gte", "lt", "lte"] {
            assert!(!compares(kind, "none", &json!("")), "{kind}");
            // A number and a string have no order.
            assert!(!compares(kind, "size", &json!("5")), "{kind}");
        }
        assert!(compares("ne", "none", &json!(1)) && compares("nin", "none", &json!([1])));
        assert!(!compares("in", "none", &json!([1])));
    }

    #[test]
    fn filters_combine_with_and_and_or() {
        let large = json!({ "type": "gt", "key": "size", "value": 3 });
        let dog = json!({ "type": "eq", "key": "name", "value": "dog" });
        let combined =
            |kind: &str, filters: &[&Value]| matches(&json!({ "type": kind, "filters": filters }));
        assert!(combined("and", &[&large]) && !combined("and", &[&large, &dog]));
        assert!(combined("or", &[&dog, &large]) && !combined("or", &[&dog]));
        let nested = json!({ "type": "or", "filters": [dog, large] });
        assert!(combined("and", &[&nested, &large]));
    }

    #[test]
    fn an_invalid_filter_is_refused() {
        for filter in [
            json!([]),
            json!({ "key": "a", "value": 1 }),
            json!({ "type": "like", "key": "a", "value": 1 }),
            json!({ "type": "eq", "value": 1 }),
            json!({ "type": "eq", "key": "a" }),
            json!({ "type": "eq", "key": 1, "value": 1 }),
            json!({ "type": "eq", "key": "a", "value": [1] }),
            json!({ "type": "eq", "key": "a", "value": 1, "more": 1 }),
            json!({ "type": "gt", "key": "a", "value": true }),
            json!({ "type": "in", "key": "a", "value": 1 }),
            json!({ "type": "and" }),
            json!({ "type": "and", "filters": {} }),
            json!({ "type": "and", "filters": [{}] }),
        ] {
            Filter::read(&filter, "filters").expect_err(&filter.to_string());
        }
    }
}
