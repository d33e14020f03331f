//! An open returns the metadata and the content of one version.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::core::error::{Error, ErrorKind};
use crate::core::options::{ByteRange, ReadOptions, WriteOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, failing_source, signed, source};
use crate::testing::expect::{refused, refused_when};

/// Returns a part of `content`.
fn part(content: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap();
    content.slice(at(range.start)..at(range.end))
}

pub async fn an_opened_file_has_its_metadata_and_its_content(store: &dyn Fixture) {
    let files = store.backend().await;
    for size in [0, 1, 4_096, 300_000] {
        let (path, content) = (format!("dir/{size}"), bytes(size));
        let written = files.create(&path, content.clone()).await.unwrap();
        let opened = files.open(&path).await.unwrap();
        assert_eq!((opened.info.path.as_str(), opened.info.size), (&*path, Some(size as u64)));
        assert_eq!(opened.info.etag, written.etag);
        assert_eq!(opened.range, 0..size as u64);
        assert!(opened.bytes().await.unwrap() == content, "{size} bytes");
    }
}

pub async fn an_open_agrees_with_info(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", bytes(1_000)).await.unwrap();
    let mut opened = files.open("dir/a").await.unwrap().info;
    let info = files.info("dir/a").await.unwrap();
    // A read may set it.
    opened.accessed_at = info.accessed_at;
    assert_eq!(opened, info);
}

pub async fn an_open_returns_the_range_that_it_reads(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(1_000);
    files.create("a", content.clone()).await.unwrap();
    for (range, expected) in [
        (ByteRange::from(10..20), 10..20),
        (ByteRange::from(990..5_000), 990..1_000),
        (ByteRange::from(1_000..), 1_000..1_000),
        (ByteRange::Suffix(3), 997..1_000),
        (ByteRange::from(..), 0..1_000),
    ] {
        let opened = files.open_with("a", ReadOptions::range(range)).await.unwrap();
        assert_eq!((opened.range.clone(), opened.info.size), (expected.clone(), Some(1_000)));
        let expected = part(&content, &expected);
        assert_eq!(opened.bytes().await.unwrap(), expected);
    }
    refused(files.open_with("a", ReadOptions::range(1_001..)).await, ErrorKind::InvalidRange);
}

pub async fn opening_a_missing_file_or_a_directory_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("dir", ErrorKind::IsADirectory),
        ("dir/a/below", ErrorKind::NotADirectory),
    ] {
        refused_when(files.open(path).await, kind, path);
    }
}

