//! Conditions on the current state of a file.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::rfc3339;

/// Which etags a condition names.
///
/// `FromStr` reads the value of the HTTP headers `If-Match` and `If-None-Match` (RFC 9110, section 13.1).
///
/// # Examples
///
/// ```
/// use f9::{Etag, Etags};
/// assert_eq!("*".parse(), Ok(Etags::Any));
/// assert_eq!(r#""a", "b""#.parse(), Ok(Etags::OneOf(vec![Etag::new("a"), Etag::new("b")])));
/// assert!(Etags::from(Etag::new("a")).contains(Some(&Etag::new("a"))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Etags {
    /// Any etag: the file only has to exist.
    Any,
    /// One of these.
    OneOf(Vec<Etag>),
}

impl Etags {
    /// Whether this names `etag`. A file without an etag only matches [`Any`](Self::Any).
    #[must_use]
    pub fn contains(&self, etag: Option<&Etag>) -> bool {
        self.any_is(etag, Etag::as_str)
    }

    /// The same, but a weak etag `W/"a"` also names `a`, as it does in `If-None-Match`.
    fn contains_weakly(&self, etag: Option<&Etag>) -> bool {
        self.any_is(etag, |etag| {
            let strong = etag.as_str().strip_prefix("W/\"");
            strong.and_then(|text| text.strip_suffix('"')).unwrap_or(etag.as_str())
        })
    }

    fn any_is(&self, etag: Option<&Etag>, text: impl Fn(&Etag) -> &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(etags) => {
                etag.is_some_and(|etag| etags.iter().any(|known| text(known) == etag.as_str()))
            }
        }
    }
}

impl From<Etag> for Etags {
    fn from(etag: Etag) -> Self {
        Self::OneOf(vec![etag])
    }
}

impl From<Vec<Etag>> for Etags {
    fn from(etags: Vec<Etag>) -> Self {
        Self::OneOf(etags)
    }
}

impl FromStr for Etags {
    type Err = Infallible;

    /// Reads a header. A weak etag keeps its mark, so that it never matches in `If-Match`. Text without quotes is an etag too, because
    /// some clients send it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let mut etags = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if rest.is_empty() {
                return Ok(Self::OneOf(etags));
            }
            let mark = if rest.starts_with("W/\"") { 2 } else { 0 };
            let quoted = rest[mark..].strip_prefix('"').and_then(|text| text.split_once('"'));
            let (etag, after) = match quoted {
                Some((_, after)) if mark > 0 => (&rest[..rest.len() - after.len()], after),
                Some(quoted) => quoted,
                None => rest.split_once(',').unwrap_or((rest, "")),
            };
            etags.push(Etag::new(if quoted.is_some() { etag } else { etag.trim() }));
            rest = after;
        }
    }
}

impl fmt::Display for Etags {
    /// Writes the value of a header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::OneOf(etags) => {
                for (index, etag) in etags.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    let quote = if etag.as_str().starts_with("W/\"") { "" } else { "\"" };
                    write!(f, "{separator}{quote}{etag}{quote}")?;
                }
                Ok(())
            }
        }
    }
}

/// What must hold for a file, or the operation does not take place.
///
/// The conditions are those of HTTP and have its order (RFC 9110, section 13.2.2): [`if_match`](Self::if_match), or if that is `None`
/// [`if_unmodified_since`](Self::if_unmodified_since); then [`if_none_match`](Self::if_none_match), or if that is `None`
/// [`if_modified_since`](Self::if_modified_since). If the first one does not hold, the operation fails with
/// [`PreconditionFailed`](ErrorKind::PreconditionFailed). If the second one does not hold, a read or look-up fails with
/// [`NotModified`](ErrorKind::NotModified), and any other operation with `PreconditionFailed`. An operation on a missing file fails with
/// [`NotFound`](ErrorKind::NotFound) whatever the condition; the target of a copy or rename may be missing.
///
/// A time in whole seconds, as HTTP has them, is compared with the whole seconds of the modification time. A condition on the time is
/// ignored if the store does not know when the file was modified.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use f9::{ErrorKind, Precondition, ReadOptions};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let files = f9::MemoryFileBackend::new();
/// let etag = files.create("a.txt", "hello").await?.etag.unwrap();
/// let known = Precondition::if_none_match(etag);
/// let error = files.read_with("a.txt", ReadOptions::default().with_condition(known)).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotModified);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Precondition {
    /// The file must exist and have one of these etags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_match: Option<Etags>,
    /// The file must have none of these etags. With [`Etags::Any`] there must be no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_none_match: Option<Etags>,
    /// The file must have been modified after this time.
    #[serde(with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub if_modified_since: Option<SystemTime>,
    /// The file must not have been modified after this time.
    #[serde(with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub if_unmodified_since: Option<SystemTime>,
}

impl Precondition {
    /// Requires that the file has one of these etags.
    #[must_use]
    pub fn if_match(etags: impl Into<Etags>) -> Self {
        Self { if_match: Some(etags.into()), ..Self::default() }
    }

