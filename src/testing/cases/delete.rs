//! A deletion removes the named path and nothing else.

use crate::core::error::ErrorKind;
use crate::core::options::{DeleteOptions, ListOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::{listed, state};

pub async fn a_deleted_file_is_gone(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    files.create("dir/b", "content").await.unwrap();
    files.delete("dir/a").await.unwrap();
    assert!(!files.exists("dir/a").await.unwrap());
    refused(files.read("dir/a").await, ErrorKind::NotFound);
    assert_eq!(listed(&*files, "dir", ListOptions::default()).await, ["dir/b"]);
    refused(files.delete("dir/a").await, ErrorKind::NotFound);
    files.create("dir/a", "again").await.unwrap();
    assert_eq!(files.read("dir/a").await.unwrap(), "again");
}

pub async fn deleting_a_missing_path_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    let before = state(&*files).await;
    for (path, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("dir/missing", ErrorKind::NotFound),
        ("dir/file/below", ErrorKind::NotADirectory),
        ("dir/file/below/deeper", ErrorKind::NotADirectory),
    ] {
        refused_when(files.delete(path).await, kind, path);
        let deleted = files.delete_with(path, DeleteOptions::recursive()).await;
        refused_when(deleted, kind, path);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn delete_refuses_a_directory_with_entries(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/sub/file", "content").await.unwrap();
    let before = state(&*files).await;
    for path in ["dir", "dir/sub"] {
        refused(files.delete(path).await, ErrorKind::DirectoryNotEmpty);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn an_empty_directory_is_deleted(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_dir("dir").await.unwrap();
    for options in [DeleteOptions::default(), DeleteOptions::recursive()] {
        files.create_dir("dir/empty").await.unwrap();
        files.delete_with("dir/empty", options).await.unwrap();
        assert!(!files.exists("dir/empty").await.unwrap());
        assert!(files.info("dir").await.unwrap().is_dir(), "the parent was deleted");
    }
}

pub async fn a_directory_stays_when_its_last_entry_is_deleted(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/sub/file", "content").await.unwrap();
    files.delete("dir/sub/file").await.unwrap();
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/sub/"]);
}

pub async fn recursive_deletion_removes_everything_below(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["dir/a", "dir/.hidden", "dir/sub/b", "dir/sub/deep/er/c", "file"] {
        files.create(path, "content").await.unwrap();
    }
    files.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
    assert!(!files.exists("dir").await.unwrap());
    files.delete_with("file", DeleteOptions::recursive()).await.unwrap();
    assert!(listed(&*files, "", ListOptions::recursive()).await.is_empty());
    files.create("dir/a", "again").await.unwrap();
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/a"]);
}

pub async fn recursive_deletion_removes_large_directories(store: &dyn Fixture) {
    let files = store.backend().await;
    for number in 0..store.scale().pick(600, 150) {
        let path = format!("dir/{}/file {number}", number % 3);
        files.create(&path, "x").await.unwrap();
    }
    files.delete_with("dir", DeleteOptions::recursive()).await.unwrap();
    assert!(listed(&*files, "", ListOptions::recursive()).await.is_empty());
}

pub async fn deletion_keeps_names_with_the_same_prefix(store: &dyn Fixture) {
    let files = store.backend().await;
    let beside = ["fo", "foo!", "foo-/x", "foo.bar", "foo.d/x", "foo0", "foobar/x", "x/foo/y"];
    for path in beside {
        files.create(path, "stays").await.unwrap();
    }
    let before = state(&*files).await;
    files.create("foo/a", "goes").await.unwrap();
    files.create("foo/b/c", "goes").await.unwrap();
    files.delete_with("foo", DeleteOptions::recursive()).await.unwrap();
    assert_eq!(state(&*files).await, before);
    files.create("foo", "goes").await.unwrap();
    files.delete("foo").await.unwrap();
    assert_eq!(state(&*files).await, before);
}
