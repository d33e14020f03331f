//! Many at once, in one process and among several: one winner, no mix, nothing lost, and nobody in the way who has given up.

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

use crate::child::{self, Other};
use crate::dice::Dice;
use crate::extent::extent;

const CROWD: usize = 8;

/// Long enough on any machine for what takes no time.
const SOON: Duration = Duration::from_secs(300);

/// Has eight tasks try the same at the same moment; gives the one that succeeded, as every other finds the name taken.
async fn winner<F>(attempt: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = Result<FileInfo>> + Send + 'static,
{
    let start = Arc::new(Barrier::new(CROWD));
    let tasks: Vec<_> = (0..CROWD)
        .map(|who| {
            let (start, attempt) = (Arc::clone(&start), attempt(who));
            tokio::spawn(async move {
                start.wait().await;
                attempt.await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (who, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(_) => winners.push(who),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?} all won");
    winners[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_creators_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    for round in 0..extent(200, 1000) {
        let path = format!("{}/{round}", round % 10);
        let winner = winner(|who| {
            let (backend, path) = (backend.clone(), path.clone());
            async move { backend.create(&path, who.to_string()).await }
        });
        assert_eq!(winner.await.to_string(), backend.read(&path).await.unwrap(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_streams_copies_and_renames_to_one_name_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    for who in 0..CROWD {
        backend.create(&format!("copied-{who}"), who.to_string()).await.unwrap();
    }
    for round in 0..extent(40, 200) {
        let path = format!("streamed/{round}");
        let streamed = winner(|who| {
            let (backend, path) = (backend.clone(), path.clone());
            let pieces = [Ok::<_, f9::Error>(Bytes::new()), Ok(who.to_string().into())];
            async move { backend.stream_write(&path, stream::iter(pieces)).await }
        });
        assert_eq!(streamed.await.to_string(), backend.read(&path).await.unwrap(), "{path}");

        let path = format!("copies/{round}");
        let copied = winner(|who| {
            let (backend, path) = (backend.clone(), path.clone());
            async move { backend.copy(&format!("copied-{who}"), &path).await }
        });
        assert_eq!(copied.await.to_string(), backend.read(&path).await.unwrap(), "{path}");

        let (path, source) = (format!("moved/{round}"), |who| format!("source-{who}"));
        for who in 0..CROWD {
            let options = CreateOptions::overwrite();
            backend.create_with(&source(who), who.to_string().into(), options).await.unwrap();
        }
        let moved = winner(|who| {
            let (backend, path, source) = (backend.clone(), path.clone(), source(who));
            async move { backend.rename(&source, &path).await }
        });
        let moved = moved.await;
        assert_eq!(moved.to_string(), backend.read(&path).await.unwrap(), "{path}");
        for who in 0..CROWD {
            assert_eq!(backend.exists(&source(who)).await.unwrap(), who != moved, "{path} {who}");
        }
    }
}

const RACES: usize = 1000;

/// One of the processes that race for the same names; alone, it wins them all.
#[test]
fn a_creator_wins_what_nobody_else_has_won() {
    let own = tempfile::tempdir().unwrap();
    let (root, alone) = child::root().map_or((own.path().to_owned(), true), |root| (root, false));
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
    child::say(&format!("won {me} {}", won.join(" ")));
    assert!(!alone || won.len() == RACES);
}

#[test]
fn of_eight_processes_one_creates_each_file() {
    // On a busy machine one process may be done before the next has begun, but not each time.
    assert!((0..50).any(|_| race() > 1), "they did not race");
}

/// Has eight processes race for the same names; gives how many of them won some.
fn race() -> usize {
    let dir = tempfile::tempdir().unwrap();
    let mut crowd = start_crowd("crowd::a_creator_wins_what_nobody_else_has_won", dir.path());
    let (mut won, mut winners) = (0, 0);
    for other in &mut crowd {
        let told = other.hear("won");
        let (process, races) = told.split_once(' ').unwrap_or((&told, ""));
        for race in races.split_whitespace() {
            let content = std::fs::read_to_string(dir.path().join(race)).unwrap();
            assert_eq!(content, process, "{race} was won by both");
            won += 1;
        }
        winners += usize::from(!races.is_empty());
    }
    assert_eq!(won, RACES, "each race has one winner");
    crowd.into_iter().for_each(Other::finish);
    winners
}

/// Eight processes that begin at the same moment.
fn start_crowd(name: &str, root: &Path) -> Vec<Other> {
    let mut crowd: Vec<Other> = (0..CROWD).map(|_| Other::start(name, root, "")).collect();
    crowd.iter_mut().for_each(|other| drop(other.hear("ready")));
    crowd.iter_mut().for_each(Other::go_on);
    crowd
}

/// Where this process is one of a crowd, says that it is ready and waits until the others are, too.
fn wait_for_the_others() {
    if child::root().is_some() {
        child::say("ready");
        child::wait_to_go_on();
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
        let next = (counted + 1).to_string().into();
        match backend.create_with("counter", next, CreateOptions::if_match(etag)).await {
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// How often each adds one.
fn increments() -> usize {
    extent(200, 1000)
}

/// One of the processes that count together, or all of them.
#[tokio::test]
async fn increments_are_as_many_as_were_made() {
    let own = tempfile::tempdir().unwrap();
    let (root, alone) = child::root().map_or((own.path().to_owned(), true), |root| (root, false));
    let backend = LocalFileBackend::new(root).await.unwrap();
    if alone {
        backend.create("counter", "0").await.unwrap();
    }
    wait_for_the_others();
    for _ in 0..increments() {
        increment(&backend).await;
    }
    if alone {
        assert_eq!(backend.read("counter").await.unwrap(), increments().to_string());
    }
}

#[test]
fn eight_processes_lose_no_increment() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("counter"), "0").unwrap();
    let crowd = start_crowd("crowd::increments_are_as_many_as_were_made", dir.path());
    crowd.into_iter().for_each(Other::finish);
    let counted = std::fs::read_to_string(dir.path().join("counter")).unwrap();
    assert_eq!(counted, (CROWD * increments()).to_string());
}

/// What is written over and over: one byte, so often as only this byte is.
fn variant(number: usize) -> Bytes {
    const SIZES: [usize; 5] = [1, 300, 4096, 40_000, 150_000];
    let size = if number == 49 { 2_500_000 } else { SIZES[number % 5] + number };
    vec![u8::try_from(number).unwrap(); size].into()
}

const VARIANTS: usize = 50;

fn assert_whole(content: &Bytes, verb: &str) {
    let number = usize::from(content[0]);
    assert!(*content == variant(number), "{verb} gave a mix, {} bytes of {number}", content.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_no_mix_in_thousands_of_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    backend.create("a", variant(0)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let algorithm = ChecksumAlgorithm::Blake3;
    let sums: BTreeSet<String> = (0..VARIANTS)
        .map(|number| Checksum::of(algorithm, &variant(number)).hex().to_owned())
        .collect();
    let reads = Arc::new([const { AtomicUsize::new(0) }; 3]);
    let reader = |(which, verb): (usize, &'static str)| {
        let (backend, done, sums) = (backend.clone(), Arc::clone(&done), sums.clone());
        let reads = Arc::clone(&reads);
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                match verb {
                    "read" => assert_whole(&backend.read("a").await.unwrap(), verb),
                    "stream_read" => {
                        let small = ReadOptions::default().with_chunk_size(4096);
                        let chunks = backend.stream_read_with("a", small).await.unwrap();
                        let chunks: Vec<Bytes> = chunks.try_collect().await.unwrap();
                        assert_whole(&chunks.concat().into(), verb);
                    }
                    _ => assert!(sums.contains(&backend.checksum("a", algorithm).await.unwrap())),
                }
                reads[which].fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let readers = [(0, "read"), (1, "stream_read"), (2, "checksum")].map(reader);
    let is_enough = || reads.iter().all(|reads| reads.load(Ordering::Relaxed) > 100);
    let least = extent(1000, 10_000);
    let (mut round, mut waiting) = (0, None);
    while round < least || !is_enough() {
        // One that ended, failed.
        assert!(!readers.iter().any(JoinHandle::is_finished), "after {round} overwrites");
        if round >= least {
            let since = waiting.get_or_insert_with(Instant::now);
            assert!(since.elapsed() < SOON, "a reader is stuck: {reads:?} reads");
        }
        overwrite(&backend, round).await.unwrap();
        round += 1;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        timeout(SOON, reader).await.expect("a reader is stuck").unwrap();
    }
}

/// Replaces the content in one of the ways there are.
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

/// A runtime whose pool is soon used up by whoever keeps a thread.
fn small_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(2).enable_all().build().unwrap()
}

/// Has a thousand wait for a session at once and give up, and some more one after the other.
async fn wait_in_vain(backend: &LocalFileBackend, dice: &mut Dice) {
    let forever = SessionOptions::timeout(Duration::from_secs(3600));
    let waiting = |options: SessionOptions| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.sync_session_with(options).await.map(drop) })
    };
    let waiters: Vec<_> = (0..1000).map(|_| waiting(forever.clone())).collect();
    let free = backend.create_with("while", "they wait".into(), CreateOptions::overwrite());
    timeout(SOON, free).await.expect("those who wait keep no thread").unwrap();
    for waiter in &waiters {
        waiter.abort();
    }
    for waiter in waiters {
        assert!(waiter.await.unwrap_err().is_cancelled(), "the session was held by another");
    }
    for _ in 0..extent(200, 1000) {
        let waiter = waiting(forever.clone());
        let patience = Duration::from_micros(dice.below(2000));
        assert!(timeout(patience, backend.sync_session_with(forever.clone())).await.is_err());
        waiter.abort();
    }
    let free = backend.create_with("after", "they left".into(), CreateOptions::overwrite());
    timeout(SOON, free).await.expect("those who left keep no thread").unwrap();
}

#[test]
fn waiters_who_give_up_are_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new("waiters_who_give_up_are_not_in_the_way");
    let runtime = small_runtime();
    let backend = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
    let holder = runtime.spawn({
        let backend = backend.clone();
        async move { backend.sync_session().await.unwrap() }
    });
    runtime.block_on(async {
        let session = holder.await.unwrap();
        wait_in_vain(&backend, &mut dice).await;
        session.finish().await.unwrap();
        let next = backend.sync_session_with(SessionOptions::timeout(SOON)).await;
        next.expect("the lock is free").finish().await.unwrap();
    });
}

/// A process that keeps a session until it is told to end it.
#[tokio::test]
async fn a_session_is_held() {
    let own = tempfile::tempdir().unwrap();
    let root = child::root().unwrap_or_else(|| own.path().to_owned());
    let backend = LocalFileBackend::new(root).await.unwrap();
    let session = backend.sync_session().await.unwrap();
    child::say("held");
    if child::root().is_some() {
        child::wait_to_go_on();
    }
    session.finish().await.unwrap();
}

#[test]
fn waiters_for_another_process_who_give_up_are_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice::new("waiters_for_another_process_who_give_up_are_not_in_the_way");
    let runtime = small_runtime();
    let backend = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
    let mut holder = Other::start("crowd::a_session_is_held", dir.path(), "");
    holder.hear("held");
    runtime.block_on(wait_in_vain(&backend, &mut dice));
    holder.finish();
    runtime.block_on(async {
        let next = backend.sync_session_with(SessionOptions::timeout(SOON)).await;
        next.expect("the lock is free").finish().await.unwrap();
    });
    // Nor have they left it locked for others.
    let mut next = Other::start("crowd::a_session_is_held", dir.path(), "");
    next.hear("held");
    next.finish();
}
