//! A runtime shuts down during calls: nothing hangs, every file has its old or its new content, and the session is free.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    ByteStream, ChecksumAlgorithm, CopyOptions, CreateOptions, DeleteOptions, Durability,
    ErrorKind, InfoStream, ListOptions, LocalFileBackend, ReadOptions, Result, SessionOptions,
    UpdateOptions, WriteOptions,
};
use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::child::{self, ChildTest};
use crate::rng::Rng;

/// A limit that only a hang exceeds.
const HANG_LIMIT: Duration = Duration::from_secs(300);

const FILES: usize = 4;

/// Enough for several chunks.
const SIZE: usize = 300_000;

/// How a runtime is shut down.
#[derive(Clone, Copy, Debug)]
enum Shutdown {
    Drop,
    /// With this many milliseconds for running calls.
    Timeout(u64),
    Background,
}

impl Shutdown {
    fn run(self, runtime: Runtime) {
        match self {
            Self::Drop => drop(runtime),
            Self::Timeout(millis) => runtime.shutdown_timeout(Duration::from_millis(millis)),
            Self::Background => runtime.shutdown_background(),
        }
    }
}

fn shutdowns() -> [Shutdown; 4] {
    [Shutdown::Drop, Shutdown::Timeout(0), Shutdown::Timeout(20), Shutdown::Background]
}

#[test]
fn a_multi_thread_runtime_shuts_down_during_any_work() {
    shut_down_during_work("runtime_shutdown::multi_thread_runtimes_shut_down");
}

#[test]
fn a_current_thread_runtime_shuts_down_during_any_work() {
    shut_down_during_work("runtime_shutdown::current_thread_runtimes_shut_down");
}

fn shut_down_during_work(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    ChildTest::start(test, dir.path(), "").finish();
    let backend = block_on(LocalFileBackend::new(dir.path())).unwrap();
    assert_not_torn(&backend);
    let found = std::process::Command::new("find").arg(dir.path()).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(!found.contains(".f9tmp-"), "leftovers: {found}");
}

/// Runs in a child process, which can be killed if it hangs.
#[test]
fn multi_thread_runtimes_shut_down() {
    shut_down_runtimes(many_threads);
}

fn many_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(4).enable_all().build().unwrap()
}

/// Runs in a child process, which can be killed if it hangs.
#[test]
fn current_thread_runtimes_shut_down() {
    shut_down_runtimes(|| {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(2).enable_all().build().unwrap()
    });
}

fn shut_down_runtimes(runtime: impl Fn() -> Runtime) {
    let own = tempfile::tempdir().unwrap();
    let root = child::root().unwrap_or_else(|| own.path().to_owned());
    let mut rng = Rng::new("shut_down_runtimes");
    let rounds = if child::root().is_some() { 3 } else { 1 };
    for shutdown in shutdowns().repeat(rounds) {
        for durability in [Durability::Atomic, Durability::Synced] {
            shut_down_one(runtime(), shutdown, durability, &root, &mut rng);
        }
    }
}

/// Shuts a runtime down during work, and checks the store.
fn shut_down_one(
    runtime: Runtime,
    shutdown: Shutdown,
    durability: Durability,
    root: &Path,
    rng: &mut Rng,
) {
    let open = LocalFileBackend::builder(root).durability(durability).open();
    let backend = runtime.block_on(open).unwrap();
    for file in 0..FILES {
        let options = CreateOptions::overwrite();
        block_on(backend.create_with(&file.to_string(), content(file), options)).unwrap();
    }
    let (completed, completions) = channel();
    start_work(&runtime, &backend, &completed);
    let (chunks, entries) = runtime.block_on(streams(&backend)).unwrap();
    // A current-thread runtime runs its tasks only inside `block_on`.
    runtime.block_on(async {
        while completions.try_iter().count() == 0 {
            tokio::task::yield_now().await;
        }
        // A random delay that grows with the load of the pool.
        for _ in 0..rng.below(8) {
            backend.info("0").await.unwrap();
        }
    });
    shut_down_in_time(shutdown, runtime);
    // An open stream reaches its end or fails with `Cancelled`.
    let chunks: Result<Vec<Bytes>> = block_on(chunks.try_collect());
    let entries: Result<Vec<_>> = block_on(entries.try_collect());
    for error in [chunks.err(), entries.err()].into_iter().flatten() {
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    }
    assert_not_torn(&backend);
    // A call of the old runtime may still be running.
    let next = Builder::new_current_thread().enable_all().build().unwrap();
    let session = backend.sync_session_with(SessionOptions::timeout(HANG_LIMIT));
    next.block_on(async { session.await.unwrap().finish().await }).unwrap();
}

