//! The conditions of a get.

use object_store::GetOptions;

use crate::core::etag::Etag;
use crate::core::precondition::{Etags, Precondition};

/// Returns the conditions of a get.
pub(super) fn of(options: &GetOptions) -> Precondition {
    Precondition {
        if_match: options.if_match.as_deref().map(etags),
        if_none_match: options.if_none_match.as_deref().map(etags),
        if_modified_since: options.if_modified_since.map(Into::into),
        if_unmodified_since: options.if_unmodified_since.map(Into::into),
    }
}

/// Reads a list of etags. They may be quoted, as in HTTP, or bare, as f9 returns them. A bare etag may contain a comma.
fn etags(list: &str) -> Etags {
    match list.parse() {
        Ok(Etags::OneOf(mut etags)) => {
            etags.push(Etag::new(list));
            Etags::OneOf(etags)
        }
        Ok(etags) => etags,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Returns whether a get of an object with the etag `e` is sent.
    fn is_sent(options: &GetOptions) -> bool {
        let modified = UNIX_EPOCH + Duration::from_millis(1500);
        of(options).check_read(Some(&Etag::new("e")), Some(modified)).is_ok()
    }

    #[test]
    fn etags_match_quoted_or_bare_alone_or_in_a_list() {
        for (list, matches) in [
            ("e", true),
            ("\"e\"", true),
            ("*", true),
            ("x, e", true),
            ("\"x\", \"e\"", true),
            ("x", false),
            ("ee", false),
            ("\"e", false),
            ("", false),
        ] {
            assert_eq!(is_sent(&GetOptions::new().with_if_match(Some(list))), matches, "{list}");
            assert_eq!(
                is_sent(&GetOptions::new().with_if_none_match(Some(list))),
                !matches,
                "{list}"
            );
        }
    }

    #[test]
    fn an_etag_may_contain_a_comma() {
        assert!(etags("a,b").contains(Some(&Etag::new("a,b"))));
        assert!(!etags("a,b").contains(Some(&Etag::new("ab"))));
    }

    #[test]
    fn dates_are_passed_on() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        for (date, is_modified) in [(1499, true), (1500, false), (1000, false), (0, true)] {
            let date = Some(at(date));
            assert_eq!(is_sent(&GetOptions::new().with_if_modified_since(date)), is_modified);
            assert_eq!(is_sent(&GetOptions::new().with_if_unmodified_since(date)), !is_modified);
        }
    }
}
