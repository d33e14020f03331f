//! Content that differs from the declaration, and machines that run out of resources, items 57 to 73.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use f9::ErrorKind::{
    AlreadyExists, IntegrityMismatch, LengthMismatch, PreconditionFailed, QuotaExceeded,
    StorageFull, Timeout, TooLarge, TooManyOpenFiles,
};
use f9::prelude::*;
use f9::{
    Bytes, CreateOptions, DEFAULT_CHUNK_SIZE, ErrorKind, ListOptions, LocalFileBackend,
    UpdateOptions, WriteOptions,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use crate::machine::{Mount, lacks_strace, not_run};
use crate::objects::{limited, root_of_its_own};
use crate::store::Store;
use crate::table::Expected::{Done, Refused};
use crate::table::Given::{self, File};
use crate::table::{Call, Row, check, check_text, over, overwriting, refused, seen, sum_of};

#[tokio::test]
async fn item_57_sizes_at_the_borders_of_chunks() {
    for size in [0, 1, DEFAULT_CHUNK_SIZE - 1, DEFAULT_CHUNK_SIZE, DEFAULT_CHUNK_SIZE + 1] {
        let store = Store::new().await;
        let content: Bytes = vec![b'x'; size].into();
        store.backend.create("a", content.clone()).await.unwrap();
        let chunks = store.backend.stream_read("a").await.unwrap();
        store.backend.stream_write("b", chunks).await.unwrap();
        let chunks: Vec<Bytes> =
            store.backend.stream_read("b").await.unwrap().try_collect().await.unwrap();
        let sizes: Vec<usize> = chunks.iter().map(Bytes::len).collect();
        let full = vec![DEFAULT_CHUNK_SIZE; size / DEFAULT_CHUNK_SIZE];
        let rest = (size % DEFAULT_CHUNK_SIZE > 0).then_some(size % DEFAULT_CHUNK_SIZE);
        assert_eq!(sizes, [full, rest.into_iter().collect()].concat(), "57: {size} bytes");
        assert!(chunks.concat() == content, "57: {size} bytes");
        assert_eq!(store.backend.info("b").await.unwrap().size, Some(size as u64));
    }
}

fn f() -> Vec<Given> {
    vec![File("f")]
}

fn new() -> WriteOptions {
    WriteOptions::default()
}

fn stream(
    path: &'static str,
    pieces: &[&'static str],
    failure: Option<ErrorKind>,
    options: WriteOptions,
) -> Vec<Call> {
    vec![Call::StreamOf(path, pieces.to_vec(), failure, options)]
}

#[tokio::test]
async fn sources_that_fail_or_are_of_another_length() {
    let rows: Vec<Row> = vec![
        (
            "58: it fails half-way",
            f(),
            stream("f", &["n"], Some(Timeout), over()),
            Refused(ErrorKind::SourceFailed),
        ),
        (
            "58: at once",
            f(),
            stream("f", &[], Some(Timeout), over()),
            Refused(ErrorKind::SourceFailed),
        ),
        (
            "58: for a new file",
            vec![],
            stream("d/new", &["n"], Some(Timeout), new()),
            Refused(ErrorKind::SourceFailed),
        ),
        (
            "58: as if not found",
            vec![],
            stream("new", &[], Some(ErrorKind::NotFound), new()),
            Refused(ErrorKind::SourceFailed),
        ),
        (
            "59: longer",
            f(),
            stream("f", &["n", "ew"], None, over().with_size(2)),
            Refused(LengthMismatch),
        ),
        (
            "59: shorter",
            f(),
            stream("f", &["n", "ew"], None, over().with_size(4)),
            Refused(LengthMismatch),
        ),
        ("59: empty", f(), stream("f", &[], None, over().with_size(1)), Refused(LengthMismatch)),
        (
            "59: of a new file",
            vec![],
            stream("d/new", &["new"], None, new().with_size(1)),
            Refused(LengthMismatch),
        ),
        ("59: as announced", f(), stream("f", &["n", "", "ew"], None, over().with_size(3)), Done),
    ];
    check(rows).await;
}

#[tokio::test]
async fn content_with_another_checksum() {
    let other = || sum_of("other");
    let whole = |options| vec![Call::CreateOf("f", "new".into(), options)];
    let rows: Vec<Row> = vec![
        (
            "60: another checksum",
            f(),
            stream("f", &["new"], None, over().with_checksum(other())),
            Refused(IntegrityMismatch),
        ),
        (
            "60: of a new file",
            vec![],
            stream("d/new", &["new"], None, new().with_checksum(other())),
            Refused(IntegrityMismatch),
        ),
        (
            "60: not streamed",
            f(),
            whole(CreateOptions::overwrite().with_checksum(other())),
            Refused(IntegrityMismatch),
        ),
        (
            "60: as announced",
            f(),
            whole(CreateOptions::overwrite().with_checksum(sum_of("new"))),
            Done,
        ),
    ];
    check(rows).await;
}

/// Mounts a file system that is too small, with the files `kept` and `f`.
fn small<'a>(options: &str, root: &'a Path) -> std::io::Result<Mount<'a>> {
    let mounted = Mount::new(&["-t", "tmpfs", "-o", options, "f9"], root)?;
    two_files(root);
    Ok(mounted)
}

