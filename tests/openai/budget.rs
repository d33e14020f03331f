//! Which requests each operation sends, and how many.

use std::collections::BTreeMap;
use std::time::Duration;

use f9::prelude::*;
use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Route};
use f9::{
    ChecksumAlgorithm, CopyOptions, CreateOptions, DeleteOptions, ListOptions,
    OpenAIVectorStoreFileBackend, RenameOptions, UpdateOptions, WriteOptions,
};
use futures::TryStreamExt as _;
use futures::future::join_all;
use serde_json::json;

use crate::notes::{BINARY, HOUR, asked, open, opened};

const UPLOAD: Route = Route::Upload;
const ATTACH: Route = Route::Attach;
const DETACH: Route = Route::Detach;
const DELETE: Route = Route::DeleteFile;

/// A backend with a fresh listing of its store, and the requests that it sends.
struct Counted {
    openai: OpenAISimulator,
    notes: OpenAIVectorStoreFileBackend,
}

impl Counted {
    /// With some files and a directory.
    async fn new(openai: OpenAISimulator) -> Self {
        let notes = open(&openai).await;
        notes.create("a.txt", "one").await.unwrap();
        notes.create("b.txt", "two").await.unwrap();
        notes.create("d/c.bin", &BINARY[..]).await.unwrap();
        notes.create_dir("e").await.unwrap();
        Self { openai, notes }
    }

    async fn strict() -> Self {
        Self::new(OpenAISimulator::start()).await
    }

    async fn lenient() -> Self {
        Self::new(OpenAISimulator::lenient()).await
    }

    /// Checks that `call` sends exactly these requests.
    async fn costs<T>(&self, call: impl Future<Output = f9::Result<T>>, routes: &[Route]) -> T {
        let (result, sent) = self.counting(call).await;
        assert_eq!(sent, routes);
        result
    }

    /// Returns the requests that `call` sends, and checks the backend's own count.
    async fn counting<T>(&self, call: impl Future<Output = f9::Result<T>>) -> (T, Vec<Route>) {
        drop(asked(&self.openai));
        let before = self.notes.requests_sent();
        let result = call.await.unwrap();
        let sent = asked(&self.openai);
        assert_eq!(self.notes.requests_sent() - before, sent.len() as u64);
        (result, sent)
    }
}

fn count(routes: &[Route]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for route in routes {
        *counts.entry(route.name()).or_default() += 1;
    }
    counts
}

/// Adds files without a request.
fn plant(openai: &OpenAISimulator, files: usize) {
    let id = |number: usize| openai.add_file(&format!("{number}.txt"), "assistants", "text");
    for number in 0..files {
        let path = format!("{:02}/{number:05}.txt", number % 20);
        let attributes = json!({ "path": path, "size": 4, "encoding": "raw" });
        openai.attach_file(&id(number), attributes);
    }
}

#[tokio::test]
async fn writing_uploads_attaches_and_removes_the_old_version() {
    let c = Counted::lenient().await;
    let notes = &c.notes;
    let overwrite = CreateOptions::overwrite();
    c.costs(notes.create("new.txt", "new"), &[UPLOAD, ATTACH]).await;
    c.costs(notes.create("new/below/it.txt", "new"), &[UPLOAD, ATTACH]).await;
    c.costs(notes.create("new.bin", &BINARY[..]), &[UPLOAD, ATTACH]).await;
    c.costs(notes.create("empty", ""), &[UPLOAD, ATTACH]).await;
    c.costs(notes.create_dir("f/g"), &[UPLOAD, ATTACH]).await;
    let source = futures::stream::iter([Ok::<_, std::io::Error>("in "), Ok("pieces")]);
    c.costs(notes.stream_write("streamed.txt", source), &[UPLOAD, ATTACH]).await;
    let four = [UPLOAD, ATTACH, DETACH, DELETE];
    c.costs(notes.update("a.txt", "other"), &four).await;
    c.costs(notes.create_with("a.txt", "another", overwrite), &four).await;
    let append = notes.update_with("a.txt", " one", UpdateOptions::append());
    c.costs(append, &[Route::Content, UPLOAD, ATTACH, DETACH, DELETE]).await;
    assert_eq!(notes.read_text("a.txt").await.unwrap(), "another one");
}

#[tokio::test]
async fn reading_with_downloads_sends_one_request() {
    let c = Counted::lenient().await;
    let notes = &c.notes;
    assert_eq!(c.costs(notes.read("a.txt"), &[Route::Content]).await, "one");
    assert_eq!(c.costs(notes.read("d/c.bin"), &[Route::Content]).await, &BINARY[..]);
    let streamed = async { notes.stream_read("a.txt").await?.try_collect::<Vec<_>>().await };
    assert_eq!(c.costs(streamed, &[Route::Content]).await, ["one"]);
}

