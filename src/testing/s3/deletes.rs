//! `DeleteObject` and `DeleteObjects`.

use bytes::Bytes;
use hyper::HeaderMap;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETagCondition, ObjectIdentifier,
};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::checksums;
use super::conditions::WriteConditions;
use super::content::Content;
use super::errors::{error, invalid_request, malformed_xml, not_implemented};
use super::records::Versioning;
use super::state::State;

/// The effect of a delete.
struct Deleted {
    /// The version that was removed, or the delete marker that was added.
    version_id: Option<String>,
    is_marker: bool,
}

pub(super) fn one(state: &mut State, input: DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
    let conditions = WriteConditions { if_match: input.if_match, if_none_match: None };
    let deleted =
        delete(state, &input.bucket, &input.key, input.version_id.as_deref(), &conditions)?;
    Ok(DeleteObjectOutput {
        delete_marker: deleted.is_marker.then_some(true),
        version_id: deleted.version_id,
        ..Default::default()
    })
}

pub(super) fn many(
    state: &mut State,
    input: DeleteObjectsInput,
    headers: &HeaderMap,
    body: Bytes,
) -> S3Result<DeleteObjectsOutput> {
    if !state.rules.bulk_delete_supported {
        return Err(not_implemented());
    }
    check_body(state, headers, body)?;
    let is_quiet = input.delete.quiet.unwrap_or(false);
    if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
        return Err(malformed_xml());
    }
    state.bucket(&input.bucket)?;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for object in input.delete.objects {
        match delete_listed(state, &input.bucket, &object) {
            Ok(entry) if !is_quiet => deleted.push(entry),
            Ok(_) => {}
            Err(failure) => errors.push(s3s::dto::Error {
                code: Some(failure.code().as_str().to_owned()),
                message: failure.message().map(str::to_owned),
                key: Some(object.key),
                version_id: object.version_id,
            }),
        }
    }
    Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() })
}

/// Checks the digests of the body of a bulk delete, which must have one.
fn check_body(state: &State, headers: &HeaderMap, body: Bytes) -> S3Result<()> {
    let md5 = headers.get("content-md5").and_then(|value| value.to_str().ok());
    let given = checksums::in_headers(headers);
    if md5.is_none() && (given.is_empty() || state.rules.bulk_delete_needs_md5) {
        return Err(invalid_request("Missing required header for this request: Content-MD5"));
    }
    let content = Content::from(body);
    checksums::verify_md5(&checksums::md5(&content), md5)?;
    checksums::verify(&content, &given, checksums::Algorithm::Crc32).map(drop)
}

fn delete_listed(
    state: &mut State,
    bucket: &str,
    object: &ObjectIdentifier,
) -> Result<DeletedObject, S3Error> {
    let conditions = WriteConditions {
        if_match: object.e_tag.clone().map(ETagCondition::ETag),
        if_none_match: None,
    };
    let version_id = object.version_id.as_deref().filter(|id| !id.is_empty());
    let deleted = delete(state, bucket, &object.key, version_id, &conditions)?;
    let marker_id = deleted.version_id.filter(|_| deleted.is_marker);
    Ok(DeletedObject {
        key: Some(object.key.clone()),
        version_id: version_id.map(str::to_owned),
        delete_marker: deleted.is_marker.then_some(true),
        delete_marker_version_id: marker_id,
    })
}

fn delete(
    state: &mut State,
    bucket_name: &str,
    key: &str,
    version_id: Option<&str>,
    conditions: &WriteConditions,
) -> S3Result<Deleted> {
    let bucket = state.bucket(bucket_name)?;
    if let Some(code) = state.rules.undeletable_keys.get(key) {
        return Err(undeletable(code));
    }
    conditions
        .check_delete(state.rules.delete_conditions, bucket.current(key).map(AsRef::as_ref))?;
    let versioning = bucket.versioning;
    if let Some(id) = version_id {
        let removed = state.bucket_mut(bucket_name)?.remove(key, id);
        return Ok(Deleted {
            version_id: Some(id.to_owned()),
            is_marker: removed.is_some_and(|version| version.object.is_none()),
        });
    }
    if versioning == Versioning::Off {
        state.bucket_mut(bucket_name)?.keys.remove(key);
        return Ok(Deleted { version_id: None, is_marker: false });
    }
    let marker = state.store(bucket_name, key, None)?;
    Ok(Deleted { version_id: Some(marker.id), is_marker: true })
}

/// Returns the error that a rule gives for a key. Its status is 500 if s3s does not know the code.
fn undeletable(code: &str) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    error(code, "A rule says that the key cannot be deleted.")
}
