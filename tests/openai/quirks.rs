//! Services with a permanent quirk: the scenario of all verbs has the same results.

use std::time::Duration;

use f9::prelude::*;
use f9::testing::openai::{
    AttributeUpdates, Batches, BetaHeader, ChunkOrder, DeletedFiles, DoubleAttach, ErrorShape,
    Fault, FaultKind, IndexingFailure, KeptAttributes, OpenAISimulator, PageIds, Route, Rules,
    SearchIds, TextShape, UnknownAfter,
};
use f9::{
    ChecksumAlgorithm, CopyOptions, CreateOptions, DeleteOptions, ErrorKind, IndexingStatus,
    ListOptions, OpenAIConfig, OpenAIVectorStoreFileBackend, RenameOptions, Result, UpdateOptions,
};
use futures::TryStreamExt as _;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::notes::{open, opened, tree};

/// Several chunks of framed lines.
fn binary() -> Vec<u8> {
    (0..3000_u32).map(|number| (number * number).rotate_right(4).to_le_bytes()[0]).collect()
}

/// Longer than one attribute.
fn long_path() -> String {
    format!("long/{}/{}.txt", "ä".repeat(120), "b".repeat(250))
}

/// More entries than a page of a listing.
fn service() -> OpenAISimulator {
    let openai = OpenAISimulator::start();
    for number in 0..110 {
        let id = openai.add_file("old.txt", "assistants", "old");
        let path = format!("old/{number:03}.txt");
        openai.attach_file(&id, json!({ "path": path, "size": 3, "encoding": "raw" }));
    }
    openai
}

/// The outcome of each step, in words that do not change from run to run.
#[derive(Default)]
struct Outcomes(Vec<String>);

impl Outcomes {
    fn add<T: std::fmt::Debug>(&mut self, step: &str, result: Result<T>) {
        let outcome = result.map_err(|error| error.kind());
        self.0.push(format!("{step}: {outcome:?}"));
    }
}

async fn write(notes: &OpenAIVectorStoreFileBackend, outcomes: &mut Outcomes) {
    let summary = |info: f9::FileInfo| (info.path, info.size);
    outcomes.add("create", notes.create("a.txt", "one\n").await.map(summary));
    outcomes.add("create again", notes.create("a.txt", "x").await.map(summary));
    outcomes.add("binary", notes.create("d/b.bin", binary()).await.map(summary));
    outcomes.add("empty", notes.create("d/empty", "").await.map(summary));
    outcomes.add("long", notes.create(&long_path(), "at the end").await.map(summary));
    outcomes.add("directory", notes.create_dir("d/e").await);
    let many = ["m/1.txt", "m/2.txt", "m/n/3.txt"].map(|path| (path, "many"));
    outcomes.add("many", notes.create_many(many).await.map(|created| created.len()));
    let overwrite = CreateOptions::overwrite();
    outcomes.add("overwrite", notes.create_with("m/1.txt", "2", overwrite).await.map(summary));
    outcomes.add("update", notes.update("m/1.txt", "three").await.map(summary));
    let append = UpdateOptions::append();
    outcomes.add("append", notes.update_with("a.txt", "two", append.clone()).await.map(summary));
    outcomes.add("append", notes.update_with("d/b.bin", binary(), append).await.map(summary));
    outcomes.add("update nothing", notes.update("none", "x").await.map(summary));
}

async fn read_all(notes: &OpenAIVectorStoreFileBackend, outcomes: &mut Outcomes) {
    outcomes.add("text", notes.read_text("a.txt").await);
    outcomes.add("binary", notes.read("d/b.bin").await);
    outcomes.add("empty", notes.read("d/empty").await);
    outcomes.add("long", notes.read_text(&long_path()).await);
    outcomes.add("nothing", notes.read("none").await);
    let pieces = notes.stream_read("m/1.txt").await.unwrap().try_collect::<Vec<_>>().await;
    outcomes.add("stream", pieces.map(|pieces| pieces.concat()));
    outcomes.add("info", notes.info("d/b.bin").await.map(|info| (info.size, info.is_dir())));
    outcomes.add("exists", notes.exists("d/e").await);
    outcomes.add("glob", notes.glob("{d,m}/**").await);
    outcomes.add("sha256", notes.checksum("d/b.bin", ChecksumAlgorithm::Sha256).await);
    outcomes.add("md5", notes.checksum("a.txt", ChecksumAlgorithm::Md5).await);
    let listed = notes.list_with("", ListOptions::recursive()).await.unwrap();
    let listed = listed.map_ok(|info| info.path.to_string()).try_collect::<Vec<_>>().await;
    outcomes.add("list", listed);
}

