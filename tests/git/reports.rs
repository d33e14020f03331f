//! The reports of pushes and pulls, their progress, and the messages of commits.

use std::sync::{Arc, Mutex};

use f9::prelude::*;
use f9::{
    Progress, ProgressReporter, PullOptions, PushOptions, SessionOptions, SyncOptions, SyncReport,
};

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

/// Returns a reporter and everything that it was given.
fn recording() -> (ProgressReporter, Arc<Mutex<Vec<Progress>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reports = Arc::clone(&seen);
    let report = move |progress: &Progress| reports.lock().unwrap().push(progress.clone());
    (ProgressReporter::new(report), seen)
}

#[track_caller]
fn assert_never_decreases(seen: &[Progress]) {
    assert!(seen.is_sorted_by_key(|progress| progress.items), "{seen:?}");
    assert!(seen.is_sorted_by_key(|progress| progress.bytes), "{seen:?}");
}

#[tokio::test]
async fn a_report_counts_commits_and_files() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    mine.create("b", "x").await.unwrap();
    mine.create("dir/c", "x").await.unwrap();
    let pushed = mine.push("Two files").await.unwrap();
    assert_eq!((pushed.commits_sent, pushed.files_sent), (1, 2));
    assert_eq!((pushed.commits_received, pushed.files_received), (0, 0));
    assert_eq!((pushed.objects, pushed.bytes), (None, None));
    assert_eq!(mine.push("Nothing").await.unwrap(), SyncReport::default());
    assert_eq!(mine.pull().await.unwrap(), SyncReport::default());
    mine.update("b", "y").await.unwrap();
    mine.push("Another").await.unwrap();

    yours.update("a", "two").await.unwrap();
    let synced = yours.sync("Mine").await.unwrap();
    assert_eq!((synced.commits_received, synced.files_received), (2, 2));
    assert_eq!((synced.commits_sent, synced.files_sent, synced.conflicts), (1, 1, 0));
}

#[tokio::test]
async fn a_report_counts_the_conflicts_that_were_merged() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "1"), Change::write("b", "1")]));
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "theirs"), Change::write("b", "theirs")]);
    mine.update("a", "mine").await.unwrap();
    mine.update("b", "mine").await.unwrap();
    mine.pull().await.unwrap_err();
    mine.conflict_accept_local("a").await.unwrap();
    mine.conflict_accept_remote("b").await.unwrap();
    let report = mine.push("Settle").await.unwrap();
    assert_eq!((report.conflicts, report.commits_sent), (2, 2));
    // The failed pull fetched the commit, and this call merged it.
    assert_eq!((report.commits_received, report.files_received), (1, 2));
}

#[tokio::test]
async fn a_push_succeeds_although_its_commits_cannot_be_counted() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = clones.open("mine").await;
    let objects = mine.root().join(".git/objects");
    let script = format!(
        "read old new ref\ntree=$(git rev-parse $new^{{tree}})\n\
         rm {}/$(echo $tree | cut -c1-2)/$(echo $tree | cut -c3-)",
        objects.display()
    );
    clones.remote.hook("post-receive", &script);
    mine.create("b", "x").await.unwrap();
    let report = mine.push("Mine").await.unwrap();
    assert_eq!((report.commits_sent, report.files_sent), (0, 0));
    assert_eq!(clones.remote.main().log("%s")[0], "Mine");
}

#[tokio::test]
async fn progress_counts_objects_and_never_decreases() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    for number in 0..20 {
        mine.create(&format!("f{number}"), format!("content {number}")).await.unwrap();
    }
    let (reporter, seen) = recording();
    let pushed = mine.push_with(PushOptions::default().with_progress(reporter)).await.unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_never_decreases(&seen);
    let last = seen.last().unwrap();
    // The commit, its tree and the files.
    assert_eq!((last.items, last.total_items), (22, Some(22)));
    assert_eq!((pushed.objects, pushed.bytes), (Some(22), Some(last.bytes)));
    assert!(last.bytes > 0);

    let (reporter, seen) = recording();
    let pulled = yours.pull_with(PullOptions::default().with_progress(reporter)).await.unwrap();
    assert_eq!((pulled.objects, pulled.files_received), (Some(22), 20));
    assert_never_decreases(&seen.lock().unwrap());

    clones.remote.commit(&[Change::write("a", "two")]);
    yours.create("g", "x").await.unwrap();
    let (reporter, seen) = recording();
    let synced = yours.sync_with(SyncOptions::message("Mine").with_progress(reporter)).await;
    assert!(synced.unwrap().objects.unwrap() > 5);
    assert_never_decreases(&seen.lock().unwrap());
}

#[tokio::test]
async fn progress_does_not_change_the_error_of_a_failure() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = clones.open("mine").await;
    clones.remote.hook("pre-receive", "#!/bin/sh\necho not today >&2\nexit 1\n");
    mine.create("b", "x").await.unwrap();
    let plain = mine.push("Mine").await.unwrap_err();
    let (reporter, _seen) = recording();
    let options = PushOptions::message("Mine").with_progress(reporter.clone());
    let error = mine.push_with(options.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), plain.to_string());
    std::fs::rename(clones.remote.path(), clones.remote.folder().join("gone")).unwrap();
    let plain = mine.push("Mine").await.unwrap_err();
    let error = mine.push_with(options).await.unwrap_err();
    assert_eq!(error.to_string(), plain.to_string());
    let plain = mine.pull().await.unwrap_err();
    let pull = PullOptions::default().with_progress(reporter);
    assert_eq!(mine.pull_with(pull).await.unwrap_err().to_string(), plain.to_string());
}

#[tokio::test]
async fn a_push_without_a_message_says_what_changed() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = clones.open("mine").await;
    mine.create("b", "x").await.unwrap();
    mine.push_with(PushOptions::default()).await.unwrap();
    mine.update("a", "x").await.unwrap();
    mine.delete("b").await.unwrap();
    mine.sync_with(SyncOptions::default()).await.unwrap();
    let messages = clones.remote.main().log("%s");
    assert_eq!(messages[..2], ["Update 2 files", "Add b"]);
    mine.create("c", "x").await.unwrap();
    let invalid = mine.push_with(PushOptions::message("a\0b")).await.unwrap_err();
    assert_eq!(invalid.kind(), f9::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_session_has_the_message_of_its_options() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = opened(clones.config("mine").with_auto_push(true)).await;
    for message in [Some("Two notes"), None] {
        let mut options = SessionOptions::default();
        options.message = message.map(str::to_owned);
        let session = mine.sync_session_with(options).await.unwrap();
        mine.write("b", message.unwrap_or("none").to_owned()).await.unwrap();
        mine.write("c", message.unwrap_or("none").to_owned()).await.unwrap();
        session.finish().await.unwrap();
    }
    let messages = clones.remote.main().log("%s");
    assert_eq!(messages[..2], ["Changes of a session", "Two notes"]);
    let invalid = mine.sync_session_with(SessionOptions::default().with_message("a\0b")).await;
    assert_eq!(invalid.unwrap_err().kind(), f9::ErrorKind::InvalidInput);
}
