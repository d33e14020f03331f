//! Listings of objects, versions, uploads and parts.

use std::ops::Bound;
use std::time::SystemTime;

use s3s::S3Result;
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, EncodingType, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput,
    ListPartsOutput, MultipartUpload, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass,
    Part, StorageClass,
};

use super::buckets::owner;
use super::checksums::set_checksum;
use super::errors::{invalid_argument, not_implemented};
use super::paging::{After, Encoding, Filter, Item, Page, limit, read_token, token};
use super::records::{Bucket, Object, Version};
use super::state::State;
use super::uploads::{shown_algorithm, shown_type};

const STANDARD: &str = "STANDARD";

/// A key with the object it names.
struct Listed<'a> {
    key: &'a str,
    modified: SystemTime,
    object: &'a Object,
}

/// What a listing has in common with the other kinds.
struct Names<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    encoding: Encoding,
}

impl<'a> Names<'a> {
    fn new(
        state: &State,
        prefix: Option<&'a String>,
        delimiter: Option<&'a String>,
        encoding: Option<&EncodingType>,
    ) -> Self {
        let is_url = encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL);
        Self {
            prefix: prefix.map_or("", String::as_str),
            delimiter: delimiter.map(String::as_str).filter(|delimiter| !delimiter.is_empty()),
            encoding: Encoding { is_url, spaces_as_plus: state.rules.spaces_as_plus },
        }
    }

    fn filter(&self, after: After<'a>, limit: usize) -> Filter<'a> {
        Filter { prefix: self.prefix, delimiter: self.delimiter, after, limit }
    }

    fn prefixes(&self, prefixes: Vec<String>) -> Vec<CommonPrefix> {
        let encode = |prefix: String| CommonPrefix { prefix: Some(self.encoding.encode(&prefix)) };
        prefixes.into_iter().map(encode).collect()
    }
}

pub(super) fn objects_v2(
    state: &State,
    input: ListObjectsV2Input,
) -> S3Result<ListObjectsV2Output> {
    let bucket = state.bucket(&input.bucket)?;
    let names = Names::new(
        state,
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        input.encoding_type.as_ref(),
    );
    let continued = input.continuation_token.as_deref().map(read_token).transpose()?;
    let after = match &continued {
        Some((name, is_included)) => After { name, is_included: *is_included },
        None => After { name: input.start_after.as_deref().unwrap_or(""), is_included: false },
    };
    let limit = limit(input.max_keys, state.rules.page_size)?;
    let page = objects(bucket, names.filter(after, limit));
    let next = next_name(&page).filter(|_| page.is_truncated);
    let repeats = state.rules.repeats_keys && page.items.len() > 1;
    let (is_truncated, count) = (page.is_truncated, page.items.len());
    let (entries, prefixes) = page.split(state.rules.lists_in_order);
    let with_owner = input.fetch_owner == Some(true);
    Ok(ListObjectsV2Output {
        contents: Some(
            entries.iter().map(|entry| shown(state, entry, names.encoding, with_owner)).collect(),
        ),
        common_prefixes: Some(names.prefixes(prefixes)),
        is_truncated: Some(is_truncated),
        key_count: i32::try_from(count).ok(),
        max_keys: i32::try_from(limit).ok(),
        next_continuation_token: next.map(|name| token(&name, repeats)),
        continuation_token: input.continuation_token,
        delimiter: input.delimiter.as_deref().map(|text| names.encoding.encode(text)),
        prefix: Some(names.encoding.encode(names.prefix)),
        start_after: input.start_after.as_deref().map(|text| names.encoding.encode(text)),
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    })
}

pub(super) fn objects_v1(state: &State, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let bucket = state.bucket(&input.bucket)?;
    let names = Names::new(
        state,
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        input.encoding_type.as_ref(),
    );
    let after = After { name: input.marker.as_deref().unwrap_or(""), is_included: false };
    let limit = limit(input.max_keys, state.rules.page_size)?;
    let page = objects(bucket, names.filter(after, limit));
    // Without a delimiter, clients take the last key.
    let next = next_name(&page).filter(|_| page.is_truncated && names.delimiter.is_some());
    let is_truncated = page.is_truncated;
    let (entries, prefixes) = page.split(state.rules.lists_in_order);
    Ok(ListObjectsOutput {
        contents: Some(
            entries.iter().map(|entry| shown(state, entry, names.encoding, true)).collect(),
        ),
        common_prefixes: Some(names.prefixes(prefixes)),
        is_truncated: Some(is_truncated),
        max_keys: i32::try_from(limit).ok(),
        next_marker: next.map(|name| names.encoding.encode(&name)),
        marker: Some(names.encoding.encode(after.name)),
        delimiter: input.delimiter.as_deref().map(|text| names.encoding.encode(text)),
        prefix: Some(names.encoding.encode(names.prefix)),
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    })
}

