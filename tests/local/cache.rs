//! Cached content and metadata are read on the calling thread; everything else takes one trip to the pool.

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use f9::prelude::*;
use f9::{ErrorKind, LocalFileBackend, ReadOptions};
use futures::{FutureExt as _, TryStreamExt as _};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use tokio::runtime::{Builder, Runtime};

use crate::machine::{self, Mount, not_run};
use crate::processes;

/// The types of ext4, XFS, Btrfs, F2FS and tmpfs in `statfs(2)`.
const CACHED: [u32; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

fn kind_of(dir: &Path) -> u32 {
    // The type of this number depends on the architecture.
    u32::try_from(rustix::fs::statfs(dir).unwrap().f_type).unwrap()
}

/// Whether files in `dir` are read inline, which depends on the machine.
fn reads_inline(test: &str, dir: &Path) -> bool {
    let reads_inline = CACHED.contains(&kind_of(dir));
    if !reads_inline {
        not_run(test, "the temporary directory is on a file system that may wait");
    }
    reads_inline
}

/// A runtime with one thread for tasks and one in its pool. With a paused clock f9 uses that pool instead of its own, so that a test can
/// occupy it.
fn narrow_runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.max_blocking_threads(1).enable_all().start_paused(true).build().unwrap()
}

/// Occupies the only thread of the pool until it is dropped.
struct BusyPool(#[expect(dead_code, reason = "dropping it ends the thread")] mpsc::Sender<()>);

impl BusyPool {
    fn new() -> Self {
        let (held, wait) = mpsc::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "the test is about the pool itself")]
        drop(tokio::task::spawn_blocking(move || wait.recv()));
        Self(held)
    }
}

/// Returns the output of `future` while the pool is busy; `None` if it waits for the pool.
async fn inline<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    // An inline operation yields once per 128 KiB.
    for _ in 0..1000 {
        if let Some(given) = future.as_mut().now_or_never() {
            return Some(given);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Returns the output of `act` while the pool is busy. Of 50 calls, only 40 must run inline: the kernel may return `EAGAIN` for
/// cached content, for example during a mount anywhere on the machine.
async fn cached<T>(act: impl AsyncFn() -> T) -> T {
    let (mut last, mut count) = (None, 0);
    for _ in 0..50 {
        if let Some(given) = inline(act()).await {
            last = Some(given);
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} of 50 cached calls ran inline");
    last.unwrap()
}

/// Reads cached content in `dir` with every verb, while the pool is busy.
async fn read_with_a_busy_pool(dir: &Path) {
    let backend = LocalFileBackend::new(dir).await.unwrap();
    let content: Vec<u8> = (0..900_000_u32).map(|i| (i % 251) as u8).collect();
    backend.create("d/small", "small").await.unwrap();
    backend.create("d/large", content.clone()).await.unwrap();
    let etag = backend.info("d/small").await.unwrap().etag.unwrap();

    let _busy = BusyPool::new();
    assert_eq!(cached(async || backend.read("d/small").await.unwrap()).await, "small");
    let middle = ReadOptions::range(250..260);
    let part = cached(async || backend.read_with("d/large", middle.clone()).await.unwrap());
    assert_eq!(part.await, content[250..260]);
    let fresh = ReadOptions::default().with_if_match(etag);
    let read = cached(async || backend.read_with("d/small", fresh.clone()).await.unwrap());
    assert_eq!(read.await, "small");
    let large = cached(async || backend.info("d/large").await.unwrap()).await;
    assert_eq!(large.size, Some(900_000));
    assert!(cached(async || backend.info("d").await.unwrap().is_dir()).await);
    assert!(cached(async || backend.exists("d/small").await.unwrap()).await);
    let chunks = cached(async || {
        let chunks = backend.stream_read("d/large").await.unwrap();
        chunks.try_collect::<Vec<_>>().await.unwrap()
    });
    assert_eq!(chunks.await.concat(), content);
    let beyond = ReadOptions::range(6..);
    let beyond = cached(async || backend.read_with("d/small", beyond.clone()).await.unwrap_err());
    assert_eq!(beyond.await.kind(), ErrorKind::InvalidRange);
    let directory = cached(async || backend.read("d").await.unwrap_err()).await;
    assert_eq!(directory.kind(), ErrorKind::IsADirectory);
}

#[test]
fn cached_content_is_read_without_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    if reads_inline("cached_content_is_read_without_the_pool", dir.path()) {
        narrow_runtime().block_on(read_with_a_busy_pool(dir.path()));
    }
}

#[test]
fn a_file_that_is_cached_as_missing_is_reported_without_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    if !reads_inline("a_file_that_is_cached_as_missing_is_reported_without_the_pool", dir.path()) {
        return;
    }
    // tmpfs does not cache missing names.
    if kind_of(dir.path()) == CACHED[4] {
        return not_run(
            "a_file_that_is_cached_as_missing_is_reported_without_the_pool",
            "it needs a disk",
        );
    }
    narrow_runtime().block_on(async {
        let backend = LocalFileBackend::new(dir.path()).await.unwrap();
        assert!(!backend.exists("missing").await.unwrap());
        let _busy = BusyPool::new();
        assert!(!cached(async || backend.exists("missing").await.unwrap()).await);
        let error = cached(async || backend.read("missing").await.unwrap_err()).await;
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some("missing")));
    });
}

