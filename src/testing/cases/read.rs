//! A read returns the written bytes, all of them or a range.

use std::ops::Bound;

use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::core::error::{ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::options::{ByteRange, ReadOptions};
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::{refused, refused_when};

/// Returns the chunks of a stream.
async fn chunks(
    files: &dyn AsyncFileBackend,
    path: &str,
    options: ReadOptions,
) -> Result<Vec<Bytes>> {
    files.stream_read_with(path, options).await?.try_collect().await
}

/// Asserts that every chunk but the last has `chunk_size` bytes, and that the last is not empty.
#[track_caller]
fn assert_full_but_last(chunks: &[Bytes], chunk_size: usize) {
    if let Some((last, full)) = chunks.split_last() {
        let sizes = || chunks.iter().map(Bytes::len).collect::<Vec<_>>();
        assert!(full.iter().all(|chunk| chunk.len() == chunk_size), "{:?}", sizes());
        assert!((1..=chunk_size).contains(&last.len()), "{:?}", sizes());
    }
}

pub async fn every_chunk_but_the_last_is_full_and_none_is_empty(store: &dyn Fixture) {
    const CHUNK: usize = DEFAULT_CHUNK_SIZE;
    let files = store.backend().await;
    for chunk in [1_000, 4_096, CHUNK] {
        for size in [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk + 7] {
            let (path, content) = (format!("{chunk}/{size}"), bytes(size));
            files.create(&path, content.clone()).await.unwrap();
            let options = ReadOptions::default().with_chunk_size(chunk);
            let chunks = chunks(&*files, &path, options).await.unwrap();
            assert_full_but_last(&chunks, chunk);
            assert!(chunks.concat() == content, "{size} bytes by {chunk}");
        }
    }
}

pub async fn a_stream_accepts_any_chunk_size_from_one_byte(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "hello").await.unwrap();
    for (chunk, expected) in [(1, 5), (2, 3), (5, 1), (usize::MAX, 1)] {
        let options = ReadOptions::default().with_chunk_size(chunk);
        let chunks = chunks(&*files, "a", options.clone()).await.unwrap();
        assert_eq!((chunks.len(), chunks.concat()), (expected, b"hello".to_vec()));
        assert_eq!(files.read_with("a", options).await.unwrap(), "hello");
    }
}

pub async fn chunks_of_the_default_size_are_full(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(store.scale().pick(5 << 20, 5 << 18));
    files.create("a", content.clone()).await.unwrap();
    let chunks: Vec<Bytes> = files.stream_read("a").await.unwrap().try_collect().await.unwrap();
    assert_full_but_last(&chunks, chunks[0].len());
    assert!(chunks.len() > 1, "a large file came in one chunk");
    assert!(chunks.concat() == content);
}

pub async fn a_chunk_size_of_zero_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let options = ReadOptions::default().with_chunk_size(0);
    refused(files.read_with("a", options.clone()).await, ErrorKind::InvalidInput);
    refused(files.stream_read_with("a", options.clone()).await, ErrorKind::InvalidInput);
    // The path is checked first.
    refused(files.read_with("..", options.clone()).await, ErrorKind::PathEscapesRoot);
    refused(files.stream_read_with("..", options).await, ErrorKind::PathEscapesRoot);
}

const SIZE: u64 = 1_000;

/// Ranges of a file of [`SIZE`] bytes, and their offsets.
fn ranges() -> Vec<(ByteRange, std::ops::Range<usize>)> {
    vec![
        ((3..7).into(), 3..7),
        ((3..=7).into(), 3..8),
        ((..7).into(), 0..7),
        ((..=7).into(), 0..8),
        ((0..0).into(), 0..0),
        ((5..5).into(), 5..5),
        ((990..).into(), 990..1_000),
        ((..).into(), 0..1_000),
        ((0..1_000).into(), 0..1_000),
        ((900..2_000).into(), 900..1_000),
        ((999..1_000).into(), 999..1_000),
        ((1_000..).into(), 1_000..1_000),
        ((1_000..1_000).into(), 1_000..1_000),
        ((1_000..5_000).into(), 1_000..1_000),
        ((..=u64::MAX).into(), 0..1_000),
        ((7..=u64::MAX).into(), 7..1_000),
        ((7..u64::MAX).into(), 7..1_000),
        ((63..129).into(), 63..129),
        ((64..128).into(), 64..128),
        ((Bound::Excluded(3), Bound::Unbounded).into(), 4..1_000),
        (ByteRange::Suffix(0), 1_000..1_000),
        (ByteRange::Suffix(10), 990..1_000),
        (ByteRange::Suffix(1_000), 0..1_000),
        (ByteRange::Suffix(5_000), 0..1_000),
        (ByteRange::Suffix(u64::MAX), 0..1_000),
    ]
}

pub async fn every_form_of_range_reads_exactly_its_bytes(store: &dyn Fixture) {
    const CHUNK: usize = 64;
    let files = store.backend().await;
    let content: Bytes = bytes(1_000);
    files.create("a", content.clone()).await.unwrap();
    for (range, offsets) in ranges() {
        let options = ReadOptions::range(range.clone());
        let read = files.read_with("a", options.clone()).await.unwrap();
        assert_eq!(read, content[offsets.clone()], "{range:?}");
        let options = options.with_chunk_size(CHUNK);
        let chunks = chunks(&*files, "a", options).await.unwrap();
        assert_full_but_last(&chunks, CHUNK);
        assert_eq!(chunks.concat(), content[offsets], "{range:?} of a stream");
    }
}

