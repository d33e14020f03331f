//! Uploads in parts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

use s3s::dto::{
    AbortMultipartUploadInput, ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3ErrorCode, S3Result};

use super::checksums::{self, Algorithm, Checksum, given_checksums, set_checksum};
use super::conditions::WriteConditions;
use super::content::Content;
use super::copies::{self, source_conditions};
use super::errors::{
    bad_digest, error, invalid_argument, invalid_request, malformed_xml, no_such_upload,
    not_implemented,
};
use super::records::{Object, Part, Upload, attributes};
use super::state::State;
use super::writes::{self, Body, Given, check_metadata};

pub(super) fn create(
    state: &mut State,
    mut input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    let algorithm = input.checksum_algorithm.as_ref();
    let algorithm = algorithm.map(|name| Algorithm::named(name.as_str())).transpose()?;
    let algorithm = algorithm.filter(|_| state.rules.checksums_supported);
    let asked = input.checksum_type.as_ref().map(ChecksumType::as_str);
    let is_composite = match (algorithm, asked) {
        (None | Some(Algorithm::Crc64Nvme), Some(ChecksumType::COMPOSITE))
        | (Some(Algorithm::Sha1 | Algorithm::Sha256), Some(ChecksumType::FULL_OBJECT)) => {
            return Err(invalid_request(
                "The checksum type cannot be used with the specified checksum algorithm.",
            ));
        }
        (Some(Algorithm::Crc64Nvme) | None, _) | (_, Some(ChecksumType::FULL_OBJECT)) => false,
        _ => true,
    };
    let attributes = attributes!(input);
    check_metadata(&state.rules, &attributes.metadata)?;
    state.bucket(&input.bucket)?;
    let id = state.new_id();
    let upload = Upload {
        initiated: SystemTime::now(),
        attributes,
        algorithm,
        is_composite,
        parts: BTreeMap::new(),
    };
    let bucket = state.bucket_mut(&input.bucket)?;
    bucket.uploads.insert((input.key.clone(), id.clone()), upload);
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: algorithm.map(shown_algorithm),
        checksum_type: algorithm.map(|_| shown_type(is_composite)),
        ..Default::default()
    })
}

