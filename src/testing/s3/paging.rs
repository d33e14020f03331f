//! One page of a listing: keys rolled up to common prefixes, and the names and tokens of the next page.

use s3s::S3Result;

use super::errors::invalid_argument;

/// What a listing asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter<'a> {
    pub(super) prefix: &'a str,
    /// Not empty.
    pub(super) delimiter: Option<&'a str>,
    pub(super) after: After<'a>,
    pub(super) limit: usize,
}

/// The name after which a page begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct After<'a> {
    pub(super) name: &'a str,
    /// Whether the page begins with the name itself.
    pub(super) is_included: bool,
}

impl After<'_> {
    pub(super) fn precedes(self, name: &str) -> bool {
        if self.is_included { name >= self.name } else { name > self.name }
    }
}

#[derive(Debug)]
pub(super) struct Page<T> {
    /// In the order of the names.
    pub(super) items: Vec<Item<T>>,
    pub(super) is_truncated: bool,
}

#[derive(Debug)]
pub(super) enum Item<T> {
    Entry(T),
    Prefix(String),
}

impl<T> Page<T> {
    /// Collects a page. `entries` are in the order of their keys, and do not include those that are not after the start.
    pub(super) fn collect<'a>(
        entries: impl Iterator<Item = (&'a str, T)>,
        filter: Filter<'_>,
    ) -> Self {
        let mut items: Vec<Item<T>> = Vec::new();
        let within = entries
            .skip_while(|(key, _)| *key < filter.prefix)
            .take_while(|(key, _)| key.starts_with(filter.prefix));
        let mut last_prefix: Option<&str> = None;
        for (key, entry) in within {
            let rolled_up = filter.roll_up(key);
            let skipped = rolled_up.is_some_and(|prefix| {
                last_prefix == Some(prefix) || !filter.after.precedes(prefix)
            });
            if skipped {
                continue;
            }
            if items.len() >= filter.limit {
                return Self { items, is_truncated: filter.limit > 0 };
            }
            last_prefix = rolled_up;
            items.push(match rolled_up {
                Some(prefix) => Item::Prefix(prefix.to_owned()),
                None => Item::Entry(entry),
            });
        }
        Self { items, is_truncated: false }
    }

    /// Separates the entries from the prefixes, in this order or in the reverse one.
    pub(super) fn split(self, in_order: bool) -> (Vec<T>, Vec<String>) {
        let (mut entries, mut prefixes) = (Vec::new(), Vec::new());
        for item in self.items {
            match item {
                Item::Entry(entry) => entries.push(entry),
                Item::Prefix(prefix) => prefixes.push(prefix),
            }
        }
        if !in_order {
            entries.reverse();
            prefixes.reverse();
        }
        (entries, prefixes)
    }
}

impl Filter<'_> {
    /// Returns the common prefix that stands for a key.
    fn roll_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }
}

/// Returns the number of items on a page.
pub(super) fn limit(asked: Option<i32>, page_size: usize) -> S3Result<usize> {
    let most = page_size.clamp(1, 1000);
    let asked = asked.map_or(Ok(most), usize::try_from);
    let asked = asked.map_err(|_| invalid_argument("Argument maxKeys must not be negative"))?;
    Ok(asked.min(most))
}

/// Returns a token for the page after this name.
pub(super) fn token(name: &str, is_included: bool) -> String {
    format!("{}{}", if is_included { "i" } else { "a" }, hex::encode(name))
}

/// Reads a token: the name, and whether the page begins with it.
pub(super) fn read_token(token: &str) -> S3Result<(String, bool)> {
    let invalid = || invalid_argument("The continuation token provided is incorrect");
    let (is_included, name) = match (token.strip_prefix('i'), token.strip_prefix('a')) {
        (Some(name), _) => (true, name),
        (None, Some(name)) => (false, name),
        (None, None) => return Err(invalid()),
    };
    let name = hex::decode(name).map_err(|_| invalid())?;
    Ok((String::from_utf8(name).map_err(|_| invalid())?, is_included))
}

/// How names are written in a listing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    pub(super) is_url: bool,
    pub(super) spaces_as_plus: bool,
}

impl Encoding {
    pub(super) fn encode(self, name: &str) -> String {
        if !self.is_url {
            return name.to_owned();
        }
        let mut encoded = String::with_capacity(name.len());
        for byte in name.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                    encoded.push(char::from(byte));
                }
                b' ' if self.spaces_as_plus => encoded.push('+'),
                byte => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        encoded
    }
}
