//! Where a listing starts in each of its directories.

use super::read_dir::compare_keys;

/// Which names of a directory come after the start of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ListStart {
    All,
    None,
    /// Those after this key, which is relative to the directory.
    After(Box<[u8]>),
}

impl ListStart {
    /// Returns the start within the directory at `path`. `start` is relative to the root.
    pub(super) fn of(path: &str, start: Option<&str>) -> Self {
        let Some(start) = start else { return Self::All };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        match start.strip_prefix(&prefix) {
            Some("") => Self::All,
            Some(rest) => Self::After(rest.as_bytes().into()),
            None if prefix.as_str() > start => Self::All,
            None => Self::None,
        }
    }

    /// Whether the start comes before an entry.
    pub(super) fn is_before(&self, name: &[u8], is_dir: bool) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::After(key) => compare_keys(name, is_dir, key).is_gt(),
        }
    }

    /// Whether the start is in the directory `name`, whose entries may come after it.
    pub(super) fn is_in(&self, name: &[u8]) -> bool {
        let Self::After(key) = self else { return false };
        key.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_in_one_directory_and_before_or_after_all_others() {
        let after = |key: &str| ListStart::After(key.as_bytes().into());
        for (path, start, expected) in [
            ("", "", ListStart::All),
            ("", "a/b", after("a/b")),
            ("a", "a/b", after("b")),
            ("a", "a/", ListStart::All),
            ("a", "a", ListStart::All),
            ("a", "a.txt", ListStart::All),
            ("a", "a0", ListStart::None),
            ("a/b", "a/b/c/d", after("c/d")),
            ("a/b", "a/b.c", ListStart::All),
            ("a/b", "b", ListStart::None),
            ("b", "a/b", ListStart::All),
        ] {
            assert_eq!(ListStart::of(path, Some(start)), expected, "{start} in {path}");
        }
        assert_eq!(ListStart::of("a", None), ListStart::All);
    }

    #[test]
    fn only_the_directory_that_holds_the_start_is_entered_before_it() {
        let start = ListStart::After(b"b/c".as_slice().into());
        assert!(start.is_in(b"b") && !start.is_in(b"b/c") && !start.is_in(b"bb"));
        assert!(!start.is_before(b"b", true) && !start.is_before(b"a", true));
        assert!(start.is_before(b"b0", false) && !start.is_before(b"b", false));
    }
}
