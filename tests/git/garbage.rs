//! Garbage collection and other commands of people who use git in the clone: nothing that f9 relies on is lost.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use f9::prelude::*;
use f9::{ErrorKind, GitTimeouts};

use crate::cli;
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

fn collect(mine: &f9::GitSyncFileBackend) {
    cli::run(mine.root(), ["reflog", "expire", "--expire=now", "--all"]);
    cli::run(mine.root(), ["gc", "-q", "--prune=now"]);
}

#[tokio::test]
async fn the_content_of_a_resolution_survives_garbage_collection() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("b", "one")]));
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "theirs"), Change::write("b", "theirs")]);
    mine.update("a", "mine").await.unwrap();
    mine.update("b", "mine").await.unwrap();
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    collect(&mine);
    mine.conflict_resolve("a", "settled".into()).await.unwrap();
    collect(&mine);
    // A fetch with pruning and a stash change nothing for f9.
    cli::run(mine.root(), ["fetch", "-q", "--prune"]);
    cli::run(mine.root(), ["stash", "-q"]);
    let mine = opened(clones.config("mine")).await;
    mine.conflict_resolve("b", "settled\0".into()).await.unwrap();
    collect(&mine);
    mine.push("Settled").await.unwrap();
    assert_eq!(clones.remote.main().file("a").unwrap(), b"settled");
    assert_eq!(clones.remote.main().file("b").unwrap(), b"settled\0");
    assert!(!mine.root().join(".git/f9/resolved").exists());
}

/// A person who tidies up and fetches in the clone without a pause, until this is dropped.
struct Tidying {
    is_done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tidying {
    fn start(root: &Path) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let (is_over, root) = (Arc::clone(&is_done), root.to_owned());
        let thread = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                // They may meet the locks of f9.
                drop(cli::feed(cli::git(&root).args(["gc", "-q", "--prune=now"]), b""));
                drop(cli::feed(cli::git(&root).args(["fetch", "-q"]), b""));
            }
        });
        Self { is_done, thread: Some(thread) }
    }
}

impl Drop for Tidying {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[tokio::test]
async fn saves_and_merges_go_on_beside_garbage_collection() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("b", "one")]));
    let mine = clones.open("mine").await;
    let tidying = Tidying::start(mine.root());
    for number in 0..12 {
        clones.remote.commit(&[Change::write("a", format!("theirs {number}"))]);
        mine.update("b", format!("mine {number}")).await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_eq!(mine.read("a").await.unwrap(), format!("theirs {number}"));
    }
    drop(tidying);
    assert_eq!(clones.remote.main().file("b").unwrap(), b"mine 11");
    clones.remote.assert_sound();
    cli::run(mine.root(), ["fsck", "--strict", "--full", "--no-dangling"]);
}

#[tokio::test]
async fn a_push_waits_for_a_garbage_collection_that_prunes_and_for_no_other() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let soon = GitTimeouts::default().with_lock(Duration::from_millis(200));
    let mine = opened(clones.config("mine").with_timeouts(soon)).await;
    let lock = mine.root().join(".git/gc.pid");
    // Programs that look like the two kinds of `git gc`.
    for (argument, kind) in [("--prune=now", Some(ErrorKind::LockTimeout)), ("--quiet", None)] {
        let mut gc = Command::new("sh");
        gc.args(["-c", "read -r line", "gc", argument]).stdin(Stdio::piped());
        let mut gc = gc.spawn().unwrap();
        fs::write(&lock, format!("{} host", gc.id())).unwrap();
        mine.write("b", argument).await.unwrap();
        let pushed = mine.push("Mine").await;
        assert_eq!(pushed.err().map(|error| error.kind()), kind, "{argument}");
        assert!(lock.exists());
        drop(gc.stdin.take());
        gc.wait().unwrap();
        // Its end frees the lock, which git leaves if it is killed.
        mine.push("Mine").await.unwrap();
        assert!(!lock.exists());
    }
    // Git sees the lock of an operation.
    fs::write(&lock, format!("{} {}", std::process::id(), "host")).unwrap();
    let stderr = cli::fail(cli::git(mine.root()).args(["gc", "-q", "--prune=now"]));
    assert!(stderr.contains("already running"), "{stderr}");
}
