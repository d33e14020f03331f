//! Many operations, handles and processes on one vector store, and what becomes of changes that fail half-way.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::{Fault, FaultKind, IndexingFailure, OpenAISimulator, Request, Retry, Route};
use f9::{ByteRange, CreateOptions, OpenAIVectorStoreFileBackend, ReadOptions, WriteMode};
use futures::FutureExt as _;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::clock::jump;
use crate::notes::{HOUR, asked, open, opened, tree};

/// Only what waits for ever takes longer.
const BOUND: Duration = Duration::from_secs(120);

fn overwrite() -> CreateOptions {
    CreateOptions::default().with_mode(WriteMode::Overwrite)
}

/// Who reads many files at a time does not poll the reads that are under way while something else is done with one of them.
#[tokio::test]
async fn reads_that_nobody_polls_keep_nobody_waiting() {
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
            notes.create_with(path, "two".into(), overwrite()).await.unwrap();
        }
    };
    tokio::time::timeout(BOUND, work).await.expect("the reads hold all turns");
}

/// Each version is removed after its content was asked for and before it is given.
#[tokio::test]
async fn a_file_that_is_replaced_again_and_again_is_read() {
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
    assert_eq!(tokio::time::timeout(BOUND, work).await.unwrap().unwrap().0, "3");
}

#[tokio::test]
async fn many_files_are_created_beside_many_others() {
    let openai = OpenAISimulator::start();
    let notes = opened(openai.config().with_cache_ttl(HOUR).with_concurrency(3)).await;
    let creations = ["a", "b", "c"].map(|directory| {
        let files = (0..210).map(move |number| (format!("{directory}/{number}"), "text"));
        notes.create_many(files)
    });
    let created = tokio::time::timeout(BOUND, join_all(creations)).await;
    for created in created.expect("the uploads hold all turns") {
        assert!(created.unwrap().iter().all(Result::is_ok));
    }
    assert_eq!(notes.glob("*/*").await.unwrap().len(), 630);
}