pub async fn an_open_never_mixes_metadata_and_content_of_two_versions(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", signed(0, 1_000)).await.unwrap();
    let writer = Arc::clone(&files);
    let rounds = store.scale().pick(200, 20);
    let writing = tokio::spawn(async move {
        for round in 1..=rounds {
            writer.write("a", signed(round, 1_000 + round)).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let opened = files.open("a").await.unwrap();
        let size = usize::try_from(opened.info.size.unwrap()).unwrap();
        // The store may give up a stream of a version that was replaced.
        if let Ok(content) = opened.bytes().await {
            assert!(content == signed(size - 1_000, size), "the content is of another version");
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

pub async fn several_ranges_are_read_in_the_given_order(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(200_000);
    files.create("a", content.clone()).await.unwrap();
    let ranges = [150_000..150_010, 0..5, 3..9, 199_990..200_000, 7..7, 100_000..180_000];
    let wanted: Vec<_> = ranges.iter().cloned().map(ByteRange::Bounded).collect();
    let read = files.read_ranges("a", &wanted).await.unwrap();
    assert_eq!(read.len(), ranges.len());
    for (range, read) in ranges.into_iter().zip(read) {
        assert_eq!(read, part(&content, &range), "{range:?}");
    }
    let ends =
        [ByteRange::Suffix(3), ByteRange::from(199_998..), ByteRange::from(199_999..900_000)];
    let read = files.read_ranges("a", &ends).await.unwrap();
    let expected = [3, 2, 1].map(|length| content.slice(200_000 - length..));
    assert_eq!(read, expected);
    assert!(files.read_ranges("a", &[]).await.unwrap().is_empty());
}

pub async fn a_wrong_range_among_several_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", bytes(10)).await.unwrap();
    let past = [ByteRange::from(0..5), ByteRange::from(11..12)];
    refused(files.read_ranges("dir/a", &past).await, ErrorKind::InvalidRange);
    let whole = [ByteRange::from(..)];
    refused(files.read_ranges("missing", &whole).await, ErrorKind::NotFound);
    refused(files.read_ranges("dir", &whole).await, ErrorKind::IsADirectory);
    let both = ReadOptions::range(0..5);
    refused(files.read_ranges_with("dir/a", &whole, both).await, ErrorKind::InvalidInput);
}

pub async fn several_ranges_are_of_one_version(store: &dyn Fixture) {
    let files = store.backend().await;
    let size = 200_000;
    files.create("a", signed(0, size)).await.unwrap();
    let writer = Arc::clone(&files);
    let rounds = store.scale().pick(100, 10);
    let writing = tokio::spawn(async move {
        for round in 1..=rounds {
            writer.write("a", signed(round, size)).await.unwrap();
        }
    });
    let ranges = [ByteRange::from(0..9), ByteRange::from(180_000..180_009)];
    while !writing.is_finished() {
        match files.read_ranges("a", &ranges).await {
            Ok(read) => assert_eq!(read[0], read[1], "ranges of two versions"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Contention, "{error}"),
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}

pub async fn write_creates_a_file_or_replaces_it(store: &dyn Fixture) {
    let files = store.backend().await;
    let created = files.write("dir/a", "first").await.unwrap();
    assert_eq!((created.path.as_str(), created.size), ("dir/a", Some(5)));
    for content in ["a longer content", "short", ""] {
        let written = files.write("dir/a", content).await.unwrap();
        assert_eq!(written.size, Some(content.len() as u64));
        assert_eq!(files.read("dir/a").await.unwrap(), content);
    }
    refused(files.write("dir", "content").await, ErrorKind::IsADirectory);
    refused(files.write("dir/a/below", "content").await, ErrorKind::NotADirectory);
}

pub async fn a_write_that_replaces_needs_a_file(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "old").await.unwrap();
    let replace = WriteOptions::replace();
    refused(files.write_with("new/b", "new", replace.clone()).await, ErrorKind::NotFound);
    refused(files.write_with("dir", "new", replace.clone()).await, ErrorKind::IsADirectory);
    assert!(!files.exists("new").await.unwrap(), "a parent was created");
    files.write_with("dir/a", "new", replace).await.unwrap();
    assert_eq!(files.read("dir/a").await.unwrap(), "new");
}

pub async fn a_write_respects_its_size(store: &dyn Fixture) {
    let files = store.backend().await;
    let sized = |size| WriteOptions::default().with_size(size);
    for size in [0, 4, 6] {
        refused(files.write_with("a", "12345", sized(size)).await, ErrorKind::LengthMismatch);
    }
    assert!(!files.exists("a").await.unwrap());
    files.write_with("a", "12345", sized(5)).await.unwrap();
}

pub async fn a_stream_is_appended_to_a_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let (head, tail) = (bytes(100_000), signed(1, 70_000));
    files.create("dir/a", head.clone()).await.unwrap();
    let pieces = [tail.slice(..10), tail.slice(10..10), tail.slice(10..)];
    let written = files.stream_write_with("dir/a", source(pieces), WriteOptions::append()).await;
    assert_eq!(written.unwrap().size, Some(170_000));
    assert!(files.read("dir/a").await.unwrap() == [&head[..], &tail[..]].concat());
    let empty = files.stream_write_with("dir/a", source([]), WriteOptions::append()).await;
    assert_eq!(empty.unwrap().size, Some(170_000));
    let missing = files.stream_write_with("b", source([]), WriteOptions::append()).await;
    refused(missing, ErrorKind::NotFound);
    let directory = files.stream_write_with("dir", source([]), WriteOptions::append()).await;
    refused(directory, ErrorKind::IsADirectory);
}

pub async fn appended_streams_are_complete_and_none_is_lost(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "").await.unwrap();
    let writers = 0..store.scale().pick(16, 4);
    let count = writers.len();
    let appends = writers.map(|writer| {
        let files = Arc::clone(&files);
        tokio::spawn(async move {
            let line = signed(writer, 9);
            let pieces = [line.slice(..4), line.slice(4..)];
            files.stream_write_with("a", source(pieces), WriteOptions::append()).await.unwrap();
        })
    });
    for append in appends.collect::<Vec<_>>() {
        append.await.unwrap();
    }
    let content = files.read("a").await.unwrap();
    let mut lines: Vec<_> = content.chunks(9).collect();
    lines.sort_unstable();
    let expected: Vec<_> = (0..count).map(|writer| signed(writer, 9)).collect();
    assert_eq!(lines, expected.iter().map(|line| &line[..]).collect::<Vec<_>>());
}

pub async fn a_failing_source_appends_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "old").await.unwrap();
    let data = failing_source(["new".into()], Error::new(ErrorKind::QuotaExceeded));
    let written = files.stream_write_with("a", data, WriteOptions::append()).await;
    refused(written, ErrorKind::SourceFailed);
    assert_eq!(files.read("a").await.unwrap(), "old");
}

pub async fn an_open_stream_can_be_collected_in_chunks(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", bytes(10_000)).await.unwrap();
    let opened = files.open_with("a", ReadOptions::default().with_chunk_size(3_000)).await.unwrap();
    let chunks: Vec<_> = opened.stream.map_ok(|chunk| chunk.len()).try_collect().await.unwrap();
    assert_eq!(chunks, [3_000, 3_000, 3_000, 1_000]);
}
