//! Services that always behave in some odd way: the same scenario of all verbs comes out the same.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::{
    AttributeUpdates, BetaHeader, ChunkOrder, DeletedFiles, DoubleAttach, ErrorShape, Fault,
    FaultKind, IndexingFailure, OpenAISimulator, PageIds, Route, Rules, TextShape, UnknownAfter,
};
use f9::{
    ChecksumAlgorithm, CopyOptions, CreateOptions, DeleteOptions, ErrorKind, IndexingStatus,
    ListOptions, OpenAIConfig, OpenAIVectorStoreFileBackend, RenameOptions, Result, UpdateOptions,
};
use futures::TryStreamExt as _;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::notes::{open, opened, tree};

/// Several chunks of frames.
fn binary() -> Vec<u8> {
    (0..3000_u32).map(|number| (number * number).rotate_right(4).to_le_bytes()[0]).collect()
}

/// More than fits into one attribute.
fn long_path() -> String {
    format!("long/{}/{}.txt", "ä".repeat(120), "b".repeat(250))
}

/// More entries than a page of a listing has.
fn service() -> OpenAISimulator {
    let openai = OpenAISimulator::start();
    for number in 0..110 {
        let id = openai.plant_file("old.txt", "assistants", "old");
        let path = format!("old/{number:03}.txt");
        openai.plant_attached(&id, json!({ "path": path, "size": 3, "encoding": "raw" }));
    }
    openai
}

/// What came of each step, in words that do not change from run to run.
#[derive(Default)]
struct Story(Vec<String>);

impl Story {
    fn tell<T: std::fmt::Debug>(&mut self, step: &str, result: Result<T>) {
        let told = result.map_err(|error| error.kind());
        self.0.push(format!("{step}: {told:?}"));
    }
}

async fn write(notes: &OpenAIVectorStoreFileBackend, story: &mut Story) {
    let told = |info: f9::FileInfo| (info.path, info.size);
    story.tell("create", notes.create("a.txt", "one\n").await.map(told));
    story.tell("create again", notes.create("a.txt", "x").await.map(told));
    story.tell("binary", notes.create("d/b.bin", binary()).await.map(told));
    story.tell("empty", notes.create("d/empty", "").await.map(told));
    story.tell("long", notes.create(&long_path(), "at the end").await.map(told));
    story.tell("directory", notes.create_dir("d/e").await);
    let many = ["m/1.txt", "m/2.txt", "m/n/3.txt"].map(|path| (path, "many"));
    story.tell("many", notes.create_many(many).await.map(|created| created.len()));
    let overwrite = CreateOptions::overwrite();
    story.tell("overwrite", notes.create_with("m/1.txt", "2".into(), overwrite).await.map(told));
    story.tell("update", notes.update("m/1.txt", "three").await.map(told));
    let append = UpdateOptions::append();
    story.tell("append", notes.update_with("a.txt", "two".into(), append.clone()).await.map(told));
    story.tell("append", notes.update_with("d/b.bin", binary().into(), append).await.map(told));
    story.tell("update nothing", notes.update("none", "x").await.map(told));
}

async fn look(notes: &OpenAIVectorStoreFileBackend, story: &mut Story) {
    story.tell("text", notes.read_text("a.txt").await);
    story.tell("binary", notes.read("d/b.bin").await);
    story.tell("empty", notes.read("d/empty").await);
    story.tell("long", notes.read_text(&long_path()).await);
    story.tell("nothing", notes.read("none").await);
    let pieces = notes.stream_read("m/1.txt").await.unwrap().try_collect::<Vec<_>>().await;
    story.tell("stream", pieces.map(|pieces| pieces.concat()));
    story.tell("info", notes.info("d/b.bin").await.map(|info| (info.size, info.is_dir())));
    story.tell("exists", notes.exists("d/e").await);
    story.tell("glob", notes.glob("{d,m}/**").await);
    story.tell("sha256", notes.checksum("d/b.bin", ChecksumAlgorithm::Sha256).await);
    story.tell("md5", notes.checksum("a.txt", ChecksumAlgorithm::Md5).await);
    let listed = notes.list_with("", ListOptions::recursive()).await.unwrap();
    let listed = listed.map_ok(|info| info.path.to_string()).try_collect::<Vec<_>>().await;
    story.tell("list", listed);
}

async fn search(notes: &OpenAIVectorStoreFileBackend, story: &mut Story) {
    let indexed = notes.wait_until_indexed("m/1.txt", Duration::from_secs(60)).await;
    story.tell("indexed", indexed);
    let hits = notes.search("three").await;
    story.tell("search", hits.map(|hits| hits.into_iter().map(|hit| hit.path).collect::<Vec<_>>()));
}

