//! Gets: the metadata and the content of an object always belong to the same version.

use std::collections::HashMap;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use f9::compat::object_store::FileBackendStore;
use f9::prelude::*;
use f9::{ErrorKind, MemoryConfig, MemoryFileBackend};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, MultipartUpload as _, ObjectStore,
    ObjectStoreExt as _, PutMode,
};

use crate::errors::{inside, variant};
use crate::scripted::Scripted;
use crate::stores::{Local, content, memory};

fn a() -> Path {
    Path::from("a")
}

#[tokio::test]
async fn a_get_is_one_call() {
    let (store, script) = Scripted::default().store();
    store.put(&a(), "hello".into()).await.unwrap();
    script.calls();
    store.get(&a()).await.unwrap().bytes().await.unwrap();
    assert_eq!(script.calls(), ["open"]);
    store.get_range(&a(), 1..3).await.unwrap();
    assert_eq!(script.calls(), ["open"]);
    store.head(&a()).await.unwrap();
    assert_eq!(script.calls(), ["info"]);
    store.get_ranges(&a(), &[0..1, 3..5]).await.unwrap();
    assert_eq!(script.calls(), ["open"]);
    store.get_ranges(&a(), &[]).await.unwrap();
    assert_eq!(script.calls(), [""; 0]);
}

#[tokio::test]
async fn ranges_are_read_again_if_the_object_changes_between() {
    let (store, script) = Scripted { replaces: AtomicUsize::new(3), ..Scripted::default() }.store();
    script.files.create("a", "x".repeat(200_000)).await.unwrap();
    let ends = [0..1, 199_999..200_004];
    assert_eq!(store.get_ranges(&a(), &ends).await.unwrap(), ["x", "x+++"]);
}

#[tokio::test]
async fn a_condition_is_checked_against_the_returned_content() {
    let (store, script) = Scripted { replaces: AtomicUsize::new(1), ..Scripted::default() }.store();
    script.files.create("a", "hello").await.unwrap();
    let etag = store.head(&a()).await.unwrap().e_tag;
    let error = store.get_opts(&a(), GetOptions::new().with_if_match(etag)).await.unwrap_err();
    assert_eq!(variant(&error), "Precondition");
}

#[tokio::test]
async fn ranges_are_given_up_if_the_object_changes_every_time() {
    let replaces = AtomicUsize::new(usize::MAX);
    let (store, script) = Scripted { replaces, ..Scripted::default() }.store();
    script.files.create("a", "x".repeat(2_000_000)).await.unwrap();
    let far = [0..1, 1_000_000..1_000_001];
    assert_eq!(variant(&store.get_ranges(&a(), &far).await.unwrap_err()), "Precondition");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_during_a_replacement_returns_the_old_or_the_new_object() {
    let local = Local::new().await;
    let signed = |round: u8| vec![round; 3000 * (usize::from(round) % 7 + 1)];
    local.store.put(&a(), signed(0).into()).await.unwrap();
    let over = AtomicBool::new(false);
    let writer = async {
        let mut etags = HashMap::new();
        for round in 1..=200_u8 {
            let put = local.store.put(&a(), signed(round).into()).await.unwrap();
            etags.insert(put.e_tag.unwrap(), round);
            tokio::task::yield_now().await;
        }
        over.store(true, Ordering::Relaxed);
        etags
    };
    let reader = async {
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let got = local.store.get(&a()).await.unwrap();
            let meta = got.meta.clone();
            let bytes = got.bytes().await.unwrap();
            assert_eq!(bytes, signed(bytes[0]), "torn content");
            assert_eq!(meta.size, bytes.len() as u64);
            seen.push((meta.e_tag.unwrap(), bytes[0]));
            let ranges = local.store.get_ranges(&a(), &[0..1, 2999..3000]).await.unwrap();
            assert_eq!(ranges[0], ranges[1]);
        }
        seen
    };
    let (etags, seen) = tokio::join!(writer, reader);
    assert!(seen.iter().any(|(_, round)| *round != 0), "no read happened during the writes");
    for (etag, round) in seen {
        assert_eq!(
            etags.get(&etag).copied().unwrap_or(0),
            round,
            "the etag belongs to another content"
        );
    }
}

