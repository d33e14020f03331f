//! How many processes each operation starts.

use std::fs::File;
use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{
    ByteRange, Depth, ErrorKind, Etag, GitSyncFileBackend, InfoOptions, ListOptions, Precondition,
    ReadOptions, VersionOptions,
};
use futures::TryStreamExt as _;

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

/// Counts the processes that a call starts.
macro_rules! cost {
    ($clone:expr, $call:expr) => {{
        let before = $clone.processes_started();
        let result = $call.await;
        ($clone.processes_started() - before, result)
    }};
}

async fn clones() -> (Clones, GitSyncFileBackend) {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("b", "two")]));
    let clone = clones.open("mine").await;
    (clones, clone)
}

/// A clone that has written and pushed before.
async fn used() -> (Clones, GitSyncFileBackend) {
    let (clones, clone) = clones().await;
    clone.create("first", "x").await.unwrap();
    clone.push("First").await.unwrap();
    (clones, clone)
}

#[tokio::test]
async fn opening_a_clone_again_starts_no_process() {
    let (clones, clone) = clones().await;
    assert_eq!(clone.processes_started(), 3, "init, fetch, reset");
    drop(clone);
    assert_eq!(opened(clones.config("mine")).await.processes_started(), 0);
}

#[tokio::test]
async fn file_verbs_start_no_process() {
    let (_clones, clone) = used().await;
    let (cost, ()) = cost!(clone, async {
        clone.create("c", "x").await.unwrap();
        clone.update("c", "y").await.unwrap();
        clone.read("c").await.unwrap();
        clone.rename("c", "d").await.unwrap();
        clone.copy("d", "e").await.unwrap();
        clone.delete("d").await.unwrap();
        clone.glob("**").await.unwrap();
        clone.exists("e").await.unwrap();
    });
    assert_eq!(cost, 0);
}

#[tokio::test]
async fn reads_of_the_content_alone_start_no_process() {
    let (_clones, clone) = clones().await;
    let etag = clone.create("c", "content").await.unwrap().etag.unwrap();
    clone.push("Add").await.unwrap();
    let condition = ReadOptions::default().with_if_match(etag);
    let (cost, ()) = cost!(clone, async {
        for options in [ReadOptions::default(), condition.clone()] {
            let streamed = clone.stream_read_with("c", options.clone()).await.unwrap();
            assert_eq!(streamed.try_collect::<Vec<_>>().await.unwrap(), ["content"]);
            let ranges = [ByteRange::from(1..3), ByteRange::from(5..)];
            let read = clone.read_ranges_with("c", &ranges, options.clone()).await.unwrap();
            assert_eq!(read, ["on", "nt"]);
            assert_eq!(clone.read_with("c", options).await.unwrap(), "content");
        }
    });
    assert_eq!(cost, 0);
}

#[tokio::test]
async fn a_version_that_is_not_wanted_is_not_read() {
    let (_clones, clone) = clones().await;
    let versions = |limit| VersionOptions::default().with_limit(limit);
    let (cost, listed) = cost!(clone, clone.list_versions_with("a", versions(0)));
    assert!(listed.unwrap().try_next().await.unwrap().is_none());
    assert_eq!(cost, 1, "log");
    let mut listed = clone.list_versions_with("a", versions(1)).await.unwrap();
    let version = listed.try_next().await.unwrap().unwrap();
    let info = InfoOptions::default().with_version(version.id.clone());
    let (cost, found) = cost!(clone, clone.info_with("a", info.clone()));
    assert_eq!((cost, found.unwrap()), (2, version.info.unwrap()), "log, cat-file");
    let other = Precondition::if_match(Etag::new("other"));
    let (cost, found) = cost!(clone, clone.info_with("a", info.with_condition(other.clone())));
    assert_eq!(found.unwrap_err().kind(), ErrorKind::PreconditionFailed);
    assert_eq!(cost, 1, "log");
    let read = ReadOptions::default().with_version(version.id).with_condition(other);
    let (cost, read) = cost!(clone, clone.open_with("a", read));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::PreconditionFailed);
    assert_eq!(cost, 1, "log");
}

#[tokio::test]
async fn a_pull_without_changes_is_one_fetch() {
    let (_clones, clone) = used().await;
    let (cost, result) = cost!(clone, clone.pull());
    result.unwrap();
    assert_eq!(cost, 1);
}

