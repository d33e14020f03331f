//! Changes by others between two steps of an operation.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use f9::prelude::*;
use f9::{CreateDirOptions, CreateOptions, DeleteOptions, ErrorKind, RenameOptions, WriteOptions};
use futures::StreamExt as _;

use crate::run_size::plain_or_all;
use crate::store::{Store, contents};

#[tokio::test]
async fn a_rename_onto_the_same_file_by_another_path_keeps_the_file() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create("dir/a", "kept").await.unwrap();
    symlink("dir", store.on_disk("link")).unwrap();
    fs::hard_link(store.on_disk("dir/a"), store.on_disk("other-name")).unwrap();
    for (from, to) in [("dir/a", "link/a"), ("link/a", "dir/a")] {
        backend.rename_with(from, to, RenameOptions::overwrite()).await.unwrap();
        assert_eq!(backend.read("dir/a").await.unwrap(), "kept", "{from} to {to}");
    }
}

#[tokio::test]
async fn a_file_deleted_during_an_overwrite_is_created_again() {
    let store = Store::new().await;
    let backend = store.backend.clone();
    backend.create("a", "old").await.unwrap();
    fs::set_permissions(store.on_disk("a"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(store.on_disk("by-std"), "x").unwrap();
    let deleted = backend.clone();
    let source = futures::stream::once(async move {
        deleted.delete("a").await.unwrap();
        Ok::<_, f9::Error>(bytes::Bytes::from("new"))
    });
    backend.stream_write_with("a", source.boxed(), WriteOptions::overwrite()).await.unwrap();
    let mode = |path: &str| fs::metadata(store.on_disk(path)).unwrap().mode() & 0o7777;
    assert_eq!(mode("a"), mode("by-std"));
}

#[tokio::test]
async fn directories_deleted_during_a_write_are_created_again() {
    let store = Store::new().await;
    let backend = store.backend.clone();
    backend.create_dir("dir/below").await.unwrap();
    let other = backend.clone();
    let source = futures::stream::once(async move {
        other.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
        Ok::<_, f9::Error>(bytes::Bytes::from("new"))
    });
    backend.stream_write("dir/below/new/a", source).await.unwrap();
    assert_eq!(backend.read("dir/below/new/a").await.unwrap(), "new");
}

/// Creates and removes the parent directories until `stop`, like a failing write.
fn create_and_undo(store: &Store, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (upper, lower, stop) = (store.on_disk("a"), store.on_disk("a/b"), Arc::clone(stop));
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            drop(fs::create_dir(&upper));
            drop(fs::create_dir(&lower));
            thread::sleep(std::time::Duration::from_micros(20));
            drop(fs::remove_dir(&lower));
            drop(fs::remove_dir(&upper));
            thread::sleep(std::time::Duration::from_micros(20));
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_succeeds_while_another_removes_its_parents() {
    let store = Store::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let other = create_and_undo(&store, &stop);
    let backend = &store.backend;
    for round in 0..plain_or_all(100, 300) {
        backend.create("src", "x").await.unwrap();
        backend.create("a/b/x", "x").await.unwrap_or_else(|e| panic!("round {round}: {e:?}"));
        backend.delete("a/b/x").await.unwrap();
        backend.rename("src", "a/b/y").await.unwrap_or_else(|e| panic!("round {round}: {e:?}"));
        backend.delete("a/b/y").await.unwrap();
        let overwrite = CreateDirOptions::overwrite();
        backend
            .create_dir_with("a/b/c", overwrite)
            .await
            .unwrap_or_else(|e| panic!("round {round}: {e:?}"));
        backend.delete("a/b/c").await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_deleted_while_others_write_into_it() {
    let store = Store::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (backend, stop) = (store.backend.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let path = format!("tree/{writer}/file");
                    backend.create_with(&path, "x", CreateOptions::overwrite()).await?;
                }
                Ok::<_, f9::Error>(())
            })
        })
        .collect();
    for round in 0..100 {
        match store.backend.delete_with("tree", DeleteOptions::recursive()).await {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "round {round}: {error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let litter: Vec<_> =
        contents(&store.root).into_keys().filter(|p| p.to_string_lossy().contains(".f9")).collect();
    assert_eq!(litter, Vec::<std::path::PathBuf>::new());
}

/// Two directories are swapped while one of them is deleted. The other one must stay complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_never_empties_a_directory_that_was_swapped_in() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let store = Store::new().await;
    let (one, two) = (store.on_disk("one"), store.on_disk("two"));
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (one, two, stop) = (one.clone(), two.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE);
            }
        })
    };
    for round in 0..plain_or_all(150, 500) {
        for dir in [&one, &two] {
            let full = store.on_disk("full");
            fs::create_dir(&full).unwrap();
            fs::write(full.join("f"), "x").unwrap();
            if renameat_with(CWD, &full, CWD, dir, RenameFlags::NOREPLACE).is_err() {
                fs::remove_dir_all(full).unwrap();
            }
        }
        store.backend.delete_with("one", DeleteOptions::recursive()).await.unwrap();
        assert!(two.join("f").exists(), "round {round}: the other directory was emptied");
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
}

