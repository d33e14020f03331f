//! A file is created completely or not at all, and replaces another only on request.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::ErrorKind;
use crate::core::etag::Etag;
use crate::core::options::{CreateDirOptions, CreateOptions, ListOptions};
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, signed};
use crate::testing::expect::refused;
use crate::testing::state::{listed, state};

pub async fn create_creates_the_file_and_its_parents(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a/b/c.txt", "hello").await.unwrap();
    assert_eq!(files.read("a/b/c.txt").await.unwrap(), "hello");
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["a/", "a/b/", "a/b/c.txt"]);
}

pub async fn content_of_every_size_reads_back_unchanged(store: &dyn Fixture) {
    const CHUNK: usize = DEFAULT_CHUNK_SIZE;
    let files = store.backend().await;
    let large = store.scale().pick(5 << 20, 5 << 18);
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7, large] {
        let (path, content) = (format!("{size}"), bytes(size));
        let info = files.create(&path, content.clone()).await.unwrap();
        assert_eq!(info.size, Some(size as u64));
        assert_eq!(files.info(&path).await.unwrap().size, Some(size as u64));
        assert!(files.read(&path).await.unwrap() == content, "{size} bytes");
    }
}

pub async fn create_refuses_to_replace_a_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let created = files.create("a", "old").await.unwrap();
    refused(files.create("a", "new").await, ErrorKind::AlreadyExists);
    assert_eq!(files.read("a").await.unwrap(), "old");
    assert_eq!(files.info("a").await.unwrap().etag, created.etag);
}

pub async fn create_refuses_to_replace_a_directory_in_every_mode(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "old").await.unwrap();
    let before = state(&*files).await;
    refused(files.create("dir", "new").await, ErrorKind::AlreadyExists);
    let overwritten = files.create_with("dir", "new", CreateOptions::overwrite()).await;
    refused(overwritten, ErrorKind::IsADirectory);
    assert_eq!(state(&*files).await, before);
}

pub async fn an_etag_never_matches_a_directory(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("dir/a", "old").await.unwrap().etag.unwrap();
    let options = CreateOptions::if_match(etag);
    let replaced = files.create_with("dir", "new", options).await;
    refused(replaced, ErrorKind::IsADirectory);
}

pub async fn create_below_a_file_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("file", "old").await.unwrap();
    for path in ["file/a", "file/a/b"] {
        refused(files.create(path, "new").await, ErrorKind::NotADirectory);
        let overwritten = files.create_with(path, "new", CreateOptions::overwrite()).await;
        refused(overwritten, ErrorKind::NotADirectory);
        refused(files.create_dir(path).await, ErrorKind::NotADirectory);
    }
    assert_eq!(files.read("file").await.unwrap(), "old");
}

pub async fn overwriting_creates_a_file_or_replaces_its_whole_content(store: &dyn Fixture) {
    let files = store.backend().await;
    for content in ["first", "a longer second", "3", ""] {
        let options = CreateOptions::overwrite();
        let info = files.create_with("a/b", content, options).await.unwrap();
        assert_eq!(info.size, Some(content.len() as u64));
        assert_eq!(files.read("a/b").await.unwrap(), content);
    }
}

pub async fn a_matching_etag_replaces_the_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut etag = files.create("a", "0").await.unwrap().etag.unwrap();
    for content in ["1", "2", "3"] {
        let options = CreateOptions::if_match(etag);
        let info = files.create_with("a", content, options).await.unwrap();
        etag = info.etag.unwrap();
        assert_eq!(files.read("a").await.unwrap(), content);
    }
}

pub async fn a_stale_etag_leaves_the_file_unchanged(store: &dyn Fixture) {
    let files = store.backend().await;
    let stale = files.create("a", "old").await.unwrap().etag.unwrap();
    let current = files.update("a", "now").await.unwrap().etag;
    for etag in [stale, Etag::new("never given"), Etag::new("")] {
        let options = CreateOptions::if_match(etag);
        let replaced = files.create_with("a", "new", options).await;
        refused(replaced, ErrorKind::PreconditionFailed);
    }
    assert_eq!(files.read("a").await.unwrap(), "now");
    assert_eq!(files.info("a").await.unwrap().etag, current);
}

pub async fn an_etag_never_matches_a_missing_file(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("a", "old").await.unwrap().etag.unwrap();
    files.delete("a").await.unwrap();
    for path in ["a", "never", "new/dir/a"] {
        let options = CreateOptions::if_match(etag.clone());
        let created = files.create_with(path, "new", options).await;
        refused(created, ErrorKind::PreconditionFailed);
    }
    assert!(listed(&*files, "", ListOptions::recursive()).await.is_empty());
}

pub async fn create_returns_the_info_of_the_new_file(store: &dyn Fixture) {
    let files = store.backend().await;
    for options in [CreateOptions::default(), CreateOptions::overwrite()] {
        let created = files.create_with("a/b", "hello", options).await.unwrap();
        let info = files.info("a/b").await.unwrap();
        assert_eq!((created.path.as_str(), created.is_file()), ("a/b", true));
        assert_eq!((&created.etag, created.size), (&info.etag, info.size));
        assert_eq!(created.size, Some(5));
    }
}

