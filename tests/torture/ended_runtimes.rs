//! The runtime ends while the store is at work: nothing hangs, files are old or new, and the session is free.

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

use crate::child::{self, Other};
use crate::dice::Dice;

/// More than all takes on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(300);

const FILES: usize = 4;

/// Enough for several chunks.
const SIZE: usize = 300_000;

/// How a runtime ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Drop,
    /// With this many milliseconds for what is under way.
    Timeout(u64),
    Background,
}

impl End {
    fn of(self, runtime: Runtime) {
        match self {
            Self::Drop => drop(runtime),
            Self::Timeout(patience) => runtime.shutdown_timeout(Duration::from_millis(patience)),
            Self::Background => runtime.shutdown_background(),
        }
    }
}

fn ends() -> [End; 4] {
    [End::Drop, End::Timeout(0), End::Timeout(20), End::Background]
}

#[test]
fn a_runtime_of_many_threads_ends_at_once_whatever_is_under_way() {
    ends_with_work_under_way("ended_runtimes::runtimes_of_many_threads_end");
}

#[test]
fn a_runtime_of_one_thread_ends_at_once_whatever_is_under_way() {
    ends_with_work_under_way("ended_runtimes::runtimes_of_one_thread_end");
}

fn ends_with_work_under_way(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    Other::start(test, dir.path(), "").finish();
    let backend = block_on(LocalFileBackend::new(dir.path())).unwrap();
    assert_whole(&backend);
    let found = std::process::Command::new("find").arg(dir.path()).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(!found.contains(".f9tmp-"), "litter: {found}");
}

/// Meant for a process of its own, which ends soon or is killed.
#[test]
fn runtimes_of_many_threads_end() {
    end_runtimes(many_threads);
}

fn many_threads() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(4).enable_all().build().unwrap()
}

/// Meant for a process of its own, which ends soon or is killed.
#[test]
fn runtimes_of_one_thread_end() {
    end_runtimes(|| {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(2).enable_all().build().unwrap()
    });
}

fn end_runtimes(runtime: impl Fn() -> Runtime) {
    let own = tempfile::tempdir().unwrap();
    let root = child::root().unwrap_or_else(|| own.path().to_owned());
    let mut dice = Dice::new("end_runtimes");
    let rounds = if child::root().is_some() { 3 } else { 1 };
    for end in ends().repeat(rounds) {
        for durability in [Durability::Atomic, Durability::Synced] {
            end_one(runtime(), end, durability, &root, &mut dice);
        }
    }
}

/// Ends a runtime within the deadline.
fn end_one(runtime: Runtime, end: End, durability: Durability, root: &Path, dice: &mut Dice) {
    let open = LocalFileBackend::builder(root).durability(durability).open();
    let backend = runtime.block_on(open).unwrap();
    for file in 0..FILES {
        let options = CreateOptions::overwrite();
        block_on(backend.create_with(&file.to_string(), content(file), options)).unwrap();
    }
    let (begun, has_begun) = channel();
    work(&runtime, &backend, &begun);
    let (chunks, entries) = runtime.block_on(streams(&backend)).unwrap();
    // A runtime of one thread works only while somebody waits in it.
    runtime.block_on(async {
        while has_begun.try_iter().count() == 0 {
            tokio::task::yield_now().await;
        }
        // For a random while, which is longer the more is under way.
        for _ in 0..dice.below(8) {
            backend.info("0").await.unwrap();
        }
    });
    end_in_time(end, runtime);
    // What was open goes on to its end, or tells that it cannot.
    let chunks: Result<Vec<Bytes>> = block_on(chunks.try_collect());
    let entries: Result<Vec<_>> = block_on(entries.try_collect());
    for error in [chunks.err(), entries.err()].into_iter().flatten() {
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    }
    assert_whole(&backend);
    // What the old runtime has begun may still be under way beside it.
    let next = Builder::new_current_thread().enable_all().build().unwrap();
    let session = backend.sync_session_with(SessionOptions::timeout(DEADLINE));
    next.block_on(async { session.await.unwrap().finish().await }).unwrap();
}

fn end_in_time(end: End, runtime: Runtime) {
    let (ended, has_ended) = channel();
    let ending = thread::spawn(move || {
        end.of(runtime);
        ended.send(()).unwrap();
    });
    assert!(has_ended.recv_timeout(DEADLINE).is_ok(), "{end:?} hangs");
    ending.join().unwrap();
}

