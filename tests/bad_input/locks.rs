//! Sessions and their lock file, items 84 to 88.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use f9::ErrorKind::{IsADirectory, LinkLoop, LockTimeout, NotAFile, PermissionDenied};
use f9::prelude::*;
use f9::{ErrorKind, LocalFileBackend, SessionOptions};
use rustix::fs::{CWD, Mode};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::store::Store;

const LOCK: &str = ".backend.lock";

/// Another process that holds the lock. It is killed on drop.
struct Holder(Child);

impl Holder {
    fn of(root: &Path) -> Self {
        let mut command = Command::new("flock");
        // `exec` replaces the shell, so that killing this process releases the lock.
        command.arg("--no-fork").arg(root.join(LOCK));
        command.args(["sh", "-c", "echo held; exec sleep 600"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn refused(
    files: &LocalFileBackend,
    timeout: Duration,
    kind: ErrorKind,
    item: &str,
) -> String {
    let opened = files.sync_session_with(SessionOptions::timeout(timeout)).await;
    let error = opened.err().unwrap_or_else(|| panic!("{item}: the session was opened"));
    assert_eq!(error.kind(), kind, "{item}: {error}");
    let text = error.to_string();
    assert!(
        text.starts_with("cannot open a session") && !text.contains(char::is_control),
        "{text}"
    );
    text
}

async fn is_free(files: &LocalFileBackend, item: &str) {
    let opened = files.sync_session_with(SessionOptions::timeout(Duration::ZERO)).await;
    let session = opened.unwrap_or_else(|error| panic!("{item}: {error}"));
    session.finish().await.unwrap_or_else(|error| panic!("{item}: {error}"));
}

#[tokio::test(start_paused = true)]
async fn item_84_timeouts_of_nothing_and_of_all_time() {
    let store = Store::new().await;
    for timeout in [Duration::ZERO, Duration::from_secs(u64::MAX), Duration::MAX] {
        let options = SessionOptions::timeout(timeout);
        store.backend.sync_session_with(options).await.unwrap().finish().await.unwrap();
    }
    let holder = Holder::of(&store.root);
    let started = Instant::now();
    refused(&store.backend, Duration::ZERO, LockTimeout, "84: zero").await;
    assert_eq!(started.elapsed(), Duration::ZERO, "84");
    let waiting = store.backend.sync_session_with(SessionOptions::timeout(Duration::MAX));
    let waiting = tokio::time::timeout(Duration::from_secs(60), waiting);
    assert!(waiting.await.is_err(), "84: all time is not over");
    drop(holder);
    is_free(&store.backend, "84").await;
}

#[tokio::test]
async fn item_85_a_session_within_a_session_of_one_task() {
    let store = Store::new().await;
    let outer = store.backend.sync_session().await.unwrap();
    let inner = store.backend.sync_session_with(SessionOptions::timeout(Duration::ZERO)).await;
    inner.unwrap().finish().await.unwrap();
    let other = store.backend.clone();
    let contender = tokio::spawn(async move {
        refused(&other, Duration::ZERO, LockTimeout, "85: for another task").await;
    });
    contender.await.unwrap();
    outer.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn item_86_a_holder_that_is_stopped_and_one_that_is_killed() {
    let store = Store::new().await;
    let holder = Holder::of(&store.root);
    kill_process(holder.pid(), Signal::STOP).unwrap();
    let text = refused(&store.backend, Duration::from_millis(50), LockTimeout, "86: stopped").await;
    let pid = holder.pid().as_raw_pid().to_string();
    assert!(text.contains(&pid), "86: {text} names {pid}");
    drop(holder);
    is_free(&store.backend, "86: killed").await;
}

#[tokio::test]
async fn item_87_what_is_no_lock_file() {
    type Put = fn(&Store, &Path);
    let rows: [(&str, Put, ErrorKind); 4] = [
        ("87: a directory", |_, path| fs::create_dir(path).unwrap(), IsADirectory),
        (
            "87: a link to outside",
            |store, path| {
                std::os::unix::fs::symlink(store.outside.join("secret"), path).unwrap();
            },
            LinkLoop,
        ),
        (
            "87: a FIFO",
            |_, path| rustix::fs::mkfifoat(CWD, path, Mode::from_raw_mode(0o666)).unwrap(),
            NotAFile,
        ),
        (
            "87: a socket",
            |_, path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
            NotAFile,
        ),
    ];
    for (item, put, kind) in rows {
        let store = Store::new().await;
        let (path, outside) = (store.on_disk(LOCK), store.outside_contents());
        put(&store, &path);
        let text = refused(&store.backend, Duration::from_secs(300), kind, item).await;
        assert!(text.contains(LOCK), "{item}: {text}");
        assert_eq!(store.outside_contents(), outside, "{item}");
        // The other verbs do not need the lock.
        store.backend.create("f", "new").await.unwrap();
    }
}

#[tokio::test]
async fn item_87_a_lock_file_that_may_not_be_opened() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = Store::new().await;
    File::create(store.on_disk(LOCK)).unwrap();
    for (path, mode) in [(LOCK, 0o000), ("", 0o755)] {
        fs::set_permissions(store.on_disk(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let root = store.root.clone();
    let somebody = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        futures::executor::block_on(async {
            let files = LocalFileBackend::builder(&root).sweep(false).open().await.unwrap();
            let item = "87: it may not be opened";
            refused(&files, Duration::from_secs(300), PermissionDenied, item).await;
        });
    });
    somebody.join().unwrap();
}

#[tokio::test]
async fn item_87_a_lock_file_that_is_deleted_or_replaced() {
    let store = Store::new().await;
    is_free(&store.backend, "87: made").await;
    fs::remove_file(store.on_disk(LOCK)).unwrap();
    is_free(&store.backend, "87: deleted").await;
    fs::write(store.on_disk("other"), "other").unwrap();
    fs::rename(store.on_disk("other"), store.on_disk(LOCK)).unwrap();
    is_free(&store.backend, "87: replaced").await;
    // No verb reaches the lock file, not even while it is locked.
    let session = store.backend.sync_session().await.unwrap();
    for error in [
        store.backend.delete(LOCK).await.unwrap_err(),
        store.backend.rename(LOCK, "a").await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ReservedPath, "87");
    }
    session.finish().await.unwrap();
}

#[tokio::test]
async fn item_88_a_guard_that_is_dropped_elsewhere() {
    let store = Store::new().await;
    let session = store.backend.sync_session().await.unwrap();
    std::thread::spawn(move || drop(session)).join().unwrap();
    is_free(&store.backend, "88: dropped on another thread").await;
    let session = store.backend.sync_session().await.unwrap();
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    session.finish().await.unwrap();
    let elsewhere = Command::new("flock").arg("-n").arg(store.on_disk(LOCK)).arg("true").status();
    drop(child.kill());
    child.wait().unwrap();
    assert!(elsewhere.unwrap().success(), "88: a child of this process keeps the lock");
}
