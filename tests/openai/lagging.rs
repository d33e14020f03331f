//! Services whose listings and answers are behind what was done, and who works on them.

use f9::prelude::*;
use f9::testing::{DeletedFiles, OpenAISimulator};
use f9::{ErrorKind, OpenAIVectorStoreFileBackend, UpdateOptions};

use crate::notes::opened;

async fn two(openai: &OpenAISimulator) -> [OpenAIVectorStoreFileBackend; 2] {
    [opened(openai.config()).await, opened(openai.config()).await]
}

#[tokio::test]
async fn what_one_handle_did_is_known_to_another_before_it_is_listed() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| rules.unlisted_after_attach = 9);
    let [one, other] = two(&openai).await;
    one.create("a", "one").await.unwrap();
    assert_eq!(other.read("a").await.unwrap(), "one");
    let again = other.create("a", "other").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    other.update_with("a", " two".into(), UpdateOptions::append()).await.unwrap();
    assert_eq!(one.read("a").await.unwrap(), "one two");
    drop(other);
    assert_eq!(opened(openai.config()).await.read("a").await.unwrap(), "one two");
    assert_eq!(openai.vector_store_files().len(), 1);
}

#[tokio::test]
async fn what_one_handle_removed_is_known_to_another_while_it_is_listed() {
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
    assert!(other.survey().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_one_handle_attached_is_there_for_another_that_the_service_denies_it() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| rules.missing_after_attach = 2);
    let [one, other] = two(&openai).await;
    one.create("a", "one").await.unwrap();
    let status = other.indexing_status("a").await.unwrap();
    assert_eq!(status, f9::IndexingStatus::Completed);
}

#[tokio::test]
async fn what_is_neither_listed_nor_answered_yet_is_there() {
    let openai = OpenAISimulator::lenient();
    openai.set(|rules| (rules.unlisted_after_attach, rules.missing_after_attach) = (9, 2));
    let notes = opened(openai.config()).await;
    notes.create("a", "one").await.unwrap();
    assert_eq!(notes.read("a").await.unwrap(), "one");
    let again = notes.create("a", "other").await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
}
