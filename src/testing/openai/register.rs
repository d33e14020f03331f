//! Things in the order in which they came, found by their ids and listed in pages.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::rules::{PageIds, Rules, UnknownAfter};

/// What has an id.
pub(super) trait Named {
    fn id(&self) -> &str;
}

/// Things in the order in which they came. One id may stand for several, as after a double attachment; the last one is found.
#[derive(Debug)]
pub(super) struct Register<T> {
    items: BTreeMap<u64, T>,
    serials: HashMap<String, Vec<u64>>,
    next: u64,
}

impl<T> Default for Register<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), serials: HashMap::new(), next: 0 }
    }
}

impl<T: Named> Register<T> {
    pub(super) fn insert(&mut self, item: T) {
        self.serials.entry(item.id().to_owned()).or_default().push(self.next);
        self.items.insert(self.next, item);
        self.next += 1;
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.items.get(self.serial(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let serial = *self.serial(id)?;
        self.items.get_mut(&serial)
    }

    pub(super) fn at(&self, serial: u64) -> Option<&T> {
        self.items.get(&serial)
    }

    pub(super) fn at_mut(&mut self, serial: u64) -> Option<&mut T> {
        self.items.get_mut(&serial)
    }

    /// Removes all that have this id.
    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let serials = self.serials.remove(id)?;
        serials.iter().filter_map(|serial| self.items.remove(serial)).last()
    }

    /// In the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.values_mut()
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.serials.clear();
    }

    fn serial(&self, id: &str) -> Option<&u64> {
        self.serials.get(id)?.last()
    }

    /// The place that a cursor stands for, in a listing that repeats nothing.
    fn cursor(&self, param: &str, id: Option<&str>, rules: &Rules) -> Result<Option<u64>, Refusal> {
        let Some(id) = id else { return Ok(None) };
        match self.serials.get(id).and_then(|serials| serials.first()) {
            Some(&serial) => Ok(Some(serial)),
            None if rules.unknown_after == UnknownAfter::Restarts => Ok(None),
            None => Err(Refusal::invalid(format!("Invalid '{param}': '{id}' is not in the list."))
                .with_param(param)
                .with_code("invalid_value")),
        }
    }

    /// The page that was asked for, of those that are wanted.
    pub(super) fn page(
        &self,
        range: &Range,
        rules: &Rules,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Page, Refusal> {
        let after = self.cursor("after", range.after.as_deref(), rules)?;
        let before = self.cursor("before", range.before.as_deref(), rules)?;
        let (low, high) = if range.ascending { (after, before) } else { (before, after) };
        // With `before` alone, the page is the one that ends there.
        let ends_there = before.is_some() && after.is_none();
        let mut serials =
            self.between(low, high, range.ascending == ends_there, range.limit + 1, &wanted);
        let mut has_more = serials.len() > range.limit;
        serials.truncate(range.limit);
        if ends_there {
            serials.reverse();
        }
        let repeated = after.filter(|serial| self.items.get(serial).is_some_and(&wanted));
        if let Some(serial) = repeated.filter(|_| rules.repeated_items) {
            serials.insert(0, serial);
            if serials.len() > range.limit && range.limit > 1 {
                serials.pop();
                has_more = true;
            }
        }
        Ok(Page { serials, has_more: has_more || rules.always_has_more })
    }

    /// The first of those that are wanted and lie between two others.
    fn between(
        &self,
        low: Option<u64>,
        high: Option<u64>,
        backwards: bool,
        most: usize,
        wanted: &impl Fn(&T) -> bool,
    ) -> Vec<u64> {
        if let (Some(low), Some(high)) = (low, high)
            && low >= high
        {
            return Vec::new();
        }
        let bound = |serial: Option<u64>| serial.map_or(Bound::Unbounded, Bound::Excluded);
        let between = self.items.range((bound(low), bound(high)));
        let serials = |found: &mut dyn Iterator<Item = (&u64, &T)>| {
            found.filter(|(_, item)| wanted(item)).map(|(&serial, _)| serial).take(most).collect()
        };
        if backwards { serials(&mut between.rev()) } else { serials(&mut { between }) }
    }
}

/// What a client asks of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Range {
    limit: usize,
    ascending: bool,
    after: Option<String>,
    before: Option<String>,
}

impl Range {
    /// Reads `limit`, `order`, `after` and `before`.
    pub(super) fn of(call: &Call, default: usize, most: usize) -> Result<Self, Refusal> {
        let limit = match call.query("limit") {
            Some(text) => limit(text, most)?,
            None => default,
        };
        let ascending = match call.query("order") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(other) => {
                return Err(Refusal::invalid(format!(
                    "Invalid value: '{other}'. Supported values are: 'asc' and 'desc'."
                ))
                .with_param("order")
                .with_code("invalid_value"));
            }
        };
        // An empty cursor is none: that is how clients ask for the first page whose last id was empty.
        let cursor = |name| call.query(name).filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Self { limit, ascending, after: cursor("after"), before: cursor("before") })
    }
}

fn limit(text: &str, most: usize) -> Result<usize, Refusal> {
    let Ok(limit) = text.parse::<i64>() else {
        return Err(Refusal::invalid(format!(
            "Invalid type for 'limit': expected an integer, but got '{text}' instead."
        ))
        .with_param("limit")
        .with_code("invalid_type"));
    };
    let refused = |what, sign, bound, code| {
        Err(Refusal::invalid(format!(
            "Invalid 'limit': integer {what} value. Expected a value {sign} {bound}, but got {limit} instead."
        ))
        .with_param("limit")
        .with_code(code))
    };
    match usize::try_from(limit) {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        Ok(1..) => refused("above maximum", "<=", most, "integer_above_max_value"),
        _ => refused("below minimum", ">=", 1, "integer_below_min_value"),
    }
}

