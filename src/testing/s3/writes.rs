//! `PutObject` and the checks that all writes of objects share.

use std::collections::BTreeMap;

use bytes::Bytes;
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3ErrorCode, S3Result};

use super::checksums::{self, Algorithm, given_checksums, set_checksum};
use super::conditions::WriteConditions;
use super::content::Content;
use super::errors::error;
use super::records::{Object, attributes};
use super::rules::Rules;
use super::state::State;

/// A body that is received completely.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// The checksums in the trailer of the body.
    pub(super) trailing: Vec<(Algorithm, String)>,
}

/// The digests of a body that a client gave.
pub(super) struct Given<'a> {
    pub(super) md5: Option<&'a str>,
    pub(super) checksums: Vec<(Algorithm, String)>,
    /// The algorithm to use if the client gave no checksum.
    pub(super) algorithm: Option<Algorithm>,
}

pub(super) fn put(
    state: &mut State,
    mut input: PutObjectInput,
    body: Body,
) -> S3Result<PutObjectOutput> {
    let mut checksums = given_checksums!(input);
    checksums.extend(body.trailing);
    let algorithm = input.checksum_algorithm.as_ref();
    let given = Given {
        md5: input.content_md5.as_deref(),
        checksums,
        algorithm: algorithm.map(|name| Algorithm::named(name.as_str())).transpose()?,
    };
    let object = object(&state.rules, body.bytes, &given)?;
    let attributes = attributes!(input);
    check_metadata(&state.rules, &attributes.metadata)?;
    let object = Object { attributes, ..object };
    let conditions =
        WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match };
    let bucket = state.bucket(&input.bucket)?;
    let current = bucket.current(&input.key).map(AsRef::as_ref);
    conditions.check(state.rules.put_conditions, current)?;
    let mut output = PutObjectOutput { e_tag: Some(object.etag()), ..Default::default() };
    set_checksum!(output, object.checksum.as_ref());
    let version = state.store(&input.bucket, &input.key, Some(object))?;
    output.version_id = version.shown_id(state.bucket(&input.bucket)?.versioning);
    Ok(output)
}

/// Checks the digests of a body, and returns an object without attributes.
pub(super) fn object(rules: &Rules, bytes: Bytes, given: &Given<'_>) -> S3Result<Object> {
    if bytes.len() as u64 > rules.max_put_size {
        return Err(error(
            S3ErrorCode::EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size",
        ));
    }
    let content = Content::from(bytes);
    let md5 = checksums::md5(&content);
    checksums::verify_md5(&md5, given.md5)?;
    let checksum = if rules.checksums_supported {
        let algorithm = given.algorithm.unwrap_or(Algorithm::Crc64Nvme);
        Some(checksums::verify(&content, &given.checksums, algorithm)?)
    } else {
        None
    };
    Ok(Object { content, etag: hex::encode(md5), checksum, attributes: Default::default() })
}

/// Checks the size of user metadata.
pub(super) fn check_metadata(rules: &Rules, metadata: &BTreeMap<String, String>) -> S3Result<()> {
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > rules.metadata_limit {
        return Err(error(
            S3ErrorCode::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    Ok(())
}
