//! What a store cannot do it says, and does nothing instead of something else.

use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::source;
use crate::testing::expect::refused;
use crate::testing::state::state;
use crate::{
    Capability, CopyOptions, CreateDirOptions, CreateOptions, ErrorKind, Etag, RenameOptions,
    SessionOptions, UpdateOptions, WriteOptions,
};

pub async fn a_store_without_append_says_so(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let appended = files.update_with("a", "more".into(), UpdateOptions::append()).await;
    refused(appended, ErrorKind::Unsupported);
    assert_eq!(files.read("a").await.unwrap(), "content");
}

pub async fn a_store_without_empty_directories_says_so(store: &dyn Fixture) {
    let files = store.backend().await;
    refused(files.create_dir("a").await, ErrorKind::Unsupported);
    let overwrite = CreateDirOptions::overwrite();
    refused(files.create_dir_with("a/b", overwrite).await, ErrorKind::Unsupported);
    assert!(!files.exists("a").await.unwrap());
}

pub async fn a_store_without_sessions_says_so(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = SessionOptions::default();
    let Err(error) = files.sync_session_with(options).await else {
        panic!("a session was opened in a store without sessions");
    };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.operation().is_some(), "no operation named: {error:?}");
}

pub async fn a_store_without_conditional_writes_says_so(store: &dyn Fixture) {
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
        files.create_with("a", "new".into(), create).await,
        files.stream_write_with("a", source(["new".into()]), write).await,
        files.update_with("a", "new".into(), update).await,
        files.copy_with("b", "a", copy).await,
        files.rename_with("b", "a", rename).await,
    ] {
        refused(result, ErrorKind::Unsupported);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn sessions_across_processes_exclude_within_one_too(store: &dyn Fixture) {
    let capabilities = store.backend().await.capabilities();
    assert!(capabilities.has(Capability::Sessions));
}

pub async fn capabilities_do_not_change(store: &dyn Fixture) {
    let files = store.backend().await;
    let capabilities = files.capabilities();
    files.create("dir/a", "content").await.unwrap();
    files.delete("dir/a").await.unwrap();
    assert_eq!(files.capabilities(), capabilities);
    if let Some(second) = store.second().await {
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

pub async fn pointers_to_a_store_are_stores(store: &dyn Fixture) {
    let files = store.backend().await;
    round_trip(&files, "arc").await;
    round_trip(&*files, "reference").await;
    let boxed: Box<dyn AsyncFileBackend> = Box::new(files);
    round_trip(&boxed, "box").await;
    round_trip(&*boxed, "in the box").await;
    let kept: &'static dyn AsyncFileBackend = Box::leak(boxed);
    round_trip(&kept, "static").await;
}
