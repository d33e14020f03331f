//! An update replaces an existing file or appends to it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use crate::core::error::ErrorKind;
use crate::core::etag::Etag;
use crate::core::options::{CreateOptions, ListOptions, UpdateOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::bytes;
use crate::testing::expect::refused;
use crate::testing::state::{listed, state};

pub async fn update_replaces_the_content(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "a long first content").await.unwrap();
    for content in ["short", "", "longer than before"] {
        let updated = files.update("a", content).await.unwrap();
        let info = files.info("a").await.unwrap();
        assert_eq!(files.read("a").await.unwrap(), content);
        assert_eq!((updated.path.as_str(), updated.size), ("a", info.size));
        assert_eq!(updated.etag, info.etag);
    }
}

pub async fn updating_a_missing_file_or_a_directory_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    let before = state(&*files).await;
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("dir", ErrorKind::IsADirectory),
        ("dir/file/below", ErrorKind::NotADirectory),
    ] {
        refused(files.update(path, "new").await, kind);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn every_update_changes_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut last = files.create("a", "same").await.unwrap().etag.unwrap();
    for round in 0..store.scale().pick(100, 20) {
        let content = if round % 2 == 0 { "othr" } else { "same" };
        let etag = files.update("a", content).await.unwrap().etag.unwrap();
        assert_ne!(last, etag, "after update {round}");
        last = etag;
    }
}

pub async fn update_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let stale = files.create("a", "one").await.unwrap().etag.unwrap();
    let options = UpdateOptions::if_match(stale.clone());
    let current = files.update_with("a", "two", options).await.unwrap().etag;
    for etag in [stale.clone(), Etag::new("never given")] {
        let options = UpdateOptions::if_match(etag);
        let updated = files.update_with("a", "new", options).await;
        refused(updated, ErrorKind::PreconditionFailed);
    }
    assert_eq!(files.read("a").await.unwrap(), "two");
    assert_eq!(files.info("a").await.unwrap().etag, current);
    let options = UpdateOptions::if_match(stale);
    refused(files.update_with("missing", "", options).await, ErrorKind::NotFound);
}

pub async fn appends_are_added_to_the_end(store: &dyn Fixture) {
    let files = store.backend().await;
    let mut etag = files.create("a", "").await.unwrap().etag;
    let mut expected = String::new();
    for piece in ["one", "", " two", " three\n"] {
        let options = UpdateOptions::append();
        let updated = files.update_with("a", piece, options).await.unwrap();
        expected.push_str(piece);
        assert_eq!(files.read("a").await.unwrap(), expected);
        assert_eq!(updated.size, Some(expected.len() as u64));
        let info = files.info("a").await.unwrap();
        assert_eq!((&updated.etag, updated.size), (&info.etag, info.size));
        if !piece.is_empty() {
            assert!(etag.is_none() || etag != updated.etag, "after {piece:?}");
        }
        etag = updated.etag;
    }
}

pub async fn a_large_append_is_complete(store: &dyn Fixture) {
    let files = store.backend().await;
    let (first, second) = (bytes(300_001), bytes(1_000_003));
    files.create("a", first.clone()).await.unwrap();
    files.update_with("a", second.clone(), UpdateOptions::append()).await.unwrap();
    let content = files.read("a").await.unwrap();
    assert_eq!(content.len(), first.len() + second.len());
    assert!(content[..first.len()] == first && content[first.len()..] == second);
}

pub async fn appending_to_a_missing_file_or_a_directory_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("dir", ErrorKind::IsADirectory),
        ("dir/file/below", ErrorKind::NotADirectory),
    ] {
        let appended = files.update_with(path, "new", UpdateOptions::append()).await;
        refused(appended, kind);
    }
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["dir/", "dir/file"]);
}

pub async fn append_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("a", "1").await.unwrap().etag.unwrap();
    let options = UpdateOptions::append().with_if_match(etag);
    files.update_with("a", "2", options.clone()).await.unwrap();
    let stale = files.update_with("a", "3", options).await;
    refused(stale, ErrorKind::PreconditionFailed);
    assert_eq!(files.read("a").await.unwrap(), "12");
}

pub async fn concurrent_appends_are_complete_and_none_is_lost(store: &dyn Fixture) {
    const TASKS: usize = 16;
    let files = store.backend().await;
    let records = store.scale().pick(20, 4);
    files.create("log", "").await.unwrap();
    let record = |task: usize, number: usize| {
        format!("{task:02}.{number:02}:{}\n", "x".repeat(10 + 37 * task))
    };
    let tasks = (0..TASKS).map(|task| {
        let files = Arc::clone(&files);
        tokio::spawn(async move {
            for number in 0..records {
                let record = Bytes::from(record(task, number));
                let options = UpdateOptions::append();
                files.update_with("log", record, options).await.unwrap();
            }
        })
    });
    for done in join_all(tasks.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    let log = files.read_text("log").await.unwrap();
    let mut found: Vec<&str> = log.split_inclusive('\n').collect();
    for task in 0..TASKS {
        let prefix = format!("{task:02}.");
        let own = found.iter().filter(|line| line.starts_with(&prefix));
        assert!(own.is_sorted(), "the records of task {task} are out of order");
    }
    found.sort_unstable();
    let mut written = Vec::new();
    for task in 0..TASKS {
        written.extend((0..records).map(|number| record(task, number)));
    }
    assert_eq!(found, written);
}

/// Adds one to the number in a file, and retries if another task changed it.
async fn increment(files: &dyn AsyncFileBackend) {
    loop {
        let info = files.info("counter").await.unwrap();
        let etag = info.etag.unwrap();
        let options = crate::core::options::ReadOptions::default().with_if_match(etag.clone());
        let number: u64 = match files.read_with("counter", options).await {
            Ok(content) => std::str::from_utf8(&content).unwrap().parse().unwrap(),
            stale => {
                refused(stale, ErrorKind::PreconditionFailed);
                continue;
            }
        };
        tokio::task::yield_now().await;
        let options = CreateOptions::if_match(etag);
        let content = Bytes::from((number + 1).to_string());
        match files.create_with("counter", content, options).await {
            Ok(_) => return,
            lost => drop(refused(lost, ErrorKind::PreconditionFailed)),
        }
    }
}

pub async fn a_counter_that_compares_etags_loses_no_increment(store: &dyn Fixture) {
    const WORKERS: usize = 5;
    let files = store.backend().await;
    let increments = store.scale().pick(10, 4);
    files.create("counter", "0").await.unwrap();
    let workers = (0..WORKERS).map(|_| {
        let files = Arc::clone(&files);
        tokio::spawn(async move {
            for _ in 0..increments {
                increment(&*files).await;
            }
        })
    });
    for done in join_all(workers.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    let counted = files.read_text("counter").await.unwrap();
    assert_eq!(counted, (WORKERS * increments).to_string());
}
