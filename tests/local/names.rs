//! Names that other programs created, and names at the limits.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use f9::prelude::*;
use f9::{CreateOptions, DeleteOptions, Durability, ErrorKind, ListOptions, LocalFileBackend};
use futures::StreamExt as _;

use crate::store::{Store, contents};

#[tokio::test]
async fn a_name_that_is_not_utf8_is_one_error_and_the_listing_goes_on() {
    let store = Store::new().await;
    for name in [&b"a"[..], b"b\xff", b"c"] {
        fs::write(store.root.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    fs::create_dir_all(store.root.join(OsStr::from_bytes(b"d\xfe/below"))).unwrap();
    let entries = store.backend.list_with("", ListOptions::recursive()).await.unwrap();
    let entries: Vec<_> = entries.collect().await;
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Ok(info) => Ok(info.path.as_str()),
            Err(error) => Err((error.kind(), error.path().unwrap())),
        })
        .collect();
    assert_eq!(
        shown,
        [
            Ok("a"),
            Err((ErrorKind::InvalidPath, "b\u{fffd}")),
            Ok("c"),
            Err((ErrorKind::InvalidPath, "d\u{fffd}")),
        ]
    );
    assert_eq!(store.backend.glob("**").await.unwrap(), ["a", "c"]);
    fs::create_dir(store.on_disk("e")).unwrap();
    fs::rename(
        store.root.join(OsStr::from_bytes(b"b\xff")),
        store.root.join(OsStr::from_bytes(b"e/\xff")),
    )
    .unwrap();
    store.backend.delete_with("e", DeleteOptions::recursive()).await.unwrap();
}

#[tokio::test]
async fn a_name_of_255_bytes_can_be_created_and_replaced() {
    for durability in [Durability::Atomic, Durability::Synced] {
        let store = Store::new().await;
        let builder = LocalFileBackend::builder(&store.root).durability(durability);
        let backend = builder.open().await.unwrap();
        let name = "n".repeat(255);
        backend.create(&name, "one").await.unwrap();
        backend.create_with(&name, "two", CreateOptions::overwrite()).await.unwrap();
        backend.update_with(&name, "+", f9::UpdateOptions::append()).await.unwrap();
        assert_eq!(backend.read(&name).await.unwrap(), "two+");
        assert_eq!(contents(&store.root).len(), 1);
    }
}

#[tokio::test]
async fn what_f9_keeps_for_itself_is_hidden_and_users_files_are_not() {
    let store = Store::new().await;
    let backend = &store.backend;
    fs::create_dir_all(store.on_disk("sub/.f9")).unwrap();
    for name in [".backend.lock", "sub/.f9tmp-0", "sub/.f9/x"] {
        fs::write(store.on_disk(name), "x").unwrap();
    }
    for name in ["x.tmp", "x.lock", ".versions", ".f9x", "backend.lock"] {
        backend.create(name, "mine").await.unwrap();
    }
    let entries = backend.list_with("", ListOptions::recursive()).await.unwrap();
    let shown: Vec<_> = entries.map(|entry| entry.unwrap().path.to_string()).collect().await;
    assert_eq!(shown, [".f9x", ".versions", "backend.lock", "sub", "x.lock", "x.tmp"]);
    assert_eq!(backend.glob("**").await.unwrap().len(), 6);
    for path in [".backend.lock", "sub/.f9tmp-0", "sub/.f9/x", "sub/.f9"] {
        for (verb, kind) in crate::store::every_verb(backend, path).await {
            assert_eq!(kind, Some(ErrorKind::ReservedPath), "{verb} {path}");
        }
    }
}
