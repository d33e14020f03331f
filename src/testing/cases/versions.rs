//! Versions of files.

use futures::TryStreamExt as _;

use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::encoding::Encoding;
use crate::core::error::ErrorKind;
use crate::core::file_version::FileVersion;
use crate::core::options::{
    CopyOptions, InfoOptions, ReadOptions, RenameOptions, VersionOptions, WriteMode, WriteOptions,
};
use crate::core::version::VersionId;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::{refused, refused_when};

async fn versions(files: &dyn AsyncFileBackend, path: &str) -> Vec<FileVersion> {
    files.list_versions(path).await.unwrap().try_collect().await.unwrap()
}

/// Writes `contents` to `path`, each as a version of its own.
async fn write_all(store: &dyn Fixture, path: &str, contents: &[&str]) {
    let files = store.backend().await;
    for content in contents {
        files.write(path, content.as_bytes().to_vec()).await.unwrap();
        store.make_version().await;
    }
}

fn reading(version: &FileVersion) -> ReadOptions {
    ReadOptions::default().with_version(version.id.clone())
}

/// Returns the content of each version, as text.
async fn contents(files: &dyn AsyncFileBackend, path: &str) -> Vec<Option<String>> {
    let mut contents = Vec::new();
    for version in versions(files, path).await {
        let content = match &version.info {
            Some(_) => Some(files.read_with(path, reading(&version)).await.unwrap()),
            None => None,
        };
        contents.push(content.map(|content| String::from_utf8(content.to_vec()).unwrap()));
    }
    contents
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Option<String>> {
    texts.into_iter().map(|text| Some(text.to_owned())).collect()
}

pub async fn every_change_is_a_version_and_the_newest_comes_first(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "dir/a", &["one", "two", "three"]).await;
    write_all(store, "other", &["else"]).await;
    assert_eq!(contents(&*files, "dir/a").await, texts(["three", "two", "one"]));
    let found = versions(&*files, "dir/a").await;
    let current: Vec<bool> = found.iter().map(|version| version.is_current).collect();
    assert_eq!(current, [true, false, false]);
    for version in &found {
        let info = version.info.as_ref().unwrap();
        assert_eq!((info.path.as_str(), info.version.as_ref()), ("dir/a", Some(&version.id)));
    }
    for pair in found.windows(2) {
        assert_ne!(pair[0].id, pair[1].id);
        assert!(pair[0].created_at >= pair[1].created_at);
    }
    // Reading changes nothing.
    assert_eq!(versions(&*files, "dir/a").await, found);
    assert_eq!(files.read("dir/a").await.unwrap(), "three");
}

pub async fn a_version_has_the_content_and_the_metadata_of_its_time(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "a", &["", "a text", "another text"]).await;
    for (version, content) in
        versions(&*files, "a").await.iter().zip(["another text", "a text", ""])
    {
        let listed = version.info.as_ref().unwrap();
        assert_eq!(listed.size, Some(content.len() as u64));
        let opened = files.open_with("a", reading(version)).await.unwrap();
        assert_eq!(opened.info, *listed);
        assert_eq!(opened.bytes().await.unwrap(), content);
        let plain = InfoOptions::default().with_version(version.id.clone());
        assert_eq!(files.info_with("a", plain.clone()).await.unwrap(), *listed);
        let full = plain.with_checksum(ChecksumAlgorithm::Sha256).with_encoding();
        let info = files.info_with("a", full).await.unwrap();
        let expected = Checksum::of(ChecksumAlgorithm::Sha256, content.as_bytes());
        assert_eq!(info.checksum, Some(expected));
        assert_eq!(info.encoding, Some(Encoding::detect(content.as_bytes(), true)));
    }
}

