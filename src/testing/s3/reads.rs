//! Reads of objects: `GetObject`, `HeadObject`, and the source of a copy.

use std::ops::Range;

use futures::stream;
use hyper::StatusCode;
use s3s::dto::{
    ChecksumMode, ChecksumType, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    StorageClass, StreamingBlob,
};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::checksums::set_checksum;
use super::conditions::{ReadConditions, Verdict};
use super::content::Content;
use super::errors::{
    custom, error, invalid_argument, no_such_key, no_such_version, not_implemented,
    precondition_failed, with_headers,
};
use super::records::{Bucket, Object, Version};
use super::rules::Conditions;
use super::state::State;

/// A read of one object.
struct Read {
    bucket: String,
    key: String,
    version_id: Option<String>,
    conditions: ReadConditions,
    range: Option<s3s::dto::Range>,
    part_number: Option<i32>,
    with_checksum: bool,
}

/// Takes the fields that `GetObject` and `HeadObject` share.
macro_rules! read {
    ($input:expr) => {
        Read {
            bucket: $input.bucket,
            key: $input.key,
            version_id: $input.version_id,
            conditions: ReadConditions {
                if_match: $input.if_match,
                if_none_match: $input.if_none_match,
                if_modified_since: $input.if_modified_since,
                if_unmodified_since: $input.if_unmodified_since,
            },
            range: $input.range,
            part_number: $input.part_number,
            with_checksum: $input
                .checksum_mode
                .is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED),
        }
    };
}

/// Builds a response from the fields that `GetObject` and `HeadObject` share.
macro_rules! described {
    ($output:ident, $found:expr) => {{
        let Found { object, range, .. } = &$found;
        let attributes = &object.attributes;
        let content_type = attributes.content_type.clone();
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from($found.content.len()).ok(),
            content_range: range.as_ref().map(|range| {
                format!("bytes {}-{}/{}", range.start, range.end - 1, object.content.len())
            }),
            content_type: Some(content_type.unwrap_or_else(|| "binary/octet-stream".to_owned())),
            cache_control: attributes.cache_control.clone(),
            content_disposition: attributes.content_disposition.clone(),
            content_encoding: attributes.content_encoding.clone(),
            content_language: attributes.content_language.clone(),
            expires: attributes.expires.clone(),
            storage_class: attributes.storage_class.clone().map(StorageClass::from),
            metadata: Some(attributes.metadata.clone().into_iter().collect()),
            e_tag: Some(object.etag()),
            last_modified: Some($found.version.modified.into()),
            version_id: $found.shown_id.clone(),
            parts_count: $found.parts_count,
            ..Default::default()
        };
        if let Some(checksum) = object.checksum.as_ref().filter(|_| $found.with_checksum) {
            set_checksum!(output, Some(checksum));
            let kind = if checksum.is_composite {
                ChecksumType::COMPOSITE
            } else {
                ChecksumType::FULL_OBJECT
            };
            output.checksum_type = Some(ChecksumType::from_static(kind));
        }
        output
    }};
}

/// An object that is read, and what of it.
struct Found {
    version: Version,
    object: std::sync::Arc<Object>,
    content: Content,
    /// The range of the content; `None` for the whole.
    range: Option<Range<u64>>,
    shown_id: Option<String>,
    parts_count: Option<i32>,
    with_checksum: bool,
}

pub(super) fn get(state: &State, input: GetObjectInput) -> S3Result<GetObjectOutput> {
    let found = find(state, &read!(input))?;
    let mut output = described!(GetObjectOutput, found);
    let segments: Vec<Result<_, S3Error>> =
        found.content.segments().iter().cloned().map(Ok).collect();
    output.body = Some(StreamingBlob::wrap(stream::iter(segments)));
    Ok(output)
}

pub(super) fn head(state: &State, input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    let found = find(state, &read!(input))?;
    Ok(described!(HeadObjectOutput, found))
}

fn find(state: &State, read: &Read) -> S3Result<Found> {
    let bucket = state.bucket(&read.bucket)?;
    let version = version(bucket, &read.key, read.version_id.as_deref())?.clone();
    let Some(object) = version.object.clone() else { return Err(no_such_key()) };
    match state.rules.read_conditions {
        Conditions::Ignored => {}
        Conditions::Unsupported if !read.conditions.is_empty() => return Err(not_implemented()),
        _ => check(&read.conditions, &version, &object)?,
    }
    let len = object.content.len();
    let mut parts_count = None;
    let range = match (read.range, read.part_number) {
        (Some(_), Some(_)) => {
            return Err(error(
                S3ErrorCode::InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        (Some(range), None) => Some(range.check(len).map_err(|_| range_not_satisfiable(len))?),
        (None, Some(number)) => {
            parts_count = i32::try_from(object.content.segments().len()).ok();
            let part = usize::try_from(number).ok().and_then(|number| object.content.part(number));
            Some(part.ok_or_else(|| {
                custom(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "InvalidPartNumber",
                    "The requested partnumber is not satisfiable".to_owned(),
                )
            })?)
        }
        (None, None) => None,
    };
    // An empty range cannot be written in a header.
    let range = range.filter(|range| !range.is_empty());
    let content = match &range {
        Some(range) => object.content.slice(range),
        None => object.content.clone(),
    };
    let shown_id = version.shown_id(bucket.versioning);
    let with_checksum = read.with_checksum && range.is_none();
    Ok(Found { version, object, content, range, shown_id, parts_count, with_checksum })
}

fn range_not_satisfiable(len: u64) -> S3Error {
    let error = error(S3ErrorCode::InvalidRange, "The requested range is not satisfiable");
    with_headers(error, &[("content-range", format!("bytes */{len}"))])
}

/// Checks the conditions of a read.
fn check(conditions: &ReadConditions, version: &Version, object: &Object) -> S3Result<()> {
    match conditions.evaluate(object, version.modified) {
        Verdict::Holds => Ok(()),
        Verdict::Failed => Err(precondition_failed()),
        Verdict::NotModified => {
            let error = error(S3ErrorCode::NotModified, "Not Modified");
            Err(with_headers(error, &[("etag", format!("\"{}\"", object.etag))]))
        }
    }
}

/// Returns a version that holds an object: the newest one without an id.
pub(super) fn version<'a>(
    bucket: &'a Bucket,
    key: &str,
    id: Option<&str>,
) -> S3Result<&'a Version> {
    let marker = |error, version: &Version| {
        let mut headers = vec![("x-amz-delete-marker", "true".to_owned())];
        headers.extend(version.shown_id(bucket.versioning).map(|id| ("x-amz-version-id", id)));
        with_headers(error, &headers)
    };
    match id {
        None => {
            let version = bucket.newest(key).ok_or_else(no_such_key)?;
            if version.object.is_none() { Err(marker(no_such_key(), version)) } else { Ok(version) }
        }
        Some("") => Err(invalid_argument("Version id cannot be the empty string")),
        Some(id) => {
            let version = bucket.version(key, id).ok_or_else(no_such_version)?;
            if version.object.is_none() {
                let not_allowed = error(
                    S3ErrorCode::MethodNotAllowed,
                    "The specified method is not allowed against this resource.",
                );
                return Err(marker(not_allowed, version));
            }
            Ok(version)
        }
    }
}