async fn move_and_delete(notes: &OpenAIVectorStoreFileBackend, story: &mut Story) {
    let told = |info: f9::FileInfo| (info.path, info.size);
    story.tell("copy", notes.copy("a.txt", "copy.txt").await.map(told));
    let over = CopyOptions::overwrite();
    story.tell("copy over", notes.copy_with("d/b.bin", "copy.txt", over).await.map(told));
    story.tell("rename", notes.rename("a.txt", "z.txt").await.map(told));
    story.tell("rename back", notes.rename("z.txt", "a.txt").await.map(told));
    story.tell("shorten", notes.rename(&long_path(), "short.txt").await.map(told));
    let over = RenameOptions::overwrite();
    story.tell("rename over", notes.rename_with("m/2.txt", "m/1.txt", over).await.map(told));
    story.tell("rename directory", notes.rename("d", "f").await.map(told));
    story.tell("gone", notes.exists("d/b.bin").await);
    story.tell("delete", notes.delete("a.txt").await);
    story.tell("delete again", notes.delete("a.txt").await);
    story.tell("deleted", notes.exists("a.txt").await);
    story.tell("create anew", notes.create("a.txt", "anew").await.map(told));
    story.tell("not empty", notes.delete("m").await);
    story.tell("delete all", notes.delete_with("m", DeleteOptions::recursive()).await);
    story.tell("delete old", notes.delete_with("old", DeleteOptions::recursive()).await);
}

/// Runs the scenario, and ends with what a handle sees that knows nothing of it, and with what the service has in the end.
async fn scenario(openai: &OpenAISimulator, config: OpenAIConfig) -> Vec<String> {
    let mut story = Story::default();
    let notes = opened(config.clone()).await;
    write(&notes, &mut story).await;
    look(&notes, &mut story).await;
    search(&notes, &mut story).await;
    move_and_delete(&notes, &mut story).await;
    story.tell("what is left", tree(&notes).await);
    // Another handle does not know what has been deleted and may still be listed.
    openai.set(|rules| rules.stale_after_delete = 0);
    drop(notes.list("").await.unwrap());
    let later = opened(config).await;
    story.tell("what others see", tree(&later).await);
    story.tell("what is to be repaired", later.survey().await);
    let (files, attached) = (openai.files().len(), openai.vector_store_files().len());
    story.0.push(format!("{files} files, {attached} attached"));
    story.0
}

/// What comes of the scenario where the service has no oddities.
async fn usual() -> &'static Vec<String> {
    static USUAL: OnceCell<Vec<String>> = OnceCell::const_new();
    let scenario = || async {
        let openai = service();
        scenario(&openai, openai.config()).await
    };
    USUAL.get_or_init(scenario).await
}

async fn compare(
    rules: impl FnOnce(&mut Rules),
    config: impl FnOnce(OpenAIConfig) -> OpenAIConfig,
) {
    let openai = service();
    openai.set(rules);
    let found = scenario(&openai, config(openai.config())).await;
    for (found, usual) in found.iter().zip(usual().await) {
        assert_eq!(found, usual);
    }
}

#[tokio::test]
async fn the_scenario_does_what_it_says() {
    let usual = usual().await;
    let failures = usual.iter().filter(|told| told.contains("Err("));
    let failures: Vec<_> = failures.map(String::as_str).collect();
    let expected = [
        "create again: Err(AlreadyExists)",
        "update nothing: Err(NotFound)",
        "nothing: Err(NotFound)",
        "delete again: Err(NotFound)",
        "not empty: Err(DirectoryNotEmpty)",
    ];
    assert_eq!(failures, expected);
    assert_eq!(usual.last().unwrap(), "6 files, 6 attached");
}

macro_rules! the_same_where {
    ($($name:ident: $rules:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let rules: fn(&mut Rules) = $rules;
            compare(rules, |config| config).await;
        })*
    };
}

