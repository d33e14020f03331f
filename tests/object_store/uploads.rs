//! Multipart uploads: parts are in order, memory is bounded, and nothing is visible before the end.

use std::sync::Arc;

use bytes::Bytes;
use f9::prelude::*;
use f9::{Durability, ErrorKind};
use futures::FutureExt as _;
use futures::future::join_all;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, UploadPart};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::errors::{inside, variant};
use crate::scripted::Scripted;
use crate::stores::{Local, content, locations, memory};

fn a() -> Path {
    Path::from("a")
}

/// Returns a part of 3 MiB, which the local backend writes at once.
fn part(byte: u8) -> Bytes {
    vec![byte; 3 << 20].into()
}

/// Runs a test and waits for all work of the store.
fn run_to_completion<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Dropping the runtime waits for its blocking pool.
    runtime.block_on(test)
}

/// Aborts or drops an upload.
async fn cancel(mut upload: Box<dyn MultipartUpload>, by_drop: bool) {
    if !by_drop {
        upload.abort().await.unwrap();
    }
}

/// Returns a store with one object. It is synced, so its temporary files have names.
async fn synced_store() -> Local {
    let local = Local::with(Durability::Synced).await;
    local.store.put(&a(), "old".into()).await.unwrap();
    local
}

#[test]
fn an_aborted_or_dropped_upload_leaves_nothing() {
    for dropped in [false, true] {
        for parts in 0..4 {
            let local = run_to_completion(async {
                let local = synced_store().await;
                let mut upload = local.store.put_multipart(&a()).await.unwrap();
                for byte in 0..parts {
                    upload.put_part(part(byte).into()).await.unwrap();
                }
                assert_eq!(
                    local.names().len(),
                    if parts == 0 { 1 } else { 2 },
                    "the number of temporary files"
                );
                assert_eq!(locations(&local.store).await, ["a"], "the upload is visible");
                assert_eq!(content(&local.store, "a").await, b"old");
                cancel(upload, dropped).await;
                local
            });
            assert_eq!(local.names(), ["a"], "dropped: {dropped}, parts: {parts}");
            assert_eq!(std::fs::read(local.on_disk("a")).unwrap(), b"old");
        }
    }
}

#[test]
fn parts_that_outlive_their_upload_fail_and_leave_nothing() {
    for dropped in [false, true] {
        let local = run_to_completion(async {
            let local = synced_store().await;
            let mut upload = local.store.put_multipart(&a()).await.unwrap();
            upload.put_part(part(1).into()).await.unwrap();
            let parts = [upload.put_part(part(2).into()), upload.put_part(part(3).into())];
            cancel(upload, dropped).await;
            for outcome in join_all(parts).await {
                assert_eq!(inside(&outcome.unwrap_err()).kind(), ErrorKind::Cancelled);
            }
            local
        });
        assert_eq!(local.names(), ["a"]);
        assert_eq!(std::fs::read(local.on_disk("a")).unwrap(), b"old");
    }
}

#[test]
fn a_part_without_its_upload_keeps_no_temporary_file() {
    let (local, _kept) = run_to_completion(async {
        let local = synced_store().await;
        let mut upload = local.store.put_multipart(&a()).await.unwrap();
        upload.put_part(part(1).into()).await.unwrap();
        let kept = upload.put_part(part(2).into());
        drop(upload);
        (local, kept)
    });
    assert_eq!(local.names(), ["a"]);
}