    /// Requires that the file has none of these etags.
    #[must_use]
    pub fn if_none_match(etags: impl Into<Etags>) -> Self {
        Self { if_none_match: Some(etags.into()), ..Self::default() }
    }

    /// Requires that the file was modified after `time`.
    #[must_use]
    pub fn if_modified_since(time: SystemTime) -> Self {
        Self { if_modified_since: Some(time), ..Self::default() }
    }

    /// Requires that the file was not modified after `time`.
    #[must_use]
    pub fn if_unmodified_since(time: SystemTime) -> Self {
        Self { if_unmodified_since: Some(time), ..Self::default() }
    }

    /// Whether nothing is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether one of the conditions names an etag.
    #[must_use]
    pub fn has_etags(&self) -> bool {
        let named = |etags: &Option<Etags>| matches!(etags, Some(Etags::OneOf(_)));
        named(&self.if_match) || named(&self.if_none_match)
    }

    /// Whether one of the conditions is about the modification time.
    #[cfg(feature = "git")]
    pub(crate) fn has_times(&self) -> bool {
        self.if_modified_since.is_some() || self.if_unmodified_since.is_some()
    }

    /// Checks the conditions of a read or look-up against a file with this etag and modification time.
    ///
    /// # Errors
    ///
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed), [`NotModified`](ErrorKind::NotModified).
    pub fn check_read(&self, etag: Option<&Etag>, modified: Option<SystemTime>) -> Result<()> {
        self.check(etag, modified, ErrorKind::NotModified)
    }

    /// Checks the conditions of a change against an existing file with this etag and modification time.
    ///
    /// # Errors
    ///
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    pub fn check_change(&self, etag: Option<&Etag>, modified: Option<SystemTime>) -> Result<()> {
        self.check(etag, modified, ErrorKind::PreconditionFailed)
    }

    /// Checks the conditions of a write against a path where nothing is.
    ///
    /// # Errors
    ///
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed) if an etag must match.
    pub fn check_missing(&self) -> Result<()> {
        if self.if_match.is_some() {
            let error = Error::new(ErrorKind::PreconditionFailed);
            return Err(error.with_message("there is no file"));
        }
        Ok(())
    }

    fn check(
        &self,
        etag: Option<&Etag>,
        modified: Option<SystemTime>,
        unmodified: ErrorKind,
    ) -> Result<()> {
        let failed = |message| Error::new(ErrorKind::PreconditionFailed).with_message(message);
        match (&self.if_match, self.if_unmodified_since) {
            (Some(etags), _) if !etags.contains(etag) => {
                return Err(failed("the etag has changed"));
            }
            (None, Some(time)) if is_after(modified, time) == Some(true) => {
                return Err(failed("the file was modified"));
            }
            _ => {}
        }
        let is_same = match (&self.if_none_match, self.if_modified_since) {
            (Some(etags), _) => etags.contains_weakly(etag),
            (None, Some(time)) => is_after(modified, time) == Some(false),
            (None, None) => false,
        };
        match unmodified {
            _ if !is_same => Ok(()),
            ErrorKind::NotModified => Err(ErrorKind::NotModified.into()),
            _ if self.if_none_match == Some(Etags::Any) => Err(failed("there is a file")),
            _ => Err(failed("the file was not modified")),
        }
    }
}

/// Whether a file was modified after `time`; `None` if that is unknown.
fn is_after(modified: Option<SystemTime>, time: SystemTime) -> Option<bool> {
    let modified = modified?;
    let is_whole = subsecond(time) == Duration::ZERO;
    Some(if is_whole { modified - subsecond(modified) > time } else { modified > time })
}