#[tokio::test]
async fn reading_with_forbidden_downloads_sends_one_request_after_the_first() {
    let c = Counted::strict().await;
    let notes = &c.notes;
    let (text, content) = (Route::Text, Route::Content);
    assert_eq!(c.costs(notes.read("d/c.bin"), &[content, text]).await, &BINARY[..]);
    assert_eq!(c.costs(notes.read("d/c.bin"), &[text]).await, &BINARY[..]);
    assert_eq!(c.costs(notes.read("a.txt"), &[text]).await, "one");
    let streamed = async { notes.stream_read("a.txt").await?.try_collect::<Vec<_>>().await };
    assert_eq!(c.costs(streamed, &[text]).await, ["one"]);
    // Reading an empty file needs no request.
    notes.create("empty", "").await.unwrap();
    assert_eq!(c.costs(notes.read("empty"), &[]).await, "");
}

#[tokio::test]
async fn metadata_in_the_attributes_needs_no_request() {
    let c = Counted::strict().await;
    let notes = &c.notes;
    c.costs(notes.info("a.txt"), &[]).await;
    assert!(c.costs(notes.exists("d"), &[]).await);
    assert!(!c.costs(notes.exists("x"), &[]).await);
    c.costs(notes.checksum("a.txt", ChecksumAlgorithm::Sha256), &[]).await;
    let all = async {
        notes.list_with("", ListOptions::recursive()).await?.try_collect::<Vec<_>>().await
    };
    assert_eq!(c.costs(all, &[]).await.len(), 5);
    assert_eq!(c.costs(notes.glob("**/*.txt"), &[]).await, ["a.txt", "b.txt"]);
    c.costs(notes.checksum("a.txt", ChecksumAlgorithm::Md5), &[Route::Content, Route::Text]).await;
}

#[tokio::test]
async fn renaming_sends_one_request_per_entry() {
    let c = Counted::lenient().await;
    let notes = &c.notes;
    let (attributes, overwrite) = (Route::Attributes, RenameOptions::overwrite());
    c.costs(notes.rename("a.txt", "a2.txt"), &[attributes]).await;
    c.costs(notes.rename("d", "d2"), &[attributes]).await;
    let over = notes.rename_with("a2.txt", "b.txt", overwrite);
    c.costs(over, &[attributes, DETACH, DELETE]).await;
    c.costs(notes.copy("b.txt", "b2.txt"), &[Route::Content, UPLOAD, ATTACH]).await;
    let over = notes.copy_with("b.txt", "b2.txt", CopyOptions::overwrite());
    c.costs(over, &[Route::Content, UPLOAD, ATTACH, DETACH, DELETE]).await;
}

#[tokio::test]
async fn deleting_sends_two_requests_per_entry() {
    let c = Counted::strict().await;
    let notes = &c.notes;
    c.costs(notes.delete("a.txt"), &[DETACH, DELETE]).await;
    c.costs(notes.delete("e"), &[DETACH, DELETE]).await;
    let many = (0..30).map(|number| (format!("many/{}/{number}", number % 3), "x"));
    assert!(notes.create_many(many).await.unwrap().iter().all(Result::is_ok));
    let (_, sent) = c.counting(notes.delete_with("many", DeleteOptions::recursive())).await;
    assert_eq!(count(&sent), [("delete_file", 30), ("detach", 30)].into());
}

#[tokio::test]
async fn create_many_attaches_a_hundred_files_per_request() {
    let c = Counted::strict().await;
    let files = (0..250).map(|number| (format!("many/{number}"), number.to_string()));
    let (created, sent) = c.counting(c.notes.create_many(files)).await;
    assert!(created.len() == 250 && created.iter().all(Result::is_ok));
    // The listing confirms that each is attached: 254 entries in three pages.
    assert_eq!(count(&sent), [("batch", 3), ("list", 3), ("upload", 250)].into());
}

#[tokio::test]
async fn write_many_attaches_in_batches_if_that_needs_fewer_requests() {
    let c = Counted::strict().await;
    let files = |count: usize, data: &str| -> Vec<(String, f9::Bytes)> {
        (0..count).map(|number| (format!("many/{number}"), data.to_owned().into())).collect()
    };
    let sent = async |files: Vec<(String, f9::Bytes)>, options: WriteOptions| {
        let (written, sent) = c.counting(c.notes.write_many_with(files, options)).await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        count(&sent)
    };
    let created = sent(files(130, "1"), WriteOptions::create()).await;
    assert_eq!(created, [("batch", 2), ("list", 2), ("upload", 130)].into());
    let replaced = sent(files(3, "2"), WriteOptions::replace()).await;
    let removed = [("delete_file", 3), ("detach", 3)];
    assert_eq!(replaced, [("attach", 3), ("upload", 3)].into_iter().chain(removed).collect());
    let replaced = sent(files(4, "3"), WriteOptions::default()).await;
    let removed = [("delete_file", 4), ("detach", 4)];
    let batched = [("batch", 1), ("list", 2), ("upload", 4)];
    assert_eq!(replaced, batched.into_iter().chain(removed).collect());
    // One of two equal paths is written, and the other one is refused.
    let mut twice = files(9, "4");
    twice.push(("many/0".to_owned(), "again".into()));
    let written = c.notes.write_many(twice).await.unwrap();
    assert_eq!(written.iter().filter(|written| written.is_ok()).count(), 9);
    assert_eq!(c.notes.info("many/0").await.unwrap().size, Some(1));
}