#[tokio::test]
async fn an_upload_dropped_during_a_write_creates_nothing() {
    let (store, script) = Scripted::default().store();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    let part = upload.put_part("one".into());
    *script.drops.lock().unwrap() = Some(upload);
    assert_eq!(inside(&part.await.unwrap_err()).kind(), ErrorKind::Cancelled);
    assert_eq!(locations(&store).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_keep_the_order_of_their_calls() {
    let local = Local::new().await;
    let mut upload = local.store.put_multipart(&a()).await.unwrap();
    let mut tasks = JoinSet::new();
    let mut waiting = Vec::new();
    for byte in 0..60_u8 {
        let sizes = [1, 10_000, 0, 200_000];
        let bytes = Bytes::from(vec![byte; sizes[usize::from(byte) % 4]]);
        let part = upload.put_part([bytes.clone(), Bytes::new(), bytes].into_iter().collect());
        match byte % 3 {
            0 => drop(tasks.spawn(part)),
            1 => waiting.push(part),
            _ => drop(part),
        }
    }
    for part in waiting.into_iter().rev() {
        part.await.unwrap();
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let put = upload.complete().await.unwrap();
    assert_eq!(put.e_tag, local.store.head(&a()).await.unwrap().e_tag);
    let all = content(&local.store, "a").await;
    assert!(all.is_sorted(), "the parts are out of order");
    assert_eq!(all.len(), 15 * 2 * (1 + 10_000 + 200_000));
}

#[tokio::test]
async fn an_upload_may_be_empty_and_may_complete_before_its_parts_are_awaited() {
    let (store, _) = memory();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(content(&store, "a").await, b"");

    let mut upload = store.put_multipart(&a()).await.unwrap();
    let parts = [upload.put_part("one".into()), upload.put_part("two".into())];
    upload.complete().await.unwrap();
    assert_eq!(content(&store, "a").await, b"onetwo");
    for outcome in join_all(parts).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_failed_write_is_reported_by_every_part_and_by_complete() {
    let fails_half_way = Some(ErrorKind::StorageFull);
    let (store, script) = Scripted { fails_half_way, ..Scripted::default() }.store();
    store.put(&a(), "old".into()).await.unwrap();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    let parts = [upload.put_part("one".into()), upload.put_part("two".into())];
    let mut errors: Vec<_> = join_all(parts).await.into_iter().map(Result::unwrap_err).collect();
    errors.push(upload.put_part("three".into()).await.unwrap_err());
    errors.push(upload.complete().await.unwrap_err());
    errors.push(upload.complete().await.unwrap_err());
    for error in &errors {
        assert_eq!(variant(error), "Generic");
        assert_eq!(inside(error).to_string(), "cannot play `a`: no space left: scripted");
    }
    upload.abort().await.unwrap();
    assert_eq!(script.files.read("a").await.unwrap(), "old");
}

/// Polls a part twice, and returns whether it is done.
fn is_done(part: &mut UploadPart) -> bool {
    // The second poll may be the first that sees the result.
    (0..2).any(|_| part.now_or_never().is_some_and(|outcome| outcome.is_ok()))
}

#[tokio::test]
async fn a_panic_in_the_backend_fails_the_upload() {
    let (store, _) = Scripted { panics: true, ..Scripted::default() }.store();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    let parts = [upload.put_part("one".into()), upload.put_part("two".into())];
    for part in parts {
        assert_eq!(inside(&part.await.unwrap_err()).kind(), ErrorKind::Internal);
    }
    assert_eq!(inside(&upload.complete().await.unwrap_err()).kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_part_is_done_when_the_write_has_read_it() {
    let takes = Some(Semaphore::new(0));
    let (store, script) = Scripted { takes, ..Scripted::default() }.store();
    let takes = script.takes.as_ref().unwrap();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    let mut first = upload.put_part("one".into());
    let mut second = upload.put_part(["t", "w", "o"].map(Bytes::from).into_iter().collect());
    assert!(!is_done(&mut first), "nothing has been read");
    takes.add_permits(1);
    assert!(!is_done(&mut second));
    assert_eq!(script.written.lock().unwrap().len(), 1);
    assert!(!is_done(&mut first), "the write still has the part");
    takes.add_permits(1);
    assert!(!is_done(&mut second), "the second part needs more permits");
    assert!(is_done(&mut first));
    takes.add_permits(3);
    assert!(is_done(&mut second));
    assert!(upload.complete().now_or_never().is_some());
    assert_eq!(content(&store, "a").await, b"onetwo");
}

#[tokio::test]
async fn complete_can_be_called_again_after_it_was_dropped() {
    let takes = Some(Semaphore::new(0));
    let (store, script) = Scripted { takes, ..Scripted::default() }.store();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    drop(upload.put_part("one".into()));
    assert!(upload.complete().now_or_never().is_none());
    script.takes.as_ref().unwrap().add_permits(2);
    let first = upload.complete().await.unwrap();
    assert_eq!(upload.complete().await.unwrap().e_tag, first.e_tag);
    assert_eq!(content(&store, "a").await, b"one");
}

#[tokio::test]
async fn an_ended_upload_accepts_no_parts() {
    let (store, _) = memory();
    let mut completed = store.put_multipart(&a()).await.unwrap();
    completed.put_part("one".into()).await.unwrap();
    completed.complete().await.unwrap();
    let error = completed.put_part("two".into()).await.unwrap_err();
    assert_eq!(inside(&error).kind(), ErrorKind::InvalidInput);
    completed.abort().await.unwrap();
    drop(completed);
    assert_eq!(content(&store, "a").await, b"one", "the completed object is gone");

    let mut aborted = store.put_multipart(&Path::from("b")).await.unwrap();
    aborted.put_part("one".into()).await.unwrap();
    aborted.abort().await.unwrap();
    aborted.abort().await.unwrap();
    for error in
        [aborted.put_part("two".into()).await.unwrap_err(), aborted.complete().await.unwrap_err()]
    {
        assert_eq!(inside(&error).kind(), ErrorKind::Cancelled);
    }
    assert_eq!(locations(&store).await, ["a"]);
}

#[tokio::test]
async fn a_buffered_writer_works() {
    let local = Local::new().await;
    let store: Arc<dyn ObjectStore> = Arc::new(local.store.clone());
    for size in [12, 24_000_000] {
        let mut writer = BufWriter::new(Arc::clone(&store), a());
        let bytes = &b"some pattern".repeat(size / 12)[..];
        for chunk in bytes.chunks(1_000_003) {
            writer.write_all(chunk).await.unwrap();
        }
        writer.shutdown().await.unwrap();
        assert!(content(&*store, "a").await == bytes);
    }
    let mut writer = BufWriter::new(Arc::clone(&store), Path::from("b"));
    writer.write_all(&vec![1; 24_000_000]).await.unwrap();
    writer.abort().await.unwrap();
    drop(writer);
    assert_eq!(locations(&*store).await, ["a"]);
}
