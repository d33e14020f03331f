//! The metadata that a write can set.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::shortened;
use crate::core::rfc3339;

/// What a write sets besides the content.
///
/// Content type and user metadata belong to the content: a write that replaces the content also replaces them, with nothing if none are
/// given. An append keeps them, and so do a copy and a rename. A store that cannot keep one of the fields refuses it with
/// [`Unsupported`](ErrorKind::Unsupported) before it writes; see [`Capability`](crate::Capability).
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use f9::{FileMetadata, WriteOptions};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let files = f9::MemoryFileBackend::new();
/// let options = WriteOptions::default().with_content_type("text/markdown").with_user_metadata("author", "Anna");
/// files.write_with("plan.md", "# Plan", options).await?;
/// let info = files.info("plan.md").await?;
/// assert_eq!(info.content_type.as_deref(), Some("text/markdown"));
/// assert_eq!(info.user_metadata["author"], "Anna");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FileMetadata {
    /// The media type of the content, such as `text/plain; charset=utf-8`: 1 to 255 visible ASCII characters and spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Pairs of the caller. A key has 1 to 63 characters, `a` to `z`, `0` to `9` and `_`, and starts with a letter. A value is any text
    /// without NUL. Keys and values have up to [`MAX_USER_METADATA_BYTES`] in all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub user_metadata: BTreeMap<String, String>,
    /// The modification time; the time of the write if `None`.
    #[serde(with = "rfc3339", skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<SystemTime>,
    /// The POSIX permission bits, at most `0o7777`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<u32>,
}

/// The limit of the bytes of all keys and values of [`user_metadata`](FileMetadata::user_metadata).
pub const MAX_USER_METADATA_BYTES: usize = 2048;

/// The limit of the bytes of a [`content_type`](FileMetadata::content_type).
const MAX_CONTENT_TYPE_BYTES: usize = 255;

/// The limit of the bytes of a key.
const MAX_KEY_BYTES: usize = 63;

impl FileMetadata {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the form of all fields.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), which names the field; [`TooLarge`](ErrorKind::TooLarge) for too much user metadata.
    pub fn check(&self) -> Result<()> {
        if let Some(content_type) = &self.content_type {
            check_content_type(content_type)?;
        }
        check_user_metadata(&self.user_metadata)?;
        check_permissions(self.permissions)
    }
}

/// Checks the form of a content type.
pub(crate) fn check_content_type(content_type: &str) -> Result<()> {
    let is_valid = (1..=MAX_CONTENT_TYPE_BYTES).contains(&content_type.len())
        && content_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if is_valid {
        return Ok(());
    }
    let shown = shortened(content_type);
    Err(invalid(format!("`{}` is not a content type", shown.escape_debug())))
}

/// Checks the form and the size of user metadata.
pub(crate) fn check_user_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in metadata {
        let is_valid = key.len() <= MAX_KEY_BYTES
            && key.starts_with(|first: char| first.is_ascii_lowercase())
            && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_valid {
            let shown = shortened(key);
            let reason = "a key of user metadata has `a` to `z`, `0` to `9` and `_`, starts with a letter and has at most 63 bytes";
            return Err(invalid(format!("`{}`: {reason}", shown.escape_debug())));
        }
        if value.contains('\0') {
            return Err(invalid(format!("the value of `{key}` has a NUL")));
        }
    }
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_USER_METADATA_BYTES {
        let message =
            format!("{bytes} bytes of user metadata, of at most {MAX_USER_METADATA_BYTES}");
        return Err(Error::new(ErrorKind::TooLarge).with_message(message));
    }
    Ok(())
}

/// Checks permission bits.
pub(crate) fn check_permissions(permissions: Option<u32>) -> Result<()> {
    match permissions {
        Some(bits) if bits > 0o7777 => {
            Err(invalid(format!("permissions are at most 0o7777, not {bits:#o}")))
        }
        _ => Ok(()),
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput).with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(metadata: &FileMetadata) -> Option<ErrorKind> {
        metadata.check().err().map(|error| error.kind())
    }

    #[test]
    fn content_types_are_visible_ascii() {
        let longest = "x".repeat(255);
        for (content_type, is_valid) in [
            ("text/plain; charset=\"utf-8\"", true),
            (longest.as_str(), true),
            ("", false),
            (&format!("{longest}x"), false),
            ("text/plain\r\nX-Other: 1", false),
            ("text/plän", false),
        ] {
            let metadata =
                FileMetadata { content_type: Some(content_type.into()), ..FileMetadata::default() };
            let expected = (!is_valid).then_some(ErrorKind::InvalidInput);
            assert_eq!(kind(&metadata), expected, "{content_type}");
        }
    }

    #[test]
    fn keys_are_portable_and_values_any_text() {
        let longest = "k".repeat(63);
        for (key, value, is_valid) in [
            ("author", "Änne\n🦀", true),
            ("a1_b", "", true),
            (longest.as_str(), "x", true),
            (&format!("{longest}k"), "x", false),
            ("", "x", false),
            ("1a", "x", false),
            ("_a", "x", false),
            ("Author", "x", false),
            ("a-b", "x", false),
            ("ä", "x", false),
            ("a", "x\0y", false),
        ] {
            let user_metadata = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            let metadata = FileMetadata { user_metadata, ..FileMetadata::default() };
            let expected = (!is_valid).then_some(ErrorKind::InvalidInput);
            assert_eq!(kind(&metadata), expected, "{key:?}");
        }
    }

    #[test]
    fn user_metadata_has_up_to_2_kib() {
        let of = |bytes: usize| FileMetadata {
            user_metadata: BTreeMap::from([("k".to_owned(), "v".repeat(bytes - 1))]),
            ..FileMetadata::default()
        };
        assert_eq!(kind(&of(2048)), None);
        assert_eq!(kind(&of(2049)), Some(ErrorKind::TooLarge));
    }

    #[test]
    fn permissions_have_four_octal_digits() {
        let of = |bits| FileMetadata { permissions: Some(bits), ..FileMetadata::default() };
        assert_eq!(kind(&of(0o7777)), None);
        assert_eq!(kind(&of(0o10_000)), Some(ErrorKind::InvalidInput));
    }
}