pub async fn a_range_across_chunk_boundaries_is_complete(store: &dyn Fixture) {
    const CHUNK: u64 = DEFAULT_CHUNK_SIZE as u64;
    let files = store.backend().await;
    let content = bytes(3 * DEFAULT_CHUNK_SIZE + 7);
    files.create("a", content.clone()).await.unwrap();
    for range in [CHUNK - 1..CHUNK + 1, 1..2 * CHUNK + 5, CHUNK..3 * CHUNK, 5..3 * CHUNK + 7] {
        let expected = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let options = ReadOptions::range(range.clone());
        let read = files.read_with("a", options.clone()).await.unwrap();
        assert!(read == content[expected.clone()], "{range:?}");
        let chunks = chunks(&*files, "a", options).await.unwrap();
        assert!(chunks.concat() == content[expected], "{range:?} of a stream");
    }
}

#[expect(clippy::reversed_empty_ranges, reason = "the case checks that they are refused")]
pub async fn a_range_that_starts_past_the_end_or_is_reversed_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", bytes(1_000)).await.unwrap();
    for range in [
        ByteRange::from(SIZE + 1..),
        ByteRange::from(SIZE + 1..SIZE + 5),
        ByteRange::from(SIZE + 1..=u64::MAX),
        ByteRange::from(u64::MAX..),
        ByteRange::from(7..3),
        ByteRange::from(2_000..1_500),
    ] {
        let options = ReadOptions::range(range.clone());
        let call = format!("{range:?}");
        let read = files.read_with("a", options.clone()).await;
        refused_when(read, ErrorKind::InvalidRange, &call);
        let streamed = files.stream_read_with("a", options).await;
        refused_when(streamed, ErrorKind::InvalidRange, &call);
    }
}

pub async fn ranges_of_an_empty_file_are_empty(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "").await.unwrap();
    for range in [
        ByteRange::from(..),
        ByteRange::from(0..),
        ByteRange::from(0..10),
        ByteRange::from(..=u64::MAX),
        ByteRange::Suffix(0),
        ByteRange::Suffix(10),
    ] {
        let options = ReadOptions::range(range.clone());
        let read = files.read_with("a", options.clone()).await.unwrap();
        assert!(read.is_empty(), "{range:?}");
        let chunks = chunks(&*files, "a", options).await.unwrap();
        assert!(chunks.is_empty(), "{range:?} of a stream");
    }
    let past = files.read_with("a", ReadOptions::range(1..)).await;
    refused(past, ErrorKind::InvalidRange);
}

pub async fn reading_does_not_change_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("a", bytes(1_000)).await.unwrap().etag;
    files.read_with("a", ReadOptions::range(10..20)).await.unwrap();
    chunks(&*files, "a", ReadOptions::default()).await.unwrap();
    assert_eq!(files.info("a").await.unwrap().etag, etag);
}

pub async fn read_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let stale = files.create("a", "old").await.unwrap().etag.unwrap();
    let current = files.update("a", "new").await.unwrap().etag.unwrap();
    let options = ReadOptions::default().with_if_match(current);
    assert_eq!(files.read_with("a", options.clone()).await.unwrap(), "new");
    let chunks = chunks(&*files, "a", options).await.unwrap();
    assert_eq!(chunks.concat(), b"new");
    for etag in [stale, Etag::new("never given")] {
        let options = ReadOptions::default().with_if_match(etag);
        let read = files.read_with("a", options.clone()).await;
        refused(read, ErrorKind::PreconditionFailed);
        let streamed = files.stream_read_with("a", options).await;
        refused(streamed, ErrorKind::PreconditionFailed);
    }
}

pub async fn reading_a_missing_file_or_a_directory_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("dir/missing", ErrorKind::NotFound),
        ("dir", ErrorKind::IsADirectory),
        ("dir/file/below", ErrorKind::NotADirectory),
        ("dir/file/below/deeper", ErrorKind::NotADirectory),
    ] {
        refused_when(files.read(path).await, kind, path);
        refused_when(files.stream_read(path).await, kind, path);
        refused_when(files.read_text(path).await, kind, path);
        refused_when(files.reader(path).await, kind, path);
    }
}

pub async fn a_stream_never_mixes_old_and_new_content(store: &dyn Fixture) {
    let files = store.backend().await;
    let (old, new) = (bytes(1 << 20), Bytes::from(vec![b'n'; 1 << 20]));
    files.create("a", old.clone()).await.unwrap();
    let options = ReadOptions::default().with_chunk_size(64 << 10);
    let mut content = files.stream_read_with("a", options).await.unwrap();
    let mut read = content.try_next().await.unwrap().unwrap().to_vec();
    files.update("a", new).await.unwrap();
    loop {
        match content.try_next().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) => break assert!(read == old, "the end of the old content is missing"),
            // A store that cannot keep the old content must fail.
            Err(_) => {
                break assert!(old.starts_with(&read), "the stream has bytes of the new content");
            }
        }
    }
}

pub async fn a_stream_can_be_dropped_before_its_end(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(store.scale().pick(2 << 20, 5 << 18));
    files.create("a", content.clone()).await.unwrap();
    for taken in 0..4 {
        let mut stream = files.stream_read("a").await.unwrap();
        for _ in 0..taken {
            assert!(stream.try_next().await.unwrap().is_some());
        }
        drop(stream);
    }
    assert!(files.read("a").await.unwrap() == content);
    files.delete("a").await.unwrap();
}
