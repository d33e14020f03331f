//! The conditions of a get, in the order of RFC 9110, section 13.2.2.

use object_store::{Error as StoreError, GetOptions, ObjectMeta, Result};

use super::error::failed;
use crate::core::error::{Error, ErrorKind};
use crate::core::info::FileInfo;

/// Checks whether the conditions allow a get of the object.
///
/// # Errors
///
/// [`Precondition`](StoreError::Precondition), [`NotModified`](StoreError::NotModified).
pub(super) fn check(options: &GetOptions, info: &FileInfo, meta: &ObjectMeta) -> Result<()> {
    let etag = meta.e_tag.as_deref();
    // A condition on the date is ignored if the date of the object is unknown.
    let modified = info.modified_at.map(|_| &meta.last_modified);
    // A date in whole seconds comes from HTTP, which reported the modification in whole seconds too.
    let is_after = |seconds, nanos| {
        let modified = modified?;
        let part = if nanos == 0 { 0 } else { modified.timestamp_subsec_nanos() };
        Some((modified.timestamp(), part) > (seconds, nanos))
    };
    let is_another = match (&options.if_match, options.if_unmodified_since) {
        (Some(wanted), _) => !names(wanted, etag),
        (None, Some(date)) => {
            is_after(date.timestamp(), date.timestamp_subsec_nanos()) == Some(true)
        }
        (None, None) => false,
    };
    if is_another {
        let error = condition("the object has changed", meta);
        return Err(failed(error, meta.location.as_ref()));
    }
    let is_known = match (&options.if_none_match, options.if_modified_since) {
        (Some(known), _) => names(&known.replace("W/\"", "\""), etag),
        (None, Some(date)) => {
            is_after(date.timestamp(), date.timestamp_subsec_nanos()) == Some(false)
        }
        (None, None) => false,
    };
    if is_known {
        let source = condition("the object has not been modified", meta).into();
        return Err(StoreError::NotModified { path: meta.location.to_string(), source });
    }
    Ok(())
}

fn condition(message: &'static str, meta: &ObjectMeta) -> Error {
    let error = Error::new(ErrorKind::PreconditionFailed).with_operation("read");
    error.with_path(meta.location.as_ref()).with_message(message)
}

/// Returns whether a list of entity tags contains this one. The tags may be quoted, as in HTTP, or bare, as in f9.
fn names(list: &str, etag: Option<&str>) -> bool {
    let unquoted = |tag: &str| {
        let tag = tag.trim();
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        Some(inner.unwrap_or(tag)) == etag
    };
    list.trim() == "*" || Some(list) == etag || list.split(',').any(unquoted)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use object_store::path::Path;

    use super::super::object::meta;
    use super::*;
    use crate::core::etag::Etag;
    use crate::core::info::FileType;
    use crate::core::path::FilePath;

    fn at(millis: i64) -> SystemTime {
        let since = Duration::from_millis(millis.unsigned_abs());
        if millis < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since }
    }

    /// Returns the outcome of a get of an object with the etag `e`.
    fn outcome(options: &GetOptions, modified: Option<SystemTime>) -> &'static str {
        let mut info = FileInfo::new(FilePath::parse("a").unwrap(), FileType::File);
        info.size = Some(0);
        info.etag = Some(Etag::new("e"));
        info.modified_at = modified;
        match check(options, &info, &meta(&info, Path::from("a")).unwrap()) {
            Ok(()) => "sent",
            Err(StoreError::Precondition { .. }) => "refused",
            Err(StoreError::NotModified { .. }) => "not modified",
            Err(error) => panic!("{error}"),
        }
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
            let options = GetOptions::new().with_if_match(Some(list));
            let expected = if matches { "sent" } else { "refused" };
            assert_eq!(outcome(&options, None), expected, "{list}");
            let options = GetOptions::new().with_if_none_match(Some(list));
            let expected = if matches { "not modified" } else { "sent" };
            assert_eq!(outcome(&options, None), expected, "{list}");
        }
    }

    #[test]
    fn a_weak_etag_matches_if_none_match_but_not_if_match() {
        let weak = Some("W/\"e\"");
        assert_eq!(outcome(&GetOptions::new().with_if_none_match(weak), None), "not modified");
        assert_eq!(outcome(&GetOptions::new().with_if_match(weak), None), "refused");
    }

    #[test]
    fn an_etag_may_contain_a_comma() {
        assert!(names("a,b", Some("a,b")));
        assert!(!names("a,b", Some("ab")));
        assert!(!names("e", None) && names("*", None));
    }

    #[test]
    fn dates_are_compared_with_their_own_precision() {
        for (modified, date, is_after) in [
            (1500, 1499, true),
            (1500, 1500, false),
            (1500, 1501, false),
            (1500, 1000, false),
            (1500, 2000, false),
            (1500, 0, true),
            (-1500, -2000, false),
            (-1500, -3000, true),
        ] {
            let options = GetOptions::new().with_if_modified_since(Some(at(date)));
            let expected = if is_after { "sent" } else { "not modified" };
            assert_eq!(outcome(&options, Some(at(modified))), expected, "{modified} {date}");
            let options = GetOptions::new().with_if_unmodified_since(Some(at(date)));
            let expected = if is_after { "refused" } else { "sent" };
            assert_eq!(outcome(&options, Some(at(modified))), expected, "{modified} {date}");
        }
    }

    #[test]
    fn etags_take_precedence_over_dates() {
        let modified = Some(at(1500));
        let early = Some(at(0));
        let options = GetOptions::new().with_if_match(Some("e")).with_if_unmodified_since(early);
        assert_eq!(outcome(&options, modified), "sent");
        let late = Some(at(9000));
        let options = GetOptions::new().with_if_none_match(Some("x")).with_if_modified_since(late);
        assert_eq!(outcome(&options, modified), "sent");
        let options = GetOptions::new().with_if_match(Some("x")).with_if_none_match(Some("e"));
        assert_eq!(outcome(&options, modified), "refused");
        let options = GetOptions::new().with_if_match(Some("e")).with_if_none_match(Some("e"));
        assert_eq!(outcome(&options, modified), "not modified");
    }

    #[test]
    fn a_condition_on_an_unknown_date_is_ignored() {
        for options in [
            GetOptions::new().with_if_modified_since(Some(at(9000))),
            GetOptions::new().with_if_unmodified_since(Some(at(-9000))),
        ] {
            assert_eq!(outcome(&options, None), "sent");
        }
    }
}
