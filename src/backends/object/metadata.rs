//! The metadata of files, as objects have them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bucket::{Attributes, Object};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::{FileInfo, FileType};
use crate::core::metadata::{FileMetadata, check_user_metadata};
use crate::core::path::FilePath;
use crate::core::version::VersionId;

/// The modification time, in seconds since 1970 with a fraction, as rclone writes it.
const MODIFIED_AT: &str = "mtime";

/// A pair of the user with the name `mtime`.
const USERS_MODIFIED_AT: &str = "f9-mtime";

/// What the names of pairs begin with that f9 itself needs.
const OWN: &str = "f9-";

/// The most bytes of user metadata. Services keep 2,048 bytes in headers, of which f9 itself needs some, and text that is not plain needs a
/// third more than its own size.
pub(super) const MAX_USER_METADATA: usize = 1_480;

/// Checks the size of user metadata.
///
/// # Errors
///
/// `TooLarge`.
pub(super) fn check_size(metadata: &FileMetadata) -> Result<()> {
    let pairs = metadata.user_metadata.iter();
    let bytes: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_USER_METADATA {
        let message = format!("{bytes} bytes of user metadata, of at most {MAX_USER_METADATA}");
        return Err(Error::new(ErrorKind::TooLarge).with_message(message));
    }
    Ok(())
}

/// Returns the attributes of an object with this metadata.
pub(super) fn attributes(metadata: &FileMetadata) -> Attributes {
    let pairs = metadata.user_metadata.iter().map(|(name, value)| {
        let name = if name == MODIFIED_AT { USERS_MODIFIED_AT } else { name };
        (name.to_owned(), value.clone())
    });
    let time = metadata.modified_at.map(|time| (MODIFIED_AT.to_owned(), seconds(time)));
    Attributes {
        content_type: metadata.content_type.clone(),
        metadata: pairs.chain(time).collect(),
    }
}

/// Returns the metadata of the file at `path`.
pub(super) fn info(path: FilePath, object: &Object) -> FileInfo {
    let mut info = FileInfo::new(path, FileType::File);
    info.size = Some(object.size);
    info.etag = object.etag.as_deref().map(Etag::new);
    info.version = object.version.as_deref().map(VersionId::new);
    info.changed_at = object.modified_at;
    info.modified_at = object.modified_at;
    info.content_type.clone_from(&object.attributes.content_type);
    for (name, value) in &object.attributes.metadata {
        match name.as_str() {
            MODIFIED_AT => match time(value) {
                Some(time) => info.modified_at = Some(time),
                None => drop(info.extra.insert(name.clone(), value.clone())),
            },
            USERS_MODIFIED_AT => {
                drop(info.user_metadata.insert(MODIFIED_AT.to_owned(), value.clone()));
            }
            own if own.starts_with(OWN) => {}
            _ => {
                let pair = [(name.clone(), value.clone())];
                // What other programs write may have any form, which other stores do not keep.
                let is_ours = check_user_metadata(&pair.clone().into()).is_ok();
                let pairs = if is_ours { &mut info.user_metadata } else { &mut info.extra };
                pairs.extend(pair);
            }
        }
    }
    info
}

/// Whether a pair of an object is the modification time.
pub(super) fn is_time(name: &str) -> bool {
    name == MODIFIED_AT
}

/// Whether a pair of an object belongs to the user, and not to f9.
pub(super) fn is_pair(name: &str) -> bool {
    !is_time(name) && (name == USERS_MODIFIED_AT || !name.starts_with(OWN))
}

/// Returns a time as seconds since 1970.
fn seconds(time: SystemTime) -> String {
    let (sign, since) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ("", since),
        Err(before) => ("-", before.duration()),
    };
    let text = format!("{sign}{}.{:09}", since.as_secs(), since.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads seconds since 1970.
fn time(text: &str) -> Option<SystemTime> {
    let (is_before, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !is_number(seconds) || !is_number(fraction) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let since = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
    if is_before { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rclone_does_and_read_back() {
        let at = |seconds, nanos| UNIX_EPOCH + Duration::new(seconds, nanos);
        for (moment, text) in [
            (at(1_354_040_105, 123_457_700), "1354040105.1234577"),
            (at(1_000_000_000, 0), "1000000000"),
            (at(0, 1), "0.000000001"),
            (UNIX_EPOCH - Duration::new(1, 500_000_000), "-1.5"),
        ] {
            assert_eq!(seconds(moment), text);
            assert_eq!(time(text), Some(moment), "{text}");
        }
        assert_eq!(time("7.1234567891"), Some(at(7, 123_456_789)));
        for text in ["", ".5", "1e9", "+1", "1.x", "99999999999999999999", "18446744073709551615"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn pairs_of_others_and_of_f9_are_told_apart() {
        let pairs = [("author", "Anna"), ("mtime", "5"), ("f9-write", "ab"), ("X-Odd", "1")];
        let mut object = Object::default();
        object.attributes.metadata =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let info = info(FilePath::accepted("a"), &object);
        assert_eq!(info.user_metadata.keys().collect::<Vec<_>>(), ["author"]);
        assert_eq!(info.extra.keys().collect::<Vec<_>>(), ["X-Odd"]);
        assert_eq!(info.modified_at, Some(UNIX_EPOCH + Duration::from_secs(5)));
    }

    #[test]
    fn a_pair_of_the_user_may_be_called_mtime() {
        let mut metadata = FileMetadata::default();
        metadata.user_metadata.insert("mtime".to_owned(), "late".to_owned());
        metadata.modified_at = Some(UNIX_EPOCH);
        let object = Object { attributes: attributes(&metadata), ..Object::default() };
        let info = info(FilePath::accepted("a"), &object);
        assert_eq!(info.user_metadata, metadata.user_metadata);
        assert_eq!(info.modified_at, Some(UNIX_EPOCH));
    }
}
