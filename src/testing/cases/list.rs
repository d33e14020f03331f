//! A listing is complete, sorted by the bytes of the whole paths, and without internal files.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use futures::stream::{StreamExt as _, TryStreamExt as _};

use crate::core::error::ErrorKind;
use crate::core::options::{DeleteOptions, ListOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::refused_when;
use crate::testing::state::{key, listed};

/// Names whose order depends on whether paths, names or locales are compared.
const TREE: &[&str] = &[
    "B",
    "a",
    "foo!",
    "foo-/x",
    "foo.bar",
    "foo.d/x",
    "foo/a",
    "foo/b/c",
    "foo/b.c",
    "foo/b-/d",
    "foo/\u{1f389}/x",
    "foo0",
    "foobar/x",
    "z",
    "\u{e9}",
    "\u{ffff}",
    "\u{1f389}",
    " ",
    "Z/y",
];

/// Returns all keys of the tree, including directories, in byte order.
fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for path in TREE {
        keys.insert((*path).to_owned());
        keys.extend(path.match_indices('/').map(|(at, _)| path[..=at].to_owned()));
    }
    keys
}

/// Returns the keys directly in a directory, which is empty for the root or ends with a slash.
fn children(directory: &str) -> Vec<String> {
    let is_child = |key: &&String| {
        let rest = key.strip_prefix(directory).unwrap_or_default();
        !rest.is_empty() && !rest.trim_end_matches('/').contains('/')
    };
    keys().iter().filter(is_child).cloned().collect()
}

async fn create_tree(files: &dyn AsyncFileBackend) {
    for path in TREE {
        files.create(path, *path).await.unwrap();
    }
}

pub async fn a_listing_is_in_byte_order_of_the_paths(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let one_level = ListOptions::default;
    assert_eq!(listed(&*files, "", one_level()).await, children(""));
    for directory in ["foo/", "foo/b/", "foo-/", "Z/"] {
        let found = listed(&*files, directory, one_level()).await;
        assert_eq!(found, children(directory), "{directory}");
    }
}

pub async fn a_recursive_listing_is_in_byte_order_of_the_paths(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let all: Vec<String> = keys().into_iter().collect();
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, all);
    let below = |key: &&String| key.starts_with("foo/") && *key != "foo/";
    let below: Vec<String> = all.iter().filter(below).cloned().collect();
    assert_eq!(listed(&*files, "foo", ListOptions::recursive()).await, below);
}

pub async fn a_listing_agrees_with_info(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    let entries = files.list_with("", ListOptions::recursive()).await.unwrap();
    let entries: Vec<_> = entries.try_collect().await.unwrap();
    for entry in entries {
        let info = files.info(&entry.path).await.unwrap();
        assert_eq!(entry.path, info.path);
        assert_eq!((entry.file_type, entry.size), (info.file_type, info.size));
        if entry.is_file() {
            assert!(entry.etag.is_none() || entry.etag == info.etag, "{}", entry.path);
        }
        assert_eq!((entry.checksum, entry.encoding), (None, None));
    }
}

pub async fn listing_a_missing_path_or_a_file_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    create_tree(&*files).await;
    for (prefix, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("fo", ErrorKind::NotFound),
        ("foo/missing", ErrorKind::NotFound),
        ("foo/a", ErrorKind::NotADirectory),
        ("foo/a/below", ErrorKind::NotADirectory),
        ("foo.bar", ErrorKind::NotADirectory),
    ] {
        for options in [ListOptions::default(), ListOptions::recursive()] {
            let entries = files.list_with(prefix, options).await;
            refused_when(entries, kind, prefix);
        }
    }
}

pub async fn an_empty_store_lists_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    for options in [ListOptions::default(), ListOptions::recursive()] {
        assert!(listed(&*files, "", options).await.is_empty());
    }
}

pub async fn an_empty_directory_lists_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_dir("dir/empty").await.unwrap();
    for options in [ListOptions::default(), ListOptions::recursive()] {
        assert!(listed(&*files, "dir/empty", options).await.is_empty());
    }
    assert_eq!(listed(&*files, "dir", ListOptions::default()).await, ["dir/empty/"]);
}