#[tokio::test]
async fn search_and_indexing_status_send_one_request() {
    let c = Counted::strict().await;
    let hits = c.costs(c.notes.search("one"), &[Route::Search]).await;
    assert_eq!(hits[0].path, "a.txt");
    c.costs(c.notes.indexing_status("a.txt"), &[Route::Status]).await;
    c.costs(c.notes.wait_until_indexed("a.txt", HOUR), &[Route::Status]).await;
}

#[tokio::test]
async fn a_listing_sends_one_request_per_hundred_entries_and_none_while_cached() {
    let openai = OpenAISimulator::start();
    plant(&openai, 10_000);
    let c = Counted { notes: open(&openai).await, openai };
    let all = || async {
        let listed = c.notes.list_with("", ListOptions::recursive()).await?;
        listed.try_collect::<Vec<_>>().await
    };
    assert_eq!(c.costs(all(), &[Route::List; 100]).await.len(), 10_020);
    assert_eq!(c.costs(all(), &[]).await.len(), 10_020);
    assert_eq!(c.costs(c.notes.glob("0[1-3]/*.txt"), &[]).await.len(), 1500);
}

#[tokio::test]
async fn without_a_cache_each_operation_lists_the_store_once() {
    let openai = OpenAISimulator::lenient();
    plant(&openai, 250);
    let c = Counted { notes: opened(openai.config()).await, openai };
    let notes = &c.notes;
    let path = "00/00000.txt";
    let after_listing = |routes: &[Route]| [&[Route::List; 3], routes].concat();
    c.costs(notes.info(path), &after_listing(&[])).await;
    c.costs(notes.exists(path), &after_listing(&[])).await;
    c.costs(notes.glob("**"), &after_listing(&[])).await;
    drop(c.costs(notes.list("00"), &after_listing(&[])).await);
    c.costs(notes.read(path), &after_listing(&[Route::Content])).await;
    c.costs(notes.create("new.txt", "x"), &after_listing(&[UPLOAD, ATTACH])).await;
    c.costs(notes.update(path, "x"), &after_listing(&[UPLOAD, ATTACH, DETACH, DELETE])).await;
    c.costs(notes.rename("new.txt", "newer.txt"), &after_listing(&[Route::Attributes])).await;
    c.costs(notes.copy(path, "copy.txt"), &after_listing(&[Route::Content, UPLOAD, ATTACH])).await;
    c.costs(notes.create_dir("new"), &after_listing(&[UPLOAD, ATTACH])).await;
    c.costs(notes.delete(path), &after_listing(&[DETACH, DELETE])).await;
    c.costs(notes.search("text"), &after_listing(&[Route::Search])).await;
    c.costs(notes.indexing_status("newer.txt"), &after_listing(&[Route::Status])).await;
}

#[tokio::test]
async fn concurrent_operations_share_a_listing() {
    let openai = OpenAISimulator::start();
    plant(&openai, 250);
    let c = Counted { notes: opened(openai.config()).await, openai };
    let infos = join_all((0..50).map(|_| c.notes.info("00/00000.txt")));
    let all = async { infos.await.into_iter().collect::<f9::Result<Vec<_>>>() };
    assert_eq!(c.costs(all, &[Route::List; 3]).await.len(), 50);
}

#[tokio::test]
async fn two_listings_never_run_at_the_same_time() {
    let openai = OpenAISimulator::start();
    plant(&openai, 10);
    let notes = opened(openai.config()).await;
    openai.inject(Fault::new(FaultKind::Held).times(usize::MAX));
    let in_flight = || openai.requests().iter().filter(|request| request.status.is_none()).count();
    let asking = (0..20).map(|number| {
        let notes = &notes;
        async move {
            for _ in 0..number {
                tokio::task::yield_now().await;
            }
            for _ in 0..5 {
                notes.info("00/00000.txt").await.unwrap();
            }
        }
    });
    let mut max = 0;
    let watching = async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if in_flight() > 0 {
                // Concurrent callers ask during this sleep.
                tokio::time::sleep(Duration::from_millis(1)).await;
                max = max.max(in_flight());
                openai.release();
            }
        }
    };
    tokio::select! {
        _ = join_all(asking) => {}
        () = watching => {}
    }
    assert_eq!(max, 1);
    let listings = openai.requests().len();
    assert!((5..=50).contains(&listings), "{listings} listings for 100 operations");
}
