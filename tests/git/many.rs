//! Many files in one call.

use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{Bytes, DeleteOptions, ErrorKind, Precondition, WriteOptions};

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

fn given(files: &[(&str, &str)]) -> Vec<(String, Bytes)> {
    files.iter().map(|&(path, data)| (path.to_owned(), Bytes::from(data.to_owned()))).collect()
}

/// Returns the kind of the error of each file; `None` for a success.
fn kinds<T>(results: Vec<f9::Result<T>>) -> Vec<Option<ErrorKind>> {
    results.into_iter().map(|result| result.err().map(|error| error.kind())).collect()
}

#[tokio::test]
async fn many_files_are_published_with_one_push() {
    let changes = [Change::write(".gitignore", "*.log"), Change::submodule("sub", &"1".repeat(40))];
    let clones = Clones::of(Remote::with(&changes));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    let files = given(&[("a", "1"), ("sub/x", "2"), ("d/b.log", "3"), ("../c", "4"), ("e", "5")]);
    let written = clone.write_many_with(files, WriteOptions::default()).await.unwrap();
    let (refused, outside) = (Some(ErrorKind::Unsupported), Some(ErrorKind::PathEscapesRoot));
    assert_eq!(kinds(written), [None, refused, None, outside, None]);
    let deleted = clone.delete_many(&["missing", "a", "sub", "e"]).await.unwrap();
    assert_eq!(kinds(deleted), [Some(ErrorKind::NotFound), None, refused, None]);
    let deleted = clone.delete_many(&["missing", "d/b.log"]).await.unwrap();
    assert_eq!(kinds(deleted), [Some(ErrorKind::NotFound), None]);
    let messages = clones.remote.main().log("%s");
    assert_eq!(messages[..3], ["Delete d/b.log", "Delete 2 files", "Write 3 files"]);
    let commit = clones.remote.git(["show", "--format=", "--name-only", "main~2"]);
    assert_eq!(commit.split_whitespace().collect::<Vec<_>>(), ["a", "d/b.log", "e"]);
}

#[tokio::test]
async fn a_failed_push_is_the_error_of_each_file_that_was_written() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "1")]));
    let clone = opened(clones.config("mine").with_auto_push(true)).await;
    clones.remote.hook("pre-receive", "exit 1");
    let files = given(&[("a", "2"), ("a/below", "3"), ("b", "4")]);
    let written = clone.write_many_with(files, WriteOptions::default()).await.unwrap();
    let shown: Vec<String> =
        written.iter().map(|written| written.as_ref().unwrap_err().to_string()).collect();
    for (shown, path) in shown.iter().zip(["a", "a/below", "b"]) {
        assert!(shown.contains(&format!("`{path}`")) || shown.contains(path), "{shown}");
    }
    let denied = Some(ErrorKind::PermissionDenied);
    assert_eq!(kinds(written), [denied, Some(ErrorKind::NotADirectory), denied]);
    assert_eq!(clone.read("b").await.unwrap(), "4");
}

#[tokio::test]
async fn a_condition_on_the_time_compares_the_times_of_commits() {
    let clones = Clones::of(Remote::empty());
    clones.remote.main().commit_at(1000, &[Change::write("old", "1"), Change::write("gone", "1")]);
    clones.remote.main().commit_at(3000, &[Change::write("new", "1")]);
    let clone = clones.open("mine").await;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(2000);
    let condition = Precondition::if_unmodified_since(time);
    let options = WriteOptions::default().with_condition(condition.clone());
    let files = given(&[("old", "2"), ("new", "2"), ("newest", "2"), ("old", "3")]);
    let written = clone.write_many_with(files, options).await.unwrap();
    let (failed, twice) = (Some(ErrorKind::PreconditionFailed), Some(ErrorKind::InvalidInput));
    assert_eq!(kinds(written), [None, failed, None, twice]);
    let options = DeleteOptions::default().with_condition(condition);
    let deleted = clone.delete_many_with(&["new", "gone", "missing"], options).await.unwrap();
    assert_eq!(kinds(deleted), [failed, None, Some(ErrorKind::NotFound)]);
    assert_eq!(clone.read("old").await.unwrap(), "2");
    assert_eq!(clone.glob("*").await.unwrap(), ["new", "newest", "old"]);
}