/// Creates files, 16 at a time.
async fn create_all(files: &dyn AsyncFileBackend, paths: &[String]) {
    for batch in paths.chunks(16) {
        let created: Vec<_> = batch.iter().map(|path| files.create(path, "x")).collect();
        try_join_all(created).await.unwrap();
    }
}

/// Creates `count` files in `big/` and returns their paths in order.
async fn create_many(files: &dyn AsyncFileBackend, count: usize) -> Vec<String> {
    let paths: Vec<String> = (0..count).map(|number| format!("big/{number:05}")).collect();
    create_all(files, &paths).await;
    paths
}

pub async fn a_large_directory_is_listed_in_full_and_in_order(store: &dyn Fixture) {
    let files = store.backend().await;
    let paths = create_many(&*files, store.scale().pick(2_000, 300)).await;
    assert_eq!(listed(&*files, "big", ListOptions::default()).await, paths);
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!((all[0].as_str(), &all[1..]), ("big/", &paths[..]));
}

pub async fn many_directories_are_listed_in_full_and_in_order(store: &dyn Fixture) {
    let files = store.backend().await;
    let (mut paths, mut expected) = (Vec::new(), Vec::new());
    for number in 0..store.scale().pick(300, 130) {
        let (beside, directory) = (format!("d{number:03}.x"), format!("d{number:03}/"));
        let inside = format!("{directory}x");
        paths.extend([inside.clone(), beside.clone()]);
        expected.extend([beside, directory, inside]);
    }
    create_all(&*files, &paths).await;
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, expected);
    expected.retain(|key| !key.ends_with("/x"));
    assert_eq!(listed(&*files, "", ListOptions::default()).await, expected);
}

pub async fn deleting_entries_does_not_break_a_running_listing(store: &dyn Fixture) {
    let files = store.backend().await;
    let paths = create_many(&*files, store.scale().pick(1_000, 300)).await;
    let mut entries = files.list("big").await.unwrap();
    let mut found = Vec::new();
    for _ in 0..10 {
        found.push(key(&entries.try_next().await.unwrap().unwrap()));
    }
    let deleted: Vec<_> = paths.iter().skip(5).step_by(2).collect();
    for batch in deleted.chunks(16) {
        try_join_all(batch.iter().map(|path| files.delete(path))).await.unwrap();
    }
    while let Some(info) = entries.try_next().await.unwrap() {
        found.push(key(&info));
    }
    assert!(found.is_sorted_by(|a, b| a < b), "not in order, or an entry twice");
    for kept in paths.iter().skip(6).step_by(2) {
        assert!(found.contains(kept), "{kept} is missing");
    }
}

pub async fn a_running_listing_ends_when_its_directory_is_deleted(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(600, 300);
    for options in [ListOptions::default(), ListOptions::recursive()] {
        create_many(&*files, count).await;
        let mut entries = files.list_with("big", options).await.unwrap();
        assert!(entries.next().await.is_some());
        files.delete_with("big", DeleteOptions::recursive()).await.unwrap();
        // The listing may return buffered entries or an error, but it ends.
        assert!(entries.count().await < 2 * count);
    }
}

pub async fn a_listing_can_be_dropped_before_its_end(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(600, 300);
    create_many(&*files, count).await;
    for taken in [0, 1, 280] {
        for options in [ListOptions::default(), ListOptions::recursive()] {
            let entries = files.list_with("", options).await.unwrap();
            let some: Vec<_> = entries.take(taken).collect().await;
            assert!(some.iter().all(Result::is_ok));
        }
    }
    files.delete_with("big", DeleteOptions::recursive()).await.unwrap();
    assert!(listed(&*files, "", ListOptions::default()).await.is_empty());
}

pub async fn a_listing_hides_the_internal_files_of_f9(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let session = files.sync_session().await.unwrap();
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["dir/", "dir/a"]);
    assert_eq!(files.glob("**").await.unwrap(), ["dir", "dir/a"]);
    session.finish().await.unwrap();
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, all);
}
