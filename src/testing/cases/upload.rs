//! Uploads continue after failures and in other handles, and are published once.

use std::sync::Arc;

use crate::core::error::{Error, ErrorKind};
use crate::core::options::{ListOptions, WriteOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, failing_source, gated, source};
use crate::testing::expect::refused;
use crate::testing::state::{listed, state};

pub async fn an_upload_is_published_when_it_is_finished(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(500_000);
    let upload = files.begin_upload("dir/a", WriteOptions::create()).await.unwrap();
    assert_eq!((upload.path.as_str(), upload.offset), ("dir/a", 0));
    let first = source([content.slice(..100_000), content.slice(100_000..200_000)]);
    let upload = files.continue_upload(&upload, first).await.unwrap();
    assert_eq!(upload.offset, 200_000);
    assert!(!files.exists("dir/a").await.unwrap());
    // Another process reads the state, and another handle continues.
    let json = serde_json::to_string(&upload).unwrap();
    let upload = serde_json::from_str(&json).unwrap();
    let second = store.second_handle().await.unwrap_or_else(|| Arc::clone(&files));
    let upload = second.continue_upload(&upload, source([content.slice(200_000..)])).await.unwrap();
    assert_eq!(second.upload_state(&upload).await.unwrap().offset, 500_000);
    let info = second.finish_upload(&upload).await.unwrap();
    assert_eq!((info.path.as_str(), info.size), ("dir/a", Some(500_000)));
    assert!(files.read("dir/a").await.unwrap() == content);
    refused(files.finish_upload(&upload).await, ErrorKind::NotFound);
    refused(files.upload_state(&upload).await, ErrorKind::NotFound);
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/a"]);
}

pub async fn an_upload_continues_after_a_failing_source(store: &dyn Fixture) {
    let files = store.backend().await;
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let data = failing_source(["first ".into()], Error::new(ErrorKind::QuotaExceeded));
    refused(files.continue_upload(&upload, data).await, ErrorKind::SourceFailed);
    let state = files.upload_state(&upload).await.unwrap();
    assert!(state.offset == 0 || state.offset == 6, "{}", state.offset);
    let rest = &"first second"[usize::try_from(state.offset).unwrap()..];
    let upload = files.continue_upload(&state, source([rest.into()])).await.unwrap();
    files.finish_upload(&upload).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "first second");
}

pub async fn an_upload_repeats_what_came_after_its_offset(store: &dyn Fixture) {
    let files = store.backend().await;
    let start = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let one = files.continue_upload(&start, source(["one".into()])).await.unwrap();
    files.continue_upload(&one, source(["lost answer".into()])).await.unwrap();
    let two = files.continue_upload(&one, source(["two".into()])).await.unwrap();
    assert_eq!(two.offset, 6);
    let mut ahead = two.clone();
    ahead.offset = 100;
    let written = files.continue_upload(&ahead, source(["three".into()])).await;
    refused(written, ErrorKind::InvalidInput);
    files.finish_upload(&two).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "onetwo");
}

pub async fn a_finished_upload_respects_its_options(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("taken", "old").await.unwrap();
    refused(files.begin_upload("taken", WriteOptions::create()).await, ErrorKind::AlreadyExists);
    refused(files.begin_upload("new", WriteOptions::replace()).await, ErrorKind::NotFound);
    let upload = files.begin_upload("later", WriteOptions::create()).await.unwrap();
    let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
    files.create("later", "first").await.unwrap();
    refused(files.finish_upload(&upload).await, ErrorKind::AlreadyExists);
    assert_eq!(files.read("later").await.unwrap(), "first");
    // The content is kept, so that the caller can make room.
    files.delete("later").await.unwrap();
    files.finish_upload(&upload).await.unwrap();
    assert_eq!(files.read("later").await.unwrap(), "new");
    let sized = WriteOptions::default().with_size(5);
    let upload = files.begin_upload("sized", sized).await.unwrap();
    let upload = files.continue_upload(&upload, source(["1234".into()])).await.unwrap();
    refused(files.finish_upload(&upload).await, ErrorKind::LengthMismatch);
    files.abandon_upload(&upload).await.unwrap();
}

pub async fn a_finished_upload_ends_at_its_offset(store: &dyn Fixture) {
    let files = store.backend().await;
    let start = files.begin_upload("a", WriteOptions::default().with_size(3)).await.unwrap();
    let one = files.continue_upload(&start, source(["one".into()])).await.unwrap();
    let mut ahead = one.clone();
    ahead.offset = 4;
    refused(files.finish_upload(&ahead).await, ErrorKind::InvalidInput);
    let lost = files.continue_upload(&one, source(["lost answer".into()])).await;
    refused(lost, ErrorKind::LengthMismatch);
    assert_eq!(files.finish_upload(&one).await.unwrap().size, Some(3));
    let start = files.begin_upload("b", WriteOptions::default()).await.unwrap();
    let one = files.continue_upload(&start, source(["one".into()])).await.unwrap();
    files.continue_upload(&one, source([" lost answer".into()])).await.unwrap();
    // The store has more than the caller knows of.
    refused(files.finish_upload(&one).await, ErrorKind::InvalidInput);
    let state = files.upload_state(&one).await.unwrap();
    files.finish_upload(&state).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "one");
    assert_eq!(files.read("b").await.unwrap(), "one lost answer");
}

pub async fn an_upload_has_one_caller_at_a_time(store: &dyn Fixture) {
    let files = store.backend().await;
    let second = store.second_handle().await.unwrap_or_else(|| Arc::clone(&files));
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let (data, gate) = gated("slow ".into(), "content".into());
    let (first, state) = (Arc::clone(&files), upload.clone());
    let first = tokio::spawn(async move { first.continue_upload(&state, data).await });
    gate.reached().await;
    let other = second.continue_upload(&upload, source(["fast".into()])).await;
    refused(other, ErrorKind::InvalidOperation);
    refused(second.finish_upload(&upload).await, ErrorKind::InvalidOperation);
    assert!(second.upload_state(&upload).await.unwrap().offset <= 5);
    gate.open();
    let upload = first.await.unwrap().unwrap();
    second.finish_upload(&upload).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "slow content");
}

pub async fn one_of_concurrent_finishes_publishes_an_upload(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(50, 10) {
        let path = format!("{round}");
        files.create(&path, "old ").await.unwrap();
        let upload = files.begin_upload(&path, WriteOptions::append()).await.unwrap();
        let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
        let finishes = (0..4).map(|_| {
            let (files, upload) = (Arc::clone(&files), upload.clone());
            tokio::spawn(async move { files.finish_upload(&upload).await })
        });
        let mut finished = 0;
        for done in finishes.collect::<Vec<_>>() {
            match done.await.unwrap() {
                Ok(_) => finished += 1,
                Err(error) => {
                    let kinds = [ErrorKind::NotFound, ErrorKind::InvalidOperation];
                    assert!(kinds.contains(&error.kind()), "{error}");
                }
            }
        }
        assert_eq!((finished, &*files.read(&path).await.unwrap()), (1, &b"old new"[..]));
    }
}

pub async fn an_abandoned_upload_leaves_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "old").await.unwrap();
    let before = state(&*files).await;
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
    files.abandon_upload(&upload).await.unwrap();
    files.abandon_upload(&upload).await.unwrap();
    refused(files.continue_upload(&upload, source(["more".into()])).await, ErrorKind::NotFound);
    refused(files.finish_upload(&upload).await, ErrorKind::NotFound);
    assert_eq!(state(&*files).await, before);
}
