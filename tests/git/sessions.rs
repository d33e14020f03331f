//! Sessions, and automatic pulls and pushes.

use std::fs::{self, File};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{ErrorKind, OnUnreachable, SessionOptions, UpdateOptions};

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};
use crate::servers::{Behaviour, Http};
use crate::traces::until;

#[tokio::test]
async fn reads_pull_and_writes_push() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true).with_auto_push(true)).await;
    clones.remote.commit(&[Change::write("a", "two")]);
    assert_eq!(clone.read("a").await.unwrap(), "two");
    clones.remote.commit(&[Change::write("b", "new")]);
    assert_eq!(clone.glob("*").await.unwrap(), ["a", "b"]);
    clone.create("c", "mine").await.unwrap();
    assert_eq!(clones.remote.main().file("c").unwrap(), b"mine");
    assert_eq!(clones.remote.main().log("%s")[0], "Create c");
    clone.delete("c").await.unwrap();
    assert_eq!(clones.remote.main().file("c"), None);
}

#[tokio::test]
async fn automatic_pull_and_push_are_independent() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let pulls = opened(clones.config("pulls").with_auto_pull(true)).await;
    let pushes = opened(clones.config("pushes").with_auto_push(true)).await;
    pulls.create("local", "kept here").await.unwrap();
    assert_eq!(clones.remote.main().file("local"), None);
    clones.remote.commit(&[Change::write("a", "two")]);
    assert_eq!(pushes.read("a").await.unwrap(), "one");
    assert_eq!(pulls.read("a").await.unwrap(), "two");
    pushes.create("b", "published").await.unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"published");
    assert_eq!(pushes.read("a").await.unwrap(), "two", "the push was behind, and merged");
}

#[tokio::test]
async fn a_session_pulls_once_and_pushes_once() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true).with_auto_push(true)).await;
    clones.remote.commit(&[Change::write("a", "two")]);
    let before = clones.remote.main().log("%H").len();
    let session = clone.sync_session().await.unwrap();
    let started = clone.processes_started();
    assert_eq!(clone.read("a").await.unwrap(), "two");
    clones.remote.commit(&[Change::write("a", "three")]);
    assert_eq!(clone.read("a").await.unwrap(), "two", "not again within the session");
    clone.create("b", "1").await.unwrap();
    clone.create("c", "2").await.unwrap();
    {
        let inner = clone.sync_session().await.unwrap();
        clone.create("d", "3").await.unwrap();
        inner.finish().await.unwrap();
    }
    assert!(clone.processes_started() - started <= 1, "nothing speaks to the remote meanwhile");
    session.finish().await.unwrap();
    for (path, content) in [("a", "three"), ("b", "1"), ("c", "2"), ("d", "3")] {
        assert_eq!(clones.remote.main().file(path).unwrap(), content.as_bytes());
    }
    // The commit of the other clone, that of the session, and their merge.
    assert_eq!(clones.remote.main().log("%H").len(), before + 3);
}

#[tokio::test]
async fn a_dropped_session_publishes_nothing() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    let session = clone.sync_session().await.unwrap();
    clone.create("b", "half a thought").await.unwrap();
    drop(session);
    assert_eq!(clones.remote.main().file("b"), None);
    clone.create("c", "next").await.unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"half a thought");
}

#[tokio::test]
async fn a_failed_push_at_the_end_of_a_session_loses_nothing() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    clones.remote.hook("pre-receive", "#!/bin/sh\necho not today >&2\nexit 1\n");
    let session = clone.sync_session().await.unwrap();
    clone.create("b", "kept").await.unwrap();
    let error = session.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("pre-receive hook declined"), "{error}");
    assert_eq!(clone.read("b").await.unwrap(), "kept");
    // The session has ended, also for other processes.
    let now = SessionOptions::default().with_timeout(Duration::ZERO);
    let other = clones.config("mine");
    let session = tokio::spawn(async move { opened(other).await.sync_session_with(now).await });
    session.await.unwrap().unwrap().finish().await.unwrap();
    clones.remote.hook("pre-receive", "#!/bin/sh\nexit 0\n");
    clone.push("Again").await.unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"kept");
}

