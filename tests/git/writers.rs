//! Many writers of one branch: every push gets there within its time limit.
//!
//! A plain run, also in CI, has 8 clones that push 5 times each. `F9_WRITERS=all` has 32 clones that push 20 times each.

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};
use futures::future::{Either, select};

use crate::child::{self, ChildTest};
use crate::cli;
use crate::clones::{Clones, opened};
use crate::kills::{config, runtime};
use crate::remote::{Change, Remote};
use crate::share::cases;
use crate::traces::until;

/// How many processes a push with a turn starts at most: four that commit, a push that is rejected if nobody was in line to tell of the
/// one before, six that fetch, merge and check out, the push, and two that count for the report. The first write of a clone starts one
/// more.
const PROCESSES: u64 = 14;

/// Writes files and publishes each. Returns the errors, and the time of the longest push.
async fn write(
    clone: &GitSyncFileBackend,
    writer: &str,
    pushes: usize,
) -> (Vec<f9::Error>, Duration) {
    let (mut failed, mut longest) = (Vec::new(), Duration::ZERO);
    for push in 0..pushes {
        clone.create(&format!("{writer}/{push}"), "x").await.unwrap();
        let began = Instant::now();
        failed.extend(clone.push("One of many").await.err());
        longest = longest.max(began.elapsed());
    }
    (failed, longest)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_push_of_many_clones_gets_there() {
    let (writers, pushes) = match cases("F9_WRITERS", 8, 32) {
        32 => (32, 20),
        writers => (writers, 5),
    };
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mut all = Vec::new();
    for writer in 0..writers {
        all.push(clones.open(&format!("writer {writer}")).await);
    }
    let started = || all.iter().map(GitSyncFileBackend::processes_started).sum::<u64>();
    let (before, began) = (started(), Instant::now());
    let tasks = all.iter().cloned().enumerate().map(|(writer, clone)| {
        tokio::spawn(async move { write(&clone, &writer.to_string(), pushes).await })
    });
    let (mut failed, mut longest) = (Vec::new(), Duration::ZERO);
    for done in futures::future::join_all(tasks).await {
        let (failures, time) = done.unwrap();
        failed.extend(failures);
        longest = longest.max(time);
    }
    let (count, processes) = ((writers * pushes) as u64, started() - before);
    println!(
        "{writers} clones, {pushes} pushes each: {:?}, the longest {longest:?}, {processes} processes, {} failed",
        began.elapsed(),
        failed.len(),
    );
    assert!(failed.is_empty(), "{failed:#?}");
    // The first file, and one for each push.
    assert_eq!(clones.remote.main().tree().len(), 1 + writers * pushes);
    clones.remote.assert_sound();
    assert!(
        processes <= count * PROCESSES + writers as u64,
        "{processes}: a push was overtaken although it had its turn"
    );
}

/// Runs in another process: publishes files after the test gives the sign.
#[test]
fn a_process_that_writes() {
    let Some((root, task)) = child::task() else { return };
    let [remote, writer, pushes] = task.split('\t').collect::<Vec<_>>()[..] else {
        panic!("{task}")
    };
    runtime().block_on(async {
        let clone = opened(config(Path::new(remote), &root, writer)).await;
        child::report("ready");
        child::wait_for_resume();
        let before = clone.processes_started();
        let (failed, _) = write(&clone, writer, pushes.parse().unwrap()).await;
        assert!(failed.is_empty(), "{failed:#?}");
        child::report(&format!("processes {}", clone.processes_started() - before));
    });
}

/// Runs four processes that publish four files each. Returns how many processes they have started.
fn race(lines: impl Fn(usize) -> String) -> u64 {
    const WRITERS: usize = 4;
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let dir = tempfile::tempdir().unwrap();
    let mut children: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let lines = dir.path().join(lines(writer));
            fs::create_dir_all(&lines).unwrap();
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env("XDG_RUNTIME_DIR", lines);
            let task = format!("{}\t{writer}\t{WRITERS}", clones.remote.path().display());
            let root = dir.path().join(format!("writer {writer}"));
            ChildTest::start_by(command, "writers::a_process_that_writes", &root, &task)
        })
        .collect();
    for child in &mut children {
        child.wait_for("ready");
    }
    children.iter_mut().for_each(ChildTest::resume);
    let mut processes = 0;
    for mut child in children {
        processes += child.wait_for("processes").parse::<u64>().unwrap();
        child.finish();
    }
    assert_eq!(clones.remote.main().tree().len(), 1 + WRITERS * WRITERS);
    clones.remote.assert_sound();
    processes
}

#[test]
fn processes_of_one_machine_take_turns_to_push() {
    let processes = race(|_| "lines".to_owned());
    assert!(
        processes <= 16 * PROCESSES + 4,
        "{processes}: a push was overtaken although it had its turn"
    );
}

#[test]
fn processes_of_several_machines_get_every_push_through() {
    race(|writer| format!("lines of {writer}"));
}

