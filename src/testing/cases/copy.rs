//! A copy is an independent file.

use std::sync::Arc;

use futures::future::join_all;

use crate::backends::memory::MemoryFileBackend;
use crate::core::error::ErrorKind;
use crate::core::etag::Etag;
use crate::core::options::{CopyOptions, UpdateOptions};
use crate::core::precondition::Precondition;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::state;

pub async fn a_copy_has_the_content_of_its_source(store: &dyn Fixture) {
    let files = store.backend().await;
    for size in [0, 5, store.scale().pick(3 << 20, 5 << 18)] {
        let (from, to) = (format!("{size}"), format!("copies/deep/{size}"));
        files.create(&from, bytes(size)).await.unwrap();
        let copied = files.copy(&from, &to).await.unwrap();
        let info = files.info(&to).await.unwrap();
        assert_eq!((copied.path.as_str(), copied.is_file()), (to.as_str(), true));
        assert_eq!((&copied.etag, copied.size), (&info.etag, info.size));
        assert!(files.read(&to).await.unwrap() == bytes(size));
        assert!(files.read(&from).await.unwrap() == bytes(size));
    }
}

pub async fn a_copy_and_its_source_change_independently(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "same").await.unwrap();
    files.copy("a", "b").await.unwrap();
    files.copy("a", "c").await.unwrap();
    files.update("a", "changed").await.unwrap();
    assert_eq!(files.read("b").await.unwrap(), "same");
    files.update("b", "otherwise").await.unwrap();
    files.delete("a").await.unwrap();
    assert_eq!(files.read("b").await.unwrap(), "otherwise");
    assert_eq!(files.read("c").await.unwrap(), "same");
}

pub async fn appending_to_a_copy_leaves_its_source_unchanged(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "same").await.unwrap();
    files.copy("a", "b").await.unwrap();
    files.update_with("b", "+b", UpdateOptions::append()).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "same");
    files.update_with("a", "+a", UpdateOptions::append()).await.unwrap();
    assert_eq!(files.read("b").await.unwrap(), "same+b");
}

pub async fn copying_a_missing_file_or_a_directory_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    let before = state(&*files).await;
    for (from, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("dir", ErrorKind::IsADirectory),
        ("dir/file/below", ErrorKind::NotADirectory),
    ] {
        for to in ["new", "new/deep/er"] {
            refused_when(files.copy(from, to).await, kind, from);
            let copied = files.copy_with(from, to, CopyOptions::overwrite()).await;
            refused_when(copied, kind, from);
        }
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn a_copy_replaces_a_file_only_when_overwriting(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "source").await.unwrap();
    files.create("b", "a longer target").await.unwrap();
    files.create("dir/file", "").await.unwrap();
    let before = state(&*files).await;
    for to in ["b", "dir", "dir/file", "a"] {
        refused_when(files.copy("a", to).await, ErrorKind::AlreadyExists, to);
    }
    for (to, kind) in [
        ("dir", ErrorKind::IsADirectory),
        ("b/below", ErrorKind::NotADirectory),
        ("a/below", ErrorKind::NotADirectory),
    ] {
        let copied = files.copy_with("a", to, CopyOptions::overwrite()).await;
        refused_when(copied, kind, to);
    }
    refused(files.copy("a", "b/below").await, ErrorKind::NotADirectory);
    assert_eq!(state(&*files).await, before);
    files.copy_with("a", "b", CopyOptions::overwrite()).await.unwrap();
    files.copy_with("a", "c", CopyOptions::overwrite()).await.unwrap();
    for path in ["a", "b", "c"] {
        assert_eq!(files.read(path).await.unwrap(), "source");
    }
}

pub async fn a_copy_compares_the_etag_of_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    let of_source = files.create("a", "source").await.unwrap().etag.unwrap();
    let stale = files.create("b", "target").await.unwrap().etag.unwrap();
    let current = files.update("b", "changed").await.unwrap().etag.unwrap();
    for etag in [stale, of_source, Etag::new("never given")] {
        for to in ["b", "missing"] {
            let copied = files.copy_with("a", to, CopyOptions::if_match(etag.clone())).await;
            refused_when(copied, ErrorKind::PreconditionFailed, to);
        }
    }
    assert_eq!(files.read("b").await.unwrap(), "changed");
    assert!(!files.exists("missing").await.unwrap());
    let copied = files.copy_with("a", "b", CopyOptions::if_match(current.clone())).await.unwrap();
    assert_eq!(files.read("b").await.unwrap(), "source");
    assert_ne!(copied.etag, Some(current));
}