pub async fn every_overwrite_changes_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let rounds = store.scale().pick(100, 20);
    let mut seen = vec![files.create("a", "same").await.unwrap().etag.unwrap()];
    for round in 0..rounds {
        let content = if round % 2 == 0 { "othr" } else { "same" };
        let options = CreateOptions::overwrite();
        let info = files.create_with("a", content, options).await.unwrap();
        let etag = info.etag.unwrap();
        assert_ne!(seen.last(), Some(&etag), "after overwrite {round}");
        seen.push(etag);
    }
}

pub async fn content_that_does_not_match_its_checksum_is_refused(store: &dyn Fixture) {
    let files = store.backend().await;
    for &algorithm in ChecksumAlgorithm::ALL {
        let right = CreateOptions::default().with_checksum(Checksum::of(algorithm, b"hello"));
        let path = format!("dir/{algorithm}");
        let changed = files.create_with(&path, "hellp", right.clone()).await;
        refused(changed, ErrorKind::IntegrityMismatch);
        assert!(!files.exists("dir").await.unwrap(), "a refused write created a directory");
        files.create_with(&path, "hello", right.clone()).await.unwrap();
        // An existing file is reported first, as in a streamed write.
        refused(files.create_with(&path, "hellp", right).await, ErrorKind::AlreadyExists);
        files.delete(&path).await.unwrap();
        if files.exists("dir").await.unwrap() {
            files.delete("dir").await.unwrap();
        }
    }
}

pub async fn exactly_one_of_racing_creates_wins(store: &dyn Fixture) {
    const CREATORS: usize = 8;
    let files = store.backend().await;
    for round in 0..store.scale().pick(50, 10) {
        let path = format!("round {round}/deep/file");
        let creators = (0..CREATORS).map(|creator| {
            let (files, path) = (Arc::clone(&files), path.clone());
            tokio::spawn(async move { files.create(&path, signed(creator, 10_000)).await })
        });
        let outcomes = join_all(creators.collect::<Vec<_>>()).await;
        let mut winners = Vec::new();
        for (creator, outcome) in outcomes.into_iter().enumerate() {
            match outcome.unwrap() {
                Ok(_) => winners.push(creator),
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
        }
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        let content = files.read(&path).await.unwrap();
        assert!(content == signed(winners[0], 10_000), "the content is not the winner's");
    }
}

pub async fn racing_overwrites_never_tear_a_file(store: &dyn Fixture) {
    const SIZE: usize = 100_000;
    let files = store.backend().await;
    let rounds = store.scale().pick(10, 4);
    files.create("a", signed(0, SIZE)).await.unwrap();
    let writers = (0..4).map(|writer| {
        let files = Arc::clone(&files);
        tokio::spawn(async move {
            for _ in 0..rounds {
                let options = CreateOptions::overwrite();
                files.create_with("a", signed(writer, SIZE), options).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let complete: Vec<Bytes> = (0..4).map(|writer| signed(writer, SIZE)).collect();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let content = files.read("a").await.unwrap();
        assert!(complete.contains(&content), "torn content: {:?}…", content.get(..18));
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

pub async fn create_dir_creates_the_directory_and_its_parents(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_dir("a/b/c").await.unwrap();
    assert!(files.info("a/b/c").await.unwrap().is_dir());
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["a/", "a/b/", "a/b/c/"]);
    files.create("a/b/c/file", "inside").await.unwrap();
    assert_eq!(files.read("a/b/c/file").await.unwrap(), "inside");
}

pub async fn create_dir_refuses_an_existing_directory_unless_overwriting(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "inside").await.unwrap();
    let before = state(&*files).await;
    refused(files.create_dir("dir").await, ErrorKind::AlreadyExists);
    files.create_dir_with("dir", CreateDirOptions::overwrite()).await.unwrap();
    assert_eq!(state(&*files).await, before);
    files.create_dir_with("new/er", CreateDirOptions::overwrite()).await.unwrap();
    assert!(files.info("new/er").await.unwrap().is_dir());
}

pub async fn create_dir_refuses_a_file_in_every_mode(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("file", "content").await.unwrap();
    for options in [CreateDirOptions::default(), CreateDirOptions::overwrite()] {
        let made = files.create_dir_with("file", options).await;
        refused(made, ErrorKind::NotADirectory);
    }
    assert_eq!(files.read("file").await.unwrap(), "content");
}

pub async fn exactly_one_of_racing_create_dirs_wins(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(20, 8) {
        let path = format!("round {round}/dir");
        let makers = (0..8).map(|_| {
            let (files, path) = (Arc::clone(&files), path.clone());
            tokio::spawn(async move { files.create_dir(&path).await })
        });
        let outcomes = join_all(makers.collect::<Vec<_>>()).await;
        let mut winners = 0;
        for outcome in outcomes {
            match outcome.unwrap() {
                Ok(()) => winners += 1,
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
}