pub(super) fn shown_algorithm(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

pub(super) fn shown_type(is_composite: bool) -> ChecksumType {
    ChecksumType::from_static(if is_composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}

pub(super) fn put_part(
    state: &mut State,
    input: UploadPartInput,
    body: Body,
) -> S3Result<UploadPartOutput> {
    let number = part_number(input.part_number)?;
    let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
    let mut checksums = given_checksums!(input);
    checksums.extend(body.trailing);
    let given = Given { md5: input.content_md5.as_deref(), checksums, algorithm: upload.algorithm };
    let object = writes::object(&state.rules, body.bytes, &given)?;
    let mut output = UploadPartOutput { e_tag: Some(object.etag()), ..Default::default() };
    set_checksum!(output, object.checksum.as_ref());
    add_part(state, (input.bucket, input.key, input.upload_id), number, object)?;
    Ok(output)
}

pub(super) fn copy_part(
    state: &mut State,
    mut input: UploadPartCopyInput,
) -> S3Result<UploadPartCopyOutput> {
    if !state.rules.part_copy_supported {
        return Err(not_implemented());
    }
    let number = part_number(input.part_number)?;
    let source = copies::source(state, &input.copy_source, &source_conditions!(input))?;
    let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
    let whole = &source.object.content;
    let range = match input.copy_source_range.as_deref() {
        Some(text) => source_range(text, whole.len())?,
        None => 0..whole.len(),
    };
    if range.end - range.start > state.rules.max_copy_size {
        return Err(invalid_request(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let given = Given { md5: None, checksums: Vec::new(), algorithm: upload.algorithm };
    let object = writes::object(&state.rules, whole.slice(&range).to_bytes(), &given)?;
    let mut result = CopyPartResult {
        e_tag: Some(object.etag()),
        last_modified: Some(SystemTime::now().into()),
        ..Default::default()
    };
    set_checksum!(result, object.checksum.as_ref());
    add_part(state, (input.bucket, input.key, input.upload_id), number, object)?;
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: source.shown_id,
        ..Default::default()
    })
}

fn add_part(
    state: &mut State,
    (bucket, key, id): (String, String, String),
    number: i32,
    object: Object,
) -> S3Result<()> {
    let part = Part {
        content: object.content,
        etag: object.etag,
        checksum: object.checksum,
        modified: SystemTime::now(),
    };
    let upload = state.bucket_mut(&bucket)?.uploads.get_mut(&(key, id));
    upload.ok_or_else(no_such_upload)?.parts.insert(number, part);
    Ok(())
}

fn part_number(number: i32) -> S3Result<i32> {
    if (1..=10_000).contains(&number) {
        return Ok(number);
    }
    Err(invalid_argument("Part number must be an integer between 1 and 10000, inclusive"))
}

/// Reads the range of a source, `bytes=first-last`, which must lie within it.
fn source_range(text: &str, len: u64) -> S3Result<Range<u64>> {
    let read = || {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (first <= last).then_some(first..last.checked_add(1)?)
    };
    let range: Range<u64> = read().ok_or_else(|| {
        invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets \
             of the first and last bytes to copy",
        )
    })?;
    if range.end > len {
        return Err(invalid_argument("Range specified is not valid for source object"));
    }
    Ok(range)
}

pub(super) fn complete(
    state: &mut State,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
    let listed = input.multipart_upload.clone().and_then(|upload| upload.parts);
    let parts = chosen_parts(upload, &listed.unwrap_or_default(), state.rules.min_part_size)?;
    let contents: Vec<Content> = parts.into_iter().map(|part| part.content).collect();
    let content: Content =
        contents.iter().flat_map(|content| content.segments().iter().cloned()).collect();
    let size = u64::try_from(input.mpu_object_size.unwrap_or_default()).unwrap_or_default();
    if input.mpu_object_size.is_some() && size != content.len() {
        return Err(invalid_request(
            "The provided 'x-amz-mp-object-size' header value does not match what was computed",
        ));
    }
    let checksum = if state.rules.checksums_supported {
        Some(object_checksum(upload, &contents, &content, &given_checksums!(input))?)
    } else {
        None
    };
    let object = Object {
        etag: checksums::multipart_etag(&contents),
        checksum,
        attributes: upload.attributes.clone(),
        content,
    };
    let conditions =
        WriteConditions { if_match: input.if_match, if_none_match: input.if_none_match };
    let current = state.bucket(&input.bucket)?.current(&input.key).map(AsRef::as_ref);
    conditions.check(state.rules.complete_conditions, current)?;
    let mut output = CompleteMultipartUploadOutput {
        e_tag: Some(object.etag()),
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        checksum_type: object.checksum.as_ref().map(|one| shown_type(one.is_composite)),
        ..Default::default()
    };
    set_checksum!(output, object.checksum.as_ref());
    let version = state.store(&input.bucket, &input.key, Some(object))?;
    let bucket = state.bucket_mut(&input.bucket)?;
    bucket.uploads.remove(&(input.key, input.upload_id));
    output.version_id = version.shown_id(bucket.versioning);
    Ok(output)
}

/// Returns the parts that a completion lists.
fn chosen_parts(upload: &Upload, listed: &[CompletedPart], min_size: u64) -> S3Result<Vec<Part>> {
    if listed.is_empty() {
        return Err(malformed_xml());
    }
    let invalid = || {
        error(
            S3ErrorCode::InvalidPart,
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag \
             may not match the part's entity tag.",
        )
    };
    let mut parts: Vec<Part> = Vec::new();
    let mut last = 0;
    for completed in listed {
        let number = completed.part_number.ok_or_else(malformed_xml)?;
        if number <= last {
            return Err(error(
                S3ErrorCode::InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            ));
        }
        last = number;
        let part = upload.parts.get(&number).ok_or_else(invalid)?;
        let given = given_checksums!(completed);
        let is_right = given.iter().all(|(algorithm, value)| {
            part.checksum
                .as_ref()
                .is_none_or(|checksum| checksum.algorithm != *algorithm || checksum.value == *value)
        });
        if completed.e_tag.as_ref().ok_or_else(malformed_xml)?.value() != part.etag || !is_right {
            return Err(invalid());
        }
        parts.push(part.clone());
    }
    let but_last = &parts[..parts.len() - 1];
    if but_last.iter().any(|part| part.content.len() < min_size) {
        return Err(error(
            S3ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    Ok(parts)
}

/// Returns the checksum of the object of an upload, checked against the one that the client gave.
fn object_checksum(
    upload: &Upload,
    parts: &[Content],
    whole: &Content,
    given: &[(Algorithm, String)],
) -> S3Result<Checksum> {
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let checksum =
        if upload.is_composite { algorithm.of_parts(parts) } else { algorithm.of(whole) };
    let wrong = given.iter().find(|(given, value)| *given == algorithm && *value != checksum.value);
    match wrong {
        Some(_) => Err(bad_digest(algorithm.name())),
        None => Ok(checksum),
    }
}

pub(super) fn abort(state: &mut State, input: AbortMultipartUploadInput) -> S3Result<()> {
    let bucket = state.bucket_mut(&input.bucket)?;
    let removed = bucket.uploads.remove(&(input.key, input.upload_id));
    removed.map(drop).ok_or_else(no_such_upload)
}