/// Returns a page of the objects of a bucket.
fn objects<'a>(bucket: &'a Bucket, filter: Filter<'_>) -> Page<Listed<'a>> {
    let After { name, is_included } = filter.after;
    let start = if name < filter.prefix {
        Bound::Included(filter.prefix)
    } else if is_included {
        Bound::Included(name)
    } else {
        Bound::Excluded(name)
    };
    let listed =
        bucket.keys.range::<str, _>((start, Bound::Unbounded)).filter_map(|(key, versions)| {
            let newest = versions.last()?;
            let object = newest.object.as_deref()?;
            Some((key.as_str(), Listed { key, modified: newest.modified, object }))
        });
    Page::collect(listed, filter)
}

/// Returns the name of the last item.
fn next_name(page: &Page<Listed<'_>>) -> Option<String> {
    Some(match page.items.last()? {
        Item::Entry(entry) => entry.key.to_owned(),
        Item::Prefix(prefix) => prefix.clone(),
    })
}

fn shown(
    state: &State,
    listed: &Listed<'_>,
    encoding: Encoding,
    with_owner: bool,
) -> s3s::dto::Object {
    let Listed { key, modified, object } = listed;
    let storage_class = object.attributes.storage_class.clone();
    let checksum = object.checksum.as_ref();
    s3s::dto::Object {
        key: Some(encoding.encode(key)),
        e_tag: state.rules.list_etags.then(|| object.etag()),
        size: i64::try_from(object.content.len()).ok(),
        last_modified: Some((*modified).into()),
        owner: with_owner.then(owner),
        storage_class: Some(ObjectStorageClass::from(
            storage_class.unwrap_or_else(|| STANDARD.to_owned()),
        )),
        checksum_algorithm: checksum.map(|one| vec![shown_algorithm(one.algorithm)]),
        checksum_type: checksum.map(|one| shown_type(one.is_composite)),
        ..Default::default()
    }
}

/// A version in a listing.
struct ListedVersion<'a> {
    key: &'a str,
    version: &'a Version,
    is_latest: bool,
}

