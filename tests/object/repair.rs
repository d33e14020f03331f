//! What dead processes leave is found and removed.

use std::time::Duration;

use bytes::Bytes;
use f9::WriteOptions;
use f9::prelude::*;
use futures::{StreamExt as _, stream};

use super::fixture::{PART, Scene, content};

#[tokio::test]
async fn a_repair_removes_what_is_old_and_nothing_else() {
    let scene = Scene::new();
    let files = scene.open().await;
    files.create("kept", "x").await.unwrap();
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let large = stream::iter([Ok(Bytes::from(content(PART + 1)))]).boxed();
    files.continue_upload(&upload, large).await.unwrap();
    assert_eq!(scene.s3.uploads().len(), 1);
    let nothing = files.repair(Duration::from_secs(3_600)).await.unwrap();
    assert!(nothing.unfinished_uploads.is_empty() && nothing.objects.is_empty());
    let removed = files.repair(Duration::ZERO).await.unwrap();
    assert_eq!(removed.unfinished_uploads.len(), 1);
    assert_eq!(removed.objects.len(), 2, "{removed:?}");
    assert!(scene.s3.uploads().is_empty());
    assert_eq!(scene.keys(), ["kept"]);
}

#[tokio::test]
async fn a_repair_stays_within_its_prefix() {
    let scene = Scene::new();
    let of_others = scene.open_with(scene.config().with_prefix("others")).await;
    of_others.begin_upload("a", WriteOptions::default()).await.unwrap();
    let files = scene.open_with(scene.config().with_prefix("mine")).await;
    files.repair(Duration::ZERO).await.unwrap();
    assert_eq!(scene.keys().len(), 1);
}
