//! A streamed write is invisible until its last byte, and leaves nothing behind if it fails.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, ErrorKind};
use crate::core::options::{DeleteOptions, ListOptions, WriteOptions};
use crate::core::stream::ByteStream;
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, failing_source, gated, signed, source};
use crate::testing::expect::refused;
use crate::testing::state::{is_clean, listed, state};

pub async fn streamed_content_of_every_size_reads_back_unchanged(store: &dyn Fixture) {
    const CHUNK: usize = DEFAULT_CHUNK_SIZE;
    let files = store.backend().await;
    let large = store.scale().pick(5 << 20, 5 << 18);
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7, large] {
        let (path, content) = (format!("dir/{size}"), bytes(size));
        for piece in [CHUNK, 100_003] {
            let mut rest = content.clone();
            let pieces = std::iter::from_fn(|| {
                let piece = rest.split_to(piece.min(rest.len()));
                (!piece.is_empty()).then_some(piece)
            });
            let data = source(pieces);
            let options = WriteOptions::overwrite();
            let written = files.stream_write_with(&path, data, options).await.unwrap();
            assert_eq!(written.size, Some(size as u64));
            let streamed = files.stream_read(&path).await.unwrap();
            let read: Vec<Bytes> = streamed.try_collect().await.unwrap();
            assert!(read.concat() == content, "{size} bytes in chunks of {piece}");
        }
    }
}

pub async fn tiny_and_empty_chunks_make_one_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let pieces = ["", "a", "", "", "bc", "d", ""].map(Bytes::from);
    let written = files.stream_write("a", source(pieces)).await.unwrap();
    assert_eq!(written.size, Some(4));
    assert_eq!(files.read("a").await.unwrap(), "abcd");
    let singles = bytes(3_000);
    let pieces = (0..singles.len()).map(|at| singles.slice(at..=at));
    files.stream_write("b", source(pieces)).await.unwrap();
    assert!(files.read("b").await.unwrap() == singles);
    let written = files.stream_write("c", source([Bytes::new(), Bytes::new()])).await.unwrap();
    assert_eq!((written.size, files.read("c").await.unwrap().len()), (Some(0), 0));
}

pub async fn a_streamed_write_respects_its_mode(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/old", "old").await.unwrap();
    let new = || source(["new".into()]);
    for (path, options, kind) in [
        ("dir/old", WriteOptions::create(), ErrorKind::AlreadyExists),
        ("dir", WriteOptions::create(), ErrorKind::AlreadyExists),
        ("dir", WriteOptions::overwrite(), ErrorKind::IsADirectory),
        ("dir/old/below", WriteOptions::create(), ErrorKind::NotADirectory),
        ("dir/old/below", WriteOptions::overwrite(), ErrorKind::NotADirectory),
    ] {
        refused(files.stream_write_with(path, new(), options).await, kind);
    }
    assert_eq!(files.read("dir/old").await.unwrap(), "old");
    for content in ["a longer content", "short", ""] {
        let options = WriteOptions::overwrite();
        let data = source([content.into()]);
        files.stream_write_with("dir/old", data, options).await.unwrap();
        assert_eq!(files.read("dir/old").await.unwrap(), content);
    }
}

pub async fn a_streamed_write_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let first = files.create("a", "old").await.unwrap().etag.unwrap();
    let new = || source(["new".into()]);
    let options = WriteOptions::if_match(first.clone());
    let written = files.stream_write_with("a", new(), options.clone()).await.unwrap();
    assert_ne!(written.etag, Some(first));
    refused(
        files.stream_write_with("a", new(), options.clone()).await,
        ErrorKind::PreconditionFailed,
    );
    refused(
        files.stream_write_with("missing/b", new(), options).await,
        ErrorKind::PreconditionFailed,
    );
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["a"]);
}

