//! Sessions among processes.
//!
//! Most of these tests pause the clock of their runtime, which then advances whenever all tasks wait. So timeouts end at once, and
//! measured times do not depend on the machine.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use f9::prelude::*;
use f9::{ErrorKind, LocalFileBackend, SessionOptions};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::processes;
use crate::store::Store;

/// The timeout of calls that must succeed. The paused clock advances by at most the pause between two tries.
const WAIT: Duration = Duration::from_secs(24 * 3600);

/// After this time, the pauses between the tries of a waiter have grown.
const BACKED_OFF: Duration = Duration::from_millis(60);

fn within(milliseconds: u64) -> SessionOptions {
    SessionOptions::timeout(Duration::from_millis(milliseconds))
}

/// Starts a process that holds the lock until it is killed, with `flock(1)`.
fn holder(root: &Path) -> Child {
    let mut child = Command::new("flock")
        // With a forked command, killing this process would not release the lock.
        .arg("--no-fork")
        .arg(root.join(".backend.lock"))
        .args(["sh", "-c", "echo held; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    child
}

/// Kills the holder, which releases the lock.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_for_another_process_and_names_it() {
    let store = Store::new().await;
    let child = holder(&store.root);
    let started = Instant::now();
    let error = store.backend.sync_session_with(within(300)).await.unwrap_err();
    let waited = started.elapsed();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert!(error.to_string().contains("held by process"), "{error}");
    assert!((300..350).contains(&waited.as_millis()), "{waited:?}");
    let started = Instant::now();
    let error = store.backend.sync_session_with(within(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert_eq!(started.elapsed(), Duration::ZERO);
    kill(child);
    store.backend.sync_session_with(within(0)).await.unwrap().finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiter_gets_the_lock_within_100_ms_after_the_holder_is_killed() {
    let store = Store::new().await;
    let child = holder(&store.root);
    let backend = store.backend.clone();
    let waiter = tokio::spawn(async move {
        let session = backend.sync_session_with(SessionOptions::timeout(WAIT)).await.unwrap();
        (Instant::now(), session.finish().await.unwrap()).0
    });
    sleep(BACKED_OFF).await;
    assert!(!waiter.is_finished());
    kill(child);
    let killed = Instant::now();
    let waited = waiter.await.unwrap().duration_since(killed);
    assert!(waited < Duration::from_millis(100), "{waited:?}");
}

/// Increments a number in a file by reading, waiting and writing, which is only safe in a session.
#[tokio::test]
async fn a_session_protects_a_sequence_of_steps() {
    let (root, own) = processes::root();
    let number = root.join("number");
    let read = || fs::read_to_string(&number).unwrap_or_default().parse::<u32>().unwrap_or(0);
    let backend = LocalFileBackend::new(&root).await.unwrap();
    for _ in 0..20 {
        let session = backend.sync_session_with(within(300_000)).await.unwrap();
        let seen = read();
        // During this pause, a process without the session would write too.
        sleep(Duration::from_millis(1)).await;
        fs::write(&number, (seen + 1).to_string()).unwrap();
        session.finish().await.unwrap();
    }
    assert!(read() >= 20);
    drop(own);
}

#[tokio::test]
async fn every_process_gets_its_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let name = "sessions::a_session_protects_a_sequence_of_steps";
    let children: Vec<_> = (0..3).map(|_| processes::start(name, dir.path())).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
    assert_eq!(fs::read_to_string(dir.path().join("number")).unwrap(), "60");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_session_wakes_up_rarely() {
    let store = Store::new().await;
    let child = holder(&store.root);
    let backend = store.backend.clone();
    let woken = || Handle::current().metrics().worker_park_count(0);
    let before = woken();
    backend.sync_session_with(within(2000)).await.unwrap_err();
    let woken = woken() - before;
    kill(child);
    // A try wakes the runtime several times. With a try each millisecond, this would be more than ten thousand times.
    assert!((10..2000).contains(&woken), "woken {woken} times in 2 s");
}

#[tokio::test(start_paused = true)]
async fn backends_on_one_root_share_its_sessions() {
    let store = Store::new().await;
    let link = store.outside.join("alias");
    std::os::unix::fs::symlink(&store.root, &link).unwrap();
    let other = LocalFileBackend::new(&link).await.unwrap();
    let session = store.backend.sync_session().await.unwrap();
    let again = other.sync_session().await.unwrap();
    again.finish().await.unwrap();
    let contender = other.clone();
    let error =
        tokio::spawn(async move { contender.sync_session_with(within(50)).await.map(drop) });
    assert_eq!(error.await.unwrap().unwrap_err().kind(), ErrorKind::LockTimeout);
    session.finish().await.unwrap();
    tokio::spawn(async move { other.sync_session_with(within(0)).await.map(drop) })
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replaced_lock_file_protects_nothing() {
    let store = Store::new().await;
    let path = store.on_disk(".backend.lock");
    let old = File::create(&path).unwrap();
    old.try_lock().unwrap();
    let backend = store.backend.clone();
    let (begun, has_begun) = oneshot::channel();
    let (end, may_end) = oneshot::channel::<()>();
    let waiter = tokio::spawn(async move {
        let session = backend.sync_session_with(SessionOptions::timeout(WAIT)).await.unwrap();
        begun.send(()).unwrap();
        may_end.await.unwrap();
        session.finish().await.unwrap();
    });
    sleep(BACKED_OFF).await;
    fs::remove_file(&path).unwrap();
    drop(old);
    has_begun.await.unwrap();
    let now = File::options().write(true).open(&path).expect("the lock file is created again");
    assert!(now.try_lock().is_err(), "the session holds the file that others see");
    end.send(()).unwrap();
    waiter.await.unwrap();
}

#[tokio::test]
async fn a_lock_file_that_is_not_a_file_is_refused() {
    let store = Store::new().await;
    let path = store.on_disk(".backend.lock");
    fs::create_dir(&path).unwrap();
    let error = store.backend.sync_session().await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::IsADirectory, Some(".backend.lock")));
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(store.outside.join("secret"), &path).unwrap();
    let error = store.backend.sync_session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LinkLoop);
    fs::remove_file(&path).unwrap();
    store.backend.sync_session().await.unwrap().finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cancelled_waiters_release_the_lock_and_the_pool() {
    let store = Store::new().await;
    let child = holder(&store.root);
    for milliseconds in 0..50 {
        let waiting = store.backend.sync_session_with(SessionOptions::timeout(WAIT));
        assert!(timeout(Duration::from_millis(milliseconds), waiting).await.is_err());
    }
    store.backend.create("a", "the pool is free").await.unwrap();
    kill(child);
    store.backend.sync_session_with(within(0)).await.unwrap().finish().await.unwrap();
}
