//! Many files in one call: each is written or deleted as in a call of its own.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::backend::Capability;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::options::{DeleteOptions, ListOptions, WriteOptions};
use crate::core::path::MAX_NAME_BYTES;
use crate::core::precondition::{Etags, Precondition};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::{listed, state};

fn owned(files: &[(&str, &str)]) -> Vec<(String, Bytes)> {
    files.iter().map(|&(path, data)| (path.to_owned(), Bytes::from(data.to_owned()))).collect()
}

/// Asserts that each result has the expected kind of error, or `None` for a success, and that each error names the path and the operation.
fn assert_kinds<T>(
    results: Vec<Result<T>>,
    operation: &str,
    expected: &[(&str, Option<ErrorKind>)],
) {
    assert_eq!(results.len(), expected.len());
    for (result, (path, kind)) in results.into_iter().zip(expected) {
        let Some(kind) = kind else {
            result.unwrap_or_else(|error| panic!("{path}: {error}"));
            continue;
        };
        let error = refused_when(result, *kind, path);
        assert_eq!(error.operation(), Some(operation), "{error}");
    }
}

pub async fn many_files_are_written_with_results_in_the_given_order(store: &dyn Fixture) {
    let files = store.backend().await;
    let paths = ["z", "a/b/c", "a/b/d", "m", "a/x", "\u{e9}/\u{1f389}", "a/b/a", "/b/./c"];
    let contents = paths.map(|path| (path.to_owned(), format!("content of {path}")));
    let written = files.write_many(contents).await.unwrap();
    assert_eq!(written.len(), paths.len());
    for (info, path) in written.into_iter().zip(paths) {
        let (info, content) = (info.unwrap(), format!("content of {path}"));
        let path = path.trim_start_matches('/').replace("/./", "/");
        assert_eq!((info.path.as_str(), info.is_file()), (&*path, true));
        assert_eq!(info.size, Some(content.len() as u64));
        let found = files.info(&path).await.unwrap();
        assert_eq!(info.etag, found.etag, "{path}");
        assert_eq!(files.read(&path).await.unwrap(), content);
    }
}

pub async fn thousands_of_files_are_written_and_deleted(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(3000, 250);
    let path = |number: usize| format!("dir-{:02}/sub/file-{number:05}", number % 17);
    let contents = (0..count).map(|number| (path(number), number.to_string()));
    let written = files.write_many(contents).await.unwrap();
    for (number, info) in written.into_iter().enumerate() {
        assert_eq!(info.unwrap().path, path(number).as_str());
    }
    let expected: BTreeSet<String> = (0..count).map(path).collect();
    let found = listed(&*files, "", ListOptions::recursive()).await;
    let found: BTreeSet<String> = found.into_iter().filter(|key| !key.ends_with('/')).collect();
    assert_eq!(found, expected);
    for number in [0, count / 2, count - 1] {
        assert_eq!(files.read(&path(number)).await.unwrap(), number.to_string());
    }
    let paths: Vec<&str> = expected.iter().map(String::as_str).collect();
    let deleted = files.delete_many(&paths).await.unwrap();
    assert_eq!(deleted.len(), count);
    deleted.into_iter().for_each(|deleted| deleted.unwrap());
    let left = listed(&*files, "", ListOptions::recursive()).await;
    assert!(left.iter().all(|key| key.ends_with('/')), "{left:?}");
}

pub async fn writing_or_deleting_no_files_changes_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let before = state(&*files).await;
    assert!(files.write_many(owned(&[])).await.unwrap().is_empty());
    assert!(files.delete_many(&[]).await.unwrap().is_empty());
    assert_eq!(state(&*files).await, before);
}

pub async fn a_file_of_many_that_fails_does_not_affect_the_others(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/old", "old").await.unwrap();
    let long = "n".repeat(MAX_NAME_BYTES + 1);
    let given = owned(&[
        ("a", "1"),
        ("../escape", "2"),
        ("dir", "3"),
        ("dir/old/below", "4"),
        ("", "5"),
        (&long, "6"),
        (".backend.lock", "7"),
        ("dir/new", "8"),
        ("x\0y", "9"),
        ("z", "10"),
    ]);
    let results = files.write_many(given).await.unwrap();
    let invalid = Some(ErrorKind::InvalidPath);
    let expected = [
        ("a", None),
        ("../escape", Some(ErrorKind::PathEscapesRoot)),
        ("dir", Some(ErrorKind::IsADirectory)),
        ("dir/old/below", Some(ErrorKind::NotADirectory)),
        ("the root", invalid),
        ("a long name", invalid),
        (".backend.lock", Some(ErrorKind::ReservedPath)),
        ("dir/new", None),
        ("a name with NUL", invalid),
        ("z", None),
    ];
    assert_kinds(results, "write", &expected);
    let found = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(found, ["a", "dir/", "dir/new", "dir/old", "z"]);
    assert_eq!(files.read("dir/old").await.unwrap(), "old");
}

