//! Reads: metadata and content always belong to the same version of the object.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, Result};

use super::attributes::attributes_of;
use super::conditions;
use super::error::{failed, not_read};
use super::object::{look_up, meta};
use crate::backend::AsyncFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::core::options::{ByteRange, InfoOptions, ReadOptions};
use crate::core::version::VersionId;

/// Up to this size a read returns one chunk, so that collecting it copies nothing.
const ONE_CHUNK: usize = 8 * 1024 * 1024;

pub(super) async fn get(
    backend: &Arc<dyn AsyncFileBackend>,
    location: &Path,
    options: &GetOptions,
) -> Result<GetResult> {
    let condition = conditions::of(options);
    let version = options.version.clone().map(VersionId::new);
    let extensions = Default::default();
    if options.head {
        let mut wanted = InfoOptions::default().with_condition(condition);
        wanted.version = version;
        let (info, meta) = look_up(&**backend, location, wanted).await?;
        let range = resolve(options.range.as_ref(), meta.size, location)?;
        let payload = GetResultPayload::Stream(stream::empty().boxed());
        let attributes = attributes_of(info);
        return Ok(GetResult { payload, meta, range, attributes, extensions });
    }
    let mut read = ReadOptions::default().with_chunk_size(ONE_CHUNK).with_condition(condition);
    read.version = version;
    if let Some(range) = &options.range {
        check(range, location)?;
        read = read.with_range(match range {
            GetRange::Bounded(range) => ByteRange::Bounded(range.clone()),
            GetRange::Offset(offset) => ByteRange::From(*offset),
            GetRange::Suffix(length) => ByteRange::Suffix(*length),
        });
    }
    if location.is_root() {
        let error = Error::new(ErrorKind::IsADirectory).with_operation("read");
        return Err(not_read(error, location));
    }
    let opened = backend.open_with(location.as_ref(), read).await;
    let content = opened.map_err(|error| not_read(error, location))?;
    let meta = meta(&content.info, location.clone())?;
    let range = resolve(options.range.as_ref(), meta.size, location)?;
    let (location, attributes) = (location.clone(), attributes_of(content.info));
    // `object_store` polls a stream after its end.
    let chunks = content.stream.fuse().map_err(move |error| not_read(error, &location));
    let payload = GetResultPayload::Stream(chunks.boxed());
    Ok(GetResult { payload, meta, range, attributes, extensions })
}

/// Returns the offsets of a range. Unlike f9, `object_store` refuses a range that starts at the end.
fn resolve(range: Option<&GetRange>, size: u64, location: &Path) -> Result<Range<u64>> {
    let Some(range) = range else { return Ok(0..size) };
    range.as_range(size).map_err(|reason| invalid(reason.to_string(), location))
}

fn check(range: &GetRange, location: &Path) -> Result<()> {
    range.is_valid().map_err(|reason| invalid(reason.to_string(), location))
}

fn invalid(reason: String, location: &Path) -> object_store::Error {
    let error = Error::new(ErrorKind::InvalidRange).with_operation("read");
    not_read(error.with_message(reason), location)
}

pub(super) async fn get_ranges(
    backend: &Arc<dyn AsyncFileBackend>,
    location: &Path,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    for range in ranges {
        check(&GetRange::Bounded(range.clone()), location)?;
    }
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<_> = ranges.iter().cloned().map(ByteRange::Bounded).collect();
    let read = backend.read_ranges_with(location.as_ref(), &wanted, ReadOptions::default()).await;
    let read = read.map_err(|error| match error.kind() {
        ErrorKind::Contention => {
            failed(error.with_kind(ErrorKind::PreconditionFailed), location.as_ref())
        }
        _ => not_read(error, location),
    })?;
    if let Some(range) = ranges.iter().zip(&read).find_map(|(r, read)| read.is_empty().then_some(r))
    {
        return Err(invalid(format!("it starts at the end, at {}", range.start), location));
    }
    Ok(read)
}