async fn search(notes: &OpenAIVectorStoreFileBackend, outcomes: &mut Outcomes) {
    let indexed = notes.wait_until_indexed("m/1.txt", Duration::from_secs(60)).await;
    outcomes.add("indexed", indexed);
    let hits = notes.search("three").await;
    outcomes
        .add("search", hits.map(|hits| hits.into_iter().map(|hit| hit.path).collect::<Vec<_>>()));
}

async fn move_and_delete(notes: &OpenAIVectorStoreFileBackend, outcomes: &mut Outcomes) {
    let summary = |info: f9::FileInfo| (info.path, info.size);
    outcomes.add("copy", notes.copy("a.txt", "copy.txt").await.map(summary));
    let over = CopyOptions::overwrite();
    outcomes.add("copy over", notes.copy_with("d/b.bin", "copy.txt", over).await.map(summary));
    outcomes.add("rename", notes.rename("a.txt", "z.txt").await.map(summary));
    outcomes.add("rename back", notes.rename("z.txt", "a.txt").await.map(summary));
    outcomes.add("shorten", notes.rename(&long_path(), "short.txt").await.map(summary));
    let over = RenameOptions::overwrite();
    outcomes.add("rename over", notes.rename_with("m/2.txt", "m/1.txt", over).await.map(summary));
    outcomes.add("rename directory", notes.rename("d", "f").await.map(summary));
    outcomes.add("gone", notes.exists("d/b.bin").await);
    outcomes.add("delete", notes.delete("a.txt").await);
    outcomes.add("delete again", notes.delete("a.txt").await);
    outcomes.add("deleted", notes.exists("a.txt").await);
    outcomes.add("create after deletion", notes.create("a.txt", "back").await.map(summary));
    outcomes.add("not empty", notes.delete("m").await);
    outcomes.add("delete all", notes.delete_with("m", DeleteOptions::recursive()).await);
    outcomes.add("delete old", notes.delete_with("old", DeleteOptions::recursive()).await);
}

/// Runs the scenario, and appends what a new handle sees and what the service holds at the end.
async fn scenario(openai: &OpenAISimulator, config: OpenAIConfig) -> Vec<String> {
    let mut outcomes = Outcomes::default();
    let notes = opened(config.clone()).await;
    write(&notes, &mut outcomes).await;
    read_all(&notes, &mut outcomes).await;
    search(&notes, &mut outcomes).await;
    move_and_delete(&notes, &mut outcomes).await;
    outcomes.add("left", tree(&notes).await);
    // A new handle does not know which listed entries were deleted.
    openai.set(|rules| rules.stale_after_delete = 0);
    drop(notes.list("").await.unwrap());
    let later = opened(config).await;
    outcomes.add("seen by a new handle", tree(&later).await);
    outcomes.add("leftovers", later.check().await);
    let (files, attached) = (openai.files().len(), openai.vector_store_files().len());
    outcomes.0.push(format!("{files} files, {attached} attached"));
    outcomes.0
}

/// Returns the outcome of the scenario without quirks.
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
async fn the_scenario_has_the_expected_outcome() {
    let usual = usual().await;
    let failures = usual.iter().filter(|outcome| outcome.contains("Err("));
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

macro_rules! same_outcome_if {
    ($($name:ident: $rules:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            let rules: fn(&mut Rules) = $rules;
            compare(rules, |config| config).await;
        })*
    };
}

