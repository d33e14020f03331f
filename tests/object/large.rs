//! Files in parts: memory, order, interruptions.

use bytes::Bytes;
use f9::prelude::*;
use f9::testing::s3::{Fault, FaultKind, Operation};
use f9::{CopyOptions, Error, ErrorKind, ReadOptions, UpdateOptions, WriteOptions};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::fixture::{PART, Scene, content, refused};

fn chunks(content: &[u8], size: usize) -> f9::ByteStream<'static> {
    let chunks: Vec<_> =
        content.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks).boxed()
}

#[tokio::test]
async fn content_of_every_size_around_a_part_reads_back() {
    let scene = Scene::new();
    let files = scene.open().await;
    for size in [PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 7] {
        let expected = content(size);
        for chunk in [99_999, 2 * PART] {
            let written =
                files.stream_write_with("a", chunks(&expected, chunk), WriteOptions::default());
            assert_eq!(written.await.unwrap().size, Some(size as u64));
            assert!(files.read("a").await.unwrap() == expected, "{size} bytes");
        }
        let middle = ReadOptions::range(PART as u64 - 10..PART as u64 + 10);
        let expected = &expected[(PART - 10).min(size)..(PART + 10).min(size)];
        assert!(files.read_with("a", middle).await.unwrap() == expected);
    }
    let tail = files.read_with("a", ReadOptions::range(PART as u64..)).await.unwrap();
    assert_eq!(tail.len(), 2 * PART + 7);
}

#[tokio::test]
async fn a_failed_part_is_repeated_alone() {
    let scene = Scene::new();
    let files = scene.open().await;
    let expected = content(3 * PART);
    scene.s3.inject(Fault::internal_error().on(Operation::UploadPart).after(1));
    files.stream_write_with("a", chunks(&expected, PART), WriteOptions::default()).await.unwrap();
    let parts = scene.operations().into_iter().filter(|one| *one == Operation::UploadPart);
    assert_eq!(parts.count(), 4);
    assert!(files.read("a").await.unwrap() == expected);
}

#[tokio::test]
async fn an_upload_that_fails_or_is_dropped_leaves_nothing() {
    let scene = Scene::new();
    let files = scene.open().await;
    files.write("a", "old").await.unwrap();
    let large = content(2 * PART);
    let failing = chunks(&large, PART).chain(stream::iter([Err(Error::new(ErrorKind::TooLarge))]));
    let written = files.stream_write_with("a", failing.boxed(), WriteOptions::default()).await;
    refused(written, ErrorKind::SourceFailed);
    let endless = chunks(&large, PART).chain(stream::pending());
    let mut writing =
        Box::pin(files.stream_write_with("a", endless.boxed(), WriteOptions::default()));
    while scene.s3.uploads().first().is_none_or(|upload| upload.parts.is_empty()) {
        tokio::select! {
            biased;
            () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            _ = &mut writing => panic!("the source has no end"),
        }
    }
    drop(writing);
    scene.s3.inject(Fault::error(403, "AccessDenied").on(Operation::UploadPart).times(9));
    let written = files.stream_write_with("a", chunks(&large, PART), WriteOptions::default()).await;
    refused(written, ErrorKind::PermissionDenied);
    while !scene.s3.uploads().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(scene.content("a").unwrap(), "old");
    assert_eq!(scene.keys(), ["a"]);
}

#[tokio::test]
async fn a_read_goes_on_after_its_connection_was_lost() {
    let scene = Scene::new();
    let files = scene.open().await;
    let expected = content(2 * PART);
    scene.s3.put("a", expected.clone());
    for after in [0, 1, 100_000, PART - 1] {
        let fault = Fault::new(FaultKind::TruncatedBody { after });
        scene.s3.inject(fault.on(Operation::GetObject).times(3));
        let read = files.read("a").await.unwrap();
        assert!(read == expected, "cut after {after} bytes");
        assert_eq!(scene.s3.faults_left(), 0);
    }
}