pub async fn a_copy_onto_itself_changes_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    let created = files.create("dir/a", "content").await.unwrap();
    for to in ["dir/a", "/dir//a/"] {
        refused(files.copy("dir/a", to).await, ErrorKind::AlreadyExists);
        let copied = files.copy_with("dir/a", to, CopyOptions::overwrite()).await.unwrap();
        assert_eq!((copied.path.as_str(), copied.size), ("dir/a", Some(7)));
        assert_eq!(copied.etag, created.etag);
    }
    assert_eq!(files.read("dir/a").await.unwrap(), "content");
    let missing = files.copy_with("b", "b", CopyOptions::overwrite()).await;
    refused(missing, ErrorKind::NotFound);
    let directory = files.copy_with("dir", "dir", CopyOptions::overwrite()).await;
    refused(directory, ErrorKind::IsADirectory);
}

pub async fn exactly_one_of_racing_copies_to_one_target_wins(store: &dyn Fixture) {
    let files = store.backend().await;
    for source in 0..8 {
        files.create(&format!("{source}"), format!("from {source}")).await.unwrap();
    }
    for round in 0..store.scale().pick(20, 8) {
        let to = format!("round {round}/target");
        let copies = (0..8).map(|source| {
            let (files, to) = (Arc::clone(&files), to.clone());
            tokio::spawn(async move { files.copy(&format!("{source}"), &to).await })
        });
        let mut winners = Vec::new();
        for (source, outcome) in join_all(copies.collect::<Vec<_>>()).await.into_iter().enumerate()
        {
            match outcome.unwrap() {
                Ok(_) => winners.push(source),
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
        }
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        assert_eq!(files.read(&to).await.unwrap(), format!("from {}", winners[0]));
    }
}

pub async fn a_file_of_another_store_is_copied(store: &dyn Fixture) {
    let files = store.backend().await;
    let other = MemoryFileBackend::new();
    for size in [0, 7, 300_000] {
        let content = bytes(size);
        other.write("source", content.clone()).await.unwrap();
        let to = format!("dir/{size}");
        let copied = files.copy_from(&other, "source", &to, CopyOptions::default()).await.unwrap();
        assert_eq!((copied.path.as_str(), copied.size), (to.as_str(), Some(size as u64)));
        assert!(files.read(&to).await.unwrap() == content);
    }
    let again = files.copy_from(&other, "source", "dir/7", CopyOptions::default()).await;
    refused(again, ErrorKind::AlreadyExists);
    let missing = files.copy_from(&other, "missing", "b", CopyOptions::default()).await;
    refused(missing, ErrorKind::NotFound);
    files.copy_from(&other, "source", "dir/7", CopyOptions::overwrite()).await.unwrap();
    assert_eq!(files.info("dir/7").await.unwrap().size, Some(300_000));
    let back = other.copy_from(&files, "dir/0", "back", CopyOptions::default()).await.unwrap();
    assert_eq!(back.size, Some(0));
}

pub async fn a_copy_from_another_store_compares_both_sides(store: &dyn Fixture) {
    let files = store.backend().await;
    let other = MemoryFileBackend::new();
    let etag = other.write("source", "new").await.unwrap().etag.unwrap();
    files.create("target", "old").await.unwrap();
    let stale = CopyOptions::overwrite().with_source(Precondition::if_match(Etag::new("stale")));
    let copied = files.copy_from(&other, "source", "target", stale).await;
    refused(copied, ErrorKind::PreconditionFailed);
    let known = CopyOptions::overwrite().with_source(Precondition::if_none_match(etag.clone()));
    let copied = files.copy_from(&other, "source", "target", known).await;
    refused(copied, ErrorKind::PreconditionFailed);
    let never = CopyOptions::if_match(Etag::new("never given"));
    let copied = files.copy_from(&other, "source", "target", never).await;
    refused(copied, ErrorKind::PreconditionFailed);
    assert_eq!(files.read("target").await.unwrap(), "old");
    let right = CopyOptions::overwrite().with_source(Precondition::if_match(etag));
    files.copy_from(&other, "source", "target", right).await.unwrap();
    assert_eq!(files.read("target").await.unwrap(), "new");
}

pub async fn a_copy_from_another_handle_of_the_store_is_a_copy(store: &dyn Fixture) {
    let files = store.backend().await;
    let second = store.second_handle().await.unwrap_or_else(|| Arc::clone(&files));
    files.create("dir/a", bytes(100_000)).await.unwrap();
    let copied = files.copy_from(&second, "dir/a", "b", CopyOptions::default()).await.unwrap();
    assert_eq!(copied.size, Some(100_000));
    files.write("dir/a", "changed").await.unwrap();
    assert!(files.read("b").await.unwrap() == bytes(100_000));
    let itself = files.copy_from(&second, "b", "b", CopyOptions::default()).await;
    refused(itself, ErrorKind::AlreadyExists);
}