#[tokio::test]
async fn ranges_work_as_in_http() {
    for empty in [false, true] {
        let (store, _) = memory();
        store.put(&a(), if empty { "" } else { "arbitrary data" }.into()).await.unwrap();
        let cases: &[(GetRange, Result<&str, ()>)] = if empty {
            &[
                (GetRange::Suffix(5), Ok("")),
                (GetRange::Offset(0), Err(())),
                (GetRange::Bounded(0..1), Err(())),
            ]
        } else {
            &[
                (GetRange::Bounded(3..7), Ok("itra")),
                (GetRange::Bounded(12..100), Ok("ta")),
                (GetRange::Bounded(0..u64::MAX), Ok("arbitrary data")),
                (GetRange::Bounded(14..15), Err(())),
                (GetRange::Bounded(3..3), Err(())),
                (GetRange::Offset(13), Ok("a")),
                (GetRange::Offset(14), Err(())),
                (GetRange::Suffix(0), Ok("")),
                (GetRange::Suffix(2), Ok("ta")),
                (GetRange::Suffix(u64::MAX), Ok("arbitrary data")),
            ]
        };
        for (range, expected) in cases {
            let options = GetOptions::new().with_range(Some(range.clone()));
            match (store.get_opts(&a(), options).await, expected) {
                (Ok(got), Ok(expected)) => {
                    assert_eq!(got.range.end - got.range.start, expected.len() as u64);
                    assert_eq!(got.bytes().await.unwrap(), *expected, "{range:?}");
                }
                (Err(error), Err(())) => {
                    assert_eq!(inside(&error).kind(), ErrorKind::InvalidRange, "{range:?}");
                }
                (got, _) => panic!("{range:?}: {got:?}"),
            }
        }
    }
}

#[tokio::test]
async fn get_ranges_returns_each_range_exactly() {
    let local = Local::new().await;
    let data: Bytes = (0..300_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    local.store.put(&a(), data.clone().into()).await.unwrap();
    for ranges in [
        vec![0..16, 16..32, 32..48],
        vec![0..16, 64..80, 1000..1016],
        vec![100..120, 0..50, 40..60, 0..50, 110..130],
        vec![299_000..300_000, 0..10, 150_000..150_001],
        vec![299_999..400_000, 0..10],
        vec![],
    ] {
        let got = local.store.get_ranges(&a(), &ranges).await.unwrap();
        assert_eq!(got.len(), ranges.len());
        for (range, bytes) in ranges.iter().zip(got) {
            let ends = [range.start, range.end.min(300_000)];
            let [start, end] = ends.map(|at| usize::try_from(at).unwrap());
            assert_eq!(bytes, data.slice(start..end), "{range:?}");
        }
    }
    for ranges in [
        vec![300_000..300_001],
        vec![0..10, 300_000..300_001],
        vec![299_990..299_999, 300_010..300_020],
        vec![0..10, 900_000..900_001],
        vec![5..5],
        vec![0..10, Range { start: 7, end: 3 }],
    ] {
        let error = local.store.get_ranges(&a(), &ranges).await.unwrap_err();
        assert_eq!(inside(&error).kind(), ErrorKind::InvalidRange, "{ranges:?}: {error}");
    }
}

#[tokio::test]
async fn distant_ranges_of_a_changing_object_are_of_one_content() {
    let (store, script) = Scripted { replaces: AtomicUsize::new(1), ..Scripted::default() }.store();
    script.files.create("a", "x".repeat(1_000_000)).await.unwrap();
    let far = [0..1, 500_000..500_001, 999_999..1_000_001];
    let got = store.get_ranges(&a(), &far).await.unwrap();
    assert_eq!(got, ["x", "x", "x+"]);
}

#[tokio::test]
async fn a_small_object_is_one_chunk_and_a_large_one_is_streamed() {
    let local = Local::new().await;
    for (size, chunks) in [(0, 0), (1, 1), (8 << 20, 1), ((8 << 20) + 1, 2)] {
        local.store.put(&a(), vec![7; size].into()).await.unwrap();
        let stream = local.store.get(&a()).await.unwrap().into_stream();
        let sizes: Vec<usize> = stream.map_ok(|chunk| chunk.len()).try_collect().await.unwrap();
        assert_eq!(sizes.len(), chunks, "{size}");
        assert_eq!(sizes.iter().sum::<usize>(), size);
        assert!(chunks < 2 || sizes.iter().all(|&size| size <= 8 << 20));
    }
}

#[tokio::test]
async fn a_head_has_no_content_and_an_unknown_version_is_refused() {
    let (store, _) = memory();
    store.put(&a(), "hello".into()).await.unwrap();
    let got = store.get_opts(&a(), GetOptions::new().with_head(true)).await.unwrap();
    assert_eq!((got.meta.size, got.range.clone()), (5, 0..5));
    assert_eq!(got.into_stream().count().await, 0);
    let options = GetOptions::new().with_version(Some("1"));
    let error = store.get_opts(&a(), options).await.unwrap_err();
    assert_eq!((variant(&error), inside(&error).path()), ("NotSupported", Some("a")));
}

#[tokio::test]
async fn a_get_and_a_head_return_the_attributes_of_every_kind_of_put() {
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "text/markdown"),
        (Attribute::Metadata("origin".into()), "upload"),
    ]);
    let local = Local::new().await;
    for store in [&memory().0, &local.store] {
        store.put_opts(&a(), "one".into(), attributes.clone().into()).await.unwrap();
        let b = Path::from("b");
        let mut upload = store.put_multipart_opts(&b, attributes.clone().into()).await.unwrap();
        upload.put_part("two".into()).await.unwrap();
        upload.complete().await.unwrap();
        for location in [&a(), &b] {
            let got = store.get(location).await.unwrap();
            let head = store.get_opts(location, GetOptions::new().with_head(true)).await.unwrap();
            assert_eq!((got.attributes, head.attributes), (attributes.clone(), attributes.clone()));
        }
        let plain = Path::from("plain");
        store.put(&plain, "three".into()).await.unwrap();
        assert!(store.get(&plain).await.unwrap().attributes.is_empty());
    }
}