#[test]
fn files_on_tmpfs_are_read_without_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    match Mount::new(&["-t", "tmpfs", "f9"], dir.path()) {
        Ok(_mounted) => narrow_runtime().block_on(read_with_a_busy_pool(dir.path())),
        Err(reason) => not_run("files_on_tmpfs_are_read_without_the_pool", &reason.to_string()),
    }
}

/// Awaits `future`, which must not be ready before the pool is free.
async fn after_the_pool<T>(future: impl Future<Output = T>) -> T {
    let busy = BusyPool::new();
    let mut future = pin!(future);
    assert!(inline(future.as_mut()).await.is_none(), "the call did not wait for the pool");
    drop(busy);
    future.await
}

#[test]
fn files_on_a_mount_below_the_root_are_read_in_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("below");
    fs::create_dir(&below).unwrap();
    let _mounted = match Mount::new(&["-t", "tmpfs", "f9"], &below) {
        Ok(mounted) => mounted,
        Err(reason) => {
            let test = "files_on_a_mount_below_the_root_are_read_in_the_pool";
            return not_run(test, &reason.to_string());
        }
    };
    narrow_runtime().block_on(async {
        let backend = LocalFileBackend::new(dir.path()).await.unwrap();
        backend.create("below/a", "text").await.unwrap();
        assert_eq!(backend.read("below/a").await.unwrap(), "text");
        assert_eq!(after_the_pool(backend.read("below/a")).await.unwrap(), "text");
        assert_eq!(after_the_pool(backend.info("below/a")).await.unwrap().size, Some(4));
    });
}

#[test]
fn large_reads_run_in_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    narrow_runtime().block_on(async {
        let backend = LocalFileBackend::new(dir.path()).await.unwrap();
        backend.create("a", vec![1; 1_000_000]).await.unwrap();
        assert_eq!(backend.read("a").await.unwrap().len(), 1_000_000);
        assert_eq!(after_the_pool(backend.read("a")).await.unwrap().len(), 1_000_000);
    });
}

#[test]
fn other_tasks_run_between_reads_that_never_wait() {
    narrow_runtime().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let backend = LocalFileBackend::new(dir.path()).await.unwrap();
        backend.create("small", "x").await.unwrap();
        backend.create("large", vec![1; 200_000]).await.unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        for (name, reads, expected) in [("small", 2_000, 15), ("large", 200, 15)] {
            let before = turns.load(Ordering::Relaxed);
            for _ in 0..reads {
                backend.read(name).await.unwrap();
            }
            let had = turns.load(Ordering::Relaxed) - before;
            assert!(had >= expected, "{had} turns in {reads} reads of the {name} file");
        }
        other.abort();
    });
}

/// The traced part: three reads, three lookups and three streams, with one thread and a pool of one.
#[test]
fn three_of_each() {
    let (root, _own) = processes::root();
    fs::write(root.join("a"), "some text").unwrap();
    narrow_runtime().block_on(async {
        // The failure is injected into the first call of each thread. This call takes it in the pool.
        #[expect(clippy::disallowed_methods, reason = "the test is about the pool itself")]
        let first = tokio::task::spawn_blocking(|| {
            let (flags, mode) = (OFlags::PATH, Mode::empty());
            drop(rustix::fs::openat2(CWD, "/", flags, mode, ResolveFlags::empty()));
        });
        first.await.unwrap();
        let backend = LocalFileBackend::builder(root).sweep(false).open().await.unwrap();
        for _ in 0..3 {
            assert_eq!(backend.read("a").await.unwrap(), "some text");
            assert_eq!(backend.info("a").await.unwrap().size, Some(9));
            let chunks = backend.stream_read("a").await.unwrap();
            assert_eq!(chunks.try_collect::<Vec<_>>().await.unwrap(), ["some text"]);
        }
    });
}