pub async fn a_version_is_read_in_ranges_and_chunks(store: &dyn Fixture) {
    let files = store.backend().await;
    let size = store.scale().pick(1 << 20, 1 << 18) + 3;
    let content = bytes(size);
    files.create("a", content.clone()).await.unwrap();
    store.make_version().await;
    write_all(store, "a", &["new"]).await;
    let options = reading(&versions(&*files, "a").await[1]);
    for (start, end) in [(0, size), (0, 0), (1, size - 1), (size / 2, size / 2 + 9), (size, size)] {
        let range = options.clone().with_range(start as u64..end as u64);
        let opened = files.open_with("a", range.with_chunk_size(1 << 16)).await.unwrap();
        assert_eq!(
            (opened.info.size, opened.range.clone()),
            (Some(size as u64), start as u64..end as u64)
        );
        let chunks: Vec<_> = opened.stream.try_collect().await.unwrap();
        let full = chunks.len().saturating_sub(1);
        assert!(chunks[..full].iter().all(|chunk| chunk.len() == 1 << 16));
        assert!(chunks.concat() == content[start..end], "{start}..{end}");
    }
    let ranges = [(5..9).into(), (0..2).into()];
    let parts = files.read_ranges_with("a", &ranges, options.clone()).await.unwrap();
    assert_eq!(parts, [content.slice(5..9), content.slice(0..2)]);
    let past = options.clone().with_range(size as u64 + 1..);
    refused(files.read_with("a", past).await, ErrorKind::InvalidRange);
    let zero = files.open_with("a", options.with_chunk_size(0)).await;
    refused(zero, ErrorKind::InvalidInput);
}

pub async fn the_conditions_of_a_read_are_those_of_its_version(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "a", &["old", "new"]).await;
    let found = versions(&*files, "a").await;
    let etag = |at: usize| found[at].info.as_ref().unwrap().etag.clone().unwrap();
    assert_ne!(etag(0), etag(1));
    let matching = reading(&found[1]).with_if_match(etag(1));
    assert_eq!(files.read_with("a", matching).await.unwrap(), "old");
    let other = reading(&found[1]).with_if_match(etag(0));
    refused(files.read_with("a", other).await, ErrorKind::PreconditionFailed);
    let condition = reading(&found[1]).with_if_match(etag(0)).condition;
    let info = InfoOptions::default().with_version(found[1].id.clone());
    let info = files.info_with("a", info.with_condition(condition.clone())).await;
    refused(info, ErrorKind::PreconditionFailed);
    let copy = CopyOptions::default().with_version(found[1].id.clone()).with_source(condition);
    refused(files.copy_with("a", "b", copy).await, ErrorKind::PreconditionFailed);
    assert!(!files.exists("b").await.unwrap());
}

pub async fn a_deletion_is_a_version_without_content(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "dir/a", &["content"]).await;
    files.delete("dir/a").await.unwrap();
    store.make_version().await;
    let found = versions(&*files, "dir/a").await;
    assert_eq!(contents(&*files, "dir/a").await, [None, Some("content".to_owned())]);
    assert!(found.iter().all(|version| !version.is_current));
    refused(files.read_with("dir/a", reading(&found[0])).await, ErrorKind::NotFound);
    let info = InfoOptions::default().with_version(found[0].id.clone());
    refused(files.info_with("dir/a", info).await, ErrorKind::NotFound);
    write_all(store, "dir/a", &["again"]).await;
    let expected = [Some("again".to_owned()), None, Some("content".to_owned())];
    assert_eq!(contents(&*files, "dir/a").await, expected);
}

pub async fn a_copy_of_a_version_restores_its_content(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "a", &["old", "new"]).await;
    let old = versions(&*files, "a").await.remove(1).id;
    let with = |options: CopyOptions| options.with_version(old.clone());
    let copied = files.copy_with("a", "dir/b", with(CopyOptions::default())).await.unwrap();
    assert_eq!((copied.path.as_str(), copied.size), ("dir/b", Some(3)));
    assert_eq!(files.read("dir/b").await.unwrap(), "old");
    let existing = files.copy_with("a", "dir/b", with(CopyOptions::default())).await;
    refused(existing, ErrorKind::AlreadyExists);
    files.copy_with("a", "a", with(CopyOptions::overwrite())).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "old");
    store.make_version().await;
    assert_eq!(contents(&*files, "a").await, texts(["old", "new", "old"]));
    files.delete("a").await.unwrap();
    store.make_version().await;
    files.copy_with("a", "a", with(CopyOptions::default())).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "old");
}