#[tokio::test]
async fn every_version_can_be_read() {
    let files = MemoryFileBackend::open(MemoryConfig::default().with_versions()).await.unwrap();
    let store = FileBackendStore::new(files);
    let first = store.put(&a(), "first".into()).await.unwrap();
    let second = store.put(&a(), "the second".into()).await.unwrap();
    assert!(first.version.is_some() && first.version != second.version, "{first:?}");
    for (put, expected) in [(&first, "first"), (&second, "the second")] {
        let options = GetOptions::new().with_version(put.version.clone());
        let got = store.get_opts(&a(), options.clone()).await.unwrap();
        assert_eq!((&got.meta.version, &got.meta.e_tag), (&put.version, &put.e_tag));
        assert_eq!(got.bytes().await.unwrap(), expected);
        let head = store.get_opts(&a(), options.with_head(true)).await.unwrap();
        assert_eq!((head.meta.size, &head.meta.version), (expected.len() as u64, &put.version));
    }
    assert_eq!(store.head(&a()).await.unwrap().version, second.version);
    let update = PutMode::Update(second.into());
    store.put_opts(&a(), "the third".into(), update.into()).await.unwrap();
}

#[tokio::test]
async fn anything_but_a_file_is_not_found() {
    let local = Local::new().await;
    local.store.put(&Path::from("dir/file"), "x".into()).await.unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, local.on_disk("fifo"), mode).unwrap();
    symlink("nowhere", local.on_disk("dangling")).unwrap();
    symlink("dir", local.on_disk("to dir")).unwrap();
    for name in ["", "dir", "dir/file/below", "missing", "fifo", "dangling", "to dir"] {
        let location = Path::parse(name).unwrap();
        let read = async {
            [
                store_error(local.store.head(&location).await),
                store_error(local.store.get(&location).await),
                store_error(local.store.get_range(&location, 0..1).await),
            ]
        };
        let errors = tokio::time::timeout(Duration::from_secs(300), read)
            .await
            .expect("a read of the fifo blocks");
        for error in errors {
            assert_eq!(variant(&error), "NotFound", "{name}: {error}");
        }
    }
    let ranged = local.store.get_ranges(&Path::from("fifo"), &[0..1]).await;
    assert_eq!(variant(&ranged.unwrap_err()), "NotFound");
}

fn store_error<T>(result: object_store::Result<T>) -> object_store::Error {
    result.err().expect("the call should fail")
}

#[tokio::test]
async fn links_are_followed_only_inside_the_root() {
    let local = Local::new().await;
    let outside = tempfile::NamedTempFile::new().unwrap();
    local.store.put(&Path::from("dir/file"), "inside".into()).await.unwrap();
    symlink("dir/file", local.on_disk("link")).unwrap();
    symlink("dir", local.on_disk("to dir")).unwrap();
    symlink(outside.path(), local.on_disk("out")).unwrap();
    assert_eq!(content(&local.store, "link").await, b"inside");
    assert_eq!(content(&local.store, "to dir/file").await, b"inside");
    let head = local.store.head(&Path::from("link")).await.unwrap();
    assert_eq!((head.location, head.size), (Path::from("link"), 6));
    let error = local.store.get(&Path::from("out")).await.unwrap_err();
    assert_eq!(variant(&error), "PermissionDenied");
    assert_eq!(inside(&error).kind(), ErrorKind::PathEscapesRoot);
}