/// Returns the number of inline lookups, inline reads, and other opens, with an injected `failure`.
fn traced(failure: &str) -> (usize, usize, usize) {
    // A mount anywhere on the machine makes the kernel return `EAGAIN`.
    let is_disturbed = |call: &str| call.contains("EAGAIN") && !call.contains("(INJECTED)");
    let mut traces = (0..50).map(|_| trace("three_of_each", failure));
    let calls = traces.find(|calls| !calls.lines().any(is_disturbed));
    let calls = calls.expect("the kernel returned `EAGAIN` for cached content in each of 50 runs");
    let of = |wanted: &dyn Fn(&str) -> bool| calls.lines().filter(|call| wanted(call)).count();
    (
        of(&|call| call.contains("RESOLVE_CACHED")),
        of(&|call| call.contains("preadv2(")),
        of(&|call| call.contains("openat2(") && call.contains("\"a\"") && !call.contains("CACHED")),
    )
}

/// Returns the calls of the traced part `part` with an injected `failure`.
fn trace(part: &str, failure: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("strace");
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    let done = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=openat2,preadv2,fadvise64", "-e", failure, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("cache::{part}")])
        .env("F9_TEST_ROOT", &root)
        .output()
        .unwrap();
    assert!(done.status.success(), "{failure}: {}", String::from_utf8_lossy(&done.stdout));
    fs::read_to_string(log).unwrap()
}

#[test]
fn after_a_failed_inline_attempt_the_pool_is_used() {
    let test = "after_a_failed_inline_attempt_the_pool_is_used";
    if let Some(reason) = machine::lacks_strace() {
        return not_run(test, reason);
    }
    if !reads_inline(test, &std::env::temp_dir()) {
        return;
    }
    for (failure, expected) in [
        // Nothing fails: all run inline.
        ("inject=preadv2:error=EIO:when=99", (9, 6, 0)),
        // Not cached: one inline attempt and one trip each.
        ("inject=preadv2:error=EAGAIN", (9, 6, 6)),
        ("inject=openat2:error=EAGAIN:when=1", (9, 5, 1)),
        // A name that the cache cannot resolve, such as a link.
        ("inject=openat2:error=ELOOP:when=1", (9, 5, 1)),
        // Only a part is cached.
        ("inject=preadv2:retval=4", (9, 6, 6)),
        // The file system or the kernel does not support it: no further inline attempts.
        ("inject=preadv2:error=EOPNOTSUPP", (9, 1, 6)),
        ("inject=preadv2:error=ENOSYS", (9, 1, 6)),
        ("inject=openat2:error=EINVAL:when=1", (1, 0, 9)),
        ("inject=openat2:error=ENOSYS:when=1", (1, 0, 9)),
    ] {
        assert_eq!(traced(failure), expected, "{failure}");
    }
}

/// Whether this process has the deleted file of `path` open.
fn is_open(path: &Path) -> bool {
    let deleted = format!("{} (deleted)", path.display());
    let mut handles = fs::read_dir("/proc/self/fd").unwrap().flatten();
    handles.any(|handle| fs::read_link(handle.path()).is_ok_and(|to| to.as_os_str() == &*deleted))
}

#[test]
fn the_last_handle_of_a_deleted_file_is_closed_in_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    narrow_runtime().block_on(async {
        let backend = LocalFileBackend::new(dir.path()).await.unwrap();
        backend.create("a", "content").await.unwrap();
        // A stream of several chunks keeps the file open.
        let options = ReadOptions::default().with_chunk_size(4);
        let stream = backend.stream_read_with("a", options).await.unwrap();
        backend.delete("a").await.unwrap();
        let busy = BusyPool::new();
        drop(stream);
        assert!(is_open(&dir.path().join("a")));
        drop(busy);
        // The pool has one thread, so this runs after the close.
        backend.create("b", "").await.unwrap();
        assert!(!is_open(&dir.path().join("a")));
    });
}

/// The traced part: three ranges of a file.
#[test]
fn three_ranges() {
    let (root, _own) = processes::root();
    fs::write(root.join("a"), "some text").unwrap();
    narrow_runtime().block_on(async {
        let backend = LocalFileBackend::builder(root).sweep(false).open().await.unwrap();
        let ranges = [0..2, 3..5, 7..9].map(f9::ByteRange::from);
        assert_eq!(backend.read_ranges("a", &ranges).await.unwrap(), ["so", "e ", "xt"]);
    });
}

#[test]
fn ranges_that_are_not_cached_are_read_ahead_together() {
    let test = "ranges_that_are_not_cached_are_read_ahead_together";
    if let Some(reason) = machine::lacks_strace() {
        return not_run(test, reason);
    }
    if !reads_inline(test, &std::env::temp_dir()) {
        return;
    }
    for (failure, expected) in
        [("inject=preadv2:error=EIO:when=99", 0), ("inject=preadv2:error=EAGAIN", 3)]
    {
        let calls = trace("three_ranges", failure);
        let hints = calls.lines().filter(|call| call.contains("POSIX_FADV_WILLNEED"));
        assert_eq!(hints.count(), expected, "{failure}: {calls}");
    }
}
