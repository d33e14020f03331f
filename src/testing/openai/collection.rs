//! Records in insertion order, found by id and listed in pages.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::paging::{Page, PageRequest};
use super::response::ApiError;
use super::rules::{Rules, UnknownAfter};

/// A record that has an id.
pub(super) trait HasId {
    fn id(&self) -> &str;
}

/// Records in insertion order. Several may have the same id, as after a double attachment; a lookup returns the last one.
#[derive(Debug)]
pub(super) struct Collection<T> {
    items: BTreeMap<u64, T>,
    serials: HashMap<String, Vec<u64>>,
    next: u64,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), serials: HashMap::new(), next: 0 }
    }
}

impl<T: HasId> Collection<T> {
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

    /// Removes all items with this id and returns the last one.
    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let serials = self.serials.remove(id)?;
        serials.iter().filter_map(|serial| self.items.remove(serial)).last()
    }

    /// Iterates in insertion order.
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

    /// Returns the serial number of the item that a cursor names.
    fn cursor(
        &self,
        param: &str,
        id: Option<&str>,
        rules: &Rules,
    ) -> Result<Option<u64>, ApiError> {
        let Some(id) = id else { return Ok(None) };
        match self.serials.get(id).and_then(|serials| serials.first()) {
            Some(&serial) => Ok(Some(serial)),
            None if rules.unknown_after == UnknownAfter::Restarts => Ok(None),
            None => {
                Err(ApiError::invalid(format!("Invalid '{param}': '{id}' is not in the list."))
                    .with_param(param)
                    .with_code("invalid_value"))
            }
        }
    }

    /// Returns the requested page of the `wanted` items.
    pub(super) fn page(
        &self,
        request: &PageRequest,
        rules: &Rules,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Page, ApiError> {
        let after = self.cursor("after", request.after.as_deref(), rules)?;
        let before = self.cursor("before", request.before.as_deref(), rules)?;
        let (low, high) = if request.ascending { (after, before) } else { (before, after) };
        // A request with `before` alone is for the page that ends there.
        let ends_before = before.is_some() && after.is_none();
        let mut serials =
            self.between(low, high, request.ascending == ends_before, request.limit + 1, &wanted);
        let mut has_more = serials.len() > request.limit;
        serials.truncate(request.limit);
        if ends_before {
            serials.reverse();
        }
        let repeated = after.filter(|serial| self.items.get(serial).is_some_and(&wanted));
        if let Some(serial) = repeated.filter(|_| rules.repeated_items) {
            serials.insert(0, serial);
            if serials.len() > request.limit && request.limit > 1 {
                serials.pop();
                has_more = true;
            }
        }
        Ok(Page { serials, has_more: has_more || rules.always_has_more })
    }

    /// Returns up to `max` of the `wanted` items between two serial numbers.
    fn between(
        &self,
        low: Option<u64>,
        high: Option<u64>,
        backwards: bool,
        max: usize,
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
            found.filter(|(_, item)| wanted(item)).map(|(&serial, _)| serial).take(max).collect()
        };
        if backwards { serials(&mut between.rev()) } else { serials(&mut { between }) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paging::tests::request;
    use super::*;

    impl HasId for String {
        fn id(&self) -> &str {
            self
        }
    }

    fn letters() -> Collection<String> {
        let mut letters = Collection::default();
        ('a'..='g').for_each(|letter| letters.insert(letter.to_string()));
        letters
    }

    /// Returns the items of a page as one word, with a plus sign if there are more.
    fn page(items: &Collection<String>, query: &str, rules: &Rules) -> String {
        let wanted = |item: &String| item != "e";
        let page = items.page(&request(query).unwrap(), rules, wanted).unwrap();
        let shown: String = page.serials.iter().map(|&at| items.at(at).unwrap().as_str()).collect();
        format!("{shown}{}", if page.has_more { "+" } else { "" })
    }

    #[test]
    fn a_page_has_the_requested_items() {
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
            // A cursor may name an item that the filter leaves out.
            ("order=asc&after=e", "fg"),
            ("order=asc&after=g", ""),
            // A request with `before` alone is for the page that ends there.
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
    fn a_lookup_returns_the_last_item_with_an_id_and_a_removal_removes_all() {
        let mut letters = letters();
        letters.insert("c".to_owned());
        assert_eq!(page(&letters, "limit=2", &Rules::default()), "cg+");
        assert_eq!(letters.remove("c").as_deref(), Some("c"));
        assert_eq!(letters.get("c"), None);
        assert_eq!(page(&letters, "order=asc&limit=6", &Rules::default()), "abdfg");
    }

    #[test]
    fn an_unknown_cursor_is_refused_or_restarts_the_listing() {
        let mut rules = Rules::default();
        let unknown = request("after=x").unwrap();
        let refused = letters().page(&unknown, &rules, |_| true).unwrap_err();
        assert_eq!(refused.status, 400);
        rules.unknown_after = UnknownAfter::Restarts;
        assert_eq!(page(&letters(), "after=x", &rules), "gfdc+");
    }

    #[test]
    fn pages_repeat_an_item_and_claim_more_if_the_rules_say_so() {
        let rules = Rules { repeated_items: true, ..Rules::default() };
        assert_eq!(page(&letters(), "", &rules), "gfdc+");
        assert_eq!(page(&letters(), "after=c", &rules), "cba");
        assert_eq!(page(&letters(), "after=f&limit=3", &rules), "fdc+");
        // A page of limit 1 has a new item beside the repeated one.
        assert_eq!(page(&letters(), "after=f&limit=1", &rules), "fd+");
        let rules = Rules { always_has_more: true, ..Rules::default() };
        assert_eq!(page(&letters(), "after=b", &rules), "a+");
        assert_eq!(page(&letters(), "after=a", &rules), "+");
    }
}