/// Listings that are behind by many files hide none of them, and cost no request for those that are listed.
#[tokio::test]
async fn many_new_files_that_are_not_listed_yet_are_seen() {
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

/// A process that looked at the store long ago writes a path that another has written often since.
#[tokio::test]
async fn the_later_version_counts_also_of_one_who_does_not_know_the_other() {
    let openai = OpenAISimulator::start();
    let notes = open(&openai).await;
    let elsewhere = openai.base_url().replace("/v1", "/./v1");
    let other = opened(openai.config().with_base_url(elsewhere).with_cache_ttl(HOUR)).await;
    notes.create("a", "1").await.unwrap();
    assert!(other.exists("a").await.unwrap() && !other.exists("b").await.unwrap());
    for version in ["2", "3", "4"] {
        for path in ["a", "b"] {
            notes.create_with(path, version.into(), overwrite()).await.unwrap();
        }
    }
    for path in ["a", "b"] {
        other.create_with(path, "the last".into(), overwrite()).await.unwrap();
        assert_eq!(opened(openai.config()).await.read(path).await.unwrap(), "the last");
    }
}

#[tokio::test]
async fn what_a_handle_has_changed_is_seen_when_it_is_gone() {
    let openai = OpenAISimulator::start();
    let (notes, other) = (open(&openai).await, open(&openai).await);
    assert!(!notes.exists("a").await.unwrap());
    other.create("a", "one").await.unwrap();
    drop(other);
    assert!(notes.exists("a").await.unwrap());
}

/// Files of a purpose that allows downloads stay readable after one of another purpose was refused.
#[tokio::test]
async fn of_files_of_two_purposes_those_are_downloaded_that_may_be() {
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
async fn a_directory_whose_rename_fails_is_whole_where_it_was() {
    let openai = OpenAISimulator::lenient();
    let config = openai.config().with_retries(0).with_concurrency(1).with_cache_ttl(HOUR);
    let notes = opened(config).await;
    for name in ["a", "b", "c", "d"] {
        notes.create(&format!("from/{name}"), name).await.unwrap();
    }
    let before = tree(&notes).await.unwrap();
    // The second is moved, but its answer is lost.
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
    assert_eq!(changes, 2, "one that failed, and its way back");
    openai.inject(Fault::status(400).on(Route::Attributes).after(1).times(usize::MAX));
    let error = notes.rename("from", "to").await.unwrap_err().to_string();
    openai.clear_faults();
    assert!(error.contains("(status 400, request req_"), "{error}");
    assert!(error.contains("; of what had been moved by then, 2 entries could not be"), "{error}");
    notes.rename("to/a", "from/a").await.unwrap();
    assert_eq!(tree(&notes).await.unwrap(), before);
}

/// Neither the answer that a new file is attached comes, nor can it be removed again: it is there, and every handle sees it.
#[tokio::test]
async fn a_new_file_that_cannot_be_removed_again_is_seen() {
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

/// What breaks before anything of it was given away comes whole all the same.
#[tokio::test]
async fn a_stream_that_breaks_in_its_first_piece_is_begun_anew() {
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

/// Who waits for what a runtime does that ends looks for himself.
#[test]
fn a_look_that_ends_with_its_runtime_is_taken_again() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, lasting) = (runtime(), runtime());
    let openai = OpenAISimulator::lenient();
    let notes = first.block_on(opened(openai.config()));
    openai.inject(Fault::new(FaultKind::TimeoutBefore).on(Route::List));
    let look = |notes: OpenAIVectorStoreFileBackend| async move { notes.exists("a").await };
    first.block_on(async {
        tokio::spawn(look(notes.clone()));
        while openai.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        // It waits for the first to end.
        tokio::spawn(look(notes.clone()));
        turns().await;
    });
    lasting.block_on(async {
        let third = tokio::spawn(look(notes.clone()));
        turns().await;
        first.shutdown_background();
        assert!(!third.await.unwrap().unwrap());
    });
}

/// Lets all that can go on do so.
async fn turns() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_asked_for_as_often_as_configured() {
    let openai = OpenAISimulator::lenient();
    let notes = opened(openai.config().with_cache_ttl(HOUR).with_retries(2)).await;
    notes.create("a", "one").await.unwrap();
    asked(&openai);
    openai.inject(Fault::new(FaultKind::ResetBefore).on(Route::Content).times(usize::MAX));
    notes.read("a").await.unwrap_err();
    let asked = asked(&openai).into_iter().filter(|route| *route == Route::Content).count();
    assert_eq!(asked, 3);
}

/// A version that a look has seen before it was withdrawn does not take the old one with it.
#[tokio::test]
async fn the_old_version_is_seen_when_the_new_one_is_withdrawn() {
    let openai = OpenAISimulator::lenient();
    let (notes, other) = (open(&openai).await, open(&openai).await);
    notes.create("a", "old").await.unwrap();
    openai.inject(Fault::status(400).on(Route::Attach).processed());
    // It is removed again a moment later.
    openai.inject(Fault::new(FaultKind::RateLimited(Retry::AfterMillis(5000))).on(Route::Detach));
    openai.take_requests();
    let writer = notes.clone();
    let overwrite = CreateOptions::default().with_mode(WriteMode::Overwrite);
    let writing =
        tokio::spawn(async move { writer.create_with("a", "new".into(), overwrite).await });
    while !openai.requests().iter().any(|request| request.route == Route::Detach) {
        tokio::task::yield_now().await;
    }
    other.create("b", "text").await.unwrap();
    assert!(notes.exists("b").await.unwrap());
    jump(Duration::from_secs(5));
    writing.await.unwrap().unwrap_err();
    assert_eq!(notes.read("a").await.unwrap(), "old");
}

/// A runtime that is dropped in the midst of a change leaves no handle with what was known before.
#[test]
fn a_change_that_ends_with_its_runtime_is_looked_for() {
    let openai = OpenAISimulator::lenient();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    let first = runtime();
    let lasting = runtime();
    let open = || async { opened(openai.config().with_cache_ttl(HOUR)).await };
    let (notes, other) = lasting.block_on(async { (open().await, open().await) });
    assert!(!lasting.block_on(notes.exists("a")).unwrap());
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
        assert!(lasting.block_on(notes.exists("a")).unwrap());
    }
}
