//! Many files, deep trees, and few descriptors.

use std::fs;
use std::path::Path;
use std::process::Command;

use f9::prelude::*;
use f9::{Checksum, ChecksumAlgorithm, FilePath, LocalFileBackend};
use futures::executor::block_on;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::processes;
use crate::run_size::plain_or_all;

/// Runs the test `name` of this binary with at most `files` open files.
fn run_with_few_files(name: &str, files: u32, root: &Path) {
    let binary = std::env::current_exe().unwrap();
    let script = format!("ulimit -n {files} && exec \"$0\" --exact {name} --nocapture");
    let done = Command::new("sh")
        .args(["-c", &script])
        .arg(binary)
        .env("F9_TEST_ROOT", root)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}");
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("d{}/f{i}", i % 10)).collect()
}

fn fill(root: &Path, names: &[String]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
}

/// Runs in a process with a limit on open files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_checksums_at_once() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let names = names(plain_or_all(5000, 10_000));
    fill(&root, &names);
    let backend = LocalFileBackend::new(&root).await.unwrap();
    let sums = join_all(names.iter().map(|name| backend.checksum(name, ChecksumAlgorithm::Sha256)));
    for (name, sum) in names.iter().zip(sums.await) {
        assert_eq!(sum.unwrap(), Checksum::of(ChecksumAlgorithm::Sha256, name.as_bytes()));
    }
}

/// Futures that are started but not polled must not block others.
#[tokio::test]
async fn a_checksum_does_not_wait_for_futures_that_are_not_polled() {
    let (root, _own) = processes::root();
    let names = names(200);
    fill(&root, &names);
    let backend = LocalFileBackend::new(&root).await.unwrap();
    let checksum = |name| backend.checksum(name, ChecksumAlgorithm::Sha256);
    let mut sums = futures::stream::iter(&names).map(|name| checksum(name)).buffer_unordered(100);
    let all = async {
        while let Some(sum) = sums.next().await {
            assert_eq!(sum.unwrap().hex().len(), 64);
            checksum(&names[0]).await.unwrap();
        }
    };
    let done = tokio::time::timeout(std::time::Duration::from_secs(300), all).await;
    done.expect("a checksum waits for a future that is not polled");
}

/// Runs in a process with a low limit on open files.
#[tokio::test]
async fn thousands_of_paths_are_hashed_with_few_files_open() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let names = names(1000);
    fill(&root, &names);
    let backend = LocalFileBackend::new(&root).await.unwrap();
    // Most of them do not exist, so that many paths need few files.
    let missing = (0..plain_or_all(19_000, 99_000)).map(|i| format!("d0/missing{i}"));
    let paths: Vec<String> = names.iter().cloned().chain(missing).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let sums = backend.checksum_many(&paths, ChecksumAlgorithm::Blake3).await.unwrap();
    assert_eq!(sums.len(), 1000);
    for (path, sum) in &sums {
        assert_eq!(*sum, Checksum::of(ChecksumAlgorithm::Blake3, path.as_bytes()));
    }
}

/// Awaits all of `calls` at once, and expects that all succeed.
async fn all<T>(
    verb: &str,
    calls: impl Iterator<Item = impl Future<Output = f9::Result<T>>>,
) -> Vec<T> {
    let done = join_all(calls).await;
    let unwrap = |(number, result): (usize, f9::Result<T>)| {
        result.unwrap_or_else(|error| panic!("{verb} {number}: {error}"))
    };
    done.into_iter().enumerate().map(unwrap).collect()
}