pub async fn a_streamed_write_compares_the_etag_when_it_publishes(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("a", "old").await.unwrap().etag.unwrap();
    let (data, gate) = gated("new".into(), "er".into());
    let writer = Arc::clone(&files);
    let options = WriteOptions::if_match(etag);
    let writing = tokio::spawn(async move { writer.stream_write_with("a", data, options).await });
    gate.reached().await;
    files.update("a", "changed meanwhile").await.unwrap();
    gate.open();
    refused(writing.await.unwrap(), ErrorKind::PreconditionFailed);
    assert_eq!(files.read("a").await.unwrap(), "changed meanwhile");
}

pub async fn a_streamed_write_keeps_a_file_created_in_the_meantime(store: &dyn Fixture) {
    let files = store.backend().await;
    let (data, gate) = gated("new".into(), "er".into());
    let writer = Arc::clone(&files);
    let options = WriteOptions::create();
    let writing =
        tokio::spawn(async move { writer.stream_write_with("dir/a", data, options).await });
    gate.reached().await;
    files.create("dir/a", "created meanwhile").await.unwrap();
    gate.open();
    refused(writing.await.unwrap(), ErrorKind::AlreadyExists);
    assert_eq!(files.read("dir/a").await.unwrap(), "created meanwhile");
}

pub async fn a_streamed_write_returns_the_info_of_the_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let written = files.stream_write("dir/a", source([bytes(300_000)])).await.unwrap();
    let info = files.info("dir/a").await.unwrap();
    assert_eq!((written.path.as_str(), written.is_file()), ("dir/a", true));
    assert_eq!((&written.etag, written.size), (&info.etag, info.size));
}

pub async fn a_streamed_write_creates_a_deleted_directory_again(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/other", "other").await.unwrap();
    let (data, gate) = gated(bytes(300_000), bytes(7));
    let writer = Arc::clone(&files);
    let writing = tokio::spawn(async move {
        writer.stream_write_with("dir/deep/a", data, WriteOptions::default()).await
    });
    gate.reached().await;
    files.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
    gate.open();
    assert_eq!(writing.await.unwrap().unwrap().size, Some(300_007));
    let content = files.read("dir/deep/a").await.unwrap();
    assert!(content == [bytes(300_000), bytes(7)].concat());
    assert!(!files.exists("dir/other").await.unwrap());
}

pub async fn a_new_file_is_invisible_until_its_last_byte(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("beside", "").await.unwrap();
    let (data, gate) = gated(bytes(1 << 20), bytes(10));
    let writer = Arc::clone(&files);
    let writing = tokio::spawn(async move { writer.stream_write("new/dir/a", data).await });
    gate.reached().await;
    assert!(!files.exists("new/dir/a").await.unwrap());
    assert!(files.glob_files("**").await.unwrap() == ["beside"]);
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert!(all.iter().all(|key| key == "beside" || key.ends_with('/')), "{all:?}");
    gate.open();
    writing.await.unwrap().unwrap();
    assert_eq!(files.read("new/dir/a").await.unwrap().len(), (1 << 20) + 10);
    is_clean(store).await;
}

pub async fn the_old_content_is_visible_until_the_last_byte(store: &dyn Fixture) {
    let files = store.backend().await;
    let created = files.create("dir/a", "old").await.unwrap();
    let (data, gate) = gated(bytes(1 << 20), bytes(10));
    let writer = Arc::clone(&files);
    let writing = tokio::spawn(async move {
        writer.stream_write_with("dir/a", data, WriteOptions::overwrite()).await
    });
    gate.reached().await;
    assert_eq!(files.read("dir/a").await.unwrap(), "old");
    assert_eq!(files.info("dir/a").await.unwrap().etag, created.etag);
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/a"]);
    gate.open();
    writing.await.unwrap().unwrap();
    assert_eq!(files.read("dir/a").await.unwrap().len(), (1 << 20) + 10);
    is_clean(store).await;
}

/// Returns streams that fail at once, after a short chunk and after several chunks.
fn failures() -> Vec<ByteStream<'static>> {
    let failure = || Error::new(ErrorKind::QuotaExceeded).with_message("the error of the stream");
    vec![
        failing_source([], failure()),
        failing_source(["some".into()], failure()),
        failing_source([bytes(3 * DEFAULT_CHUNK_SIZE), bytes(10)], failure()),
    ]
}

