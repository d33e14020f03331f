//! Metadata that a write sets is kept, or refused before anything is written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::backend::Capability;
use crate::core::error::ErrorKind;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateOptions, ListOptions, RenameOptions, UpdateOptions, WriteOptions,
};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::source;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::listed;

fn described() -> WriteOptions {
    WriteOptions::default()
        .with_content_type("text/plain; charset=utf-8")
        .with_user_metadata("author", "Änne")
        .with_user_metadata("empty", "")
}

#[track_caller]
fn is_described(info: &FileInfo) {
    assert_eq!(info.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    let pairs: Vec<_> = info.user_metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(pairs, [("author", "Änne"), ("empty", "")]);
}

#[track_caller]
fn is_not_described(info: &FileInfo) {
    assert_eq!((&info.content_type, info.user_metadata.len()), (&None, 0));
}

/// A time that every store can keep, in the past.
fn earlier() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

pub async fn a_content_type_and_user_metadata_read_back(store: &dyn Fixture) {
    let files = store.backend().await;
    is_described(&files.write_with("dir/a", "content", described()).await.unwrap());
    is_described(&files.info("dir/a").await.unwrap());
    is_described(&files.open("dir/a").await.unwrap().info);
    files.stream_write_with("b", source(["new".into()]), described()).await.unwrap();
    is_described(&files.info("b").await.unwrap());
    let created = CreateOptions::default().with_metadata(described().metadata);
    files.create_with("c", "content", created).await.unwrap();
    is_described(&files.info("c").await.unwrap());
    is_not_described(&files.create("d", "content").await.unwrap());
}

pub async fn new_content_replaces_the_metadata(store: &dyn Fixture) {
    let files = store.backend().await;
    files.write_with("a", "content", described()).await.unwrap();
    is_not_described(&files.update("a", "new").await.unwrap());
    is_not_described(&files.info("a").await.unwrap());
    let options = UpdateOptions::default().with_metadata(described().metadata);
    files.update_with("a", "newer", options).await.unwrap();
    is_described(&files.info("a").await.unwrap());
    files.stream_write("a", source(["newest".into()])).await.unwrap();
    is_not_described(&files.info("a").await.unwrap());
}

pub async fn an_append_keeps_the_metadata(store: &dyn Fixture) {
    let files = store.backend().await;
    files.write_with("a", "content", described()).await.unwrap();
    is_described(&files.update_with("a", "+", UpdateOptions::append()).await.unwrap());
    files.stream_write_with("a", source(["+".into()]), WriteOptions::append()).await.unwrap();
    is_described(&files.info("a").await.unwrap());
    let other = UpdateOptions::append().with_content_type("text/csv");
    files.update_with("a", "+", other).await.unwrap();
    let info = files.info("a").await.unwrap();
    assert_eq!(info.content_type.as_deref(), Some("text/csv"));
    assert_eq!(info.user_metadata["author"], "Änne");
    assert_eq!(files.read("a").await.unwrap(), "content+++");
}

pub async fn a_copy_and_a_rename_keep_the_metadata(store: &dyn Fixture) {
    let files = store.backend().await;
    files.write_with("a", "content", described()).await.unwrap();
    files.write("b", "other").await.unwrap();
    is_described(&files.copy("a", "dir/c").await.unwrap());
    is_described(&files.info("dir/c").await.unwrap());
    is_described(&files.copy_with("a", "b", CopyOptions::overwrite()).await.unwrap());
    is_described(&files.info("b").await.unwrap());
    is_described(&files.rename("a", "d").await.unwrap());
    is_described(&files.info("d").await.unwrap());
    files.write("plain", "plain").await.unwrap();
    files.rename_with("plain", "d", RenameOptions::overwrite()).await.unwrap();
    is_not_described(&files.info("d").await.unwrap());
}

pub async fn a_modification_time_is_kept(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = WriteOptions::default().with_modified_at(earlier());
    let written = files.write_with("a", "content", options.clone()).await.unwrap();
    assert_eq!(written.modified_at, Some(earlier()));
    assert_eq!(files.info("a").await.unwrap().modified_at, Some(earlier()));
    files.stream_write_with("b", source(["new".into()]), options).await.unwrap();
    assert_eq!(files.info("b").await.unwrap().modified_at, Some(earlier()));
    files.copy("a", "c").await.unwrap();
    assert_eq!(files.info("c").await.unwrap().modified_at, Some(earlier()));
    files.rename("a", "d").await.unwrap();
    assert_eq!(files.info("d").await.unwrap().modified_at, Some(earlier()));
    files.update("d", "new").await.unwrap();
    assert!(files.info("d").await.unwrap().is_modified_since(earlier()));
}

pub async fn an_etag_changes_although_the_modification_time_does_not(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = WriteOptions::default().with_modified_at(earlier());
    let first = files.write_with("a", "content", options.clone()).await.unwrap();
    let second = files.write_with("a", "changed", options).await.unwrap();
    assert_eq!(first.modified_at, second.modified_at);
    assert_ne!(first.etag, second.etag);
}

pub async fn permissions_are_kept(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = |bits| WriteOptions::default().with_permissions(bits);
    for bits in [0o600, 0o755, 0o640] {
        let written = files.write_with("a", "content", options(bits)).await.unwrap();
        assert_eq!(written.permissions, Some(bits));
        assert_eq!(files.info("a").await.unwrap().permissions, Some(bits));
    }
    files.update("a", "new").await.unwrap();
    assert_eq!(files.info("a").await.unwrap().permissions, Some(0o640));
    files.copy("a", "b").await.unwrap();
    assert_eq!(files.info("b").await.unwrap().permissions, Some(0o640));
}

pub async fn metadata_that_the_store_cannot_keep_are_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    let capabilities = files.capabilities();
    let new = WriteOptions::default;
    for (needed, options) in [
        (Capability::ContentType, new().with_content_type("text/plain")),
        (Capability::UserMetadata, new().with_user_metadata("author", "Anna")),
        (Capability::ModificationTime, new().with_modified_at(earlier())),
        (Capability::Permissions, new().with_permissions(0o4711)),
    ] {
        if capabilities.has(needed) {
            continue;
        }
        let call = needed.name();
        let written = files.write_with("a", "content", options.clone()).await;
        refused_when(written, ErrorKind::Unsupported, call);
        let streamed = files.stream_write_with("a", source(["new".into()]), options).await;
        refused_when(streamed, ErrorKind::Unsupported, call);
    }
    assert!(listed(&*files, "", ListOptions::recursive()).await.is_empty());
}

