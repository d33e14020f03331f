//! A private view has files of a service that users cannot reach.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream::{StreamExt as _, TryStreamExt as _};

use crate::backend::Capability;
use crate::backends::memory::MemoryFileBackend;
use crate::core::change::Change;
use crate::core::checksum::ChecksumAlgorithm;
use crate::core::error::ErrorKind;
use crate::core::options::{CopyOptions, DeleteOptions, InfoChanges, ListOptions, WriteOptions};
use crate::core::path::FilePath;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::source;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::listed;

fn earlier() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

pub async fn a_private_view_has_files_that_users_cannot_reach(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let view = files.private_view("guard").unwrap();
    view.create(".f9/guard/kept/a", "hidden").await.unwrap();
    view.rename("dir/a", ".f9/guard/trash").await.unwrap();
    assert_eq!(view.read(".f9/guard/trash").await.unwrap(), "content");
    assert!(!files.exists("dir/a").await.unwrap());
    view.copy(".f9/guard/trash", "restored").await.unwrap();
    assert_eq!(files.read("restored").await.unwrap(), "content");
    let names = listed(&*view, ".f9/guard", ListOptions::recursive()).await;
    assert_eq!(names, [".f9/guard/kept/", ".f9/guard/kept/a", ".f9/guard/trash"]);
    for path in [".f9/guard/trash", ".f9/other/a", ".f9"] {
        refused_when(files.read(path).await, ErrorKind::ReservedPath, path);
    }
    refused(view.create(".f9/other/a", "x").await, ErrorKind::ReservedPath);
    refused(view.create(".backend.lock", "x").await, ErrorKind::ReservedPath);
    for files in [&files, &view] {
        let all = listed(&**files, "", ListOptions::recursive()).await;
        assert!(!all.iter().any(|name| name.starts_with(".f9")), "{all:?}");
    }
    for name in ["", "a/b", "..", ".", "a\0b"] {
        let opened = files.private_view(name);
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidPath, "{name:?}");
    }
    refused(files.private_view("uploads").map(drop), ErrorKind::ReservedPath);
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
}

pub async fn reads_and_writes_reach_the_files_of_a_private_view(store: &dyn Fixture) {
    let view = store.backend().await.private_view("guard").unwrap();
    let has = |capability| view.capabilities().has(capability);
    let (a, b, dir) = (".f9/guard/a", ".f9/guard/dir/b", ".f9/guard/dir");
    let written = view.write_many([(a, "one"), (b, "two"), ("./.f9//guard/a", "twice")]).await;
    let mut written = written.unwrap();
    refused(written.pop().unwrap(), ErrorKind::InvalidInput);
    let paths = written.into_iter().map(|info| info.unwrap().path.to_string());
    assert_eq!(paths.collect::<Vec<_>>(), [a, b]);
    view.update(a, "first").await.unwrap();
    let data = source(["second".into()]);
    view.stream_write_with(b, data, WriteOptions::overwrite()).await.unwrap();
    if has(Capability::Append) {
        let more = vec![(a.to_owned(), Bytes::from(" more"))];
        let appended = view.write_many_with(more, WriteOptions::append()).await.unwrap();
        assert_eq!(appended.into_iter().next().unwrap().unwrap().size, Some(10));
        view.write(a, "first").await.unwrap();
    }
    assert_eq!(view.info(a).await.unwrap().path, a);
    assert!(view.exists(b).await.unwrap());
    assert_eq!(view.open(a).await.unwrap().bytes().await.unwrap(), "first");
    let ranges = [(0..2).into(), (3..5).into()];
    assert_eq!(view.read_ranges(a, &ranges).await.unwrap(), ["fi", "st"]);
    assert_eq!(listed(&*view, dir, ListOptions::default()).await, [b]);
    for (pattern, found) in [(".f9/guard/*", vec![a, dir]), (".f9/guard/**/b", vec![b])] {
        assert_eq!(view.glob(pattern).await.unwrap(), found, "{pattern}");
        let streamed = view.glob_stream(pattern).await.unwrap().try_collect::<Vec<_>>().await;
        assert_eq!(streamed.unwrap(), found, "{pattern}");
    }
    assert_eq!(view.glob("**").await.unwrap().len(), 0);
    let sha256 = ChecksumAlgorithm::Sha256;
    let checksum = view.checksum(a, sha256).await.unwrap();
    let checksums = view.checksum_many(&[a, ".f9/guard/missing"], sha256).await.unwrap();
    let keys = checksums.iter().map(|(path, checksum)| (path.as_str(), checksum));
    assert_eq!(keys.collect::<Vec<_>>(), [(a, &checksum)]);
    let deleted = view.delete_many(&[a, ".f9/guard/missing", ".f9/other"]).await.unwrap();
    let kinds = deleted.into_iter().map(|deleted| deleted.err().map(|error| error.kind()));
    let expected = [None, Some(ErrorKind::NotFound), Some(ErrorKind::ReservedPath)];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
}