pub async fn a_failing_source_leaves_the_old_content(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("dir/a", "old").await.unwrap().etag;
    for data in failures() {
        let written = files.stream_write_with("dir/a", data, WriteOptions::overwrite()).await;
        let error = refused(written, ErrorKind::SourceFailed);
        assert!(
            error.to_string().ends_with(": quota exceeded: the error of the stream"),
            "{error}"
        );
        assert_eq!(files.read("dir/a").await.unwrap(), "old");
        assert_eq!(files.info("dir/a").await.unwrap().etag, etag);
        is_clean(store).await;
    }
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/a"]);
}

pub async fn a_failing_source_leaves_no_file_and_no_parents(store: &dyn Fixture) {
    let files = store.backend().await;
    for data in failures() {
        let written = files.stream_write("new/dir/a", data).await;
        refused(written, ErrorKind::SourceFailed);
        is_clean(store).await;
        let all = listed(&*files, "", ListOptions::recursive()).await;
        assert!(all.is_empty(), "leftovers: {all:?}");
    }
    files.stream_write("new/dir/a", source(["now".into()])).await.unwrap();
    assert_eq!(files.read("new/dir/a").await.unwrap(), "now");
}

pub async fn a_source_that_differs_from_its_declared_size_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("old", "old").await.unwrap();
    let before = state(&*files).await;
    for size in [0, 1, 9, 11, 1_000_000, u64::MAX] {
        for path in ["old", "new/dir/a"] {
            let data = source(["01234".into(), "56789".into()]);
            let options = WriteOptions::overwrite().with_size(size);
            let written = files.stream_write_with(path, data, options).await;
            // A store may refuse the size itself.
            let too_large = |error: &Error| error.kind() == ErrorKind::TooLarge;
            if size != u64::MAX || !written.as_ref().is_err_and(too_large) {
                refused(written, ErrorKind::LengthMismatch);
            }
        }
    }
    is_clean(store).await;
    assert_eq!(state(&*files).await, before);
    let data = source(["01234".into(), "56789".into()]);
    let options = WriteOptions::default().with_size(10);
    files.stream_write_with("new/dir/a", data, options).await.unwrap();
    let options = WriteOptions::default().with_size(0);
    files.stream_write_with("empty", source([]), options).await.unwrap();
}

pub async fn an_endless_source_is_stopped_at_the_declared_size(store: &dyn Fixture) {
    let files = store.backend().await;
    for size in [0, 1_000, 1_000_000] {
        let endless = stream::repeat_with(|| Ok(bytes(10_000))).boxed();
        let options = WriteOptions::default().with_size(size);
        let written = files.stream_write_with("dir/a", endless, options).await;
        refused(written, ErrorKind::LengthMismatch);
    }
    is_clean(store).await;
    assert!(listed(&*files, "", ListOptions::default()).await.is_empty());
}

pub async fn streamed_content_that_does_not_match_its_checksum_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("old", "old").await.unwrap();
    let content = bytes(300_000);
    for &algorithm in ChecksumAlgorithm::ALL {
        let right = Checksum::of(algorithm, &content);
        let wrong = Checksum::of(algorithm, b"something else");
        for path in ["old", "new/a"] {
            let options = WriteOptions::overwrite().with_checksum(wrong.clone());
            let data = source([content.clone()]);
            let written = files.stream_write_with(path, data, options).await;
            refused(written, ErrorKind::IntegrityMismatch);
        }
        is_clean(store).await;
        assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["old"]);
        let options = WriteOptions::overwrite().with_checksum(right);
        let halves = [content.slice(..100_000), content.slice(100_000..)];
        files.stream_write_with("old", source(halves), options).await.unwrap();
        assert!(files.read("old").await.unwrap() == content);
    }
}