/// The places of what a page shows.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    pub(super) serials: Vec<u64>,
    pub(super) has_more: bool,
}

/// A page as it is answered.
pub(super) fn list(data: Vec<Value>, has_more: bool, rules: &Rules) -> Answer {
    let mut list = json!({ "object": "list", "has_more": has_more });
    match rules.page_ids {
        PageIds::Given => {
            let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
            list["first_id"] = id(data.first());
            list["last_id"] = id(data.last());
        }
        PageIds::Null => {
            list["first_id"] = Value::Null;
            list["last_id"] = Value::Null;
        }
        PageIds::Omitted => {}
    }
    list["data"] = Value::Array(data);
    list.into()
}

#[cfg(test)]
mod tests {
    use super::super::call::Body;
    use super::super::routes::Route;
    use super::*;

    impl Named for String {
        fn id(&self) -> &str {
            self
        }
    }

    fn letters() -> Register<String> {
        let mut letters = Register::default();
        ('a'..='g').for_each(|letter| letters.insert(letter.to_string()));
        letters
    }

    fn range(query: &str) -> Result<Range, Refusal> {
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
        Range::of(&call, 4, 6)
    }

    /// The items of a page in one word, with a plus if there are more.
    fn page(items: &Register<String>, query: &str, rules: &Rules) -> String {
        let wanted = |item: &String| item != "e";
        let page = items.page(&range(query).unwrap(), rules, wanted).unwrap();
        let shown: String = page.serials.iter().map(|&at| items.at(at).unwrap().as_str()).collect();
        format!("{shown}{}", if page.has_more { "+" } else { "" })
    }

    #[test]
    fn a_page_is_what_was_asked_for() {
        for (query, expected) in [
            ("", "gfdc+"),
            ("order=asc", "abcd+"),
            ("order=asc&limit=6", "abcdfg"),
            ("order=asc&limit=5", "abcdf+"),
            ("after=d", "cba"),
            ("after=", "gfdc+"),
            ("after=d&limit=3", "cba"),
            ("after=d&limit=2", "cb+"),
            ("order=asc&after=d", "fg"),
            // A cursor need not be among those that are wanted.
            ("order=asc&after=e", "fg"),
            ("order=asc&after=g", ""),
            // With `before` alone it is the page that ends there.
            ("order=asc&before=d&limit=2", "bc+"),
            ("order=asc&before=d", "abc"),
            ("before=d&limit=1", "f+"),
            ("before=d", "gf"),
            ("order=asc&after=a&before=d", "bc"),
            ("order=asc&after=d&before=a", ""),
            ("after=a&before=d", ""),
            ("after=d&before=a", "cb"),
            ("after=g&before=c", "fd"),
            ("after=c&before=c", ""),
        ] {
            assert_eq!(page(&letters(), query, &Rules::default()), expected, "{query}");
        }
    }

    #[test]
    fn the_last_of_those_with_one_id_is_found_and_all_are_removed() {
        let mut letters = letters();
        letters.insert("c".to_owned());
        assert_eq!(page(&letters, "limit=2", &Rules::default()), "cg+");
        assert_eq!(letters.remove("c").as_deref(), Some("c"));
        assert_eq!(letters.get("c"), None);
        assert_eq!(page(&letters, "order=asc&limit=6", &Rules::default()), "abdfg");
    }

    #[test]
    fn a_cursor_that_is_gone_is_refused_or_begins_again() {
        let mut rules = Rules::default();
        let unknown = range("after=x").unwrap();
        let refused = letters().page(&unknown, &rules, |_| true).unwrap_err();
        assert_eq!(refused.status, 400);
        rules.unknown_after = UnknownAfter::Restarts;
        assert_eq!(page(&letters(), "after=x", &rules), "gfdc+");
    }

    #[test]
    fn pages_repeat_an_item_and_promise_more_where_the_rules_say_so() {
        let rules = Rules { repeated_items: true, ..Rules::default() };
        assert_eq!(page(&letters(), "", &rules), "gfdc+");
        assert_eq!(page(&letters(), "after=c", &rules), "cba");
        assert_eq!(page(&letters(), "after=f&limit=3", &rules), "fdc+");
        // One that would be nothing but the repeated item brings something new all the same.
        assert_eq!(page(&letters(), "after=f&limit=1", &rules), "fd+");
        let rules = Rules { always_has_more: true, ..Rules::default() };
        assert_eq!(page(&letters(), "after=b", &rules), "a+");
        assert_eq!(page(&letters(), "after=a", &rules), "+");
    }

    #[test]
    fn pages_tell_their_ends_as_the_rules_say() {
        let ids = |page_ids| {
            let rules = Rules { page_ids, ..Rules::default() };
            let data = ["a", "b"].map(|id| json!({ "id": id }));
            let Answer::Json(page) = list(data.into(), true, &rules) else { unreachable!() };
            assert_eq!(page["has_more"], true);
            (page.get("first_id").cloned(), page.get("last_id").cloned())
        };
        assert_eq!(ids(PageIds::Given), (Some(json!("a")), Some(json!("b"))));
        assert_eq!(ids(PageIds::Null), (Some(Value::Null), Some(Value::Null)));
        assert_eq!(ids(PageIds::Omitted), (None, None));
    }

    #[test]
    fn what_is_no_range_is_refused() {
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
            let refused = range(query).unwrap_err();
            let (status, body) = refused.in_shape(super::super::rules::ErrorShape::OpenAI);
            assert_eq!((status, body["error"]["message"].as_str()), (400, Some(message)));
        }
    }
}
