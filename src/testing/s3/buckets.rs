//! The operations on buckets.

use std::time::SystemTime;

use s3s::dto::{
    BucketVersioningStatus, CreateBucketInput, CreateBucketOutput, GetBucketVersioningOutput,
    ListBucketsOutput, Owner, PutBucketVersioningInput, PutBucketVersioningOutput,
};
use s3s::{S3ErrorCode, S3Result};

use super::errors::{error, malformed_xml, not_implemented};
use super::records::{Bucket, Versioning};
use super::state::State;

/// The region of all buckets.
pub(super) const REGION: &str = "us-east-1";

pub(super) fn owner() -> Owner {
    Owner { display_name: Some("f9".to_owned()), id: Some("f9".to_owned()) }
}

pub(super) fn list(state: &State) -> ListBucketsOutput {
    let buckets = state.buckets.iter().map(|(name, bucket)| s3s::dto::Bucket {
        name: Some(name.clone()),
        creation_date: Some(bucket.created.into()),
        ..Default::default()
    });
    ListBucketsOutput {
        buckets: Some(buckets.collect()),
        owner: Some(owner()),
        ..Default::default()
    }
}

/// Creates a bucket. An existing one stays as it is, as in the region `us-east-1`.
pub(super) fn create(state: &mut State, input: CreateBucketInput) -> CreateBucketOutput {
    let location = format!("/{}", input.bucket);
    state.buckets.entry(input.bucket).or_insert_with(|| Bucket::new(SystemTime::now()));
    CreateBucketOutput { location: Some(location) }
}

pub(super) fn delete(state: &mut State, name: &str) -> S3Result<()> {
    if !state.bucket(name)?.keys.is_empty() {
        return Err(error(
            S3ErrorCode::BucketNotEmpty,
            "The bucket you tried to delete is not empty",
        ));
    }
    state.buckets.remove(name);
    Ok(())
}

pub(super) fn versioning(state: &State, name: &str) -> S3Result<GetBucketVersioningOutput> {
    let status = match state.bucket(name)?.versioning {
        _ if !state.rules.versioning_supported => return Err(not_implemented()),
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    Ok(GetBucketVersioningOutput {
        status: status.map(BucketVersioningStatus::from_static),
        ..Default::default()
    })
}

pub(super) fn set_versioning(
    state: &mut State,
    input: &PutBucketVersioningInput,
) -> S3Result<PutBucketVersioningOutput> {
    if !state.rules.versioning_supported {
        return Err(not_implemented());
    }
    let status = input.versioning_configuration.status.as_ref();
    let versioning = match status.map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => return Err(malformed_xml()),
    };
    state.bucket_mut(&input.bucket)?.versioning = versioning;
    Ok(PutBucketVersioningOutput::default())
}