fn two_files(root: &Path) {
    fs::write(root.join("kept"), "kept").unwrap();
    fs::write(root.join("f"), "old").unwrap();
}

/// Returns the writes that do not fit.
fn large() -> Vec<Call> {
    let content = "x".repeat(1 << 20);
    let piece: &'static str = Box::leak(content.clone().into_boxed_str());
    let create = |path, options| Call::CreateOf(path, content.clone().into(), options);
    vec![
        create("f", CreateOptions::overwrite()),
        create("d/new", CreateOptions::default()),
        Call::StreamOf("f", vec![piece], None, over()),
        Call::StreamOf("d/new", vec![piece; 3], None, WriteOptions::default()),
    ]
}

#[tokio::test]
async fn item_61_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let _mounted = match small("size=256k", dir.path()) {
        Ok(mounted) => mounted,
        Err(reason) => return not_run("item_61_a_full_disk", &reason.to_string()),
    };
    let files = LocalFileBackend::new(dir.path()).await.unwrap();
    refused(&files, &large(), StorageFull).await;
    files.create("fits", "new").await.unwrap();
}

#[tokio::test]
async fn item_61_no_inodes_left() {
    let dir = tempfile::tempdir().unwrap();
    // One for the root and one for each file.
    let _mounted = match small("nr_inodes=4", dir.path()) {
        Ok(mounted) => mounted,
        Err(reason) => return not_run("item_61_no_inodes_left", &reason.to_string()),
    };
    fs::write(dir.path().join("last"), "").unwrap();
    let files = LocalFileBackend::new(dir.path()).await.unwrap();
    let making = vec![
        Call::Create("new".into()),
        Call::Create("d/new".into()),
        Call::CreateDir("d".into()),
        Call::Copy("f".into(), "new".into()),
        Call::Rename("f".into(), "d/f".into()),
    ];
    refused(&files, &[making, overwriting("f")].concat(), StorageFull).await;
    files.delete("last").await.unwrap();
    files.update("f", "fits").await.unwrap();
}

/// Runs in a process whose files may not be larger than 64 KiB.
#[tokio::test]
async fn files_over_the_limit() {
    let Some(root) = root_of_its_own() else { return };
    two_files(&root);
    let files = LocalFileBackend::new(&root).await.unwrap();
    refused(&files, &large(), TooLarge).await;
}

#[test]
fn item_61_a_file_over_the_limit_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    // The signal of this error would end the process. The shell counts in blocks of 512 bytes.
    limited("trap '' XFSZ && ulimit -f 128 && exec", "content::files_over_the_limit", dir.path());
}

/// Runs in a process whose `writev` calls fail with `EDQUOT`.
#[tokio::test]
async fn files_over_the_quota() {
    let Some(root) = root_of_its_own() else { return };
    two_files(&root);
    let files = LocalFileBackend::new(&root).await.unwrap();
    let streamed = |call: &Call| matches!(call, Call::StreamOf(..));
    let calls: Vec<Call> = large().into_iter().filter(streamed).collect();
    refused(&files, &calls, QuotaExceeded).await;
}

#[test]
fn item_61_a_quota() {
    if let Some(reason) = lacks_strace() {
        return not_run("item_61_a_quota", reason);
    }
    let dir = tempfile::tempdir().unwrap();
    let strace = "exec strace -f -qq -o /dev/null -e inject=writev:error=EDQUOT";
    limited(strace, "content::files_over_the_quota", dir.path());
}

/// Runs in a process whose disk has space for content and directories, but not for another name.
#[tokio::test]
async fn no_room_for_a_name() {
    let Some(root) = root_of_its_own() else { return };
    two_files(&root);
    let files = LocalFileBackend::new(&root).await.unwrap();
    let making = [Call::Create("d/e/new".into()), Call::Copy("f".into(), "d/e/new".into())];
    refused(&files, &[&making, &*overwriting("f")].concat(), StorageFull).await;
}

#[test]
fn item_61_a_disk_that_is_full_at_the_last_step() {
    if let Some(reason) = lacks_strace() {
        return not_run("item_61_a_disk_that_is_full_at_the_last_step", reason);
    }
    let dir = tempfile::tempdir().unwrap();
    let strace = "exec strace -f -qq -o /dev/null -e inject=linkat,renameat,renameat2:error=ENOSPC";
    limited(strace, "content::no_room_for_a_name", dir.path());
}

