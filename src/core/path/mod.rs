//! The path grammar of all backends.
//!
//! A path is UTF-8 text, relative to the root of its backend, with segments separated by `/`. A leading `/` means the root. Empty
//! segments and `.` are removed, and `..` is refused. Everything else is literal: nothing is decoded, unescaped or matched. Every
//! [`FilePath`] satisfies these rules, so a function that takes one does not check it again.

use serde::{Deserialize, Serialize};

mod convert;
mod parse;
#[cfg(test)]
mod tests;

/// The longest name of a segment, in bytes: the limit of most file systems.
pub const MAX_NAME_BYTES: usize = 255;

/// The longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;

/// The file that sessions lock on a local root.
pub(crate) const LOCK_FILE_NAME: &str = ".backend.lock";

/// The prefix of the names of temporary files.
pub(crate) const TEMPORARY_PREFIX: &str = ".f9tmp-";

/// The directory of a store in which f9 keeps its own files.
pub(crate) const PRIVATE_DIRECTORY: &str = ".f9";

/// The directory in the private directory that has the content of uploads.
pub(crate) const UPLOADS_DIRECTORY: &str = "uploads";

/// Whether a name consists of 32 hexadecimal digits, as f9 makes them.
pub(crate) fn is_name_of_digits(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether this name of a segment is reserved for files of f9.
///
/// Reserved are `.backend.lock`, `.f9`, and the names of temporary files, `.f9tmp-…`, in any case and with invisible characters, because
/// some file systems ignore both when they look up a name. Listings do not show them.
///
/// ```
/// assert!(f9::is_reserved_name(".backend.lock"));
/// assert!(f9::is_reserved_name(".Backend.Lock"));
/// assert!(!f9::is_reserved_name("notes.lock"));
/// ```
#[must_use]
pub fn is_reserved_name(name: &str) -> bool {
    // Most names are decided by their first character.
    if !name.starts_with(|first| first == '.' || is_ignored(first)) {
        return false;
    }
    let mut folded = [0; LOCK_FILE_NAME.len() + 1];
    let mut length = 0;
    for character in name.chars().filter(|character| !is_ignored(*character)) {
        let Some(byte) = folded.get_mut(length) else { break };
        *byte = fold(character);
        length += 1;
    }
    let is = |reserved: &str| folded[..length] == *reserved.as_bytes();
    is(LOCK_FILE_NAME)
        || is(PRIVATE_DIRECTORY)
        || folded[..length].starts_with(TEMPORARY_PREFIX.as_bytes())
}

/// Returns the lower-case ASCII letter that a file system may take a character for; 0 for characters that are none.
fn fold(character: char) -> u8 {
    match character {
        // The Kelvin sign.
        '\u{212a}' => b'k',
        // The long s.
        '\u{17f}' => b's',
        character => u8::try_from(character).map_or(0, |byte| byte.to_ascii_lowercase()),
    }
}

/// Whether a file system that ignores case may ignore this character: those that Unicode calls default ignorable. ext4 ignores them
/// all, HFS+ some.
pub(crate) fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A path relative to the root of a backend, in canonical form.
///
/// It has no leading or trailing slash and no empty, `.` or `..` segment; the root is the empty text. Equal paths have equal
/// texts, so a path can be a key. It dereferences to `str` and can be passed to every verb.
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
    /// Returns the root of a backend.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Creates a path from a walk of a store, whose names are valid. The path may be longer than [`MAX_PATH_BYTES`], so that a
    /// listing shows every file.
    pub(crate) fn found(text: String) -> Self {
        debug_assert!(!text.starts_with('/') && !text.ends_with('/'));
        Self(text)
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last segment; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Returns the path without its last segment; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(self.0.rsplit_once('/').map_or_else(Self::root, |(parent, _)| Self(parent.to_owned())))
    }

    /// Returns the text after the last dot of the name. `None` if the name has no dot, or only a leading one.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        self.name()?.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ext)| ext)
    }

    /// Returns the segments, from the root downwards.
    #[must_use = "iterators are lazy"]
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Whether `self` is `prefix` or is below it, by whole segments: `foo/x` is below `foo`, `foo.bar` is not.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        match self.0.strip_prefix(&prefix.0) {
            Some(rest) => prefix.is_root() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    /// Returns the path relative to `prefix`; `None` if `self` is not `prefix` or below it.
    ///
    /// # Examples
    ///
    /// ```
    /// use f9::FilePath;
    /// let path = FilePath::parse("notes/2026/a.txt")?;
    /// assert_eq!(path.strip_prefix(&FilePath::parse("notes")?).unwrap(), "2026/a.txt");
    /// assert_eq!(path.strip_prefix(&FilePath::parse("note")?), None);
    /// # Ok::<(), f9::Error>(())
    /// ```
    #[must_use]
    pub fn strip_prefix(&self, prefix: &Self) -> Option<Self> {
        if prefix.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&prefix.0)?;
        match rest.strip_prefix('/') {
            Some(below) => Some(Self(below.to_owned())),
            None => rest.is_empty().then(Self::root),
        }
    }
}

/// Returns the start of a long text, so that an error with it stays short.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= MAX_NAME_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_NAME_BYTES)])
}
