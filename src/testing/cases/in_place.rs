//! Writing into an existing file instead of replacing it.

use bytes::Bytes;

use crate::backend::Capability;
use crate::core::error::{Error, ErrorKind};
use crate::core::etag::Etag;
use crate::core::options::{WriteMethod, WriteMode, WriteOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, failing_source, source};
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::state;

fn in_place(mode: WriteMode) -> WriteOptions {
    WriteOptions::in_place().with_mode(mode)
}

pub async fn a_store_that_writes_nothing_in_place_refuses_it(store: &dyn Fixture) {
    let files = store.backend().await;
    if files.capabilities().has(Capability::InPlace) {
        return;
    }
    files.write("a", "old").await.unwrap();
    let before = state(&*files).await;
    for path in ["a", "new"] {
        let options = WriteOptions::in_place;
        let written = files.write_with(path, "new", options()).await;
        refused_when(written, ErrorKind::Unsupported, "write");
        let streamed = files.stream_write_with(path, source(["new".into()]), options()).await;
        refused_when(streamed, ErrorKind::Unsupported, "stream_write");
        let many = vec![(path.to_owned(), Bytes::from("new"))];
        let many = files.write_many_with(many, options()).await;
        refused_when(many.and_then(|mut each| each.remove(0)), ErrorKind::Unsupported, "many");
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn a_file_is_written_in_place(store: &dyn Fixture) {
    let files = store.backend().await;
    let large = bytes(300_000);
    files.write("a", "the old content").await.unwrap();
    for content in [Bytes::from("new"), large.clone(), Bytes::new(), "newer".into()] {
        let before = files.info("a").await.unwrap();
        let written = files.write_with("a", content.clone(), WriteOptions::in_place()).await;
        let written = written.unwrap();
        assert_eq!(written.size, Some(content.len() as u64));
        assert_eq!(files.info("a").await.unwrap().etag, written.etag);
        assert!(!written.is_same_version(&before), "{} bytes", content.len());
        assert_eq!(files.read("a").await.unwrap(), content);
        let halves = [content.slice(..content.len() / 2), content.slice(content.len() / 2..)];
        files.write("b", "the old content").await.unwrap();
        files.stream_write_with("b", source(halves), WriteOptions::in_place()).await.unwrap();
        assert_eq!(files.read("b").await.unwrap(), content);
    }
    files.write_with("a", "+", in_place(WriteMode::Append)).await.unwrap();
    let tail = source(["+".into(), "+".into()]);
    files.stream_write_with("a", tail, in_place(WriteMode::Append)).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "newer+++");
    let many = ["a", "b", "dir/new"].map(|path| (path.to_owned(), Bytes::from(path))).to_vec();
    for written in files.write_many_with(many, WriteOptions::in_place()).await.unwrap() {
        written.unwrap();
    }
    for path in ["a", "b", "dir/new"] {
        assert_eq!(files.read(path).await.unwrap(), path);
    }
}

pub async fn a_write_in_place_has_the_same_conditions(store: &dyn Fixture) {
    let files = store.backend().await;
    let stale = files.write("a", "old").await.unwrap().etag.unwrap();
    let current = files.write("a", "kept").await.unwrap().etag.unwrap();
    files.write("dir/file", "kept").await.unwrap();
    let before = state(&*files).await;
    let wrong = crate::core::checksum::Checksum::of(
        crate::core::checksum::ChecksumAlgorithm::Sha256,
        b"something else",
    );
    let new = WriteOptions::in_place;
    for (path, kind, options) in [
        ("a", ErrorKind::AlreadyExists, in_place(WriteMode::Create)),
        ("a", ErrorKind::PreconditionFailed, in_place(WriteMode::IfMatch(stale))),
        ("a", ErrorKind::IntegrityMismatch, new().with_checksum(wrong)),
        ("a", ErrorKind::LengthMismatch, new().with_size(7)),
        ("missing", ErrorKind::NotFound, in_place(WriteMode::Replace)),
        ("missing", ErrorKind::NotFound, in_place(WriteMode::Append)),
        ("missing", ErrorKind::PreconditionFailed, in_place(WriteMode::IfMatch(Etag::new("x")))),
        ("dir", ErrorKind::IsADirectory, new()),
        ("a/below", ErrorKind::NotADirectory, new()),
    ] {
        let written = files.write_with(path, "new", options.clone()).await;
        refused_when(written, kind, path);
        let streamed = files.stream_write_with(path, source(["new".into()]), options).await;
        refused_when(streamed, kind, path);
        assert_eq!(state(&*files).await, before, "{path}, {kind:?}");
    }
    let failing = failing_source(["new".into()], Error::new(ErrorKind::Timeout));
    refused(files.stream_write_with("a", failing, new()).await, ErrorKind::SourceFailed);
    assert_eq!(state(&*files).await, before, "a failing source");
    files.write_with("a", "new", in_place(WriteMode::IfMatch(current))).await.unwrap();
    files.write_with("new", "new", new().with_method(WriteMethod::InPlace)).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "new");
    assert_eq!(files.read("new").await.unwrap(), "new");
}