same_outcome_if! {
    indexing_is_slow: |rules| rules.in_progress_polls = 3;
    batches_report_zero_counts_at_first: |rules| {
        (rules.in_progress_polls, rules.zero_batch_counts) = (3, true);
    };
    attachments_answer_404_at_first: |rules| rules.missing_after_attach = 3;
    attachments_are_unlisted_at_first: |rules| rules.unlisted_after_attach = 3;
    uploads_answer_404_at_first: |rules| rules.missing_after_upload = 3;
    deleted_files_are_listed_for_a_while: |rules| rules.stale_after_delete = 3;
    pages_repeat_items: |rules| rules.repeated_items = true;
    pages_contain_no_ids: |rules| rules.page_ids = PageIds::Omitted;
    pages_contain_null_ids_and_always_report_more: |rules| {
        (rules.page_ids, rules.always_has_more) = (PageIds::Null, true);
    };
    pages_have_all_these_quirks: |rules| {
        (rules.page_ids, rules.always_has_more, rules.repeated_items) = (PageIds::Null, true, true);
    };
    attaching_twice_replaces: |rules| rules.double_attach = DoubleAttach::Replaces;
    attaching_twice_lists_twice: |rules| rules.double_attach = DoubleAttach::ListsTwice;
    deleted_files_are_detached: |rules| rules.deleted_files = DeletedFiles::Detached;
    deleted_files_are_listed: |rules| rules.deleted_files = DeletedFiles::Listed;
    attribute_updates_merge: |rules| rules.attribute_updates = AttributeUpdates::Merge;
    numbers_are_floats: |rules| rules.numbers_as_floats = true;
    sizes_are_omitted: |rules| rules.null_file_sizes = true;
    attribute_values_are_short: |rules| {
        (rules.max_attribute_value, rules.attribute_values_in_bytes) = (256, true);
    };
    text_has_the_obsolete_shape: |rules| rules.text_shape = TextShape::Legacy;
    text_is_paginated: |rules| rules.text_page = Some(1);
    text_has_small_chunks: |rules| {
        (rules.chunk_tokens, rules.chunk_overlap_tokens) = (100, 50);
    };
    chunks_are_shuffled: |rules| {
        (rules.chunk_tokens, rules.chunk_overlap_tokens) = (100, 50);
        rules.chunk_order = ChunkOrder::Shuffled(7);
    };
    chunks_are_in_lexicographic_order: |rules| {
        (rules.chunk_tokens, rules.chunk_overlap_tokens) = (100, 50);
        rules.chunk_order = ChunkOrder::Lexicographic;
    };
    line_breaks_at_the_end_are_kept: |rules| rules.trim_trailing_newlines = false;
    error_responses_reset_the_connection: |rules| rules.reset_after_4xx = true;
    errors_have_another_shape: |rules| rules.error_shape = ErrorShape::FastApi;
    errors_have_no_type: |rules| rules.error_shape = ErrorShape::Untyped;
    errors_come_from_a_gateway: |rules| rules.error_shape = ErrorShape::Gateway;
    only_text_attributes_are_kept: |rules| rules.kept_attributes = KeptAttributes::Text;
    batches_are_ignored: |rules| rules.batches = Batches::Ignored;
    there_are_no_batches: |rules| rules.batches = Batches::Missing;
    uploads_expire: |rules| rules.file_lifetime = Some(Duration::from_secs(90 * 24 * 3600));
    hits_have_the_ids_of_documents: |rules| rules.search_ids = SearchIds::Document;
    hits_have_no_ids: |rules| rules.search_ids = SearchIds::Empty;
    the_beta_header_is_required: |rules| rules.beta_header = BetaHeader::Required;
    downloads_are_allowed: |rules| rules.forbidden_downloads.clear();
}

#[tokio::test]
async fn the_beta_header_can_be_omitted() {
    compare(
        |rules| rules.beta_header = BetaHeader::Forbidden,
        |config| config.with_send_beta_header(false),
    )
    .await;
}

#[tokio::test]
async fn a_file_that_cannot_be_indexed_is_kept_and_reports_why_it_is_unreadable() {
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
        // Another encoding would not help, because the service would have to parse it too.
        let message = error.to_string();
        assert!(message.contains("invalid_file: It is too large.") && !message.contains("framed"));
    }
    assert!(notes.search("one").await.unwrap().is_empty());
    assert_eq!(notes.glob("*").await.unwrap(), ["a.txt", "b.bin"]);
    notes.rename("a.txt", "c.txt").await.unwrap();
    notes.update("c.txt", "two").await.unwrap();
    notes.delete("b.bin").await.unwrap();
    assert!(notes.check().await.unwrap().is_empty());
    openai.set(|rules| rules.forbidden_downloads.clear());
    assert_eq!(
        tree(&open(&openai).await).await.unwrap(),
        [("c.txt".into(), Some("two".into()))].into()
    );
}

/// Deletes the entry at a listing's cursor during the listing.
async fn list_while_the_cursor_is_deleted(unknown_after: UnknownAfter) -> usize {
    let openai = service();
    openai.set(|rules| rules.unknown_after = unknown_after);
    openai.inject(Fault::new(FaultKind::Held).on(Route::List).after(1));
    let notes = open(&openai).await;
    let deleting = async {
        while openai.faults_left() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The second page was requested and is not computed yet.
        openai.detach_file(&openai.vector_store_files()[99].id);
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
async fn a_listing_that_loses_its_cursor_restarts() {
    assert_eq!(
        list_while_the_cursor_is_deleted(UnknownAfter::Refused).await,
        4,
        "two pages, twice"
    );
}

#[tokio::test]
async fn a_restarted_listing_completes() {
    assert_eq!(list_while_the_cursor_is_deleted(UnknownAfter::Restarts).await, 3);
}