/// Runs in a process with a limit on open files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_calls_of_every_verb_at_once() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let names = names(plain_or_all(1000, 5000));
    let files = &LocalFileBackend::builder(&root).chunk_size(64).open().await.unwrap();
    let (overwrite, append) = (f9::WriteOptions::overwrite, f9::WriteOptions::append);
    let chunks = |count| futures::stream::iter((0..count).map(|_| Ok("x".repeat(50).into())));

    let created = all("create", names.iter().map(|name| files.create(name, "old"))).await;
    let updates = names.iter().zip(&created).map(|(name, info)| {
        let options = f9::WriteOptions::if_match(info.etag.clone().unwrap());
        files.write_with(name, "new", options)
    });
    all("update", updates).await;
    all("write", names.iter().map(|name| files.write_with(name, "newer", overwrite()))).await;
    all("append", names.iter().map(|name| files.write_with(name, "!", append()))).await;
    let (one, other) = ("d0/one", "d0/other");
    files.create(one, "").await.unwrap();
    all("append to one", (0..200).map(|_| files.write_with(one, "!", append()))).await;
    assert_eq!(files.info(one).await.unwrap().size, Some(200));
    let streams =
        names.iter().map(|name| files.stream_write_with(name, Box::pin(chunks(3)), overwrite()));
    all("stream_write", streams).await;
    let streams =
        names.iter().map(|name| files.stream_write_with(name, Box::pin(chunks(1)), append()));
    all("append a stream", streams).await;
    let reads = names.iter().map(|name| async move {
        files.stream_read(name).await?.try_fold(0, async |sum, chunk| Ok(sum + chunk.len())).await
    });
    assert!(all("stream_read", reads).await.into_iter().all(|length| length == 200));
    let copies =
        names.iter().map(|name| async move { files.copy(name, &format!("{name}.copy")).await });
    all("copy", copies).await;
    let moves = names.iter().map(|name| async move {
        files.rename(&format!("{name}.copy"), &format!("{name}.moved")).await
    });
    all("rename", moves).await;
    all("info", names.iter().map(|name| files.info(name))).await;
    let opens = names.iter().map(|name| async move { files.open(name).await?.bytes().await });
    all("open", opens).await;
    let lists = names.iter().map(|_| async {
        files.list_with("", f9::ListOptions::recursive()).await?.try_collect::<Vec<_>>().await
    });
    let count = 2 * names.len() + 11;
    assert!(all("list", lists.take(100)).await.into_iter().all(|list| list.len() == count));
    all("glob", (0..100).map(|_| files.glob("*/f1*"))).await;
    let deletes =
        names.iter().map(|name| async move { files.delete(&format!("{name}.moved")).await });
    all("delete", deletes).await;
    all(
        "create_dir",
        names.iter().map(|name| async move { files.create_dir(&format!("new/{name}")).await }),
    )
    .await;
    let recursive = f9::DeleteOptions::recursive;
    let deletes = names
        .iter()
        .map(|name| async move { files.delete_with(&format!("new/{name}"), recursive()).await });
    all("delete recursively", deletes).await;
    assert_eq!(all("exists", [other].iter().map(|name| files.exists(name))).await, [false]);
}

#[test]
fn every_verb_keeps_within_the_limit_on_open_files() {
    for limit in [1024, 256, 64] {
        let dir = tempfile::tempdir().unwrap();
        let name = "resources::thousands_of_calls_of_every_verb_at_once";
        run_with_few_files(name, limit, dir.path());
    }
}

#[test]
fn checksums_at_once_keep_within_the_limit_on_open_files() {
    let dir = tempfile::tempdir().unwrap();
    run_with_few_files("resources::thousands_of_checksums_at_once", 1024, dir.path());
}

#[test]
fn checksums_of_many_paths_keep_within_the_limit_on_open_files() {
    let dir = tempfile::tempdir().unwrap();
    let name = "resources::thousands_of_paths_are_hashed_with_few_files_open";
    run_with_few_files(name, 64, dir.path());
}

#[tokio::test]
async fn a_path_of_4096_bytes_works_and_a_longer_one_is_refused() {
    let (root, _own) = processes::root();
    let backend = LocalFileBackend::new(&root).await.unwrap();
    let path = format!("{}zz/{}", format!("{}/", "n".repeat(255)).repeat(15), "z".repeat(253));
    assert_eq!(path.len(), 4096);
    assert!(FilePath::parse(&path).is_ok());
    backend.create(&path, "deep").await.unwrap();
    assert_eq!(backend.read(&path).await.unwrap(), "deep");
    backend.rename(&path, "moved").await.unwrap();
    backend.copy("moved", &path).await.unwrap();
    backend.delete(&path).await.unwrap();
    let error = backend.create(&format!("{path}z"), "x").await.unwrap_err();
    assert_eq!(error.kind(), f9::ErrorKind::InvalidPath);
}