#[tokio::test]
async fn a_write_whose_push_fails_is_saved_and_reported() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    clones.remote.hook("pre-receive", "#!/bin/sh\nexit 1\n");
    let error = clone.create("b", "kept").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("saved locally; will be pushed next time"), "{error}");
    assert!(error.is_applied(), "{error:?}");
    assert_eq!(clone.read("b").await.unwrap(), "kept");
}

#[tokio::test]
async fn a_loop_over_retryable_errors_repeats_no_append() {
    let clones = Clones::of(Remote::with(&[Change::write("log", "one\n")]));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    fs::rename(clones.remote.path(), clones.remote.path().with_extension("away")).unwrap();
    for _ in 0..3 {
        let appended = clone.update_with("log", "two\n", UpdateOptions::append()).await;
        let error = appended.unwrap_err();
        assert!(error.is_applied(), "{error:?}");
        if !error.is_retryable() {
            break;
        }
    }
    assert_eq!(clone.read("log").await.unwrap(), "one\ntwo\n");
}

// On one thread, so that all reads begin before the pull can end.
#[tokio::test]
async fn concurrent_reads_share_one_pull() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true)).await;
    clone.read("a").await.unwrap();
    let started = clone.processes_started();
    let reads: Vec<_> = (0..16).map(|_| clone.read("a")).collect();
    for read in futures::future::join_all(reads).await {
        assert_eq!(read.unwrap(), "one");
    }
    assert_eq!(clone.processes_started() - started, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_of_many_threads_share_one_pull() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true)).await;
    clone.read("a").await.unwrap();
    let started = clone.processes_started();
    // The pull waits for this lock until all reads wait for the pull.
    let lock = File::open(clone.root().join(".git/f9/lock")).unwrap();
    until("the lock", || lock.try_lock().is_ok()).await;
    let waiting = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..16)
        .map(|_| {
            let (clone, waiting) = (clone.clone(), Arc::clone(&waiting));
            tokio::spawn(async move {
                let mut read = pin!(clone.read("a"));
                assert!(futures::poll!(read.as_mut()).is_pending());
                waiting.fetch_add(1, Ordering::SeqCst);
                read.await
            })
        })
        .collect();
    until("all readers", || waiting.load(Ordering::SeqCst) == readers.len()).await;
    drop(lock);
    for read in futures::future::join_all(readers).await {
        assert_eq!(read.unwrap().unwrap(), "one");
    }
    assert_eq!(clone.processes_started() - started, 1);
}

#[tokio::test]
async fn a_recent_pull_is_not_repeated() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let config = clones.config("mine").with_auto_pull(true);
    let clone = opened(config.with_max_staleness(Duration::from_secs(3600))).await;
    assert_eq!(clone.read("a").await.unwrap(), "one");
    clones.remote.commit(&[Change::write("a", "two")]);
    let started = clone.processes_started();
    assert_eq!(clone.read("a").await.unwrap(), "one");
    assert_eq!(clone.processes_started(), started);
    clone.pull().await.unwrap();
    assert_eq!(clone.read("a").await.unwrap(), "two");
}