pub async fn malformed_metadata_are_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    let new = WriteOptions::default;
    for (kind, options) in [
        (ErrorKind::InvalidInput, new().with_content_type("")),
        (ErrorKind::InvalidInput, new().with_content_type("text/plain\r\nX-Other: 1")),
        (ErrorKind::InvalidInput, new().with_user_metadata("Author", "Anna")),
        (ErrorKind::InvalidInput, new().with_user_metadata("author", "a\0b")),
        (ErrorKind::TooLarge, new().with_user_metadata("author", "a".repeat(3_000))),
        (ErrorKind::InvalidInput, new().with_permissions(0o10_000)),
    ] {
        let call = format!("{:?}", options.metadata);
        let written = files.write_with("a", "content", options.clone()).await;
        refused_when(written, kind, &call);
        let streamed = files.stream_write_with("a", source(["new".into()]), options).await;
        refused_when(streamed, kind, &call);
    }
    refused(files.read("a").await, ErrorKind::NotFound);
}

pub async fn metadata_of_the_largest_size_are_kept(store: &dyn Fixture) {
    let files = store.backend().await;
    let value = "\u{1}".repeat(files.limits().user_metadata_bytes - "author".len());
    let options = WriteOptions::default()
        .with_content_type("x".repeat(255))
        .with_user_metadata("author", value.clone());
    files.write_with("a", "content", options).await.unwrap();
    let info = files.info("a").await.unwrap();
    assert_eq!(info.content_type.map(|text| text.len()), Some(255));
    assert_eq!(info.user_metadata["author"], value);
}