/// Runs in a process with a limit on open files.
#[tokio::test(start_paused = true)]
async fn streams_that_nobody_reads() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let files = LocalFileBackend::builder(&root).chunk_size(4).open().await.unwrap();
    files.create("held", "longer than a chunk").await.unwrap();
    let mut held = Vec::new();
    let error = loop {
        match files.stream_read("held").await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), f9::ErrorKind::TooManyOpenFiles);
    let text = error.to_string();
    assert!(text.contains("cannot read `held`") && text.contains("of `held`"), "{text}");
    // What needs no stream goes on, and so does a stream of a small file.
    files.write("other", "new").await.unwrap();
    assert_eq!(files.read("held").await.unwrap(), "longer than a chunk");
    drop(files.stream_read("other").await.unwrap());
    let again = async { files.stream_read("held").await.map(drop) };
    let dropping = async {
        tokio::task::yield_now().await;
        drop(held.pop());
    };
    futures::join!(again, dropping).0.unwrap();
}

#[test]
fn streams_that_nobody_reads_are_named_and_keep_only_streams_waiting() {
    let dir = tempfile::tempdir().unwrap();
    run_with_few_files("resources::streams_that_nobody_reads", 64, dir.path());
}

/// Runs in a process with a limit on open files.
#[test]
fn many_synced_files_in_new_directories() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let builder = LocalFileBackend::builder(&root).durability(f9::Durability::Synced);
    let backend = block_on(builder.open()).unwrap();
    let files = (0..600).map(|number| (format!("{number}/b/c/d/e/file"), "content"));
    for written in block_on(backend.write_many(files)).unwrap() {
        written.unwrap();
    }
    for number in 0..600 {
        let content = block_on(backend.read(&format!("{number}/b/c/d/e/file"))).unwrap();
        assert_eq!(content, "content");
    }
}

#[test]
fn many_synced_files_keep_within_the_limit_on_open_files() {
    let dir = tempfile::tempdir().unwrap();
    run_with_few_files("resources::many_synced_files_in_new_directories", 600, dir.path());
}

/// Runs in a process of its own, because it uses all file descriptors.
#[test]
fn writes_without_descriptors() {
    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    let builder = LocalFileBackend::builder(&root).durability(f9::Durability::Synced);
    let backend = block_on(builder.open()).unwrap();
    block_on(backend.create("old", "old")).unwrap();
    let before = crate::store::contents(&root);
    let (mut taken, mut failed) = (Vec::new(), 0);
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    loop {
        let new = block_on(backend.create("new/dir/a", "new"));
        let old = block_on(backend.update("old", "old"));
        let done = new.is_ok() && old.is_ok();
        for error in [new.err(), old.err()].into_iter().flatten() {
            assert_eq!(error.kind(), f9::ErrorKind::TooManyOpenFiles, "{error}");
            failed += 1;
        }
        let Some(next) = taken.pop() else { break };
        if done {
            break;
        }
        // A lookup needs descriptors.
        let free = taken.split_off(taken.len().saturating_sub(8)).len();
        let made = root.join("new/dir/a").exists();
        assert!(made || crate::store::contents(&root) == before, "{failed}");
        taken.extend((0..free).map(|_| next.try_clone().unwrap()));
        drop(next);
    }
    assert!(failed > 3 && root.join("new/dir/a").exists());
}

#[test]
fn a_write_without_descriptors_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    run_with_few_files("resources::writes_without_descriptors", 64, dir.path());
}

/// Runs in a process of its own, because it changes the umask and uses all file descriptors.
#[test]
fn a_file_deleted_while_it_is_replaced_needs_another_descriptor() {
    use std::os::unix::fs::PermissionsExt as _;

    let (root, own) = processes::root();
    if own.is_some() {
        return;
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027));
    let backend = block_on(LocalFileBackend::new(&root)).unwrap();
    for is_short in [true, false] {
        block_on(backend.write("old", "old")).unwrap();
        let (old, mut taken) = (root.join("old"), Vec::new());
        fs::set_permissions(&old, fs::Permissions::from_mode(0o666)).unwrap();
        let source = futures::stream::once(async {
            fs::remove_file(&old).unwrap();
            while is_short && let Ok(file) = fs::File::open("/dev/null") {
                taken.push(file);
            }
            Ok("new".into())
        });
        let options = f9::WriteOptions::overwrite();
        let written = block_on(backend.stream_write_with("old", Box::pin(source), options));
        drop(taken);
        if is_short {
            assert_eq!(written.unwrap_err().kind(), f9::ErrorKind::TooManyOpenFiles);
            assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        } else {
            written.unwrap();
            assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }
}

#[test]
fn a_file_deleted_while_it_is_replaced_is_new_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    run_with_few_files(
        "resources::a_file_deleted_while_it_is_replaced_needs_another_descriptor",
        64,
        dir.path(),
    );
}
