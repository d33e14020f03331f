//! Many operations, handles and processes on one vector store, and changes that fail half-way.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::openai::{
    Fault, FaultKind, IndexingFailure, OpenAISimulator, Request, Retry, Route,
};
use f9::{ByteRange, CreateOptions, OpenAIVectorStoreFileBackend, ReadOptions, WriteMode};
use futures::FutureExt as _;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::clock::jump;
use crate::notes::{HOUR, asked, open, opened, tree};

/// Only a deadlock takes longer.
const DEADLOCK_TIMEOUT: Duration = Duration::from_secs(120);

fn overwrite() -> CreateOptions {
    CreateOptions::default().with_mode(WriteMode::Overwrite)
}

/// A caller that reads many files concurrently does not poll the other reads while it works on one of them.
#[tokio::test]
async fn unpolled_reads_block_no_other_call() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| rules.latency = Duration::from_millis(2));
    let notes = opened(openai.config().with_concurrency(2)).await;
    let paths: Vec<_> = (0..8).map(|number| format!("{number}")).collect();
    for path in &paths {
        notes.create(path, "one").await.unwrap();
    }
    let work = async {
        let reads = paths.iter().map(|path| notes.read(path).map(move |content| (path, content)));
        let mut reads = stream::iter(reads).buffer_unordered(8);
        while let Some((path, content)) = reads.next().await {
            content.unwrap();
            notes.create_with(path, "two", overwrite()).await.unwrap();
        }
    };
    tokio::time::timeout(DEADLOCK_TIMEOUT, work).await.expect("the reads hold all slots");
}

/// Each version is removed after its content was requested and before it is sent.
#[tokio::test]
async fn a_file_that_is_replaced_repeatedly_can_be_read() {
    let openai = OpenAISimulator::lenient();
    let (reader, writer) = (open(&openai).await, open(&openai).await);
    writer.create("a", "0").await.unwrap();
    openai.take_requests();
    openai.inject(Fault::new(FaultKind::Held).on(Route::Content).times(3));
    let replacing = async {
        for round in 1..=3 {
            let is_content = |request: &&Request| request.route == Route::Content;
            while openai.requests().iter().filter(is_content).count() < round {
                tokio::task::yield_now().await;
            }
            writer.update("a", round.to_string()).await?;
            openai.release();
        }
        Ok(())
    };
    let work = async { tokio::try_join!(reader.read("a"), replacing) };
    assert_eq!(tokio::time::timeout(DEADLOCK_TIMEOUT, work).await.unwrap().unwrap().0, "3");
}

#[tokio::test]
async fn several_bulk_creations_run_concurrently() {
    let openai = OpenAISimulator::start();
    let notes = opened(openai.config().with_cache_ttl(HOUR).with_concurrency(3)).await;
    let creations = ["a", "b", "c"].map(|directory| {
        let files = (0..210).map(move |number| (format!("{directory}/{number}"), "text"));
        notes.create_many(files)
    });
    let created = tokio::time::timeout(DEADLOCK_TIMEOUT, join_all(creations)).await;
    for created in created.expect("the uploads hold all slots") {
        assert!(created.unwrap().iter().all(Result::is_ok));
    }
    assert_eq!(notes.glob("*/*").await.unwrap().len(), 630);
}

/// Listings that lack many recent files hide none of them, and need no request for those that are listed.
#[tokio::test]
async fn many_new_files_are_visible_before_they_are_listed() {
    let openai = OpenAISimulator::start();
    let notes = opened(openai.config()).await;
    notes.create("old", "listed").await.unwrap();
    openai.set(|rules| rules.unlisted_after_attach = 3);
    let paths: Vec<_> = (0..120).map(|number| number.to_string()).collect();
    let created = notes.create_many(paths.iter().map(|path| (path, "text"))).await.unwrap();
    assert!(created.iter().all(Result::is_ok));
    assert_eq!(notes.glob("*").await.unwrap().len(), 121);
    asked(&openai);
    assert_eq!(notes.glob("*").await.unwrap().len(), 121);
    let asked = asked(&openai).into_iter().filter(|route| *route == Route::Status).count();
    assert_eq!(asked, 120);
}

