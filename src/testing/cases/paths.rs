//! Every verb refuses an invalid path before it does anything else.

use crate::backend::Capability;
use crate::core::checksum::ChecksumAlgorithm;
use crate::core::error::{ErrorKind, Result};
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, RenameOptions, UpdateOptions,
    WriteOptions,
};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::source;
use crate::testing::expect::refused_when;
use crate::testing::state::state;

const ESCAPING: &[&str] = &["..", "../a", "a/..", "a/../b", "/..", "/../a", "a/b/../../..", "./.."];

const RESERVED: &[&str] = &[
    ".backend.lock",
    "dir/.backend.lock",
    ".backend.lock/x",
    ".f9",
    ".f9/x",
    "/.f9/",
    "dir/.f9/x/y",
    ".f9tmp-0",
    ".f9tmp-",
    "dir/.f9tmp-0/x",
];

const ROOTS: &[&str] = &["", "/", ".", "./", "//", "/./.", "././"];

type Outcome = (&'static str, Result<()>);

fn outcome<T>(verb: &'static str, result: Result<T>) -> Outcome {
    (verb, result.map(drop))
}

/// Calls every verb that needs a path below the root.
async fn every_verb(files: &dyn AsyncFileBackend, path: &str) -> Vec<Outcome> {
    let overwritten = files.create_with(path, "new", CreateOptions::overwrite());
    let streamed = files.stream_write_with(path, source(["new".into()]), WriteOptions::overwrite());
    let created_dir = files.create_dir_with(path, CreateDirOptions::overwrite());
    let sha256 = ChecksumAlgorithm::Sha256;
    let mut outcomes = vec![
        outcome("create", files.create(path, "new").await),
        outcome("create with overwrite", overwritten.await),
        outcome("stream_write", streamed.await),
        outcome("create_from_reader", files.create_from_reader(path, &b"new"[..]).await),
        outcome("create_dir", files.create_dir(path).await),
        outcome("create_dir with overwrite", created_dir.await),
        outcome("read", files.read(path).await),
        outcome("read_text", files.read_text(path).await),
        outcome("stream_read", files.stream_read(path).await),
        outcome("stream_read_text", files.stream_read_text(path).await),
        outcome("reader", files.reader(path).await),
        outcome("update", files.update(path, "new").await),
        outcome("checksum", files.checksum(path, sha256).await),
        outcome("checksum_many", files.checksum_many(&["file", path], sha256).await),
        outcome("delete", files.delete(path).await),
        outcome("recursive delete", files.delete_with(path, DeleteOptions::recursive()).await),
    ];
    if files.capabilities().has(Capability::Append) {
        let appended = files.update_with(path, "new", UpdateOptions::append());
        outcomes.push(outcome("append", appended.await));
    }
    outcomes.extend(verbs_of_two_paths(files, path).await);
    outcomes
}

/// Calls the verbs of two paths with `path` as one of them.
async fn verbs_of_two_paths(files: &dyn AsyncFileBackend, path: &str) -> Vec<Outcome> {
    let (copy, rename) = (CopyOptions::overwrite, RenameOptions::overwrite);
    vec![
        outcome("copy from", files.copy(path, "free").await),
        outcome("copy to", files.copy("file", path).await),
        outcome("copy onto itself", files.copy_with(path, path, copy()).await),
        outcome("copy over", files.copy_with("file", path, copy()).await),
        outcome("rename from", files.rename(path, "free").await),
        outcome("rename to", files.rename("file", path).await),
        outcome("rename a directory to", files.rename("dir", path).await),
        outcome("rename onto itself", files.rename_with(path, path, rename()).await),
        outcome("rename over", files.rename_with("file", path, rename()).await),
    ]
}

/// Calls the verbs that accept the root.
async fn verbs_of_the_root(files: &dyn AsyncFileBackend, path: &str) -> Vec<Outcome> {
    vec![
        outcome("info", files.info(path).await),
        outcome("list", files.list(path).await),
        outcome("exists", files.exists(path).await),
    ]
}

/// Asserts that every verb refuses `paths` with `kind` and changes nothing.
async fn are_refused(
    store: &dyn Fixture,
    paths: &[&str],
    kind: ErrorKind,
    also_by_root_verbs: bool,
) {
    let files = store.backend().await;
    files.create("file", "content").await.unwrap();
    files.create("dir/b", "below").await.unwrap();
    let before = state(&*files).await;
    for path in paths {
        let mut outcomes = every_verb(&*files, path).await;
        if also_by_root_verbs {
            outcomes.extend(verbs_of_the_root(&*files, path).await);
        }
        for (verb, result) in outcomes {
            let shown = path.get(..40).unwrap_or(path);
            refused_when(result, kind, &format!("{verb} {shown:?}"));
        }
        assert_eq!(state(&*files).await, before, "after {path:?}");
    }
}

pub async fn dot_dot_is_refused_by_every_verb(store: &dyn Fixture) {
    are_refused(store, ESCAPING, ErrorKind::PathEscapesRoot, true).await;
}

pub async fn reserved_names_are_refused_by_every_verb(store: &dyn Fixture) {
    are_refused(store, RESERVED, ErrorKind::ReservedPath, true).await;
}

pub async fn nul_and_over_long_names_are_refused_by_every_verb(store: &dyn Fixture) {
    let long_name = "n".repeat(256);
    let umlauts = "\u{e9}".repeat(128);
    let long_path = "12345678/".repeat(455) + "xx";
    assert_eq!(long_path.len(), 4097);
    let paths = ["\0", "a\0b", "dir/\0", "\0/a", &long_name, &umlauts, &long_path];
    are_refused(store, &paths, ErrorKind::InvalidPath, true).await;
}

pub async fn the_root_is_accepted_only_by_info_exists_and_list(store: &dyn Fixture) {
    are_refused(store, ROOTS, ErrorKind::InvalidPath, false).await;
    let files = store.backend().await;
    for root in ROOTS {
        assert!(files.info(root).await.unwrap().is_dir(), "info {root:?}");
        assert!(files.exists(root).await.unwrap(), "exists {root:?}");
        assert!(files.list(root).await.is_ok(), "list {root:?}");
    }
    assert_eq!(files.glob("/*").await.unwrap(), ["dir", "file"]);
}