#[tokio::test]
async fn a_read_never_mixes_two_versions() {
    let scene = Scene::new();
    let files = scene.open().await;
    scene.s3.put("a", content(4 * PART));
    let options = ReadOptions::default().with_chunk_size(1_000);
    let mut read = files.stream_read_with("a", options.clone()).await.unwrap();
    assert_eq!(read.next().await.unwrap().unwrap().len(), 1_000);
    scene.s3.put("a", vec![7; 4 * PART]);
    let error = read.try_for_each(async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    // Also when the connection is lost in between.
    scene.s3.put("a", content(PART));
    let fault = Fault::new(FaultKind::TruncatedBody { after: 500_000 });
    scene.s3.inject(fault.on(Operation::GetObject));
    let mut read = files.stream_read_with("a", options).await.unwrap();
    read.next().await.unwrap().unwrap();
    scene.s3.put("a", vec![7; PART]);
    let error = read.try_for_each(async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

#[tokio::test]
async fn objects_that_are_too_large_for_one_request_are_copied_in_parts() {
    let scene = Scene::new();
    let files = scene.open().await;
    let options = WriteOptions::default().with_content_type("text/x").with_user_metadata("k", "v");
    files.write_with("a", content(PART), options).await.unwrap();
    scene.s3.set(|rules| rules.copy_conditions = f9::testing::s3::Conditions::Ignored);
    let limited =
        scene.config().with_endpoint(scene.s3.endpoint().replace("127.0.0.1", "localhost"));
    let files = scene.open_with(limited).await;
    // Without conditions on copies, the parts and the condition on their end take their place.
    let copied = files.copy("a", "b").await.unwrap();
    assert!(scene.operations().contains(&Operation::UploadPartCopy));
    assert_eq!(copied.size, Some(PART as u64));
    let info = files.info("b").await.unwrap();
    assert_eq!(info.content_type.as_deref(), Some("text/x"));
    assert_eq!(info.user_metadata["k"], "v");
    refused(files.copy("a", "b").await, ErrorKind::AlreadyExists);
    files.copy_with("a", "b", CopyOptions::overwrite()).await.unwrap();
    assert!(scene.s3.uploads().is_empty());
}

#[tokio::test]
async fn appends_to_files_of_every_size_keep_what_was_there() {
    let scene = Scene::new();
    let files = scene.open().await;
    for old in [0, 10, PART - 1, PART, PART + 1, 2 * PART] {
        for added in [1, PART + 1] {
            let (old, added) = (content(old), vec![9; added]);
            scene.s3.put("a", old.clone());
            let options = UpdateOptions::append();
            files.update_with("a", added.clone(), options).await.unwrap();
            let expected = [&old[..], &added[..]].concat();
            assert!(files.read("a").await.unwrap() == expected, "{} + {}", old.len(), added.len());
            scene.s3.put("a", old.clone());
            let data = chunks(&added, 100_000);
            let written = files.stream_write_with("a", data, WriteOptions::append()).await;
            assert_eq!(written.unwrap().size, Some(expected.len() as u64));
            assert!(files.read("a").await.unwrap() == expected, "{} + {}", old.len(), added.len());
        }
    }
    assert!(scene.s3.uploads().is_empty());
}

#[tokio::test]
async fn an_upload_is_continued_after_its_process_died() {
    let scene = Scene::new();
    let files = scene.open().await;
    let expected = content(3 * PART + 11);
    let upload = files.begin_upload("a", WriteOptions::create()).await.unwrap();
    // It dies in the second part.
    let endless = chunks(&expected[..PART + 5], PART).chain(stream::pending());
    let mut dying = Box::pin(files.continue_upload(&upload, endless.boxed()));
    while scene.s3.uploads().first().is_none_or(|upload| upload.parts.is_empty()) {
        tokio::select! {
            biased;
            () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            _ = &mut dying => panic!("the source has no end"),
        }
    }
    drop(dying);
    let other = scene.open_elsewhere(Scene::options()).await;
    let state = other.upload_state(&upload).await.unwrap();
    assert_eq!(state.offset, PART as u64);
    let rest = chunks(&expected[PART..2 * PART + 3], 70_000);
    let state = other.continue_upload(&state, rest).await.unwrap();
    assert_eq!(state.offset, 2 * PART as u64 + 3);
    let state =
        other.continue_upload(&state, chunks(&expected[2 * PART + 3..], PART)).await.unwrap();
    other.finish_upload(&state).await.unwrap();
    assert!(files.read("a").await.unwrap() == expected);
    assert_eq!(scene.keys(), ["a"]);
    assert!(scene.s3.uploads().is_empty());
}

#[tokio::test]
async fn a_large_append_loses_nothing_that_others_wrote_meanwhile() {
    for old in ["", "old"] {
        let scene = Scene::new();
        let files = scene.open().await;
        scene.s3.put("a", old);
        let added = content(PART + 1);
        let (parts, last) = added.split_at(PART);
        let others = async {
            // When the first part has arrived, the old content was read.
            while scene.s3.uploads().first().is_none_or(|upload| upload.parts.is_empty()) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            scene.s3.put("a", "theirs");
            Ok(Bytes::copy_from_slice(last))
        };
        let data = stream::iter([Ok(Bytes::copy_from_slice(parts)), Ok(Bytes::from_static(b"+"))]);
        let data = data.chain(stream::once(others)).boxed();
        let written = files.stream_write_with("a", data, WriteOptions::append()).await;
        refused(written, ErrorKind::Contention);
        assert_eq!(scene.content("a").unwrap(), "theirs");
    }
}

#[tokio::test]
async fn content_in_memory_that_is_much_larger_than_a_part_is_sent_in_parts() {
    let scene = Scene::new();
    let files = scene.open().await;
    let expected = content(2 * PART + 1);
    files.create("a", expected.clone()).await.unwrap();
    assert!(scene.operations().contains(&Operation::CompleteMultipartUpload));
    assert!(files.read("a").await.unwrap() == expected);
    refused(files.create("a", expected).await, ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn an_upload_that_was_put_together_is_finished_and_not_continued() {
    let scene = Scene::new();
    let files = scene.open().await;
    let expected = content(PART + 3);
    let upload = files.begin_upload("a", WriteOptions::create()).await.unwrap();
    let upload = files.continue_upload(&upload, chunks(&expected, 70_000)).await.unwrap();
    files.create("a", "first").await.unwrap();
    refused(files.finish_upload(&upload).await, ErrorKind::AlreadyExists);
    let more = files.continue_upload(&upload, chunks(b"more", 4)).await;
    refused(more, ErrorKind::InvalidOperation);
    files.delete("a").await.unwrap();
    files.finish_upload(&upload).await.unwrap();
    assert!(files.read("a").await.unwrap() == expected);
    assert_eq!(scene.keys(), ["a"]);
}