the_same_where! {
    indexing_takes_its_time: |rules| rules.in_progress_polls = 3;
    batches_count_nothing_at_first: |rules| {
        (rules.in_progress_polls, rules.zero_batch_counts) = (3, true);
    };
    attachments_are_missing_at_first: |rules| rules.missing_after_attach = 3;
    attachments_are_not_listed_at_first: |rules| rules.unlisted_after_attach = 3;
    uploads_are_missing_at_first: |rules| rules.missing_after_upload = 3;
    what_is_deleted_is_listed_for_a_while: |rules| rules.stale_after_delete = 3;
    pages_repeat_items: |rules| rules.repeated_items = true;
    pages_tell_no_ids: |rules| rules.page_ids = PageIds::Omitted;
    pages_tell_null_ids_and_always_that_there_are_more: |rules| {
        (rules.page_ids, rules.always_has_more) = (PageIds::Null, true);
    };
    pages_have_all_these_oddities: |rules| {
        (rules.page_ids, rules.always_has_more, rules.repeated_items) = (PageIds::Null, true, true);
    };
    attaching_twice_replaces: |rules| rules.double_attach = DoubleAttach::Replaces;
    attaching_twice_lists_twice: |rules| rules.double_attach = DoubleAttach::ListsTwice;
    deleted_files_are_detached: |rules| rules.deleted_files = DeletedFiles::Detached;
    deleted_files_are_listed: |rules| rules.deleted_files = DeletedFiles::Listed;
    updates_of_attributes_merge: |rules| rules.attribute_updates = AttributeUpdates::Merge;
    numbers_come_as_floats: |rules| rules.numbers_as_floats = true;
    sizes_are_not_told: |rules| rules.null_bytes = true;
    attributes_are_short: |rules| {
        (rules.max_attribute_value, rules.attribute_values_in_bytes) = (256, true);
    };
    text_comes_in_the_obsolete_shape: |rules| rules.text_shape = TextShape::Obsolete;
    text_comes_in_pages: |rules| rules.text_page = Some(1);
    text_comes_in_small_chunks: |rules| {
        (rules.chunk_tokens, rules.chunk_overlap_tokens) = (100, 50);
    };
    chunks_are_shuffled: |rules| {
        (rules.chunk_tokens, rules.chunk_overlap_tokens) = (100, 50);
        rules.chunk_order = ChunkOrder::Shuffled(7);
    };
    chunks_come_in_the_order_of_their_letters: |rules| {
        (rules.chunk_tokens, rules.chunk_overlap_tokens) = (100, 50);
        rules.chunk_order = ChunkOrder::Lexicographic;
    };
    line_breaks_at_the_end_are_kept: |rules| rules.trim_trailing_newlines = false;
    refusals_reset_the_connection: |rules| rules.reset_after_4xx = true;
    errors_have_another_shape: |rules| rules.error_shape = ErrorShape::FastApi;
    the_beta_header_is_required: |rules| rules.beta_header = BetaHeader::Required;
    downloads_are_allowed: |rules| rules.forbidden_downloads.clear();
}

#[tokio::test]
async fn the_beta_header_may_be_left_out() {
    compare(
        |rules| rules.beta_header = BetaHeader::Forbidden,
        |config| config.with_send_beta_header(false),
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_indexed_is_kept_and_says_why_it_does_not_come_back() {
    let openai = OpenAISimulator::start();
    let failure = IndexingFailure::new("invalid_file", "It is too large.");
    openai.set(|rules| rules.fail_indexing.push(failure));
    let notes = open(&openai).await;
    notes.create("a.txt", "one").await.unwrap();
    notes.create("b.bin", binary()).await.unwrap();
    let failed = IndexingStatus::Failed {
        code: "invalid_file".to_owned(),
        message: "It is too large.".to_owned(),
    };
    assert_eq!(notes.indexing_status("a.txt").await.unwrap(), failed);
    for path in ["a.txt", "b.bin"] {
        let error = notes.read(path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DownloadForbidden);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("invalid_file: It is too large."), "{source}");
        // Nothing would come of writing it in another way that the service has to parse too.
        let advised = error.to_string();
        assert!(advised.contains("invalid_file: It is too large.") && !advised.contains("framed"));
    }
    assert!(notes.search("one").await.unwrap().is_empty());
    assert_eq!(notes.glob("*").await.unwrap(), ["a.txt", "b.bin"]);
    notes.rename("a.txt", "c.txt").await.unwrap();
    notes.update("c.txt", "two").await.unwrap();
    notes.delete("b.bin").await.unwrap();
    assert!(notes.survey().await.unwrap().is_empty());
    openai.set(|rules| rules.forbidden_downloads.clear());
    assert_eq!(
        tree(&open(&openai).await).await.unwrap(),
        [("c.txt".into(), Some("two".into()))].into()
    );
}

/// The entry that a listing is to go on after is deleted before it does.
async fn a_listing_loses_its_place(unknown_after: UnknownAfter) -> usize {
    let openai = service();
    openai.set(|rules| rules.unknown_after = unknown_after);
    openai.inject(Fault::new(FaultKind::Held).on(Route::List).after(1));
    let notes = open(&openai).await;
    let deleting = async {
        while openai.faults_left() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The second page has been asked for, and is not made yet.
        openai.remove_attachment(&openai.vector_store_files()[99].id);
        openai.release();
    };
    let (found, ()) = tokio::join!(notes.glob_files("old/*"), deleting);
    let found = found.unwrap();
    for entry in openai.vector_store_files() {
        let path = entry.attributes["path"].as_str().unwrap();
        assert!(found.iter().any(|found| found == path), "{path}");
    }
    openai.requests().len()
}

#[tokio::test]
async fn a_listing_that_loses_its_place_begins_anew() {
    assert_eq!(a_listing_loses_its_place(UnknownAfter::Refused).await, 4, "two pages, twice");
}

#[tokio::test]
async fn a_listing_that_is_begun_anew_goes_on() {
    assert_eq!(a_listing_loses_its_place(UnknownAfter::Restarts).await, 3);
}
