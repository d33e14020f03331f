//! Times from the history, and earlier versions of files.

use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{ErrorKind, FileInfo, GitSyncFileBackend};
use futures::TryStreamExt as _;

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

const DAY: u64 = 24 * 60 * 60;

fn times(info: &FileInfo) -> (u64, u64) {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    (seconds(info.created_at.unwrap()), seconds(info.modified_at.unwrap()))
}

/// A file that was changed on the second day and renamed on the third, and a file that was never changed.
async fn aged() -> (Clones, GitSyncFileBackend) {
    let remote = Remote::empty();
    let content = "a line\n".repeat(20);
    remote.main().commit_at(DAY, &[Change::write("d/old", &content), Change::write("still", "x")]);
    remote.main().commit_at(2 * DAY, &[Change::write("d/old", content + "more\n")]);
    remote.main().commit_at(3 * DAY, &[Change::rename("d/old", "d/new")]);
    let clones = Clones::of(remote);
    let clone = clones.open("mine").await;
    (clones, clone)
}

#[tokio::test]
async fn times_are_those_of_the_first_and_last_commit() {
    let (clones, clone) = aged().await;
    assert_eq!(times(&clone.info("d/new").await.unwrap()), (DAY, 3 * DAY));
    assert_eq!(times(&clone.info("still").await.unwrap()), (DAY, DAY));
    assert_eq!(times(&clone.info("d").await.unwrap()), (DAY, 3 * DAY));
    let listed: Vec<FileInfo> = clone.list("").await.unwrap().try_collect().await.unwrap();
    assert_eq!(listed.iter().map(times).collect::<Vec<_>>(), [(DAY, 3 * DAY), (DAY, DAY)]);
    clones.remote.main().commit_at(9 * DAY, &[Change::write("still", "changed")]);
    clone.pull().await.unwrap();
    assert_eq!(times(&clone.info("still").await.unwrap()), (DAY, 9 * DAY));
}

#[tokio::test]
async fn an_uncommitted_file_has_its_own_times() {
    let (_clones, clone) = aged().await;
    let before = SystemTime::now() - Duration::from_secs(60);
    clone.update("still", "changed").await.unwrap();
    clone.create("fresh", "x").await.unwrap();
    for path in ["still", "fresh"] {
        assert!(clone.info(path).await.unwrap().modified_at.unwrap() > before, "{path}");
    }
    std::fs::write(clone.root().join("d/new"), "by hand").unwrap();
    assert!(clone.info("d/new").await.unwrap().modified_at.unwrap() > before);
    clone.push("Change").await.unwrap();
    let (created, modified) = times(&clone.info("still").await.unwrap());
    assert_eq!(created, DAY);
    assert!(modified > 10 * DAY);
}

#[tokio::test]
async fn history_times_can_be_turned_off() {
    let (clones, _) = aged().await;
    let clone = opened(clones.config("plain").with_history_times(false)).await;
    let started = clone.processes_started();
    assert!(times(&clone.info("still").await.unwrap()).1 > 10 * DAY);
    assert_eq!(clone.processes_started(), started);
}

#[tokio::test]
async fn the_log_gives_access_to_earlier_versions() {
    let (_clones, clone) = aged().await;
    let log = clone.log("d/new", None).await.unwrap();
    assert_eq!(
        log.iter().map(|revision| &*revision.path).collect::<Vec<_>>(),
        ["d/new", "d/old", "d/old"]
    );
    let first = clone.read_at("d/old", &log[2].id).await.unwrap();
    assert_eq!(first, "a line\n".repeat(20));
    assert_eq!(clone.log("", Some(2)).await.unwrap().len(), 2);
    let kind = |result: f9::Result<f9::Bytes>| result.unwrap_err().kind();
    assert_eq!(kind(clone.read_at("d/old", "HEAD").await), ErrorKind::NotFound);
    assert_eq!(kind(clone.read_at("d", "HEAD").await), ErrorKind::IsADirectory);
    assert_eq!(kind(clone.read_at("d/new", "no such").await), ErrorKind::InvalidInput);
    assert_eq!(kind(clone.read_at("d/new", "--output=x").await), ErrorKind::InvalidInput);
    assert_eq!(kind(clone.read_at("../x", "HEAD").await), ErrorKind::PathEscapesRoot);
    assert_eq!(clone.log("nothing", None).await.unwrap_err().kind(), ErrorKind::NotFound);
}