pub async fn copies_and_uploads_reach_the_files_of_a_private_view(store: &dyn Fixture) {
    let view = store.backend().await.private_view("guard").unwrap();
    let has = |capability| view.capabilities().has(capability);
    let (a, b, dir) = (".f9/guard/a", ".f9/guard/dir/b", ".f9/guard/dir");
    view.create(a, "first").await.unwrap();
    view.create(b, "second").await.unwrap();
    let other = MemoryFileBackend::new();
    other.write("source", "copied").await.unwrap();
    let overwrite = CopyOptions::overwrite;
    view.copy_from(&other, "source", ".f9/guard/c", overwrite()).await.unwrap();
    view.copy_from(&view, ".f9/guard/c", ".f9/guard/d", overwrite()).await.unwrap();
    other.copy_from(&view, ".f9/guard/d", "back", overwrite()).await.unwrap();
    assert_eq!(other.read("back").await.unwrap(), "copied");
    view.copy(a, ".f9/guard/e").await.unwrap();
    view.rename(".f9/guard/e", ".f9/guard/f").await.unwrap();
    assert_eq!(view.read(".f9/guard/f").await.unwrap(), "first");
    if has(Capability::EmptyDirectories) {
        view.create_dir(".f9/guard/empty").await.unwrap();
    }
    if has(Capability::SetInfo) && has(Capability::ModificationTime) {
        let changes = InfoChanges::default().with_modified_at(earlier());
        assert_eq!(view.set_info(a, changes).await.unwrap().modified_at, Some(earlier()));
    }
    if has(Capability::Links) {
        view.create_link(".f9/guard/link", "a").await.unwrap();
        assert_eq!(view.read_link(".f9/guard/link").await.unwrap(), "a");
        assert_eq!(view.read(".f9/guard/link").await.unwrap(), "first");
    }
    if has(Capability::Versions) {
        assert!(view.list_versions(a).await.unwrap().next().await.unwrap().is_ok());
    }
    if has(Capability::Resumable) {
        let path = ".f9/guard/uploaded";
        let upload = view.begin_upload(path, WriteOptions::default()).await.unwrap();
        let json = serde_json::to_string(&upload).unwrap();
        let upload = serde_json::from_str(&json).unwrap();
        let upload = view.continue_upload(&upload, source(["uploaded".into()])).await.unwrap();
        refused(store.backend().await.finish_upload(&upload).await, ErrorKind::ReservedPath);
        view.finish_upload(&upload).await.unwrap();
        assert_eq!(view.read(path).await.unwrap(), "uploaded");
    }
    if has(Capability::Watch) {
        let mut changes = view.watch(dir).await.unwrap();
        view.delete(b).await.unwrap();
        let removed = FilePath::accepted(b);
        assert_eq!(changes.next().await.unwrap().unwrap(), Change::Removed(removed));
    }
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
}