#[tokio::test]
async fn a_pull_of_changes_is_a_fetch_a_diff_a_checkout_and_a_log() {
    let (clones, clone) = used().await;
    clones.remote.commit(&[Change::write("a", "news")]);
    let (cost, result) = cost!(clone, clone.pull());
    result.unwrap();
    assert_eq!(cost, 4);
}

#[tokio::test]
async fn a_merge_takes_three_more_processes() {
    let (clones, clone) = used().await;
    clones.remote.hook("pre-receive", "#!/bin/sh\nexit 1\n");
    clone.update("b", "mine").await.unwrap();
    clone.push("Mine").await.unwrap_err();
    clones.remote.commit(&[Change::write("a", "news")]);
    let (cost, result) = cost!(clone, clone.pull());
    result.unwrap();
    assert_eq!(cost, 7, "fetch, merge-base, merge-tree, commit-tree, diff-tree, merge, log");
}

#[tokio::test]
async fn a_push_of_a_change_takes_six_processes() {
    let (_clones, clone) = used().await;
    clone.update("a", "mine").await.unwrap();
    let (cost, result) = cost!(clone, clone.push("Mine"));
    result.unwrap();
    assert_eq!(cost, 6, "add, write-tree, commit-tree, update-ref, push, log");
}

#[tokio::test]
async fn a_push_after_one_of_another_clone_takes_eight_more_processes() {
    let (clones, clone) = used().await;
    clones.remote.commit(&[Change::write("b", "theirs")]);
    clone.update("a", "mine").await.unwrap();
    let (cost, result) = cost!(clone, clone.push("Mine"));
    result.unwrap();
    // The rejected push, fetch, merge-base, merge-tree, commit-tree, diff-tree, merge, log.
    assert_eq!(cost, 6 + 8);
    clone.update("a", "again").await.unwrap();
    let (cost, result) = cost!(clone, clone.push("Mine"));
    result.unwrap();
    assert_eq!(cost, 6, "the checkout is known to have no submodule");
}

#[tokio::test]
async fn a_push_without_changes_takes_one_local_process() {
    let (clones, clone) = used().await;
    std::fs::rename(clones.remote.path(), clones.remote.folder().join("gone")).unwrap();
    // Git reads a file again if it was written in the same second as the index.
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for path in ["a", "b", "first"] {
        let file = File::options().write(true).open(clone.root().join(path)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let (cost, result) = cost!(clone, clone.push("Nothing"));
    result.unwrap();
    assert!(cost <= 2, "add, write-tree");
    let (cost, result) = cost!(clone, clone.push("Nothing"));
    result.unwrap();
    assert_eq!(cost, 1, "add");
}

#[tokio::test]
async fn conflicts_are_reported_and_resolved_without_a_process() {
    let (clones, clone) = used().await;
    clones.remote.commit(&[Change::write("a", "theirs"), Change::write("b", "theirs")]);
    clone.update("a", "mine").await.unwrap();
    clone.update("b", "mine").await.unwrap();
    assert_eq!(clone.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    let (cost, report) = cost!(clone, clone.conflict_report());
    assert_eq!((cost, report.unwrap().len()), (0, 2));
    let (cost, result) = cost!(clone, clone.conflict_accept_local("a"));
    result.unwrap();
    assert_eq!(cost, 0);
    let (cost, result) = cost!(clone, clone.conflict_resolve("b", "both".into()));
    result.unwrap();
    assert_eq!(cost, 0);
}

#[tokio::test]
async fn history_is_walked_once_for_each_head() {
    let changes: Vec<Change> =
        (0..1000).map(|number| Change::write(format!("d{}/f{number}", number % 10), "x")).collect();
    let clones = Clones::of(Remote::with(&changes));
    let clone = clones.open("mine").await;
    let all = || ListOptions::default().with_depth(Depth::All);
    let (cost, info) = cost!(clone, clone.info("d1/f1"));
    info.unwrap();
    assert_eq!(cost, 1);
    let (cost, listed) = cost!(clone, async {
        clone.list_with("", all()).await.unwrap().try_collect::<Vec<_>>().await
    });
    assert_eq!(listed.unwrap().len(), 1010);
    assert_eq!(cost, 0);
    clone.update("d1/f1", "y").await.unwrap();
    clone.push("Change one").await.unwrap();
    let (cost, info) = cost!(clone, clone.info("d1/f1"));
    info.unwrap();
    assert_eq!(cost, 1, "what is new since");
}