pub async fn a_path_that_is_given_twice_is_written_once(store: &dyn Fixture) {
    let files = store.backend().await;
    let given = owned(&[("a/b", "first"), ("c", "x"), ("/a//b", "second"), ("a/./b/", "third")]);
    let results = files.write_many(given).await.unwrap();
    let twice = Some(ErrorKind::InvalidInput);
    assert_kinds(
        results,
        "write",
        &[("a/b", None), ("c", None), ("/a//b", twice), ("a/b/", twice)],
    );
    assert_eq!(files.read("a/b").await.unwrap(), "first");
}

pub async fn many_writes_respect_their_mode(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["old", "dir/old"] {
        files.create(path, "old").await.unwrap();
    }
    let given = |data| owned(&[("old", data), ("new", data), ("dir/old", data), ("dir/new", data)]);
    let write = async |options, data| files.write_many_with(given(data), options).await.unwrap();
    let expect = |old, new| [("old", old), ("new", new), ("dir/old", old), ("dir/new", new)];

    let replaced = write(WriteOptions::replace(), "replaced").await;
    assert_kinds(replaced, "update", &expect(None, Some(ErrorKind::NotFound)));
    assert_eq!(files.read("dir/old").await.unwrap(), "replaced");
    assert!(!files.exists("dir/new").await.unwrap());

    let created = write(WriteOptions::create(), "created").await;
    assert_kinds(created, "create", &expect(Some(ErrorKind::AlreadyExists), None));
    assert_eq!(files.read("old").await.unwrap(), "replaced");
    assert_eq!(files.read("dir/new").await.unwrap(), "created");

    let again = write(WriteOptions::default(), "over").await;
    assert_kinds(again, "write", &expect(None, None));
    for path in ["old", "new", "dir/old", "dir/new"] {
        assert_eq!(files.read(path).await.unwrap(), "over", "{path}");
    }
}

pub async fn many_appends_are_added_to_their_files(store: &dyn Fixture) {
    let files = store.backend().await;
    files.write_many(owned(&[("a", "one "), ("dir/b", "two ")])).await.unwrap();
    let given = owned(&[("a", "more"), ("missing", "more"), ("dir/b", "more")]);
    let appended = files.write_many_with(given, WriteOptions::append()).await.unwrap();
    let expected = [("a", None), ("missing", Some(ErrorKind::NotFound)), ("dir/b", None)];
    assert_kinds(appended, "append to", &expected);
    assert_eq!(files.read("a").await.unwrap(), "one more");
    assert_eq!(files.read("dir/b").await.unwrap(), "two more");
}

pub async fn options_of_a_single_file_are_refused_for_many(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "old").await.unwrap();
    let etag = Etag::new("e");
    let data = Bytes::from_static(b"new");
    let checksum = Checksum::of(ChecksumAlgorithm::Sha256, &data);
    let condition = Precondition::if_none_match(etag.clone());
    for options in [
        WriteOptions::default().with_size(3),
        WriteOptions::default().with_checksum(checksum),
        WriteOptions::if_match(etag),
        WriteOptions::default().with_condition(condition),
    ] {
        let call = format!("{options:?}");
        let written = files.write_many_with(owned(&[("a", "new"), ("b", "new")]), options).await;
        let error: Error = written.err().unwrap_or_else(|| panic!("{call} was accepted"));
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{call}: {error}");
        assert!(error.operation().is_some(), "{call}: {error:?}");
    }
    assert_eq!(listed(&*files, "", ListOptions::default()).await, ["a"]);
    assert_eq!(files.read("a").await.unwrap(), "old");
}

pub async fn a_condition_applies_to_each_of_many_files(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "old").await.unwrap();
    let absent = Precondition::if_none_match(Etags::Any);
    let options = WriteOptions::default().with_condition(absent);
    let written = files.write_many_with(owned(&[("a", "new"), ("b", "new")]), options).await;
    let failed = Some(ErrorKind::PreconditionFailed);
    assert_kinds(written.unwrap(), "write", &[("a", failed), ("b", None)]);
    assert_eq!(files.read("a").await.unwrap(), "old");
    let present = DeleteOptions::default().with_condition(Precondition::if_match(Etags::Any));
    let deleted = files.delete_many_with(&["a", "missing", "b"], present).await.unwrap();
    let missing = Some(ErrorKind::NotFound);
    assert_kinds(deleted, "delete", &[("a", None), ("missing", missing), ("b", None)]);
    assert!(listed(&*files, "", ListOptions::default()).await.is_empty());
}