// On one thread, so that all tasks wait before the first push can end.
#[tokio::test]
async fn tasks_that_push_during_a_push_share_the_next_one() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    let path = |name: &str| clones.remote.path().join(name);
    let (started, go_on, pushes) = (path("started"), path("go"), path("pushes"));
    clones.remote.hook(
        "pre-receive",
        &format!(
            "echo >> '{}'\ntouch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.01; done",
            pushes.display(),
            started.display(),
            go_on.display()
        ),
    );
    clone.create("first", "x").await.unwrap();
    let first = clone.push("First");
    let rest = async {
        until("the first push", || started.exists()).await;
        for number in 0..8 {
            clone.create(&format!("f{number}"), "x").await.unwrap();
        }
        let mut waiting: Vec<_> = (0..8).map(|_| clone.push("One of many")).collect();
        for push in &mut waiting {
            assert!(futures::poll!(push).is_pending());
        }
        fs::write(go_on, "").unwrap();
        futures::future::join_all(waiting).await
    };
    let (first, rest) = tokio::join!(first, rest);
    first.unwrap();
    assert!(rest.iter().all(Result::is_ok), "{rest:#?}");
    assert_eq!(clones.remote.main().tree().len(), 2 + 8);
    assert_eq!(fs::read_to_string(pushes).unwrap().lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_queued_and_not_polled_does_not_keep_others_waiting() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let (theirs, mine) = (clones.open("theirs").await, clones.open("mine").await);
    let path = |name: &str| clones.remote.path().join(name);
    let (started, go_on) = (path("started"), path("go"));
    let (start, go) = (started.display(), go_on.display());
    let hook = format!("touch '{start}'\nwhile [ ! -e '{go}' ]; do sleep 0.01; done");
    clones.remote.hook("pre-receive", &hook);
    theirs.create("theirs", "x").await.unwrap();
    let holding = tokio::spawn(async move { theirs.push("Theirs").await });
    until("the turn of the other clone", || started.exists()).await;
    let head = || fs::read_to_string(mine.root().join(".git/refs/heads/main")).unwrap();
    // The first one waits for its turn, the second one for the first one.
    let mut queued = Vec::new();
    for number in 0..2 {
        let before = head();
        mine.create(&format!("f{number}"), "x").await.unwrap();
        let mut push = Box::pin(mine.push("Mine"));
        let committed = pin!(until("the commit", || head() != before));
        assert!(matches!(select(&mut push, committed).await, Either::Right(_)));
        // Between the commit and the queue are only some reads.
        let soon = pin!(tokio::time::sleep(Duration::from_millis(300)));
        assert!(matches!(select(&mut push, soon).await, Either::Right(_)));
        queued.push(push);
    }
    let asleep = queued.pop().unwrap();
    mine.create("f2", "x").await.unwrap();
    let awake = mine.push("Mine");
    fs::write(go_on, "").unwrap();
    let (first, awake) = tokio::join!(queued.pop().unwrap(), awake);
    holding.await.unwrap().unwrap();
    first.unwrap();
    awake.unwrap();
    asleep.await.unwrap();
    assert_eq!(clones.remote.main().tree().len(), 2 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_somebody_runs_at_the_same_time_is_waited_for() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    let done = Arc::new(AtomicBool::new(false));
    let fetching: Vec<_> = (0..2)
        .map(|_| {
            let (root, done) = (clone.root().to_owned(), Arc::clone(&done));
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // It fails itself if it finds a lock.
                    drop(cli::git(&root).args(["fetch", "-q"]).output().unwrap());
                }
            })
        })
        .collect();
    let mut failed = Vec::new();
    for number in 0..20 {
        clones.remote.commit(&[Change::write(format!("theirs {number}"), "x")]);
        failed.extend(clone.pull().await.err());
        if number % 4 == 0 {
            clone.create(&format!("mine {number}"), "x").await.unwrap();
            failed.extend(clone.push("Mine").await.err());
        }
    }
    done.store(true, Ordering::Relaxed);
    fetching.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(clones.remote.main().tree().len(), 1 + 20 + 5);
}

#[tokio::test]
async fn a_branch_whose_name_cannot_be_beside_another_is_refused_for_good() {
    for (taken, name) in [("x", "x/y"), ("x/y", "x")] {
        let remote = Remote::with(&[Change::write("a", "one")]);
        remote.branch(taken).set(&remote.main().head().unwrap());
        let clones = Clones::of(remote);
        let clone = opened(clones.config("mine").with_branch(name)).await;
        clone.create("b", "kept").await.unwrap();
        let error = clone.push("Mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains(&format!("beside its branch `{taken}`")), "{error}");
        assert_eq!(clone.read("b").await.unwrap(), "kept");
        // Without that branch there is room.
        clones.remote.branch(taken).delete();
        drop(fs::remove_dir(clones.remote.path().join("refs/heads/x")));
        clone.push("Mine").await.unwrap();
        assert_eq!(clones.remote.branch(name).file("b").unwrap(), b"kept");
    }
}