#[tokio::test]
async fn reads_can_go_on_without_the_remote() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let before = SystemTime::now() - Duration::from_secs(1);
    let http = Http::serving(&clones.remote);
    let mut config = clones.config("mine").with_auto_pull(true);
    config.remote_url = http.url();
    let fails = opened(config.clone()).await;
    let config = config.with_on_unreachable(OnUnreachable::Serve);
    let serves = opened(config.clone()).await;
    let contact = serves.last_contact().await.unwrap().unwrap();
    assert!(contact >= before && contact <= SystemTime::now() + Duration::from_secs(1));
    http.behave(Behaviour::Fail { status: "503 Service Unavailable", text: "" });
    assert_eq!(fails.read("a").await.unwrap_err().kind(), ErrorKind::Unreachable);
    let started = serves.processes_started();
    assert_eq!(serves.read("a").await.unwrap(), "one");
    assert!(serves.processes_started() > started);
    // It is not tried again by the next read.
    let started = serves.processes_started();
    assert_eq!(serves.read("a").await.unwrap(), "one");
    assert_eq!(serves.processes_started(), started);
    assert_eq!(serves.last_contact().await.unwrap(), Some(contact));
    // An explicit pull says why it fails.
    serves.pull().await.unwrap_err();
    // A deleted branch is no reason to go on without it.
    http.behave(Behaviour::Serve);
    let head = clones.remote.main().head().unwrap();
    clones.remote.main().delete();
    assert_eq!(opened(config).await.read("a").await.unwrap_err().kind(), ErrorKind::Unreachable);
    clones.remote.main().set(&head);
    clones.remote.commit(&[Change::write("a", "two")]);
    serves.pull().await.unwrap();
    assert_eq!(serves.read("a").await.unwrap(), "two");
    assert!(serves.last_contact().await.unwrap().unwrap() > contact);
}

#[tokio::test]
async fn conflicts_do_not_block_reads() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true).with_auto_push(true)).await;
    let session = clone.sync_session().await.unwrap();
    clone.update("a", "mine").await.unwrap();
    clones.remote.commit(&[Change::write("a", "theirs")]);
    let error = session.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.conflicts(), ["a"]);
    assert_eq!(clone.read("a").await.unwrap(), "mine");
    let session = clone.sync_session().await.unwrap();
    clone.conflict_accept_remote("a").await.unwrap();
    session.finish().await.unwrap();
    assert_eq!(clone.read("a").await.unwrap(), "theirs");
    assert!(clone.conflict_report().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_push_concurrently() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    let writers = (0..8).map(|number| {
        let clone = clone.clone();
        tokio::spawn(async move {
            clone.create(&format!("f{number}"), "x").await?;
            clone.push("From one of many").await
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap().unwrap();
    }
    for number in 0..8 {
        assert!(clones.remote.main().file(format!("f{number}")).is_some());
    }
}

#[tokio::test]
async fn a_session_excludes_sessions_of_other_processes() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    let lock = clone.root().join(".git/f9/session.lock");
    drop(clone.sync_session().await.unwrap());
    let mut other = std::process::Command::new("flock")
        .arg(&lock)
        .args(["-c", "echo held; exec cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 5];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut told).unwrap();
    let soon = SessionOptions::default().with_timeout(Duration::from_millis(50));
    let error = clone.sync_session_with(soon).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    drop(other.stdin.take());
    other.wait().unwrap();
    clone.sync_session().await.unwrap().finish().await.unwrap();
}

#[tokio::test]
async fn a_missing_remote_is_not_reported_as_a_missing_file() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_pull(true).with_auto_push(true)).await;
    fs::rename(clones.remote.path(), clones.remote.folder().join("gone")).unwrap();
    assert_eq!(clone.read("a").await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(clone.exists("nothing").await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(clone.create("b", "x").await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(clone.pull().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_others_during_the_push_of_a_session_are_published() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    let (started, go_on) = (clones.remote.path().join("started"), clones.remote.path().join("go"));
    let wait = format!(
        "#!/bin/sh\ntouch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.01; done\n",
        started.display(),
        go_on.display()
    );
    clones.remote.hook("pre-receive", &wait);
    let session = clone.sync_session().await.unwrap();
    clone.create("b", "of the session").await.unwrap();
    let publishing = tokio::spawn(session.finish());
    until("the push", || started.exists()).await;
    let other = clone.clone();
    let writing = tokio::spawn(async move { other.create("c", "beside it").await });
    until("the file", || clone.root().join("c").exists()).await;
    fs::write(go_on, "").unwrap();
    publishing.await.unwrap().unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"of the session");
    assert_eq!(clones.remote.main().file("c").unwrap(), b"beside it");
}