fn shut_down_in_time(shutdown: Shutdown, runtime: Runtime) {
    let (done, is_done) = channel();
    let thread = thread::spawn(move || {
        shutdown.run(runtime);
        done.send(()).unwrap();
    });
    assert!(is_done.recv_timeout(HANG_LIMIT).is_ok(), "{shutdown:?} hangs");
    thread.join().unwrap();
}

#[test]
fn a_runtime_shuts_down_while_another_process_holds_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = ChildTest::start("crowd::a_process_holds_a_session", dir.path(), "");
    holder.wait_for("held");
    for shutdown in shutdowns() {
        let runtime = many_threads();
        let backend = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
        for _ in 0..10 {
            let backend = backend.clone();
            runtime.spawn(async move { backend.sync_session().await.map(drop) });
        }
        let waiting = backend.sync_session_with(SessionOptions::timeout(Duration::from_millis(5)));
        let waited = runtime.block_on(async { timeout(HANG_LIMIT, waiting).await });
        shut_down_in_time(shutdown, runtime);
        assert_eq!(waited.unwrap().unwrap_err().kind(), ErrorKind::LockTimeout);
    }
    holder.finish();
}

/// Starts tasks that repeat every kind of call forever.
fn start_work(runtime: &Runtime, backend: &LocalFileBackend, completed: &Sender<()>) {
    macro_rules! repeat {
        (|$backend:ident| $act:expr) => {{
            let ($backend, completed) = (backend.clone(), completed.clone());
            runtime.spawn(async move {
                loop {
                    let _outcome = $act;
                    // Fails after the receiver is dropped.
                    let _ = completed.send(());
                }
            });
        }};
    }
    let overwrite = CreateOptions::overwrite;
    repeat!(|backend| backend.create_with("0", content(7), overwrite()).await);
    repeat!(|backend| backend.update("1", content(8)).await);
    repeat!(|backend| backend.copy_with("1", "2", CopyOptions::overwrite()).await);
    repeat!(|backend| {
        let source = Box::pin(stream::repeat(content(9)).take(3).map(Ok));
        backend.stream_write_with("3", source, WriteOptions::overwrite()).await
    });
    repeat!(|backend| {
        let source = stream::repeat(content(1)).take(2).chain(stream::pending()).map(Ok);
        backend.stream_write_with("3", Box::pin(source), WriteOptions::overwrite()).await
    });
    repeat!(|backend| {
        drop(backend.create("log", "").await);
        backend.update_with("log", "record\n", UpdateOptions::append()).await
    });
    repeat!(|backend| {
        drop(backend.create("tree/a/b/c", "x").await);
        drop(backend.rename("tree/a", "tree/d").await);
        backend.delete_with("tree", DeleteOptions::recursive()).await
    });
    repeat!(|backend| backend.checksum("0", ChecksumAlgorithm::Md5).await);
    repeat!(|backend| {
        backend.checksum_many(&["0", "1", "2", "3"], ChecksumAlgorithm::Sha512).await
    });
    repeat!(|backend| backend.glob("**").await);
    repeat!(|backend| {
        let session = backend.sync_session().await;
        tokio::task::yield_now().await;
        drop(session);
    });
    for _ in 0..3 {
        repeat!(|backend| {
            let session = backend.sync_session().await;
            stream::pending::<()>().next().await;
            session
        });
    }
}

/// Returns a content stream and a listing that are not at their ends.
async fn streams(backend: &LocalFileBackend) -> Result<(ByteStream<'static>, InfoStream<'static>)> {
    let mut chunks =
        backend.stream_read_with("0", ReadOptions::default().with_chunk_size(1000)).await?;
    chunks.next().await;
    Ok((chunks, backend.list_with("", ListOptions::recursive()).await?))
}

/// Returns a content of one repeated byte, so that torn content shows.
fn content(byte: usize) -> Bytes {
    vec![u8::try_from(byte).unwrap(); SIZE].into()
}

fn assert_not_torn(backend: &LocalFileBackend) {
    for file in (0..FILES).map(|file| PathBuf::from(file.to_string())) {
        let found = block_on(backend.read(file.to_str().unwrap())).unwrap();
        let pieces = if file == Path::new("3") && found[0] == 9 { 3 } else { 1 };
        let is_intact = found == content(found[0].into()).repeat(pieces);
        assert!(is_intact, "{file:?} is torn: {} bytes of {}", found.len(), found[0]);
    }
    let log = block_on(backend.read("log")).unwrap_or_default();
    assert!(log.chunks(7).all(|record| record == b"record\n"), "{log:?}");
}