pub async fn many_files_have_the_metadata_of_the_options(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = WriteOptions::default().with_content_type("text/x").with_user_metadata("k", "v");
    let can_keep = files.capabilities().has(Capability::ContentType)
        && files.capabilities().has(Capability::UserMetadata);
    let given = owned(&[("a", "1"), ("dir/b", "2")]);
    let written = files.write_many_with(given, options).await.unwrap();
    if !can_keep {
        let refused = Some(ErrorKind::Unsupported);
        return assert_kinds(written, "write", &[("a", refused), ("dir/b", refused)]);
    }
    for info in written {
        let info = info.unwrap();
        let found = files.info(&info.path).await.unwrap();
        for info in [info, found] {
            assert_eq!(info.content_type.as_deref(), Some("text/x"));
            assert_eq!(info.user_metadata.get("k").map(String::as_str), Some("v"));
        }
    }
}

pub async fn many_deletions_have_results_in_the_given_order(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["a", "dir/b", "dir/c", "full/d", "kept"] {
        files.create(path, "content").await.unwrap();
    }
    let given = ["dir/c", "missing", "a", "full", "../up", "dir/b", "a/below", ""];
    let deleted = files.delete_many(&given).await.unwrap();
    let expected = [
        ("dir/c", None),
        ("missing", Some(ErrorKind::NotFound)),
        ("a", None),
        ("full", Some(ErrorKind::DirectoryNotEmpty)),
        ("../up", Some(ErrorKind::PathEscapesRoot)),
        ("dir/b", None),
    ];
    let mut deleted = deleted;
    refused(deleted.remove(7), ErrorKind::InvalidPath);
    // This is below a file until that file is deleted, which may be before or after.
    let below = deleted.remove(6).unwrap_err().kind();
    assert!(matches!(below, ErrorKind::NotADirectory | ErrorKind::NotFound), "{below:?}");
    assert_kinds(deleted, "delete", &expected);
    let found = listed(&*files, "", ListOptions::recursive()).await;
    let found: Vec<&str> = found.iter().filter(|key| *key != "dir/").map(|key| &**key).collect();
    assert_eq!(found, ["full/", "full/d", "kept"]);
}

pub async fn many_deletions_can_ignore_missing_files(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["a", "full/b"] {
        files.create(path, "content").await.unwrap();
    }
    let given = ["missing", "a", "full", "no/parent"];
    let deleted = files.delete_many_with(&given, DeleteOptions::missing_ok()).await.unwrap();
    let not_empty = Some(ErrorKind::DirectoryNotEmpty);
    let expected = [("missing", None), ("a", None), ("full", not_empty), ("no/parent", None)];
    assert_kinds(deleted, "delete", &expected);
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["full/", "full/b"]);
}

pub async fn many_directories_are_deleted_with_their_entries(store: &dyn Fixture) {
    let files = store.backend().await;
    let paths = ["one/a", "one/deep/b", "two/c", "three", "kept/d"];
    files.write_many(paths.map(|path| (path, path))).await.unwrap();
    let given = ["one", "three", "two", "missing"];
    let deleted = files.delete_many_with(&given, DeleteOptions::recursive()).await.unwrap();
    let missing = Some(ErrorKind::NotFound);
    let expected = [("one", None), ("three", None), ("two", None), ("missing", missing)];
    assert_kinds(deleted, "delete", &expected);
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["kept/", "kept/d"]);
}

pub async fn a_dropped_write_of_many_leaves_whole_files(store: &dyn Fixture) {
    let files = store.backend().await;
    let count = store.scale().pick(200, 20);
    let old = |number: usize| (format!("dir/{number}"), vec![b'o'; 5000]);
    files.write_many((0..count).map(old)).await.unwrap();
    let new = |number: usize| (format!("dir/{number}"), vec![b'n'; 7000]);
    for polls in [1, 2, 5] {
        let mut writing = files.write_many((0..count).map(new));
        for _ in 0..polls {
            if futures::poll!(&mut writing).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(writing);
        for number in 0..count {
            let content = files.read(&format!("dir/{number}")).await.unwrap();
            let (size, mark) = (content.len(), content[0]);
            assert!(matches!((size, mark), (5000, b'o') | (7000, b'n')), "{size} bytes");
            assert!(content.iter().all(|byte| *byte == mark));
        }
    }
}