/// A process with an old listing writes a path that another process has written often since.
#[tokio::test]
async fn the_later_version_wins_even_if_its_writer_does_not_know_the_other() {
    let openai = OpenAISimulator::start();
    let notes = open(&openai).await;
    let other_url = openai.base_url().replace("/v1", "/./v1");
    let other = opened(openai.config().with_base_url(other_url).with_cache_ttl(HOUR)).await;
    notes.create("a", "1").await.unwrap();
    assert!(other.exists("a").await.unwrap() && !other.exists("b").await.unwrap());
    for version in ["2", "3", "4"] {
        for path in ["a", "b"] {
            notes.create_with(path, version, overwrite()).await.unwrap();
        }
    }
    for path in ["a", "b"] {
        other.create_with(path, "the last", overwrite()).await.unwrap();
        assert_eq!(opened(openai.config()).await.read(path).await.unwrap(), "the last");
    }
}

#[tokio::test]
async fn changes_of_a_dropped_handle_are_visible() {
    let openai = OpenAISimulator::start();
    let (notes, other) = (open(&openai).await, open(&openai).await);
    assert!(!notes.exists("a").await.unwrap());
    other.create("a", "one").await.unwrap();
    drop(other);
    assert!(notes.exists("a").await.unwrap());
}

/// Files of a purpose that allows downloads stay readable after a file of another purpose was refused.
#[tokio::test]
async fn files_with_an_allowed_purpose_are_downloaded() {
    let openai = OpenAISimulator::start();
    let unparsable =
        IndexingFailure::new("server_error", "it is too hard").for_content_with("hard");
    openai.set(|rules| rules.fail_indexing.push(unparsable));
    open(&openai).await.create("old", "easy").await.unwrap();
    let notes = opened(openai.config().with_cache_ttl(HOUR).with_purpose("vision")).await;
    notes.create("new", "hard").await.unwrap();
    assert_eq!(notes.read("old").await.unwrap(), "easy");
    assert_eq!(notes.read("new").await.unwrap(), "hard");
}

#[tokio::test]
async fn a_failed_directory_rename_is_rolled_back() {
    let openai = OpenAISimulator::lenient();
    let config = openai.config().with_retries(0).with_concurrency(1).with_cache_ttl(HOUR);
    let notes = opened(config).await;
    for name in ["a", "b", "c", "d"] {
        notes.create(&format!("from/{name}"), name).await.unwrap();
    }
    let before = tree(&notes).await.unwrap();
    // The second is moved, but the response is lost.
    openai.inject(Fault::new(FaultKind::ResetAfter).on(Route::Attributes).after(1));
    notes.rename("from", "to").await.unwrap_err();
    for notes in [notes.clone(), open(&openai).await] {
        assert_eq!(tree(&notes).await.unwrap(), before);
    }
    asked(&openai);
    openai.inject(Fault::status(400).on(Route::Attributes).times(usize::MAX));
    notes.rename("from", "to").await.unwrap_err();
    openai.clear_faults();
    let changes = asked(&openai).into_iter().filter(|route| *route == Route::Attributes).count();
    assert_eq!(changes, 2, "a failed one and its rollback");
    openai.inject(Fault::status(400).on(Route::Attributes).after(1).times(usize::MAX));
    let error = notes.rename("from", "to").await.unwrap_err().to_string();
    openai.clear_faults();
    assert!(error.contains("(status 400, request req_"), "{error}");
    assert!(error.contains("; 2 of the entries moved before could not be moved back"), "{error}");
    notes.rename("to/a", "from/a").await.unwrap();
    assert_eq!(tree(&notes).await.unwrap(), before);
}

/// The response to an attachment is lost, and the file cannot be removed again: it exists, and every handle sees it.
#[tokio::test]
async fn a_new_file_that_cannot_be_withdrawn_is_visible() {
    for many in [false, true] {
        let openai = OpenAISimulator::lenient();
        let config = || openai.config().with_retries(0).with_cache_ttl(HOUR);
        let handles = [opened(config()).await, opened(config()).await];
        for notes in &handles {
            assert!(!notes.exists("a").await.unwrap());
        }
        let routes: &[_] = if many { &[Route::List, Route::Status] } else { &[Route::Attach] };
        for route in routes {
            openai.inject(Fault::status(400).on(*route).times(usize::MAX).processed());
        }
        openai.inject(Fault::status(400).on(Route::Detach).times(usize::MAX));
        let outcome = if many {
            handles[0].create_many([("a", "one")]).await.unwrap().remove(0)
        } else {
            handles[0].create("a", "one").await
        };
        outcome.unwrap_err();
        openai.clear_faults();
        for notes in &handles {
            assert_eq!(notes.read("a").await.unwrap(), "one", "many: {many}");
        }
    }
}