#[test]
fn a_runtime_ends_also_while_another_process_keeps_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = Other::start("crowd::a_session_is_held", dir.path(), "");
    holder.hear("held");
    for end in ends() {
        let runtime = many_threads();
        let backend = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
        for _ in 0..10 {
            let backend = backend.clone();
            runtime.spawn(async move { backend.sync_session().await.map(drop) });
        }
        let waiting = backend.sync_session_with(SessionOptions::timeout(Duration::from_millis(5)));
        let waited = runtime.block_on(async { timeout(DEADLINE, waiting).await });
        end_in_time(end, runtime);
        assert_eq!(waited.unwrap().unwrap_err().kind(), ErrorKind::LockTimeout);
    }
    holder.finish();
}

/// Begins everything that can be under way, and never ends it.
fn work(runtime: &Runtime, backend: &LocalFileBackend, begun: &Sender<()>) {
    macro_rules! over_and_over {
        (|$backend:ident| $act:expr) => {{
            let ($backend, begun) = (backend.clone(), begun.clone());
            runtime.spawn(async move {
                loop {
                    let _outcome = $act;
                    // The one who waited for the beginning has gone.
                    let _ = begun.send(());
                }
            });
        }};
    }
    let overwrite = CreateOptions::overwrite;
    over_and_over!(|backend| backend.create_with("0", content(7), overwrite()).await);
    over_and_over!(|backend| backend.update("1", content(8)).await);
    over_and_over!(|backend| backend.copy_with("1", "2", CopyOptions::overwrite()).await);
    over_and_over!(|backend| {
        let source = Box::pin(stream::repeat(content(9)).take(3).map(Ok));
        backend.stream_write_with("3", source, WriteOptions::overwrite()).await
    });
    over_and_over!(|backend| {
        let source = stream::repeat(content(1)).take(2).chain(stream::pending()).map(Ok);
        backend.stream_write_with("3", Box::pin(source), WriteOptions::overwrite()).await
    });
    over_and_over!(|backend| {
        drop(backend.create("log", "").await);
        backend.update_with("log", "record\n".into(), UpdateOptions::append()).await
    });
    over_and_over!(|backend| {
        drop(backend.create("tree/a/b/c", "x").await);
        drop(backend.rename("tree/a", "tree/d").await);
        backend.delete_with("tree", DeleteOptions::recursive()).await
    });
    over_and_over!(|backend| backend.checksum("0", ChecksumAlgorithm::Md5).await);
    over_and_over!(|backend| {
        backend.checksum_many(&["0", "1", "2", "3"], ChecksumAlgorithm::Sha512).await
    });
    over_and_over!(|backend| backend.glob("**").await);
    over_and_over!(|backend| {
        let session = backend.sync_session().await;
        tokio::task::yield_now().await;
        drop(session);
    });
    for _ in 0..3 {
        over_and_over!(|backend| {
            let session = backend.sync_session().await;
            stream::pending::<()>().next().await;
            session
        });
    }
}

/// A content and a listing that are not read to their ends.
async fn streams(backend: &LocalFileBackend) -> Result<(ByteStream<'static>, InfoStream<'static>)> {
    let mut chunks =
        backend.stream_read_with("0", ReadOptions::default().with_chunk_size(1000)).await?;
    chunks.next().await;
    Ok((chunks, backend.list_with("", ListOptions::recursive()).await?))
}

/// What is written to a file: one byte, so that a mix shows.
fn content(byte: usize) -> Bytes {
    vec![u8::try_from(byte).unwrap(); SIZE].into()
}

fn assert_whole(backend: &LocalFileBackend) {
    for file in (0..FILES).map(|file| PathBuf::from(file.to_string())) {
        let found = block_on(backend.read(file.to_str().unwrap())).unwrap();
        let pieces = if file == Path::new("3") && found[0] == 9 { 3 } else { 1 };
        let is_whole = found == content(found[0].into()).repeat(pieces);
        assert!(is_whole, "{file:?} is a mix, {} bytes of {}", found.len(), found[0]);
    }
    let log = block_on(backend.read("log")).unwrap_or_default();
    assert!(log.chunks(7).all(|record| record == b"record\n"), "{log:?}");
}
