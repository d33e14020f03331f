//! A verb that a store does not support fails with `Unsupported` and changes nothing.

use std::time::{Duration, UNIX_EPOCH};

use crate::backend::Capability;
use crate::core::error::ErrorKind;
use crate::core::etag::Etag;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, InfoChanges, RenameOptions, SessionOptions,
    UpdateOptions, WriteOptions,
};
use crate::core::presign::PresignOperation;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::source;
use crate::testing::expect::refused;
use crate::testing::state::state;

pub async fn append_is_refused_without_its_capability(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let appended = files.update_with("a", "more", UpdateOptions::append()).await;
    refused(appended, ErrorKind::Unsupported);
    assert_eq!(files.read("a").await.unwrap(), "content");
}

pub async fn create_dir_is_refused_without_its_capability(store: &dyn Fixture) {
    let files = store.backend().await;
    refused(files.create_dir("a").await, ErrorKind::Unsupported);
    let overwrite = CreateDirOptions::overwrite();
    refused(files.create_dir_with("a/b", overwrite).await, ErrorKind::Unsupported);
    assert!(!files.exists("a").await.unwrap());
}

pub async fn a_session_is_refused_without_its_capability(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = SessionOptions::default();
    let Err(error) = files.sync_session_with(options).await else {
        panic!("a store without sessions opened one");
    };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.operation().is_some(), "the error names no operation: {error:?}");
}

pub async fn an_etag_is_refused_without_its_capability(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    files.create("b", "other").await.unwrap();
    let before = state(&*files).await;
    let etag = files.info("a").await.unwrap().etag.unwrap_or_else(|| Etag::new("any"));
    let create = CreateOptions::if_match(etag.clone());
    let write = WriteOptions::if_match(etag.clone());
    let update = UpdateOptions::if_match(etag.clone());
    let copy = CopyOptions::if_match(etag.clone());
    let rename = RenameOptions::if_match(etag);
    for result in [
        files.create_with("a", "new", create).await,
        files.stream_write_with("a", source(["new".into()]), write).await,
        files.update_with("a", "new", update).await,
        files.copy_with("b", "a", copy).await,
        files.rename_with("b", "a", rename).await,
    ] {
        refused(result, ErrorKind::Unsupported);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn cross_process_sessions_imply_sessions(store: &dyn Fixture) {
    let capabilities = store.backend().await.capabilities();
    assert!(capabilities.has(Capability::Sessions));
}

pub async fn capabilities_never_change(store: &dyn Fixture) {
    let files = store.backend().await;
    let capabilities = files.capabilities();
    files.create("dir/a", "content").await.unwrap();
    files.delete("dir/a").await.unwrap();
    assert_eq!(files.capabilities(), capabilities);
    if let Some(second) = store.second_handle().await {
        assert_eq!(second.capabilities(), capabilities);
    }
}

async fn round_trip(files: &dyn AsyncFileBackend, path: &str) {
    files.create(path, "content").await.unwrap();
    assert_eq!(files.read(path).await.unwrap(), "content");
    files.stream_write(&format!("{path}2"), source(["new".into()])).await.unwrap();
    let copied = files.copy_with(path, &format!("{path}3"), CopyOptions::default()).await;
    assert_eq!(copied.unwrap().size, Some(7));
    let found = files.glob(&format!("{path}*")).await.unwrap();
    assert_eq!(found.len(), 3);
    files.delete(path).await.unwrap();
    assert!(!files.exists(path).await.unwrap());
}

pub async fn references_and_boxes_of_a_backend_are_backends(store: &dyn Fixture) {
    let files = store.backend().await;
    round_trip(&files, "arc").await;
    round_trip(&*files, "reference").await;
    let boxed: Box<dyn AsyncFileBackend> = Box::new(files);
    round_trip(&boxed, "box").await;
    round_trip(&*boxed, "in the box").await;
    let kept: &'static dyn AsyncFileBackend = Box::leak(boxed);
    round_trip(&kept, "static").await;
}

pub async fn what_the_store_cannot_do_is_unsupported(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let has = |capability| files.capabilities().has(capability);
    let before = state(&*files).await;
    if !has(Capability::SetInfo) {
        let changes = InfoChanges::default().with_modified_at(UNIX_EPOCH);
        refused(files.set_info("a", changes).await, ErrorKind::Unsupported);
    }
    if !has(Capability::Links) {
        refused(files.create_link("link", "a").await, ErrorKind::Unsupported);
        refused(files.read_link("a").await, ErrorKind::Unsupported);
    }
    if !has(Capability::Versions) {
        refused(files.list_versions("a").await.map(drop), ErrorKind::Unsupported);
    }
    if !has(Capability::Watch) {
        refused(files.watch("").await.map(drop), ErrorKind::Unsupported);
    }
    if !has(Capability::Presign) {
        let hour = Duration::from_secs(3600);
        refused(files.presign("a", PresignOperation::Read, hour).await, ErrorKind::Unsupported);
    }
    if !has(Capability::Resumable) {
        let begun = files.begin_upload("b", WriteOptions::default()).await;
        refused(begun, ErrorKind::Unsupported);
    }
    if !has(Capability::PrivateViews) {
        refused(files.private_view("guard").map(drop), ErrorKind::Unsupported);
    }
    assert_eq!(state(&*files).await, before);
}