/// Runs in a process of its own, because it uses all file descriptors.
#[test]
fn reads_without_descriptors() {
    let Some(root) = root_of_its_own() else { return };
    let block_on = futures::executor::block_on::<std::pin::Pin<Box<dyn Future<Output = _>>>>;
    let files = futures::executor::block_on(LocalFileBackend::new(&root)).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    let calls = [
        Call::Read("d/f".into()),
        Call::List("d".into()),
        Call::ListAll(String::new()),
        Call::Glob("**".into()),
        Call::DeleteAll("d".into()),
    ];
    for call in &calls {
        let error = block_on(Box::pin(call.on(&files))).unwrap_err();
        assert_eq!(error.kind(), TooManyOpenFiles, "{call:?}: {error}");
        assert!(error.is_retryable());
        check_text(&error).unwrap();
    }
    drop(taken);
    for call in &calls {
        block_on(Box::pin(call.on(&files))).unwrap();
    }
}

#[test]
fn item_64_no_descriptors_left() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/f"), "x").unwrap();
    limited("ulimit -n 64 && exec", "content::reads_without_descriptors", dir.path());
}

#[test]
fn item_68_a_runtime_that_ends_during_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let files = runtime.block_on(LocalFileBackend::new(dir.path())).unwrap();
    runtime.block_on(files.create("f", "old")).unwrap();
    let before = seen(dir.path());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let writer = files.clone();
    runtime.spawn(async move {
        let first = futures::stream::once(async { Ok(Bytes::from(vec![b'n'; 3 << 20])) });
        let endless = futures::stream::pending().boxed();
        let then = futures::stream::once(async move {
            begun.send(()).unwrap();
            futures::stream::pending::<f9::Result<Bytes>>()
        });
        let source = first.chain(then.flatten()).chain(endless);
        writer.stream_write_with("f", source.boxed(), over()).await
    });
    has_begun.recv().unwrap();
    drop(runtime);
    assert_eq!(seen(dir.path()), before, "68");
    let error = files.read("f").now_or_never().unwrap();
    assert_eq!(error.unwrap(), "old", "68: the verbs work without a runtime");
}

#[tokio::test]
async fn item_69_whoever_comes_second() {
    let store = Store::new().await;
    let files = &store.backend;
    let seen = files.create("f", "one").await.unwrap().etag.unwrap();
    files.update("f", "two").await.unwrap();
    for (item, error, kind) in [
        ("69: by create", files.create("f", "three").await.unwrap_err(), AlreadyExists),
        (
            "69: by etag",
            files.update_with("f", "three", UpdateOptions::if_match(seen)).await.unwrap_err(),
            PreconditionFailed,
        ),
    ] {
        assert_eq!(error.kind(), kind, "{item}");
        check_text(&error).unwrap_or_else(|wrong| panic!("{item}: {wrong}"));
    }
    assert_eq!(files.read("f").await.unwrap(), "two");
}

#[tokio::test]
async fn item_72_a_clock_that_was_set_back() {
    let store = Store::new().await;
    let seen = store.backend.create("f", "one").await.unwrap();
    let path = store.on_disk("f");
    fs::write(&path, "two").unwrap();
    for time in [seen.modified_at.unwrap(), SystemTime::UNIX_EPOCH - Duration::from_secs(1)] {
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        assert_eq!(store.backend.info("f").await.unwrap().modified_at, Some(time));
        let options = CreateOptions::if_match(seen.etag.clone().unwrap());
        let error = store.backend.create_with("f", "three", options).await.unwrap_err();
        assert_eq!(error.kind(), PreconditionFailed, "72: {time:?}");
    }
}

#[tokio::test]
async fn item_73_a_directory_of_a_hundred_thousand_files() {
    const FILES: usize = 100_000;
    // In memory if possible, because this tests f9 and not the disk.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    for number in 0..FILES {
        fs::File::create(dir.path().join(format!("d/{number}"))).unwrap();
    }
    let files = LocalFileBackend::new(dir.path()).await.unwrap();
    let mut entries = files.list_with("d", ListOptions::default()).await.unwrap();
    let (mut count, mut last) = (0, String::new());
    while let Some(entry) = entries.try_next().await.unwrap() {
        assert!(*last < *entry.path, "73: {last} before {}", entry.path);
        last = entry.path.into();
        count += 1;
    }
    assert_eq!(count, FILES, "73");
    assert_eq!(files.glob("d/9999*").await.unwrap().len(), 11, "73");
    files.delete_with("d", f9::DeleteOptions::recursive()).await.unwrap();
    assert_eq!(seen(dir.path()).len(), 0, "73");
}