pub(super) fn versions(
    state: &State,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    if !state.rules.versioning_supported {
        return Err(not_implemented());
    }
    let bucket = state.bucket(&input.bucket)?;
    let names = Names::new(
        state,
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        input.encoding_type.as_ref(),
    );
    let key_marker = input.key_marker.as_deref().unwrap_or("");
    let version_marker = input.version_id_marker.as_deref().filter(|id| !id.is_empty());
    if version_marker.is_some() && key_marker.is_empty() {
        return Err(invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let after = After { name: key_marker, is_included: false };
    let limit = limit(input.max_keys, state.rules.page_size)?;
    let page = Page::collect(
        versions_after(bucket, key_marker, version_marker),
        names.filter(after, limit),
    );
    let (mut next_key, mut next_version) = (None, None);
    if page.is_truncated {
        match page.items.last() {
            Some(Item::Entry(entry)) => {
                next_key = Some(entry.key.to_owned());
                next_version = Some(entry.version.id.clone());
            }
            Some(Item::Prefix(prefix)) => next_key = Some(prefix.clone()),
            None => {}
        }
    }
    let is_truncated = page.is_truncated;
    let (entries, prefixes) = page.split(state.rules.lists_in_order);
    let (versions, markers) = shown_versions(state, &entries, names.encoding);
    Ok(ListObjectVersionsOutput {
        versions: Some(versions),
        delete_markers: Some(markers),
        common_prefixes: Some(names.prefixes(prefixes)),
        is_truncated: Some(is_truncated),
        max_keys: i32::try_from(limit).ok(),
        next_key_marker: next_key.map(|key| names.encoding.encode(&key)),
        next_version_id_marker: next_version,
        key_marker: Some(names.encoding.encode(key_marker)),
        version_id_marker: input.version_id_marker,
        delimiter: input.delimiter.as_deref().map(|text| names.encoding.encode(text)),
        prefix: Some(names.encoding.encode(names.prefix)),
        encoding_type: input.encoding_type,
        name: Some(input.bucket),
        ..Default::default()
    })
}

/// Returns the versions after a key, or after a version of it, the newest of each key first.
fn versions_after<'a>(
    bucket: &'a Bucket,
    key_marker: &'a str,
    version_marker: Option<&'a str>,
) -> impl Iterator<Item = (&'a str, ListedVersion<'a>)> {
    bucket.keys.range::<str, _>((Bound::Included(key_marker), Bound::Unbounded)).flat_map(
        move |(key, versions)| {
            let skipped = match version_marker {
                _ if key != key_marker || key.is_empty() => 0,
                None => versions.len(),
                Some(id) => {
                    let position = versions.iter().rev().position(|version| version.id == id);
                    position.map_or(versions.len(), |position| position + 1)
                }
            };
            let newest_first = versions.iter().rev().enumerate().skip(skipped);
            newest_first.map(move |(position, version)| {
                (key.as_str(), ListedVersion { key, version, is_latest: position == 0 })
            })
        },
    )
}

fn shown_versions(
    state: &State,
    entries: &[ListedVersion<'_>],
    encoding: Encoding,
) -> (Vec<ObjectVersion>, Vec<DeleteMarkerEntry>) {
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for ListedVersion { key, version, is_latest } in entries {
        let key = Some(encoding.encode(key));
        let version_id = Some(version.id.clone());
        let last_modified = Some(version.modified.into());
        match &version.object {
            Some(object) => versions.push(ObjectVersion {
                key,
                version_id,
                last_modified,
                is_latest: Some(*is_latest),
                e_tag: state.rules.list_etags.then(|| object.etag()),
                size: i64::try_from(object.content.len()).ok(),
                storage_class: Some(ObjectVersionStorageClass::from_static(STANDARD)),
                owner: Some(owner()),
                ..Default::default()
            }),
            None => markers.push(DeleteMarkerEntry {
                key,
                version_id,
                last_modified,
                is_latest: Some(*is_latest),
                owner: Some(owner()),
            }),
        }
    }
    (versions, markers)
}

pub(super) fn uploads(
    state: &State,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    if !state.rules.list_uploads_supported {
        return Err(not_implemented());
    }
    let bucket = state.bucket(&input.bucket)?;
    let names = Names::new(
        state,
        input.prefix.as_ref(),
        input.delimiter.as_ref(),
        input.encoding_type.as_ref(),
    );
    let key_marker = input.key_marker.as_deref().unwrap_or("");
    // S3 ignores the second marker without the first.
    let id_marker = input.upload_id_marker.as_deref().filter(|_| !key_marker.is_empty());
    let after = After { name: key_marker, is_included: false };
    let limit = limit(input.max_uploads, state.rules.page_size)?;
    let later = bucket.uploads.iter().filter(|((key, id), _)| match id_marker {
        Some(marker) if key == key_marker => id.as_str() > marker,
        _ => key.as_str() > key_marker,
    });
    let listed = later.map(|((key, id), upload)| (key.as_str(), (key, id, upload)));
    let page = Page::collect(listed, names.filter(after, limit));
    let (mut next_key, mut next_id) = (None, None);
    if page.is_truncated {
        match page.items.last() {
            Some(Item::Entry((key, id, _))) => {
                next_key = Some(names.encoding.encode(key));
                next_id = Some((*id).clone());
            }
            Some(Item::Prefix(prefix)) => next_key = Some(names.encoding.encode(prefix)),
            None => {}
        }
    }
    let is_truncated = page.is_truncated;
    let (entries, prefixes) = page.split(state.rules.lists_in_order);
    let shown = entries.into_iter().map(|(key, id, upload)| MultipartUpload {
        key: Some(names.encoding.encode(key)),
        upload_id: Some(id.clone()),
        initiated: Some(upload.initiated.into()),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(STANDARD)),
        checksum_algorithm: upload.algorithm.map(shown_algorithm),
        checksum_type: upload.algorithm.map(|_| shown_type(upload.is_composite)),
        ..Default::default()
    });
    Ok(ListMultipartUploadsOutput {
        uploads: Some(shown.collect()),
        common_prefixes: Some(names.prefixes(prefixes)),
        is_truncated: Some(is_truncated),
        max_uploads: i32::try_from(limit).ok(),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        key_marker: Some(names.encoding.encode(key_marker)),
        upload_id_marker: input.upload_id_marker,
        delimiter: input.delimiter.as_deref().map(|text| names.encoding.encode(text)),
        prefix: Some(names.encoding.encode(names.prefix)),
        encoding_type: input.encoding_type,
        bucket: Some(input.bucket),
        ..Default::default()
    })
}

pub(super) fn parts(state: &State, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
    let marker = input.part_number_marker.unwrap_or(0);
    let limit = limit(input.max_parts, state.rules.page_size)?;
    let mut later = upload.parts.range((Bound::Excluded(marker), Bound::Unbounded));
    let listed: Vec<_> = later.by_ref().take(limit).collect();
    let is_truncated = limit > 0 && later.next().is_some();
    let last = listed.last().map(|(number, _)| **number);
    let shown = listed.into_iter().map(|(number, part)| {
        let mut shown = Part {
            part_number: Some(*number),
            e_tag: Some(s3s::dto::ETag::Strong(part.etag.clone())),
            size: i64::try_from(part.content.len()).ok(),
            last_modified: Some(part.modified.into()),
            ..Default::default()
        };
        set_checksum!(shown, part.checksum.as_ref().filter(|_| upload.algorithm.is_some()));
        shown
    });
    Ok(ListPartsOutput {
        parts: Some(shown.collect()),
        is_truncated: Some(is_truncated),
        max_parts: i32::try_from(limit).ok(),
        part_number_marker: Some(marker),
        next_part_number_marker: last,
        checksum_algorithm: upload.algorithm.map(shown_algorithm),
        checksum_type: upload.algorithm.map(|_| shown_type(upload.is_composite)),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(STANDARD)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        ..Default::default()
    })
}