pub async fn a_file_can_be_written_from_a_reader_and_read_as_one(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(700_001);
    files.create_from_reader("a", &content[..]).await.unwrap();
    assert!(files.read("a").await.unwrap() == content);
    let mut read = Vec::new();
    let mut reader = files.reader("a").await.unwrap();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == content);
    files.stream_write("b", ReaderStream::new(&content[..])).await.unwrap();
    let mut reader = StreamReader::new(files.stream_read("b").await.unwrap());
    read.clear();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == content);
    files.create_from_reader("c", files.reader("b").await.unwrap()).await.unwrap();
    let mut written = Vec::new();
    let count = files.read_to_writer("c", &mut written).await.unwrap();
    assert!(written == content && count == 700_001);
}

pub async fn a_file_can_be_streamed_into_another(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(700_001);
    files.create("a", content.clone()).await.unwrap();
    let data = files.stream_read("a").await.unwrap();
    files.stream_write("b", data).await.unwrap();
    assert!(files.read("b").await.unwrap() == content);
    let onto_itself = files.stream_read("a").await.unwrap();
    files.stream_write_with("a", onto_itself, WriteOptions::overwrite()).await.unwrap();
    assert!(files.read("a").await.unwrap() == content);
}

/// A reader that fails immediately.
struct Failing(Option<io::Error>);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.take().map_or(Ok(()), Err))
    }
}

pub async fn the_error_of_a_reader_is_told_and_kept(store: &dyn Fixture) {
    let files = store.backend().await;
    let system = io::Error::new(io::ErrorKind::NotFound, "disk on fire");
    let reader = b"some bytes".chain(Failing(Some(system)));
    let created = files.create_from_reader("dir/a", reader).await;
    let error = refused(created, ErrorKind::SourceFailed);
    assert!(error.to_string().ends_with(": disk on fire"), "{error}");
    assert!(!error.is_retryable());
    let own = Error::new(ErrorKind::Contention).with_operation("read").with_path("there");
    let created = files.create_from_reader("dir/a", Failing(Some(own.clone().into()))).await;
    let error = refused(created, ErrorKind::SourceFailed);
    assert!(error.to_string().ends_with(&format!(": {own}")), "{error}");
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>());
    assert_eq!(cause.map(Error::kind), Some(ErrorKind::Contention));
    assert!(!error.is_retryable(), "the source is consumed");
    is_clean(store).await;
    assert!(listed(&*files, "", ListOptions::default()).await.is_empty());
}

pub async fn racing_streams_never_tear_a_file(store: &dyn Fixture) {
    const PIECE: usize = 50_000;
    let files = store.backend().await;
    files.create("a", signed(0, 4 * PIECE)).await.unwrap();
    let writers = (0..4).map(|writer| {
        let files = Arc::clone(&files);
        tokio::spawn(async move {
            let content = signed(writer, 4 * PIECE);
            for _ in 0..5 {
                let pieces = (0..4).map(|at| content.slice(at * PIECE..(at + 1) * PIECE));
                let data = source(pieces.collect::<Vec<_>>());
                let options = WriteOptions::overwrite();
                files.stream_write_with("a", data, options).await.unwrap();
                let read = files.read("a").await.unwrap();
                assert!((0..4).any(|writer| read == signed(writer, 4 * PIECE)), "torn content");
            }
        })
    });
    for done in join_all(writers.collect::<Vec<_>>()).await {
        done.unwrap();
    }
}

pub async fn exactly_one_of_racing_streams_to_a_new_file_wins(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(20, 8) {
        let path = format!("round {round}/file");
        let writers = (0..8).map(|writer| {
            let (files, path) = (Arc::clone(&files), path.clone());
            tokio::spawn(async move {
                let data = source([signed(writer, 5_000), signed(writer, 5_000)]);
                files.stream_write_with(&path, data, WriteOptions::create()).await
            })
        });
        let outcomes = join_all(writers.collect::<Vec<_>>()).await;
        let mut winners = Vec::new();
        for (writer, outcome) in outcomes.into_iter().enumerate() {
            match outcome.unwrap() {
                Ok(_) => winners.push(writer),
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
        }
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        let half = signed(winners[0], 5_000);
        assert!(files.read(&path).await.unwrap() == [&half[..], &half[..]].concat());
    }
}