pub async fn replaced_content_stays_a_version(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "a", &["first"]).await;
    write_all(store, "b", &["of another file"]).await;
    files.copy_with("b", "a", CopyOptions::overwrite()).await.unwrap();
    store.make_version().await;
    files.update("a", "updated").await.unwrap();
    store.make_version().await;
    let expected = texts(["updated", "of another file", "first"]);
    assert_eq!(contents(&*files, "a").await, expected);
    write_all(store, "c", &["something that resembles nothing else"]).await;
    files.rename_with("c", "a", RenameOptions::overwrite()).await.unwrap();
    store.make_version().await;
    let renamed = contents(&*files, "a").await;
    assert_eq!(renamed[0].as_deref(), Some("something that resembles nothing else"));
    assert_eq!(contents(&*files, "c").await[0], None);
}

pub async fn a_version_that_the_file_does_not_have_is_not_found(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "a", &["a"]).await;
    write_all(store, "b", &["b"]).await;
    let of_other = versions(&*files, "b").await.remove(0).id;
    let odd = ["", "-", "--help", "-v", "HEAD", "HEAD~1", "main", "@", "a\0b", "..", ":a", "0"];
    let unknown = odd.map(VersionId::from).into_iter().chain([
        of_other,
        VersionId::new("0".repeat(40)),
        VersionId::new("f".repeat(40)),
        VersionId::new("f".repeat(10_000)),
    ]);
    for version in unknown {
        let shown = &version.as_str()[..version.as_str().len().min(50)];
        let read = ReadOptions::default().with_version(version.clone());
        refused_when(files.open_with("a", read.clone()).await, ErrorKind::NotFound, shown);
        refused_when(files.read_with("a", read).await, ErrorKind::NotFound, shown);
        let info = InfoOptions::default().with_version(version.clone());
        refused_when(files.info_with("a", info).await, ErrorKind::NotFound, shown);
        let copy = CopyOptions::default().with_version(version.clone());
        refused_when(files.copy_with("a", "c", copy).await, ErrorKind::NotFound, shown);
    }
    assert!(!files.exists("c").await.unwrap());
}

pub async fn the_number_of_versions_can_be_limited(store: &dyn Fixture) {
    let files = store.backend().await;
    write_all(store, "a", &["one", "two", "three"]).await;
    let all = versions(&*files, "a").await;
    for limit in 0..5 {
        let options = VersionOptions::default().with_limit(limit);
        let found = files.list_versions_with("a", options).await.unwrap();
        let found: Vec<FileVersion> = found.try_collect().await.unwrap();
        assert_eq!(found, all[..limit.min(3)]);
    }
}

pub async fn a_path_that_never_was_a_file_has_no_versions(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["missing", "dir/missing"] {
        refused_when(files.list_versions(path).await.map(drop), ErrorKind::NotFound, path);
    }
    write_all(store, "dir/a", &["content"]).await;
    for path in ["missing", "dir", "dir/missing", "dir/a/below"] {
        refused_when(files.list_versions(path).await.map(drop), ErrorKind::NotFound, path);
    }
    let outside = files.list_versions("../a").await.map(drop);
    refused(outside, ErrorKind::PathEscapesRoot);
}

pub async fn versions_are_refused_without_their_capability(store: &dyn Fixture) {
    let files = store.backend().await;
    let info = files.create("a", "content").await.unwrap();
    assert_eq!(info.version, None);
    let version = VersionId::new("1");
    refused(files.list_versions("a").await.map(drop), ErrorKind::Unsupported);
    let read = ReadOptions::default().with_version(version.clone());
    refused(files.open_with("a", read.clone()).await, ErrorKind::Unsupported);
    refused(files.read_with("a", read.clone()).await, ErrorKind::Unsupported);
    refused(files.stream_read_with("a", read.clone()).await.map(drop), ErrorKind::Unsupported);
    let ranges = files.read_ranges_with("a", &[(0..1).into()], read).await;
    refused(ranges, ErrorKind::Unsupported);
    let look_up = InfoOptions::default().with_version(version.clone());
    refused(files.info_with("a", look_up).await, ErrorKind::Unsupported);
    let copy = CopyOptions::overwrite().with_version(version);
    refused(files.copy_with("a", "b", copy.clone()).await, ErrorKind::Unsupported);
    refused(files.copy_with("a", "a", copy).await, ErrorKind::Unsupported);
    assert!(!files.exists("b").await.unwrap());
    // The current version can be written and read as ever.
    files
        .write_with("a", "new", WriteOptions::default().with_mode(WriteMode::Replace))
        .await
        .unwrap();
    assert_eq!(files.read("a").await.unwrap(), "new");
}
