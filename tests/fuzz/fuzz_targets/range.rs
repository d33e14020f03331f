//! Ranges: a read returns the slice between its offsets, for all offsets.

#![no_main]

use std::ops::{Bound, Range};

use f9::prelude::*;
use f9::{ByteRange, ErrorKind, MemoryFileBackend, ReadOptions};
use futures::TryStreamExt as _;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

/// Returns the offsets in a file of `size` bytes, computed without overflow.
fn offsets(start: Bound<u64>, end: Bound<u64>, size: u64) -> Result<Range<u64>, ErrorKind> {
    let start = match start {
        Bound::Included(start) => i128::from(start),
        Bound::Excluded(before) => i128::from(before) + 1,
        Bound::Unbounded => 0,
    };
    let end = match end {
        Bound::Included(last) => i128::from(last) + 1,
        Bound::Excluded(end) => i128::from(end),
        Bound::Unbounded => i128::MAX,
    };
    let size = i128::from(size);
    if end < start || start > size {
        return Err(ErrorKind::InvalidRange);
    }
    Ok(start.try_into().unwrap()..end.min(size).try_into().unwrap())
}

type Input<'a> = (Bound<u64>, Bound<u64>, u64, u8, u8, &'a [u8]);

fuzz_target!(|input: Input<'_>| {
    let (start, end, size, shift, chunk_size, content) = input;
    // Half of the offsets are near the content. A file has at most `u64::MAX / 2` bytes.
    let nearer = |bound: Bound<u64>| bound.map(|at| at.checked_shr(shift.into()).unwrap_or(0));
    let (start, end) = (nearer(start), nearer(end));
    let size = size >> 1;
    let range = ByteRange::from((start, end));
    let resolved = range.resolve(size).map_err(|error| error.kind());
    assert_eq!(resolved, offsets(start, end, size));

    let suffix = ByteRange::Suffix(size).resolve(content.len() as u64).unwrap();
    assert_eq!(suffix, (content.len() as u64).saturating_sub(size)..content.len() as u64);

    let expected = offsets(start, end, content.len() as u64)
        .map(|Range { start, end }| content[start as usize..end as usize].to_vec());
    let files = MemoryFileBackend::new();
    let chunk_size = usize::from(chunk_size).max(1);
    let options = ReadOptions::range(range).with_chunk_size(chunk_size);
    block_on(async {
        files.create("a", content.to_vec()).await.unwrap();
        let read = files.read_with("a", options.clone()).await;
        assert_eq!(read.map(Vec::from).map_err(|error| error.kind()), expected);
        let chunks =
            async { files.stream_read_with("a", options).await?.try_collect::<Vec<_>>().await };
        let chunks = chunks.await.map_err(|error| error.kind());
        if let Some((last, others)) = chunks.as_deref().ok().and_then(<[_]>::split_last) {
            assert!(others.iter().all(|chunk| chunk.len() == chunk_size));
            assert!((1..=chunk_size).contains(&last.len()));
        }
        assert_eq!(chunks.map(|chunks| chunks.concat()), expected);
    });
});
