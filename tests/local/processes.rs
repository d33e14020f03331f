//! Several processes on one root. The tests run parts of this same binary as other processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, LocalFileBackend};

/// Where a part shall work that another test runs as a process of its own.
const ROOT: &str = "F9_TEST_ROOT";

/// Starts the test `name` of this binary as another process that works in `root`.
pub(crate) fn start(name: &str, root: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(ROOT, root).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// The directory to work in: that of the test which started this process, or one of this test's own.
pub(crate) fn root() -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os(ROOT) {
        Some(root) => (root.into(), None),
        None => {
            let dir = tempfile::tempdir().unwrap();
            (dir.path().to_owned(), Some(dir))
        }
    }
}

async fn increment(backend: &LocalFileBackend) {
    loop {
        let etag = backend.info("counter").await.unwrap().etag.unwrap();
        let read = f9::ReadOptions::default().with_if_match(etag.clone());
        let counted = match backend.read_with("counter", read).await {
            Ok(text) => std::str::from_utf8(&text).unwrap().parse::<u32>().unwrap(),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => continue,
            Err(error) => panic!("{error}"),
        };
        let next = (counted + 1).to_string();
        match backend.create_with("counter", next, CreateOptions::if_match(etag)).await {
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_increment_a_counter_lose_nothing() {
    let (root, own) = root();
    let backend = LocalFileBackend::new(root).await.unwrap();
    if own.is_some() {
        backend.create("counter", "0").await.unwrap();
    }
    let workers: Vec<_> = (0..5)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    increment(&backend).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    if own.is_some() {
        assert_eq!(backend.read("counter").await.unwrap(), "50");
    }
}

#[tokio::test]
async fn processes_that_increment_a_counter_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    backend.create("counter", "0").await.unwrap();
    let name = "processes::tasks_that_increment_a_counter_lose_nothing";
    let children: Vec<_> = (0..4).map(|_| start(name, dir.path())).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
    assert_eq!(backend.read("counter").await.unwrap(), "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_append_interleave_nothing() {
    let (root, own) = root();
    let backend = LocalFileBackend::new(root).await.unwrap();
    match backend.create("log", "").await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists),
    }
    let me = std::process::id();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let backend = backend.clone();
            tokio::spawn(async move {
                for round in 0..10 {
                    let record = format!("<{me}-{worker}-{round}>\n");
                    let append = f9::UpdateOptions::append();
                    backend.update_with("log", record, append).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let log = backend.read_text("log").await.unwrap();
    assert!(log.lines().all(|line| line.starts_with('<') && line.ends_with('>')), "{log}");
    let mine = log.lines().filter(|line| line.starts_with(&format!("<{me}-"))).count();
    assert_eq!(mine, 40);
    drop(own);
}

#[tokio::test]
async fn processes_that_append_interleave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let name = "processes::tasks_that_append_interleave_nothing";
    let children: Vec<_> = (0..3).map(|_| start(name, dir.path())).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    assert_eq!(backend.read_text("log").await.unwrap().lines().count(), 120);
}