/// A download that breaks before its first piece was returned is restarted.
#[tokio::test]
async fn a_stream_that_breaks_in_its_first_piece_restarts() {
    let openai = OpenAISimulator::lenient();
    let notes = open(&openai).await;
    notes.create("a", "x".repeat(200_000)).await.unwrap();
    for (range, size) in [(ByteRange::from(..), 200_000), ((199_000..).into(), 1000)] {
        openai.inject(Fault::new(FaultKind::TruncatedBody { after: 150_000 }).on(Route::Content));
        let options = ReadOptions::default().with_range(range);
        let pieces = notes.stream_read_with("a", options).await.unwrap();
        let content = pieces.try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!((content.len(), openai.faults_left()), (size, 0));
    }
}

/// A waiter whose listing ends with another runtime lists the store itself.
#[test]
fn a_listing_that_ends_with_its_runtime_is_repeated() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let openai = OpenAISimulator::lenient();
    let notes = first.block_on(opened(openai.config()));
    openai.inject(Fault::new(FaultKind::TimeoutBefore).on(Route::List));
    let list = |notes: OpenAIVectorStoreFileBackend| async move { notes.exists("a").await };
    first.block_on(async {
        tokio::spawn(list(notes.clone()));
        while openai.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        // It waits for the first to end.
        tokio::spawn(list(notes.clone()));
        run_ready_tasks().await;
    });
    second.block_on(async {
        let third = tokio::spawn(list(notes.clone()));
        run_ready_tasks().await;
        first.shutdown_background();
        assert!(!third.await.unwrap().unwrap());
    });
}

/// Lets all tasks run that can.
async fn run_ready_tasks() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_download_is_restarted_as_often_as_configured() {
    let openai = OpenAISimulator::lenient();
    let notes = opened(openai.config().with_cache_ttl(HOUR).with_retries(2)).await;
    notes.create("a", "one").await.unwrap();
    asked(&openai);
    openai.inject(Fault::new(FaultKind::ResetBefore).on(Route::Content).times(usize::MAX));
    notes.read("a").await.unwrap_err();
    let asked = asked(&openai).into_iter().filter(|route| *route == Route::Content).count();
    assert_eq!(asked, 3);
}

/// A version that a listing saw before it was withdrawn does not remove the old one.
#[tokio::test]
async fn the_old_version_is_visible_after_the_new_one_is_withdrawn() {
    let openai = OpenAISimulator::lenient();
    let (notes, other) = (open(&openai).await, open(&openai).await);
    notes.create("a", "old").await.unwrap();
    openai.inject(Fault::status(400).on(Route::Attach).processed());
    // It is removed again a moment later.
    openai.inject(Fault::new(FaultKind::RateLimited(Retry::AfterMillis(5000))).on(Route::Detach));
    openai.take_requests();
    let writer = notes.clone();
    let overwrite = CreateOptions::default().with_mode(WriteMode::Overwrite);
    let writing = tokio::spawn(async move { writer.create_with("a", "new", overwrite).await });
    while !openai.requests().iter().any(|request| request.route == Route::Detach) {
        tokio::task::yield_now().await;
    }
    other.create("b", "text").await.unwrap();
    assert!(notes.exists("b").await.unwrap());
    jump(Duration::from_secs(5));
    writing.await.unwrap().unwrap_err();
    assert_eq!(notes.read("a").await.unwrap(), "old");
}

/// If a runtime is dropped during a change, no handle trusts its cached tree.
#[test]
fn a_change_that_ends_with_its_runtime_invalidates_the_tree() {
    let openai = OpenAISimulator::lenient();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    let first = runtime();
    let second = runtime();
    let open = || async { opened(openai.config().with_cache_ttl(HOUR)).await };
    let (notes, other) = second.block_on(async { (open().await, open().await) });
    assert!(!second.block_on(notes.exists("a")).unwrap());
    openai.take_requests();
    openai.inject(Fault::new(FaultKind::TimeoutAfter).on(Route::Attach));
    let writing = other.clone();
    first.spawn(async move { writing.create("a", "one").await });
    while !openai.vector_store_files().iter().any(|_| true) {
        std::thread::yield_now();
    }
    drop(first);
    openai.clear_faults();
    for notes in [notes, other] {
        assert!(second.block_on(notes.exists("a")).unwrap());
    }
}
