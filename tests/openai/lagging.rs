//! Services whose listings and responses lag behind changes, and the handles that work on them.

use f9::prelude::*;
use f9::testing::openai::{DeletedFiles, OpenAISimulator};
use f9::{ErrorKind, OpenAIVectorStoreFileBackend, UpdateOptions};

use crate::notes::opened;

async fn two(openai: &OpenAISimulator) -> [OpenAIVectorStoreFileBackend; 2] {
    [opened(openai.config()).await, opened(openai.config()).await]
}

#[tokio::test]
async fn a_change_is_visible_to_other_handles_before_it_is_listed() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| rules.unlisted_after_attach = 9);
    let [one, other] = two(&openai).await;
    one.create("a", "one").await.unwrap();
    assert_eq!(other.read("a").await.unwrap(), "one");
    let again = other.create("a", "other").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    other.update_with("a", " two", UpdateOptions::append()).await.unwrap();
    assert_eq!(one.read("a").await.unwrap(), "one two");
    drop(other);
    assert_eq!(opened(openai.config()).await.read("a").await.unwrap(), "one two");
    assert_eq!(openai.vector_store_files().len(), 1);
}

#[tokio::test]
async fn a_removal_is_visible_to_other_handles_while_the_entry_is_listed() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| {
        rules.stale_after_delete = 9;
        rules.deleted_files = DeletedFiles::Listed;
    });
    let [one, other] = two(&openai).await;
    for path in ["deleted", "replaced"] {
        one.create(path, "old").await.unwrap();
    }
    one.delete("deleted").await.unwrap();
    assert!(!other.exists("deleted").await.unwrap());
    one.update("replaced", "new").await.unwrap();
    assert_eq!(other.read("replaced").await.unwrap(), "new");
    assert!(other.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_attachment_is_visible_to_other_handles_despite_a_404() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| rules.missing_after_attach = 2);
    let [one, other] = two(&openai).await;
    one.create("a", "one").await.unwrap();
    let status = other.indexing_status("a").await.unwrap();
    assert_eq!(status, f9::IndexingStatus::Completed);
}

#[tokio::test]
async fn a_new_entry_exists_although_it_is_neither_listed_nor_found() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| (rules.unlisted_after_attach, rules.missing_after_attach) = (9, 2));
    let notes = opened(openai.config()).await;
    notes.create("a", "one").await.unwrap();
    assert_eq!(notes.read("a").await.unwrap(), "one");
    let again = notes.create("a", "other").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
}
