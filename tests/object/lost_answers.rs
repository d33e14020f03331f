//! Writes whose answer is lost: what was written is recognized as one's own, and never made twice.

use f9::prelude::*;
use f9::testing::s3::{Fault, FaultKind, Operation};
use f9::{CreateOptions, ErrorKind, UpdateOptions, WriteOptions};

use super::fixture::{PART, Scene, content, refused};

/// Faults after which a request was processed although its answer says otherwise.
fn losses() -> Vec<Fault> {
    vec![
        Fault::new(FaultKind::ResetAfter),
        Fault::internal_error().processed(),
        Fault::error(503, "SlowDown").processed(),
        Fault::new(FaultKind::Html { status: 502 }).processed(),
    ]
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_succeeds() {
    for fault in losses() {
        let scene = Scene::new();
        let files = scene.open().await;
        scene.s3.inject(fault.clone().on(Operation::PutObject));
        let info = files.create("a", "mine").await.unwrap();
        assert_eq!(info.etag, files.info("a").await.unwrap().etag, "{fault:?}");
        assert_eq!(scene.s3.faults_left(), 0);
        refused(files.create("a", "again").await, ErrorKind::AlreadyExists);
    }
}

#[tokio::test]
async fn a_file_of_another_writer_is_not_taken_for_ones_own() {
    let scene = Scene::new();
    let files = scene.open().await;
    files.create("a", "same").await.unwrap();
    // The same content, from somebody else.
    scene.s3.inject(Fault::internal_error().on(Operation::PutObject));
    refused(files.create("a", "same").await, ErrorKind::AlreadyExists);
    assert_eq!(scene.s3.faults_left(), 0);
}

#[tokio::test]
async fn a_conditional_update_whose_answer_was_lost_succeeds_once() {
    for fault in losses() {
        let scene = Scene::new();
        let files = scene.open().await;
        let etag = files.create("a", "one").await.unwrap().etag.unwrap();
        scene.s3.inject(fault.clone().on(Operation::PutObject));
        files.create_with("a", "two", CreateOptions::if_match(etag.clone())).await.unwrap();
        let again = files.create_with("a", "three", CreateOptions::if_match(etag)).await;
        refused(again, ErrorKind::PreconditionFailed);
        assert_eq!(scene.content("a").unwrap(), "two");
        scene.s3.inject(fault.on(Operation::PutObject));
        files.update_with("a", "+", UpdateOptions::append()).await.unwrap();
        assert_eq!(scene.content("a").unwrap(), "two+");
    }
}

#[tokio::test]
async fn the_end_of_an_upload_whose_answer_was_lost_succeeds() {
    let large = content(PART + 1);
    for fault in losses() {
        for mode in [WriteOptions::create(), WriteOptions::overwrite()] {
            let scene = Scene::new();
            let files = scene.open().await;
            scene.s3.inject(fault.clone().on(Operation::CompleteMultipartUpload));
            let chunks = futures::stream::iter([bytes::Bytes::from(large.clone())]);
            let written = files.stream_write_with("a", f9::stream::from_chunks(chunks), mode).await;
            assert_eq!(written.unwrap().size, Some(large.len() as u64), "{fault:?}");
            assert_eq!(scene.s3.faults_left(), 0);
            assert!(files.read("a").await.unwrap() == large);
        }
    }
}

#[tokio::test]
async fn an_error_in_a_successful_answer_is_an_error() {
    let scene = Scene::new();
    let files = scene.open().await;
    files.create("a", "one").await.unwrap();
    scene.s3.inject(Fault::error(200, "InternalError").on(Operation::CopyObject));
    files.copy("a", "b").await.unwrap();
    assert_eq!(scene.content("b").unwrap(), "one");
    assert_eq!(scene.s3.faults_left(), 0);
    let large = futures::stream::iter([bytes::Bytes::from(content(PART + 1))]);
    scene.s3.inject(Fault::error(200, "InternalError").on(Operation::CompleteMultipartUpload));
    files.stream_write("c", large).await.unwrap();
    assert_eq!(scene.s3.faults_left(), 0);
}

#[tokio::test]
async fn keys_that_hold_the_names_of_errors_are_deleted_once() {
    let scene = Scene::new();
    let files = scene.open().await;
    for name in ["SlowDown", "InternalError", "<Error>"] {
        files.create(&format!("dir/{name}"), "x").await.unwrap();
    }
    scene.operations();
    files.delete_with("dir", f9::DeleteOptions::recursive()).await.unwrap();
    let operations = scene.operations();
    let deletions = operations.iter().filter(|&&one| one == Operation::DeleteObjects);
    assert_eq!(deletions.count(), 1, "{operations:?}");
    assert!(scene.keys().is_empty());
}

#[tokio::test]
async fn copies_and_deletions_whose_answer_was_lost_succeed() {
    for fault in losses() {
        let scene = Scene::new();
        let files = scene.open().await;
        let etag = files.create("a", "one").await.unwrap().etag.unwrap();
        scene.s3.inject(fault.clone().on(Operation::CopyObject));
        files.copy("a", "b").await.unwrap();
        assert_eq!(scene.content("b").unwrap(), "one", "{fault:?}");
        scene.s3.inject(fault.clone().on(Operation::DeleteObject));
        files.delete_with("a", f9::DeleteOptions::if_match(etag)).await.unwrap();
        scene.s3.inject(fault.clone().on(Operation::DeleteObject));
        files.rename("b", "c").await.unwrap();
        assert_eq!(scene.keys(), ["c"], "{fault:?}");
        assert_eq!(scene.s3.faults_left(), 0);
    }
}
