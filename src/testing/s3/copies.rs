//! `CopyObject`, and the source of `UploadPartCopy`.

use std::sync::Arc;

use hyper::HeaderMap;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, MetadataDirective,
};
use s3s::{S3ErrorCode, S3Result};

use super::checksums::{self, Algorithm, set_checksum};
use super::conditions::{ReadConditions, WriteConditions};
use super::errors::{error, invalid_request, no_such_key, not_implemented};
use super::reads;
use super::records::{Object, attributes};
use super::state::State;
use super::writes::check_metadata;

/// The source of a copy.
pub(super) struct Source {
    pub(super) object: Arc<Object>,
    /// The version for the response.
    pub(super) shown_id: Option<String>,
}

/// Takes the conditions on the source from a request.
macro_rules! source_conditions {
    ($input:expr) => {
        $crate::testing::s3::conditions::ReadConditions {
            if_match: $input.copy_source_if_match.take(),
            if_none_match: $input.copy_source_if_none_match.take(),
            if_modified_since: $input.copy_source_if_modified_since.take(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.take(),
        }
    };
}
pub(super) use source_conditions;

/// Finds the source of a copy and checks the conditions on it.
pub(super) fn source(
    state: &State,
    source: &CopySource,
    conditions: &ReadConditions,
) -> S3Result<Source> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(not_implemented());
    };
    let bucket = state.bucket(bucket)?;
    let version = reads::version(bucket, key, version_id.as_deref())?;
    let object = version.object.as_ref().ok_or_else(no_such_key)?;
    conditions.check_source(object, version.modified)?;
    Ok(Source { object: Arc::clone(object), shown_id: version.shown_id(bucket.versioning) })
}

pub(super) fn copy(
    state: &mut State,
    mut input: CopyObjectInput,
    headers: &HeaderMap,
) -> S3Result<CopyObjectOutput> {
    let source = source(state, &input.copy_source, &source_conditions!(input))?;
    let content = source.object.content.clone();
    if content.len() > state.rules.max_copy_size {
        return Err(error(
            S3ErrorCode::InvalidRequest,
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let directive = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
    let replaces = directive == Some(MetadataDirective::REPLACE);
    if is_onto_itself(&input) && !replaces && input.storage_class.is_none() {
        return Err(invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, \
             storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut attributes = attributes!(input);
    if !replaces {
        let storage_class = attributes.storage_class.take();
        attributes = source.object.attributes.clone();
        attributes.storage_class = storage_class;
    }
    check_metadata(&state.rules, &attributes.metadata)?;
    let algorithm = match &input.checksum_algorithm {
        Some(name) => Some(Algorithm::named(name.as_str())?),
        None => source.object.checksum.as_ref().map(|checksum| checksum.algorithm),
    };
    let algorithm = algorithm.filter(|_| state.rules.checksums_supported);
    let object = Object {
        etag: hex::encode(checksums::md5(&content)),
        checksum: algorithm.map(|algorithm| algorithm.of(&content)),
        content: content.to_bytes().into(),
        attributes,
    };
    let current = state.bucket(&input.bucket)?.current(&input.key).map(AsRef::as_ref);
    WriteConditions::from_headers(headers)?.check(state.rules.copy_conditions, current)?;
    let mut result = CopyObjectResult { e_tag: Some(object.etag()), ..Default::default() };
    set_checksum!(result, object.checksum.as_ref());
    let version = state.store(&input.bucket, &input.key, Some(object))?;
    result.last_modified = Some(version.modified.into());
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source.shown_id,
        version_id: version.shown_id(state.bucket(&input.bucket)?.versioning),
        ..Default::default()
    })
}

fn is_onto_itself(input: &CopyObjectInput) -> bool {
    matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None }
        if **bucket == *input.bucket && **key == *input.key)
}
