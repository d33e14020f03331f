//! Many tasks and processes at once: races have one winner, contents are never torn, no change is lost, and cancelled waiters block
//! nobody.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    Checksum, ChecksumAlgorithm, CopyOptions, CreateOptions, ErrorKind, FileInfo, LocalFileBackend,
    ReadOptions, RenameOptions, Result, SessionOptions, UpdateOptions, WriteOptions,
};
use futures::executor::block_on;
use futures::{TryStreamExt as _, stream};
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::child::{self, ChildTest};
use crate::rng::Rng;
use crate::run_size::plain_or_all;

const CROWD: usize = 8;

/// A limit that only a hang exceeds.
const HANG_LIMIT: Duration = Duration::from_secs(300);

/// Starts eight tasks at the same moment. Returns the one that succeeded, and asserts that the others failed with `AlreadyExists`.
async fn winner<F>(attempt: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = Result<FileInfo>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(CROWD));
    let tasks: Vec<_> = (0..CROWD)
        .map(|task| {
            let (start, attempt) = (Arc::clone(&start), attempt(task));
            tokio::spawn(async move {
                start.wait().await;
                attempt.await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(_) => winners.push(index),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    assert_eq!(winners.len(), 1, "the winners are {winners:?}");
    winners[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_eight_creators_wins() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    for round in 0..plain_or_all(200, 1000) {
        let path = format!("{}/{round}", round % 10);
        let winner = winner(|task| {
            let (backend, path) = (backend.clone(), path.clone());
            async move { backend.create(&path, task.to_string()).await }
        });
        assert_eq!(winner.await.to_string(), backend.read(&path).await.unwrap(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_eight_streams_copies_and_renames_wins() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    for task in 0..CROWD {
        backend.create(&format!("copied-{task}"), task.to_string()).await.unwrap();
    }
    for round in 0..plain_or_all(40, 200) {
        let path = format!("streamed/{round}");
        let streamed = winner(|task| {
            let (backend, path) = (backend.clone(), path.clone());
            let pieces = [Ok::<_, f9::Error>(Bytes::new()), Ok(task.to_string().into())];
            let data = Box::pin(stream::iter(pieces));
            async move { backend.stream_write_with(&path, data, WriteOptions::create()).await }
        });
        assert_eq!(streamed.await.to_string(), backend.read(&path).await.unwrap(), "{path}");

        let path = format!("copies/{round}");
        let copied = winner(|task| {
            let (backend, path) = (backend.clone(), path.clone());
            async move { backend.copy(&format!("copied-{task}"), &path).await }
        });
        assert_eq!(copied.await.to_string(), backend.read(&path).await.unwrap(), "{path}");

        let (path, source) = (format!("moved/{round}"), |task| format!("source-{task}"));
        for task in 0..CROWD {
            let options = CreateOptions::overwrite();
            backend.create_with(&source(task), task.to_string(), options).await.unwrap();
        }
        let moved = winner(|task| {
            let (backend, path, source) = (backend.clone(), path.clone(), source(task));
            async move { backend.rename(&source, &path).await }
        });
        let moved = moved.await;
        assert_eq!(moved.to_string(), backend.read(&path).await.unwrap(), "{path}");
        for task in 0..CROWD {
            assert_eq!(
                backend.exists(&source(task)).await.unwrap(),
                task != moved,
                "{path} {task}"
            );
        }
    }
}

const RACES: usize = 1000;

/// One of the processes that race to create the same files. In a plain run, it creates all of them.
#[test]
fn a_process_creates_every_file_that_no_other_has_created() {
    let own = tempfile::tempdir().unwrap();
    let (root, is_alone) =
        child::root().map_or((own.path().to_owned(), true), |root| (root, false));
    let backend = block_on(LocalFileBackend::new(root)).unwrap();
    wait_for_the_others();
    let me = std::process::id().to_string();
    let mut won = Vec::new();
    for round in 0..RACES {
        match block_on(backend.create(&round.to_string(), me.clone())) {
            Ok(_) => won.push(round.to_string()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    child::report(&format!("won {me} {}", won.join(" ")));
    assert!(!is_alone || won.len() == RACES);
}

#[test]
fn exactly_one_of_eight_processes_creates_each_file() {
    // On a busy machine, one process may be done before the next begins, but not every time.
    assert!((0..50).any(|_| race() > 1), "the processes never ran at the same time");
}

/// Lets eight processes race for the same names. Returns how many of them created a file.
fn race() -> usize {
    let dir = tempfile::tempdir().unwrap();
    let mut crowd =
        start_crowd("crowd::a_process_creates_every_file_that_no_other_has_created", dir.path());
    let (mut won, mut winners) = (0, 0);
    for other in &mut crowd {
        let report = other.wait_for("won");
        let (process, races) = report.split_once(' ').unwrap_or((&report, ""));
        for race in races.split_whitespace() {
            let content = std::fs::read_to_string(dir.path().join(race)).unwrap();
            assert_eq!(content, process, "{race} was created by two processes");
            won += 1;
        }
        winners += usize::from(!races.is_empty());
    }
    assert_eq!(won, RACES, "some files have no creator");
    crowd.into_iter().for_each(ChildTest::finish);
    winners
}

/// Starts eight processes at the same moment.
fn start_crowd(name: &str, root: &Path) -> Vec<ChildTest> {
    let mut crowd: Vec<ChildTest> = (0..CROWD).map(|_| ChildTest::start(name, root, "")).collect();
    crowd.iter_mut().for_each(|other| drop(other.wait_for("ready")));
    crowd.iter_mut().for_each(ChildTest::resume);
    crowd
}

/// In a child process, reports that it is ready and waits for the others.
fn wait_for_the_others() {
    if child::root().is_some() {
        child::report("ready");
        child::wait_for_resume();
    }
}

/// Adds one to the number in `counter`.
async fn increment(backend: &LocalFileBackend) {
    loop {
        let etag = backend.info("counter").await.unwrap().etag.unwrap();
        let options = ReadOptions::if_match(etag.clone());
        let counted = match backend.read_with("counter", options).await {
            Ok(text) => std::str::from_utf8(&text).unwrap().parse::<usize>().unwrap(),
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

/// Returns how many increments each process makes.
fn increments() -> usize {
    plain_or_all(200, 1000)
}

/// One of the processes that share a counter. In a plain run, the only one.
#[tokio::test]
async fn the_counter_equals_the_number_of_increments() {
    let own = tempfile::tempdir().unwrap();
    let (root, is_alone) =
        child::root().map_or((own.path().to_owned(), true), |root| (root, false));
    let backend = LocalFileBackend::new(root).await.unwrap();
    if is_alone {
        backend.create("counter", "0").await.unwrap();
    }
    wait_for_the_others();
    for _ in 0..increments() {
        increment(&backend).await;
    }
    if is_alone {
        assert_eq!(backend.read("counter").await.unwrap(), increments().to_string());
    }
}

#[test]
fn eight_processes_lose_no_increment() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("counter"), "0").unwrap();
    let crowd = start_crowd("crowd::the_counter_equals_the_number_of_increments", dir.path());
    crowd.into_iter().for_each(ChildTest::finish);
    let counted = std::fs::read_to_string(dir.path().join("counter")).unwrap();
    assert_eq!(counted, (CROWD * increments()).to_string());
}

/// Returns a content of one repeated byte. Its size is unique for the byte.
fn variant(number: usize) -> Bytes {
    const SIZES: [usize; 5] = [1, 300, 4096, 40_000, 150_000];
    let size = if number == 49 { 2_500_000 } else { SIZES[number % 5] + number };
    vec![u8::try_from(number).unwrap(); size].into()
}

const VARIANTS: usize = 50;

fn assert_not_torn(content: &Bytes, verb: &str) {
    let number = usize::from(content[0]);
    assert!(
        *content == variant(number),
        "{verb} returned torn content: {} bytes of {number}",
        content.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_no_torn_content_during_thousands_of_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    backend.create("a", variant(0)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let algorithm = ChecksumAlgorithm::Blake3;
    let sums: BTreeSet<Checksum> =
        (0..VARIANTS).map(|number| Checksum::of(algorithm, &variant(number))).collect();
    let reads = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let reader = |(which, verb): (usize, &'static str)| {
        let (backend, done, sums) = (backend.clone(), Arc::clone(&done), sums.clone());
        let reads = Arc::clone(&reads);
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                match verb {
                    "read" => assert_not_torn(&backend.read("a").await.unwrap(), verb),
                    "stream_read" => {
                        let small = ReadOptions::default().with_chunk_size(4096);
                        let chunks = backend.stream_read_with("a", small).await.unwrap();
                        let chunks: Vec<Bytes> = chunks.try_collect().await.unwrap();
                        assert_not_torn(&chunks.concat().into(), verb);
                    }
                    _ => assert!(sums.contains(&backend.checksum("a", algorithm).await.unwrap())),
                }
                reads[which].fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let readers = [(0, "read"), (1, "stream_read"), (2, "checksum")].map(reader);
    let has_enough_reads = || reads.iter().all(|reads| reads.load(Ordering::Relaxed) > 100);
    let min = plain_or_all(1000, 10_000);
    let (mut round, mut waiting) = (0, None);
    while round < min || !has_enough_reads() {
        // A reader ends early only if it fails.
        assert!(!readers.iter().any(JoinHandle::is_finished), "after {round} overwrites");
        if round >= min {
            let since = waiting.get_or_insert_with(Instant::now);
            assert!(since.elapsed() < HANG_LIMIT, "a reader is stuck: {reads:?} reads");
        }
        overwrite(&backend, round).await.unwrap();
        round += 1;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        timeout(HANG_LIMIT, reader).await.expect("a reader is stuck").unwrap();
    }
}

/// Replaces the content with one of the verbs that can.
async fn overwrite(backend: &LocalFileBackend, round: usize) -> Result<()> {
    let data = variant(round % VARIANTS);
    match round % 7 {
        0 => drop(backend.update_with("a", data, UpdateOptions::default()).await?),
        1 => {
            let pieces: Vec<_> = data.chunks(100_000).map(Bytes::copy_from_slice).collect();
            let source = Box::pin(stream::iter(pieces.into_iter().map(Ok)));
            drop(backend.stream_write_with("a", source, WriteOptions::overwrite()).await?);
        }
        2 => {
            backend.create_with("b", data, CreateOptions::overwrite()).await?;
            drop(backend.copy_with("b", "a", CopyOptions::overwrite()).await?);
        }
        3 => {
            backend.create_with("b", data, CreateOptions::overwrite()).await?;
            drop(backend.rename_with("b", "a", RenameOptions::overwrite()).await?);
        }
        _ => drop(backend.create_with("a", data, CreateOptions::overwrite()).await?),
    }
    Ok(())
}

/// Returns a runtime whose pool is exhausted by two blocking calls.
fn small_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(2).enable_all().build().unwrap()
}

/// Cancels a thousand concurrent waiters for a session, and then more, one after the other.
async fn cancel_waiters(backend: &LocalFileBackend, rng: &mut Rng) {
    let forever = SessionOptions::timeout(Duration::from_secs(3600));
    let waiting = |options: SessionOptions| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.sync_session_with(options).await.map(drop) })
    };
    let waiters: Vec<_> = (0..1000).map(|_| waiting(forever.clone())).collect();
    let free = backend.create_with("while", "others wait", CreateOptions::overwrite());
    timeout(HANG_LIMIT, free).await.expect("waiters block the pool").unwrap();
    for waiter in &waiters {
        waiter.abort();
    }
    for waiter in waiters {
        assert!(
            waiter.await.unwrap_err().is_cancelled(),
            "a waiter got the session of another task"
        );
    }
    for _ in 0..plain_or_all(200, 1000) {
        let waiter = waiting(forever.clone());
        let limit = Duration::from_micros(rng.below(2000));
        assert!(timeout(limit, backend.sync_session_with(forever.clone())).await.is_err());
        waiter.abort();
    }
    let free = backend.create_with("after", "others gave up", CreateOptions::overwrite());
    timeout(HANG_LIMIT, free).await.expect("cancelled waiters block the pool").unwrap();
}

#[test]
fn cancelled_waiters_do_not_block_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new("cancelled_waiters_do_not_block_the_session");
    let runtime = small_runtime();
    let backend = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
    let holder = runtime.spawn({
        let backend = backend.clone();
        async move { backend.sync_session().await.unwrap() }
    });
    runtime.block_on(async {
        let session = holder.await.unwrap();
        cancel_waiters(&backend, &mut rng).await;
        session.finish().await.unwrap();
        let next = backend.sync_session_with(SessionOptions::timeout(HANG_LIMIT)).await;
        next.expect("the lock is free").finish().await.unwrap();
    });
}

/// A process that holds a session until its parent resumes it.
#[tokio::test]
async fn a_process_holds_a_session() {
    let own = tempfile::tempdir().unwrap();
    let root = child::root().unwrap_or_else(|| own.path().to_owned());
    let backend = LocalFileBackend::new(root).await.unwrap();
    let session = backend.sync_session().await.unwrap();
    child::report("held");
    if child::root().is_some() {
        child::wait_for_resume();
    }
    session.finish().await.unwrap();
}

#[test]
fn cancelled_waiters_for_another_process_do_not_block_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new("cancelled_waiters_for_another_process_do_not_block_the_session");
    let runtime = small_runtime();
    let backend = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
    let mut holder = ChildTest::start("crowd::a_process_holds_a_session", dir.path(), "");
    holder.wait_for("held");
    runtime.block_on(cancel_waiters(&backend, &mut rng));
    holder.finish();
    runtime.block_on(async {
        let next = backend.sync_session_with(SessionOptions::timeout(HANG_LIMIT)).await;
        next.expect("the lock is free").finish().await.unwrap();
    });
    // Another process can open a session too.
    let mut next = ChildTest::start("crowd::a_process_holds_a_session", dir.path(), "");
    next.wait_for("held");
    next.finish();
}