#[tokio::test]
async fn a_directory_that_can_be_searched_but_not_read_is_permission_denied() {
    let store = Store::new().await;
    let backend = store.backend.clone();
    backend.create("a", "x").await.unwrap();
    fs::set_permissions(&store.root, fs::Permissions::from_mode(0o111)).unwrap();
    let kinds = thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        futures::executor::block_on(async {
            assert_eq!(backend.read("a").await.unwrap(), "x");
            let listed = match backend.list("").await {
                Ok(mut entries) => entries.next().await.unwrap().unwrap_err(),
                Err(error) => error,
            };
            [listed.kind(), backend.glob("*").await.unwrap_err().kind()]
        })
    })
    .join()
    .unwrap();
    fs::set_permissions(&store.root, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(kinds, [ErrorKind::PermissionDenied; 2]);
}

#[tokio::test]
async fn a_replaced_file_keeps_its_group_if_only_the_owner_cannot_be_kept() {
    let store = Store::new().await;
    let path = store.on_disk("a");
    fs::write(&path, "old").unwrap();
    if chown(&path, Some(12345), Some(777)).is_err() {
        assert!(!rustix::process::geteuid().is_root());
        return;
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    fs::set_permissions(&store.root, fs::Permissions::from_mode(0o777)).unwrap();
    let backend = store.backend.clone();
    thread::spawn(move || {
        rustix::thread::set_thread_groups(&[rustix::process::Gid::from_raw(777)]).unwrap();
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        futures::executor::block_on(backend.update("a", "new")).unwrap();
    })
    .join()
    .unwrap();
    let data = fs::metadata(&path).unwrap();
    assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), (65534, 777, 0o664));
}

#[tokio::test]
async fn an_etag_is_never_used_again_for_other_content() {
    let store = Store::new().await;
    let mut seen = std::collections::HashSet::new();
    for round in 0..300 {
        let info = store.backend.create("a", format!("{round:06}")).await.unwrap();
        assert!(seen.insert(info.etag.unwrap()), "round {round}");
        store.backend.delete("a").await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_deletion_names_the_file_and_moves_the_tree_back() {
    let store = Store::new().await;
    let backend = store.backend.clone();
    backend.create("tree/a/b/locked/file", "kept").await.unwrap();
    backend.create("tree/c", "x").await.unwrap();
    for dir in ["", "tree", "tree/a", "tree/a/b"] {
        fs::set_permissions(store.on_disk(dir), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let locked = store.on_disk("tree/a/b/locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let unlock = locked.clone();
    let error = thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        let deleted = backend.delete_with("tree", DeleteOptions::recursive());
        futures::executor::block_on(deleted).unwrap_err()
    })
    .join()
    .unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(error.path(), Some("tree/a/b/locked/file"));
    assert_eq!(fs::read(store.on_disk("tree/a/b/locked/file")).unwrap(), b"kept");
    fs::set_permissions(unlock, fs::Permissions::from_mode(0o755)).unwrap();
}
