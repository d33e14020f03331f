//! The one path grammar of every backend.
//!
//! A path is UTF-8 text, segments separated by `/`, relative to the root of its backend. A leading `/` means the root; empty
//! and `.` segments vanish; a `..` segment is refused wherever it stands. Everything else is literal: nothing is decoded,
//! unescaped or matched. A [`FilePath`] that exists has passed these rules, so whatever takes one need not check again.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The longest name of one segment, in bytes: what the common file systems hold.
pub const MAX_NAME_BYTES: usize = 255;

/// The longest path that is accepted, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;

/// The file that sessions on a local root lock.
pub(crate) const LOCK_FILE_NAME: &str = ".backend.lock";

/// How the names of in-flight temporaries begin.
pub(crate) const TEMPORARY_PREFIX: &str = ".f9tmp-";

/// Whether f9 keeps this name of a segment for itself, wherever it stands in a path.
///
/// These are `.backend.lock`, `.f9`, and the names of in-flight temporaries, `.f9tmp-…`. A backend hides them from listings.
///
/// ```
/// assert!(f9::is_reserved_name(".backend.lock"));
/// assert!(!f9::is_reserved_name("notes.lock"));
/// ```
#[must_use]
pub fn is_reserved_name(name: &str) -> bool {
    name == LOCK_FILE_NAME || name == ".f9" || name.starts_with(TEMPORARY_PREFIX)
}

/// A path relative to the root of a backend, in its one canonical form.
///
/// It has no leading or trailing slash and no empty, `.` or `..` segment; the root is the empty text. Equal paths are equal
/// texts, so it serves as a key. It dereferences to `str` and can be passed to every verb.
///
/// # Examples
///
/// ```
/// use f9::{ErrorKind, FilePath};
///
/// let path = FilePath::parse("/notes//./2026/a b.txt/")?;
/// assert_eq!(path, "notes/2026/a b.txt");
/// assert_eq!(path.name(), Some("a b.txt"));
/// assert_eq!(path.parent().unwrap(), "notes/2026");
/// assert_eq!(FilePath::parse("a/../b").unwrap_err().kind(), ErrorKind::PathEscapesRoot);
/// # Ok::<(), f9::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);

impl FilePath {
    /// Brings `text` into the canonical form.
    ///
    /// # Errors
    ///
    /// [`PathEscapesRoot`](ErrorKind::PathEscapesRoot) for a `..` segment, [`InvalidPath`](ErrorKind::InvalidPath) for a NUL, a
    /// name over [`MAX_NAME_BYTES`] or a path over [`MAX_PATH_BYTES`], [`ReservedPath`](ErrorKind::ReservedPath) for a name that
    /// f9 keeps for itself. The error names the text as it was given, cut when it is over-long.
    pub fn parse(text: &str) -> Result<Self> {
        let mut canonical = String::with_capacity(text.len());
        for segment in text.split('/').filter(|s| !s.is_empty() && *s != ".") {
            check_segment(segment).map_err(|error| error.with_path(shortened(text)))?;
            if !canonical.is_empty() {
                canonical.push('/');
            }
            canonical.push_str(segment);
        }
        if canonical.len() > MAX_PATH_BYTES {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_path(shortened(text))
                .with_message(format!(
                    "{} bytes, at most {MAX_PATH_BYTES} are allowed",
                    canonical.len()
                )));
        }
        Ok(Self(canonical))
    }

    /// Like [`parse`](Self::parse), but refuses the root: for verbs that need something below it.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and [`InvalidPath`](ErrorKind::InvalidPath) for the root in any spelling.
    pub fn parse_entry(text: &str) -> Result<Self> {
        let path = Self::parse(text)?;
        if path.is_root() {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_path(shortened(text))
                .with_message("the root itself is not accepted here"));
        }
        Ok(path)
    }

    /// The root of a backend.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// A path found by walking a store, where every name has been checked and none is lost for the length of the whole.
    pub(crate) fn found(text: String) -> Self {
        debug_assert!(!text.starts_with('/') && !text.ends_with('/'));
        Self(text)
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// The path without its last segment; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(self.0.rsplit_once('/').map_or_else(Self::root, |(parent, _)| Self(parent.to_owned())))
    }

    /// The text after the last dot of the name, if the name has one that does not lead it.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        self.name()?.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ext)| ext)
    }

    /// The segments from the root down.
    #[must_use = "iterators are lazy"]
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Whether `self` is `prefix` or lies below it, segment by segment: `foo/x` is below `foo`, `foo.bar` is not.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        match self.0.strip_prefix(&prefix.0) {
            Some(rest) => prefix.is_root() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// The path of `relative` below this one.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    ///
    /// # Examples
    ///
    /// ```
    /// let notes = f9::FilePath::parse("notes")?;
    /// assert_eq!(notes.join("2026/a.txt")?, "notes/2026/a.txt");
    /// # Ok::<(), f9::Error>(())
    /// ```
    pub fn join(&self, relative: &str) -> Result<Self> {
        Self::parse(&format!("{}/{relative}", self.0))
    }
}

