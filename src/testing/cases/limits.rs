//! The stated bounds of a store are its real bounds, and its name is its own.

use crate::backend::Capability;
use crate::backends::memory::MemoryFileBackend;
use crate::core::error::ErrorKind;
use crate::core::options::{DeleteOptions, ListOptions, WriteOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::state::{listed, state};

/// Returns a path of `bytes` bytes whose names have up to `name` bytes.
fn path_of(bytes: usize, name: usize) -> String {
    let mut path = String::new();
    while path.len() < bytes {
        let left = bytes - path.len();
        // A slash must not be the last byte.
        let next = if left == name + 1 { name - 1 } else { left.min(name) };
        path.push_str(&"p".repeat(next));
        if path.len() < bytes {
            path.push('/');
        }
    }
    path
}

pub async fn a_path_of_the_stated_length_works_and_a_longer_one_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    let limits = files.limits();
    let longest = path_of(limits.path_bytes, limits.name_bytes);
    assert_eq!(longest.len(), limits.path_bytes);
    files.create(&longest, "deep down").await.unwrap();
    assert_eq!(files.read(&longest).await.unwrap(), "deep down");
    let top = longest.split('/').next().unwrap_or_default();
    files.delete_with(top, DeleteOptions::recursive()).await.unwrap();
    let too_long = path_of(limits.path_bytes + 1, limits.name_bytes);
    let error = files.create(&too_long, "").await.unwrap_err();
    let is_named = matches!(error.kind(), ErrorKind::InvalidPath | ErrorKind::TooLarge);
    assert!(is_named && error.operation().is_some(), "{error:?}");
    assert!(listed(&*files, "", ListOptions::default()).await.is_empty());
}

pub async fn a_name_of_the_stated_length_works_and_a_longer_one_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    let longest = "n".repeat(files.limits().name_bytes);
    files.create(&longest, "content").await.unwrap();
    assert_eq!(files.read(&longest).await.unwrap(), "content");
    let before = state(&*files).await;
    let error = files.create(&format!("{longest}n"), "").await.unwrap_err();
    let is_named = matches!(error.kind(), ErrorKind::InvalidPath | ErrorKind::TooLarge);
    assert!(is_named && error.operation().is_some(), "{error:?}");
    assert_eq!(state(&*files).await, before);
}

pub async fn user_metadata_of_the_stated_size_are_kept_and_larger_ones_refused(
    store: &dyn Fixture,
) {
    let files = store.backend().await;
    let bytes = files.limits().user_metadata_bytes;
    let has_metadata = files.capabilities().has(Capability::UserMetadata);
    assert_eq!(bytes > 0, has_metadata, "{bytes} bytes of user metadata");
    let with = |bytes| WriteOptions::create().with_user_metadata("k", "v".repeat(bytes));
    if has_metadata {
        let info = files.write_with("full", "x", with(bytes - 1)).await.unwrap();
        assert_eq!(info.user_metadata["k"].len(), bytes - 1);
    }
    assert!(files.write_with("beyond", "x", with(bytes)).await.is_err());
    assert!(!files.exists("beyond").await.unwrap());
}

pub async fn the_identity_is_that_of_the_store(store: &dyn Fixture) {
    let files = store.backend().await;
    let Some(identity) = files.identity() else { return };
    files.create("a", "content").await.unwrap();
    assert_eq!(files.identity().as_ref(), Some(&identity));
    if let Some(second) = store.second_handle().await {
        assert_eq!(second.identity().as_ref(), Some(&identity));
    }
    assert_ne!(MemoryFileBackend::new().identity(), Some(identity));
}
