//! Reads: metadata and content always belong to the same version of the object.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, Result};

use super::conditions;
use super::error::{not_read, unsupported};
use super::object::look_up;
use crate::backend::AsyncFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::core::etag::Etag;
use crate::core::options::ReadOptions;
use crate::core::stream::ByteStream;
use crate::core::stream::DEFAULT_CHUNK_SIZE;

/// How often a get starts again because the object changed between look-up and read.
const ATTEMPTS: usize = 16;

/// Up to this size a read returns one chunk, so that collecting it copies nothing.
const ONE_CHUNK: u64 = 8 * 1024 * 1024;

/// Ranges with a gap up to this size are read as one: reading the gap costs less than another call.
const GAP: u64 = 64 * 1024;

/// The number of ranges of one object that are read concurrently.
const CONCURRENT_RANGES: usize = 10;

pub(super) async fn get(
    backend: &Arc<dyn AsyncFileBackend>,
    location: &Path,
    options: &GetOptions,
) -> Result<GetResult> {
    if options.version.is_some() {
        return Err(unsupported(
            "read",
            location,
            "f9 keeps only the current version of an object",
        ));
    }
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let (info, meta) = look_up(&**backend, location).await?;
        conditions::check(options, &info, &meta)?;
        let range = match &options.range {
            Some(range) => resolve(range, meta.size, location)?,
            None => 0..meta.size,
        };
        let content = if options.head {
            stream::empty().boxed()
        } else {
            match open(&**backend, location, range.clone(), info.etag).await {
                Ok(content) => content,
                Err(error) if is_overtaken(&error) && attempts.next().is_some() => continue,
                Err(error) => return Err(not_read(error, location)),
            }
        };
        let payload = GetResultPayload::Stream(content);
        let (attributes, extensions) = Default::default();
        return Ok(GetResult { payload, meta, range, attributes, extensions });
    }
}

/// Returns whether a read found another version than the look-up before it.
fn is_overtaken(error: &Error) -> bool {
    error.kind() == ErrorKind::PreconditionFailed
}

/// Opens a range of the object, if it still has this etag.
async fn open(
    backend: &dyn AsyncFileBackend,
    location: &Path,
    range: Range<u64>,
    etag: Option<Etag>,
) -> crate::core::error::Result<BoxStream<'static, Result<Bytes>>> {
    let length = range.end - range.start;
    let chunk_size = match usize::try_from(length) {
        Ok(length @ 1..) if length as u64 <= ONE_CHUNK => length,
        _ => DEFAULT_CHUNK_SIZE,
    };
    let mut options = ReadOptions::range(range).with_chunk_size(chunk_size);
    options.if_match = etag;
    let content = backend.stream_read_with(location.as_ref(), options).await?;
    let location = location.clone();
    Ok(exactly(length, content).map_err(move |error| not_read(error, &location)).boxed())
}

/// Fails unless the stream has exactly `length` bytes: without etags, the read may find another version than the look-up. The stream
/// may be polled after its end, as `object_store` does when it collects a stream.
fn exactly(
    length: u64,
    content: ByteStream<'static>,
) -> impl stream::Stream<Item = crate::core::error::Result<Bytes>> {
    stream::try_unfold((content, length), |(mut content, left)| async move {
        let chunk = content.try_next().await?;
        match (&chunk, left.checked_sub(chunk.as_ref().map_or(0, Bytes::len) as u64)) {
            (Some(_), Some(left)) => Ok(chunk.map(|chunk| (chunk, (content, left)))),
            (None, Some(0)) => Ok(None),
            _ => Err(Error::new(ErrorKind::LengthMismatch)
                .with_operation("read")
                .with_message("the object changed while it was read")),
        }
    })
}

fn resolve(range: &GetRange, size: u64, location: &Path) -> Result<Range<u64>> {
    range.as_range(size).map_err(|reason| invalid(reason.to_string(), location))
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
        let checked = GetRange::Bounded(range.clone()).is_valid();
        checked.map_err(|reason| invalid(reason.to_string(), location))?;
    }
    let merged = merge(ranges);
    let mut attempts = 1..=ATTEMPTS;
    let read = loop {
        // A single read sees one version. Several reads need an etag to see the same one.
        let etag = match merged.len() {
            0 | 1 => None,
            _ => look_up(&**backend, location).await?.0.etag,
        };
        let reads = stream::iter(merged.clone()).map(|range| {
            let mut options = ReadOptions::range(range);
            options.if_match.clone_from(&etag);
            backend.read_with(location.as_ref(), options)
        });
        match reads.buffered(CONCURRENT_RANGES).try_collect::<Vec<_>>().await {
            Ok(read) => break read,
            Err(error) if is_overtaken(&error) && attempts.next().is_some() => {}
            Err(error) => return Err(not_read(error, location)),
        }
    };
    ranges.iter().map(|range| slice(range, &merged, &read, location)).collect()
}

/// Merges ranges that overlap or are close together. Returns them in order.
fn merge(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP) => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Returns a range of the content that was read.
fn slice(
    range: &Range<u64>,
    merged: &[Range<u64>],
    read: &[Bytes],
    location: &Path,
) -> Result<Bytes> {
    let holder = merged.partition_point(|merged| merged.start <= range.start) - 1;
    let (offset, read) = (merged[holder].start, &read[holder]);
    let within = GetRange::Bounded(range.start - offset..range.end - offset);
    let within = within.as_range(read.len() as u64).map_err(|_| {
        let size = offset + read.len() as u64;
        invalid(format!("it starts at {}, past the end at {size}", range.start), location)
    })?;
    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(read.slice(at(within.start)..at(within.end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a slice of one range is intended")]
    fn close_ranges_are_read_as_one_and_distant_ones_are_not() {
        let far = 10 + GAP + 1;
        for (ranges, expected) in [
            (vec![], vec![]),
            (vec![0..10, 10..20], vec![0..20]),
            (vec![0..10, 10 + GAP..far + 9], vec![0..far + 9]),
            (vec![0..10, far..far + 9], vec![0..10, far..far + 9]),
            (vec![far..far + 9, 0..10, 3..5, 0..2], vec![0..10, far..far + 9]),
            (vec![0..100, 5..6], vec![0..100]),
        ] {
            assert_eq!(merge(&ranges), expected);
        }
    }
}