fn check_segment(segment: &str) -> Result<()> {
    if segment == ".." {
        return Err(Error::new(ErrorKind::PathEscapesRoot).with_message("`..` is not accepted"));
    }
    if segment.len() > MAX_NAME_BYTES {
        return Err(Error::new(ErrorKind::InvalidPath).with_message(format!(
            "a name of {} bytes, at most {MAX_NAME_BYTES} are allowed",
            segment.len()
        )));
    }
    if segment.contains('\0') {
        return Err(
            Error::new(ErrorKind::InvalidPath).with_message("the path holds a NUL character")
        );
    }
    if is_reserved_name(segment) {
        return Err(Error::new(ErrorKind::ReservedPath).with_message(format!("`{segment}`")));
    }
    Ok(())
}

/// Over-long input is named by its beginning, so that an error text stays a line.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= MAX_NAME_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_NAME_BYTES)])
}

impl Deref for FilePath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for FilePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for FilePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for FilePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<String> for FilePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

impl PartialEq<str> for FilePath {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for FilePath {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> ErrorKind {
        FilePath::parse(text).unwrap_err().kind()
    }

    #[test]
    fn spellings_of_one_path_have_one_form() {
        for text in ["a/b", "/a/b", "a//b", "./a/./b", "a/b/", "//a/b//", "/./a/b/."] {
            assert_eq!(FilePath::parse(text).unwrap(), "a/b", "{text}");
        }
        for text in ["", "/", ".", "./", "//", "/./."] {
            assert!(FilePath::parse(text).unwrap().is_root(), "{text}");
            assert_eq!(FilePath::parse_entry(text).unwrap_err().kind(), ErrorKind::InvalidPath);
        }
    }

    #[test]
    fn everything_else_is_literal() {
        for text in [
            "%41", "%2e%2e", "#1", "a*b", "a\\..\\b", "C:\\x", "-rf", "a\nb", "\u{7f}", "...",
            "..a", " a ", "~x",
        ] {
            assert_eq!(FilePath::parse(text).unwrap(), text);
        }
    }

    #[test]
    fn dot_dot_is_refused_wherever_it_stands() {
        for text in ["..", "../a", "a/..", "a/../b", "/..", "a/b/../../.."] {
            assert_eq!(kind(text), ErrorKind::PathEscapesRoot, "{text}");
        }
    }

    #[test]
    fn lengths_are_counted_in_bytes() {
        assert!(FilePath::parse(&"a".repeat(255)).is_ok());
        assert_eq!(kind(&"a".repeat(256)), ErrorKind::InvalidPath);
        assert_eq!(kind(&"é".repeat(128)), ErrorKind::InvalidPath);
        let exact = format!("{}{}", format!("{}/", "a".repeat(255)).repeat(15), "b".repeat(256))
            .replace("bb", "b/");
        assert_eq!(
            FilePath::parse(&exact[..4096]).unwrap().len(),
            exact[..4096].trim_end_matches('/').len()
        );
        assert_eq!(kind(&"a/".repeat(2049)), ErrorKind::InvalidPath);
        for over_long in ["a/".repeat(9000), "/".repeat(9000)] {
            let text = FilePath::parse_entry(&over_long).unwrap_err().to_string();
            assert!(text.len() < 400, "an over-long path is cut in the text: {} bytes", text.len());
        }
    }

    #[test]
    fn nul_and_reserved_names_are_refused() {
        assert_eq!(kind("a\0b"), ErrorKind::InvalidPath);
        for text in [".backend.lock", "a/.f9/x", ".f9tmp-0123", "/.f9/", "a/.f9tmp-"] {
            assert_eq!(kind(text), ErrorKind::ReservedPath, "{text}");
        }
        for text in ["x.lock", ".f9x", "backend.lock", ".versions", "x.tmp"] {
            assert!(FilePath::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        let path = FilePath::parse("foo/x").unwrap();
        assert!(path.starts_with(&FilePath::parse("foo").unwrap()));
        assert!(path.starts_with(&FilePath::root()));
        assert!(path.starts_with(&path));
        assert!(!FilePath::parse("foo.bar").unwrap().starts_with(&FilePath::parse("foo").unwrap()));
    }

    #[test]
    fn parts_of_a_path() {
        let path = FilePath::parse("a/b.tar.gz").unwrap();
        assert_eq!(path.extension(), Some("gz"));
        assert_eq!(path.parent().unwrap(), "a");
        assert_eq!(path.parent().unwrap().parent().unwrap(), FilePath::root());
        assert_eq!(FilePath::root().parent(), None);
        assert_eq!(FilePath::root().name(), None);
        assert_eq!(FilePath::parse(".hidden").unwrap().extension(), None);
        assert_eq!(path.segments().collect::<Vec<_>>(), ["a", "b.tar.gz"]);
    }

    #[test]
    fn serde_checks_what_it_reads() {
        let path: FilePath = serde_json::from_str("\"/a//b\"").unwrap();
        assert_eq!(serde_json::to_string(&path).unwrap(), "\"a/b\"");
        assert!(serde_json::from_str::<FilePath>("\"../b\"").is_err());
    }
}
