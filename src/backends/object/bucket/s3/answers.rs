//! The XML that the service answers with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quick_xml::de::from_reader;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::failure::error;
use super::headers::unquoted;
use crate::backends::object::bucket::Object;
use crate::core::error::{ErrorKind, Result};
use crate::net::percent::decode;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
pub(super) struct Listing {
    pub(super) encoding_type: String,
    pub(super) is_truncated: bool,
    pub(super) next_continuation_token: Option<String>,
    pub(super) contents: Vec<Entry>,
    pub(super) common_prefixes: Vec<CommonPrefix>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) size: u64,
    #[serde(rename = "ETag")]
    pub(super) etag: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(super) last_modified: Option<SystemTime>,
    pub(super) version_id: Option<String>,
    pub(super) is_latest: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct CommonPrefix {
    pub(super) prefix: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Versions {
    pub(super) encoding_type: String,
    pub(super) is_truncated: bool,
    pub(super) next_key_marker: Option<String>,
    pub(super) next_version_id_marker: Option<String>,
    #[serde(rename = "$value")]
    pub(super) items: Vec<VersionItem>,
}

/// Versions and marks of deletions are mixed, the newest first.
#[derive(Debug, Deserialize)]
pub(super) enum VersionItem {
    Version(Entry),
    DeleteMarker(Entry),
    #[serde(other)]
    Other,
}

impl VersionItem {
    /// Returns the entry, and whether it is a deletion.
    pub(super) fn read(self) -> Option<(Entry, bool)> {
        match self {
            Self::Version(entry) => Some((entry, false)),
            Self::DeleteMarker(entry) => Some((entry, true)),
            Self::Other => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Copied {
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    #[serde(deserialize_with = "time")]
    pub(super) last_modified: Option<SystemTime>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Begun {
    pub(super) upload_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Finished {
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Parts {
    pub(super) is_truncated: bool,
    pub(super) next_part_number_marker: Option<String>,
    pub(super) part: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Part {
    pub(super) part_number: u32,
    pub(super) size: u64,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Uploads {
    pub(super) encoding_type: String,
    pub(super) is_truncated: bool,
    pub(super) next_key_marker: Option<String>,
    pub(super) next_upload_id_marker: Option<String>,
    pub(super) upload: Vec<Upload>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) upload_id: String,
    #[serde(deserialize_with = "time")]
    pub(super) initiated: Option<SystemTime>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Deleted {
    pub(super) error: Vec<NotDeleted>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct NotDeleted {
    pub(super) key: String,
    pub(super) code: String,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Versioning {
    pub(super) status: String,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.parse::<jiff::Timestamp>().ok().map(SystemTime::from))
}

/// Some services list parts of seconds, which look-ups do not have.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let parts = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    time - Duration::from_nanos(parts.into())
}

/// Reads an answer.
///
/// # Errors
///
/// `Remote`.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    from_reader(body).map_err(|cause| {
        error(ErrorKind::Remote, format!("the answer cannot be read: {cause}")).transient()
    })
}

/// Returns a key of a listing as it is, which the service may have escaped.
///
/// # Errors
///
/// `Remote`.
pub(super) fn unescaped(key: &str, encoding: &str) -> Result<String> {
    if encoding != "url" {
        return Ok(key.to_owned());
    }
    // A space is a plus sign, as in a form.
    decode(&key.replace('+', " ")).map_err(|why| {
        error(ErrorKind::Remote, format!("the listing has the key `{}`: {why}", key.escape_debug()))
    })
}

impl Entry {
    pub(super) fn into_object(self, encoding: &str) -> Result<Object> {
        Ok(Object {
            key: unescaped(&self.key, encoding)?,
            size: self.size,
            etag: self.etag.as_deref().map(unquoted).filter(|etag| !etag.is_empty()),
            modified_at: self.last_modified.map(whole_seconds),
            version: self.version_id,
            ..Object::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_with_its_keys_as_they_are() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated><NextContinuationToken>t1</NextContinuationToken>
<Contents><Key>a+b%2Bc%01/%20</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>
<ETag>&quot;e1&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>
<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>"#;
        let listing: Listing = read(body).unwrap();
        assert!(listing.is_truncated);
        assert_eq!(listing.next_continuation_token.as_deref(), Some("t1"));
        assert_eq!(listing.common_prefixes[0].prefix, "d/");
        let object = listing.contents.into_iter().next().unwrap().into_object("url").unwrap();
        assert_eq!((object.key.as_str(), object.size), ("a b+c\u{1}/ ", 7));
        assert_eq!(object.etag.as_deref(), Some("e1"));
        assert!(object.modified_at.is_some());
    }

    #[test]
    fn versions_and_deletions_keep_their_order() {
        let body = br#"<ListVersionsResult><Name>b</Name><IsTruncated>false</IsTruncated>
<DeleteMarker><Key>a</Key><VersionId>3</VersionId><IsLatest>true</IsLatest></DeleteMarker>
<Version><Key>a</Key><VersionId>2</VersionId><IsLatest>false</IsLatest><Size>1</Size></Version>
<DeleteMarker><Key>a</Key><VersionId>1</VersionId></DeleteMarker></ListVersionsResult>"#;
        let versions: Versions = read(body).unwrap();
        let ids = versions.items.iter().filter_map(|item| match item {
            VersionItem::Version(entry) => Some((false, entry.version_id.clone().unwrap())),
            VersionItem::DeleteMarker(entry) => Some((true, entry.version_id.clone().unwrap())),
            VersionItem::Other => None,
        });
        let expected = [(true, "3"), (false, "2"), (true, "1")];
        assert_eq!(ids.collect::<Vec<_>>(), expected.map(|(is, id)| (is, id.to_owned())));
    }
}