/// Returns the part of a time after the last whole second.
fn subsecond(time: SystemTime) -> Duration {
    let nanos = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.subsec_nanos(),
        Err(before) => (1_000_000_000 - before.duration().subsec_nanos()) % 1_000_000_000,
    };
    Duration::from_nanos(nanos.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etags(text: &str) -> Etags {
        text.parse().unwrap()
    }

    #[test]
    fn a_write_that_must_create_says_that_there_is_a_file() {
        let etag = Etag::new("1");
        let error = Precondition::if_none_match(Etags::Any).check_change(Some(&etag), None);
        assert_eq!(error.unwrap_err().to_string(), "precondition failed: there is a file");
        let error = Precondition::if_none_match(etag.clone()).check_change(Some(&etag), None);
        let expected = "precondition failed: the file was not modified";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }

    #[test]
    fn headers_are_read_and_written() {
        let one_of = |etags: &[&str]| Etags::OneOf(etags.iter().map(|&e| Etag::new(e)).collect());
        for (header, expected) in [
            ("*", Etags::Any),
            (" * ", Etags::Any),
            ("\"a\"", one_of(&["a"])),
            ("\"a\", \"b\"", one_of(&["a", "b"])),
            ("W/\"a\",\"b,c\"", one_of(&["W/\"a\"", "b,c"])),
            ("a", one_of(&["a"])),
            ("a, \"b\"", one_of(&["a", "b"])),
            ("a,b", one_of(&["a", "b"])),
            ("\"\"", one_of(&[""])),
            ("", one_of(&[])),
            (" , ,", one_of(&[])),
            ("W/x", one_of(&["W/x"])),
        ] {
            assert_eq!(etags(header), expected, "{header:?}");
            assert_eq!(etags(&expected.to_string()), expected, "{header:?}");
        }
    }

    #[test]
    fn an_etag_decides_before_a_time_and_a_match_before_a_difference() {
        let (old, new) = (UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(5));
        let (a, b) = (Etag::new("a"), Etag::new("b"));
        let check = |condition: &Precondition| {
            let checked = condition.check_read(Some(&a), Some(new));
            checked.err().map(|error| error.kind())
        };
        let (failed, same) = (Some(ErrorKind::PreconditionFailed), Some(ErrorKind::NotModified));
        for (condition, expected) in [
            (Precondition::default(), None),
            (Precondition::if_match(a.clone()), None),
            (Precondition::if_match(Etags::Any), None),
            (Precondition::if_match(b.clone()), failed),
            (Precondition::if_match(vec![b.clone(), a.clone()]), None),
            (Precondition::if_none_match(a.clone()), same),
            (Precondition::if_none_match(Etags::Any), same),
            (Precondition::if_none_match(b.clone()), None),
            (Precondition::if_modified_since(old), None),
            (Precondition::if_modified_since(new), same),
            (Precondition::if_unmodified_since(new), None),
            (Precondition::if_unmodified_since(old), failed),
            (
                Precondition {
                    if_unmodified_since: Some(old),
                    ..Precondition::if_match(a.clone())
                },
                None,
            ),
            (
                Precondition {
                    if_modified_since: Some(new),
                    ..Precondition::if_none_match(b.clone())
                },
                None,
            ),
            (
                Precondition {
                    if_match: Some(b.clone().into()),
                    ..Precondition::if_none_match(a.clone())
                },
                failed,
            ),
        ] {
            assert_eq!(check(&condition), expected, "{condition:?}");
            let changed = condition.check_change(Some(&a), Some(new));
            assert_eq!(changed.err().map(|e| e.kind()), expected.and(failed), "{condition:?}");
        }
    }

    #[test]
    fn a_weak_etag_matches_if_none_match_but_not_if_match() {
        let (e, weak) = (Etag::new("e"), etags("W/\"e\""));
        let check = |condition: Precondition| condition.check_read(Some(&e), None).is_ok();
        assert!(!check(Precondition::if_match(weak.clone())));
        assert!(!check(Precondition::if_none_match(weak)));
    }

    #[test]
    fn nothing_at_a_path_fails_only_a_match() {
        assert!(Precondition::if_match(Etags::Any).check_missing().is_err());
        assert!(Precondition::if_none_match(Etags::Any).check_missing().is_ok());
        assert!(Precondition::if_unmodified_since(UNIX_EPOCH).check_missing().is_ok());
    }

    #[test]
    fn an_unknown_etag_matches_only_any_and_an_unknown_time_is_ignored() {
        let check = |condition: Precondition| condition.check_read(None, None).is_ok();
        assert!(check(Precondition::if_match(Etags::Any)));
        assert!(!check(Precondition::if_match(Etag::new("a"))));
        assert!(check(Precondition::if_none_match(Etag::new("a"))));
        assert!(check(Precondition::if_modified_since(UNIX_EPOCH)));
        assert!(check(Precondition::if_unmodified_since(UNIX_EPOCH)));
    }

    #[test]
    fn a_time_in_whole_seconds_is_compared_by_seconds() {
        let second = Duration::from_secs(1);
        for base in [UNIX_EPOCH + 10 * second, UNIX_EPOCH - 10 * second] {
            let modified = Some(base + Duration::from_millis(300));
            let is_modified =
                |time| Precondition::if_modified_since(time).check_read(None, modified).is_ok();
            assert!(!is_modified(base));
            assert!(is_modified(base - second));
            assert!(is_modified(base + Duration::from_millis(299)));
            assert!(!is_modified(base + Duration::from_millis(300)));
        }
    }

    #[test]
    fn conditions_read_back_from_json() {
        let condition = Precondition {
            if_modified_since: Some(UNIX_EPOCH + Duration::from_nanos(1_500_000_000)),
            ..Precondition::if_match(Etags::Any)
        };
        let json = serde_json::to_string(&condition).unwrap();
        assert!(json.contains("1970-01-01T00:00:01.5Z"), "{json}");
        assert_eq!(serde_json::from_str::<Precondition>(&json).unwrap(), condition);
        assert!(serde_json::from_str::<Precondition>(r#"{"if_mach": null}"#).is_err());
    }
}
