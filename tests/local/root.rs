//! Opening a root, and roots with problems.

use std::fs;
use std::path::Path;
use std::process::Command;

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, ListOptions, LocalFileBackend, LocalFileBackendBuilder};
use futures::StreamExt as _;

use crate::machine::{Mount, not_run};
use crate::store::{Store, every_verb};

async fn refused(builder: LocalFileBackendBuilder, path: &Path) -> ErrorKind {
    let error = builder.open().await.unwrap_err();
    assert_eq!(error.path(), Some(path.to_str().unwrap()));
    assert_eq!((error.operation(), error.backend()), (Some("open"), Some("local")));
    error.kind()
}

#[tokio::test]
async fn a_missing_root_is_created_unless_forbidden() {
    let store = Store::new().await;
    let path = store.root.join("a/b/c");
    let builder = LocalFileBackend::builder(&path);
    assert_eq!(refused(builder.clone().create_root(false), &path).await, ErrorKind::NotFound);
    assert!(!path.exists());
    let backend = builder.open().await.unwrap();
    assert_eq!(backend.root(), path);
    assert!(path.is_dir());
}

#[tokio::test]
async fn a_root_that_is_a_file_is_refused() {
    let store = Store::new().await;
    let path = store.outside.join("secret");
    for create in [true, false] {
        let builder = LocalFileBackend::builder(&path).create_root(create);
        assert_eq!(refused(builder, &path).await, ErrorKind::NotADirectory);
    }
    let below = path.join("below");
    assert_eq!(refused(LocalFileBackend::builder(&below), &below).await, ErrorKind::NotADirectory);
    assert_eq!(fs::read(path).unwrap(), b"secret");
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let store = Store::new().await;
    let builder = || LocalFileBackend::builder(&store.root);
    assert_eq!(refused(builder().chunk_size(0), &store.root).await, ErrorKind::InvalidInput);
    assert_eq!(refused(builder().permissions(0o10000), &store.root).await, ErrorKind::InvalidInput);
    assert_eq!(
        refused(LocalFileBackend::builder(""), Path::new("")).await,
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn every_verb_reports_a_removed_root() {
    let store = Store::new().await;
    let backend = &store.backend;
    backend.create_with("every-verb", "x", CreateOptions::overwrite()).await.unwrap();
    fs::remove_dir_all(&store.root).unwrap();
    for (verb, kind) in [
        ("read", backend.read("a").await.unwrap_err().kind()),
        ("info", backend.info("a").await.unwrap_err().kind()),
        ("exists", backend.exists("a").await.unwrap_err().kind()),
        ("create", backend.create("a", "x").await.unwrap_err().kind()),
        ("create nested", backend.create("a/b", "x").await.unwrap_err().kind()),
        ("create_dir", backend.create_dir("a").await.unwrap_err().kind()),
        ("update", backend.update("a", "x").await.unwrap_err().kind()),
        ("delete", backend.delete("a").await.unwrap_err().kind()),
        ("copy", backend.copy("a", "b").await.unwrap_err().kind()),
        ("rename", backend.rename("a", "b").await.unwrap_err().kind()),
        ("list", backend.list("").await.err().map(|e| e.kind()).unwrap()),
        ("glob", backend.glob("*").await.unwrap_err().kind()),
        ("session", backend.sync_session().await.err().map(|e| e.kind()).unwrap()),
        (
            "checksum_many",
            backend.checksum_many(&["a"], f9::ChecksumAlgorithm::Md5).await.unwrap_err().kind(),
        ),
    ] {
        assert_eq!(kind, ErrorKind::RootGone, "{verb}");
    }
    assert!(!store.root.exists(), "the root was created again");
}

#[tokio::test]
async fn a_root_that_is_renamed_stays_the_same_root() {
    let store = Store::new().await;
    let moved = store.outside.join("moved");
    fs::rename(&store.root, &moved).unwrap();
    store.backend.create("a", "x").await.unwrap();
    assert_eq!(fs::read(moved.join("a")).unwrap(), b"x");
}

#[tokio::test]
async fn a_directory_without_write_permission_stays_unchanged() {
    let store = Store::new().await;
    fs::write(store.on_disk("a"), "kept").unwrap();
    fs::set_permissions(&store.root, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    let root = store.root.clone();
    // Root has all permissions, so the test runs as another user on its own thread.
    let kinds = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        futures::executor::block_on(async {
            let backend = LocalFileBackend::builder(&root).open().await.unwrap();
            assert_eq!(backend.read("a").await.unwrap(), "kept");
            let overwrite = CreateOptions::overwrite();
            vec![
                ("create", backend.create("b", "x").await.unwrap_err()),
                ("overwrite", backend.create_with("a", "x", overwrite).await.unwrap_err()),
                ("update", backend.update("a", "x").await.unwrap_err()),
                ("delete", backend.delete("a").await.unwrap_err()),
                ("rename", backend.rename("a", "b").await.unwrap_err()),
                ("copy", backend.copy("a", "b").await.unwrap_err()),
                ("create_dir", backend.create_dir("d").await.unwrap_err()),
                ("session", backend.sync_session().await.err().unwrap()),
            ]
        })
    })
    .join()
    .unwrap();
    for (verb, error) in kinds {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{verb}: {error}");
    }
    assert_eq!(fs::read(store.on_disk("a")).unwrap(), b"kept");
    fs::set_permissions(&store.root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn an_unreadable_directory_does_not_hide_others() {
    let store = Store::new().await;
    for path in ["closed/b.rs", "open/a.rs"] {
        store.backend.create(path, "x").await.unwrap();
    }
    let closed = store.on_disk("closed");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    fs::set_permissions(&store.root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let root = store.root.clone();
    std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        futures::executor::block_on(async {
            let backend = LocalFileBackend::builder(&root).open().await.unwrap();
            let entries = backend.list_with("", ListOptions::recursive()).await.unwrap();
            let entries: Vec<_> = entries.collect().await;
            let shown: Vec<_> = entries
                .iter()
                .map(|entry| match entry {
                    Ok(info) => Ok(info.path.as_str()),
                    Err(error) => Err((error.kind(), error.path().unwrap())),
                })
                .collect();
            let denied = Err((ErrorKind::PermissionDenied, "closed"));
            assert_eq!(shown, [Ok("closed"), denied, Ok("open"), Ok("open/a.rs")]);
            // A directory that the pattern cannot reach is not read.
            assert_eq!(backend.glob("open/*.rs").await.unwrap(), ["open/a.rs"]);
            let error = backend.glob("**/*.rs").await.unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::PermissionDenied, Some("closed")));
            let error = backend.exists("closed/b.rs").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        });
    })
    .join()
    .unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_read_only_file_system_is_reported() {
    let store = Store::new().await;
    fs::write(store.on_disk("a"), "kept").unwrap();
    let mounted = match Mount::new(&["--bind", store.root.to_str().unwrap()], &store.root) {
        Ok(mounted) => mounted,
        Err(reason) => {
            return not_run("a_read_only_file_system_is_reported", &reason.to_string());
        }
    };
    let read_only = ["-o", "remount,bind,ro"];
    assert!(Command::new("mount").args(read_only).arg(&store.root).status().unwrap().success());
    let builder = LocalFileBackend::builder(&store.root);
    let outcome = async {
        let backend = builder.open().await?;
        let kinds = vec![
            backend.create("b", "x").await.unwrap_err().kind(),
            backend.update("a", "x").await.unwrap_err().kind(),
            backend.delete("a").await.unwrap_err().kind(),
            backend.rename("a", "b").await.unwrap_err().kind(),
            backend.copy("a", "b").await.unwrap_err().kind(),
            backend.create_dir("d").await.unwrap_err().kind(),
        ];
        Ok::<_, f9::Error>((backend.read("a").await?, kinds))
    }
    .await;
    drop(mounted);
    let (content, kinds) = outcome.unwrap();
    assert_eq!(content, "kept");
    assert_eq!(kinds, [ErrorKind::ReadOnly; 6]);
}

#[tokio::test]
async fn a_path_below_a_file_is_not_a_directory() {
    let store = Store::new().await;
    store.backend.create("file", "x").await.unwrap();
    for (verb, kind) in every_verb(&store.backend, "file/below").await {
        assert_eq!(kind, Some(ErrorKind::NotADirectory), "{verb}");
    }
}
