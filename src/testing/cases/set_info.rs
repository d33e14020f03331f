//! Metadata of existing entries can be changed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::core::error::ErrorKind;
use crate::core::etag::Etag;
use crate::core::options::{InfoChanges, WriteOptions};
use crate::core::precondition::Precondition;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::refused;

fn earlier() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

pub async fn set_info_changes_the_times_and_nothing_else(store: &dyn Fixture) {
    let files = store.backend().await;
    let before = files.create("dir/a", "content").await.unwrap();
    let changes = InfoChanges::default().with_modified_at(earlier());
    let changed = files.set_info("dir/a", changes).await.unwrap();
    assert_eq!(changed.modified_at, Some(earlier()));
    assert_eq!(files.info("dir/a").await.unwrap().modified_at, Some(earlier()));
    assert_eq!((changed.size, changed.permissions), (Some(7), before.permissions));
    assert_eq!(files.read("dir/a").await.unwrap(), "content");
}

pub async fn set_info_changes_the_time_of_a_directory(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let changes = InfoChanges::default().with_modified_at(earlier());
    assert!(files.set_info("dir", changes).await.unwrap().is_dir());
    assert_eq!(files.info("dir").await.unwrap().modified_at, Some(earlier()));
    assert_eq!(files.read("dir/a").await.unwrap(), "content");
}

pub async fn set_info_changes_permissions(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    for bits in [0o600, 0o644, 0o755] {
        let changes = InfoChanges::default().with_permissions(bits);
        assert_eq!(files.set_info("a", changes).await.unwrap().permissions, Some(bits));
        assert_eq!(files.info("a").await.unwrap().permissions, Some(bits));
    }
}

pub async fn set_info_replaces_user_metadata_and_the_content_type(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = WriteOptions::default()
        .with_content_type("text/plain")
        .with_user_metadata("author", "Anna");
    files.write_with("a", "content", options).await.unwrap();
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let changes = InfoChanges::default().with_user_metadata(pairs(&[("editor", "Ben")]));
    let changed = files.set_info("a", changes).await.unwrap();
    assert_eq!(changed.user_metadata, pairs(&[("editor", "Ben")]));
    assert_eq!(changed.content_type.as_deref(), Some("text/plain"));
    let changed = files.set_info("a", InfoChanges::default().with_content_type("")).await.unwrap();
    assert_eq!((changed.content_type, changed.user_metadata.len()), (None, 1));
    let none = InfoChanges::default().with_user_metadata(BTreeMap::new());
    files.set_info("a", none).await.unwrap();
    assert!(files.info("a").await.unwrap().user_metadata.is_empty());
    assert_eq!(files.read("a").await.unwrap(), "content");
}

pub async fn set_info_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("a", "content").await.unwrap().etag.unwrap();
    let changes = |etag: Etag| {
        InfoChanges::default().with_permissions(0o755).with_condition(Precondition::if_match(etag))
    };
    let stale = files.set_info("a", changes(Etag::new("never given"))).await;
    refused(stale, ErrorKind::PreconditionFailed);
    files.set_info("a", changes(etag)).await.unwrap();
    assert_eq!(files.info("a").await.unwrap().permissions, Some(0o755));
}

pub async fn set_info_of_a_missing_entry_or_with_malformed_values_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let good = InfoChanges::default().with_permissions(0o644);
    refused(files.set_info("missing", good.clone()).await, ErrorKind::NotFound);
    refused(files.set_info("a/below", good.clone()).await, ErrorKind::NotADirectory);
    refused(files.set_info("..", good).await, ErrorKind::PathEscapesRoot);
    let bad = InfoChanges::default().with_permissions(0o10_000);
    refused(files.set_info("a", bad).await, ErrorKind::InvalidInput);
    let bad = InfoChanges::default().with_content_type("a\nb");
    refused(files.set_info("a", bad).await, ErrorKind::InvalidInput);
}
