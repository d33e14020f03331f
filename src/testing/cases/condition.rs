//! A condition decides whether an operation takes place.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::core::error::{Error, ErrorKind};
use crate::core::etag::Etag;
use crate::core::options::{
    ByteRange, CopyOptions, DeleteOptions, InfoOptions, ReadOptions, RenameOptions, WriteMode,
    WriteOptions,
};
use crate::core::precondition::{Etags, Precondition};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::state;

/// Far from the time of any change, whatever the clock of the store.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns conditions on `etag` and whether they hold.
fn on_etag(etag: &Etag) -> [(Precondition, bool); 7] {
    let other = Etag::new("never given");
    [
        (Precondition::if_match(etag.clone()), true),
        (Precondition::if_match(other.clone()), false),
        (Precondition::if_match(vec![other.clone(), etag.clone()]), true),
        (Precondition::if_match(Etags::Any), true),
        (Precondition::if_none_match(other), true),
        (Precondition::if_none_match(etag.clone()), false),
        (Precondition::if_none_match(Etags::Any), false),
    ]
}

/// Returns conditions on the time of a change just now and whether they hold.
fn on_time() -> [(Precondition, bool); 4] {
    let now = SystemTime::now();
    [
        (Precondition::if_modified_since(now - DAY), true),
        (Precondition::if_modified_since(now + DAY), false),
        (Precondition::if_unmodified_since(now + DAY), true),
        (Precondition::if_unmodified_since(now - DAY), false),
    ]
}

/// Returns the kind of error of a read with an unmet condition.
fn unmet(condition: &Precondition) -> ErrorKind {
    if condition.if_match.is_some() || condition.if_unmodified_since.is_some() {
        ErrorKind::PreconditionFailed
    } else {
        ErrorKind::NotModified
    }
}

#[track_caller]
fn as_expected<T>(outcome: Result<T, Error>, holds: bool, unmet: ErrorKind, call: &str) {
    if holds {
        assert!(outcome.is_ok(), "{call} failed with: {}", outcome.err().unwrap());
    } else {
        refused_when(outcome, unmet, call);
    }
}

pub async fn reads_and_look_ups_compare_etags(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("dir/a", "content").await.unwrap().etag.unwrap();
    for (condition, holds) in on_etag(&etag) {
        check_reads(&*files, condition, holds).await;
    }
}

pub async fn reads_and_look_ups_compare_times(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    for (condition, holds) in on_time() {
        check_reads(&*files, condition, holds).await;
    }
}

async fn check_reads(files: &dyn AsyncFileBackend, condition: Precondition, holds: bool) {
    let (call, unmet) = (format!("{condition:?}"), unmet(&condition));
    let read = ReadOptions::default().with_condition(condition.clone());
    as_expected(files.open_with("dir/a", read.clone()).await, holds, unmet, &call);
    as_expected(files.read_with("dir/a", read.clone()).await, holds, unmet, &call);
    as_expected(files.stream_read_with("dir/a", read.clone()).await, holds, unmet, &call);
    let ranges = [(0..2).into()];
    as_expected(files.read_ranges_with("dir/a", &ranges, read.clone()).await, holds, unmet, &call);
    let info = InfoOptions::default().with_condition(condition);
    as_expected(files.info_with("dir/a", info.clone()).await, holds, unmet, &call);
    refused_when(files.open_with("missing", read).await, ErrorKind::NotFound, &call);
    refused_when(files.info_with("missing", info).await, ErrorKind::NotFound, &call);
}

pub async fn a_time_of_the_file_itself_is_not_before_it(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let modified = files.info("a").await.unwrap().modified_at.unwrap();
    let read = |condition| files.read_with("a", ReadOptions::default().with_condition(condition));
    refused(read(Precondition::if_modified_since(modified)).await, ErrorKind::NotModified);
    assert_eq!(read(Precondition::if_unmodified_since(modified)).await.unwrap(), "content");
    let before = modified - Duration::from_secs(2);
    assert_eq!(read(Precondition::if_modified_since(before)).await.unwrap(), "content");
}

pub async fn the_condition_of_a_read_comes_before_its_range(store: &dyn Fixture) {
    let files = store.backend().await;
    let info = files.create("a", "0123456789").await.unwrap();
    let (etag, modified) = (info.etag.unwrap(), info.modified_at.unwrap());
    let later = modified + Duration::from_secs(3600);
    let past = |condition| ReadOptions::range(100..).with_condition(condition);
    let ranges = [ByteRange::from(100..)];
    for (condition, expected) in [
        (Precondition::if_none_match(etag.clone()), ErrorKind::NotModified),
        (Precondition::if_match(Etag::new("stale")), ErrorKind::PreconditionFailed),
        (Precondition::if_modified_since(later), ErrorKind::NotModified),
        (Precondition::if_match(etag), ErrorKind::InvalidRange),
        (Precondition::if_unmodified_since(later), ErrorKind::InvalidRange),
    ] {
        refused(files.open_with("a", past(condition.clone())).await, expected);
        refused(files.read_with("a", past(condition.clone())).await, expected);
        let streamed = files.stream_read_with("a", past(condition.clone())).await;
        refused(streamed.map(drop), expected);
        let options = ReadOptions::default().with_condition(condition);
        refused(files.read_ranges_with("a", &ranges, options).await, expected);
    }
}

pub async fn a_delete_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let stale = files.create("dir/a", "old").await.unwrap().etag.unwrap();
    let etag = files.update("dir/a", "new").await.unwrap().etag.unwrap();
    let before = state(&*files).await;
    let refusing = on_etag(&etag).into_iter().filter(|(_, holds)| !holds);
    for (condition, _) in refusing.chain([(Precondition::if_match(stale), false)]) {
        let call = format!("{condition:?}");
        let options = DeleteOptions::default().with_condition(condition);
        refused_when(
            files.delete_with("dir/a", options).await,
            ErrorKind::PreconditionFailed,
            &call,
        );
    }
    assert_eq!(state(&*files).await, before);
    let missing = files.delete_with("missing", DeleteOptions::if_match(etag.clone())).await;
    refused(missing, ErrorKind::NotFound);
    files.delete_with("dir/a", DeleteOptions::if_match(etag)).await.unwrap();
    assert!(!files.exists("dir/a").await.unwrap());
}

pub async fn a_delete_compares_the_time(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    for (condition, _) in on_time().into_iter().filter(|(_, holds)| !holds) {
        let options = DeleteOptions::default().with_condition(condition);
        refused(files.delete_with("a", options).await, ErrorKind::PreconditionFailed);
    }
    let unmodified = Precondition::if_unmodified_since(SystemTime::now() + DAY);
    files.delete_with("a", DeleteOptions::default().with_condition(unmodified)).await.unwrap();
    assert!(!files.exists("a").await.unwrap());
}

pub async fn a_delete_can_ignore_a_missing_file(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    for path in ["missing", "missing/deeper", "dir/missing", "dir/a/below"] {
        files.delete_with(path, DeleteOptions::missing_ok()).await.unwrap();
        let recursive = DeleteOptions::recursive().with_missing_ok();
        files.delete_with(path, recursive).await.unwrap();
    }
    let full = files.delete_with("dir", DeleteOptions::missing_ok()).await;
    refused(full, ErrorKind::DirectoryNotEmpty);
    refused(files.delete_with("..", DeleteOptions::missing_ok()).await, ErrorKind::PathEscapesRoot);
    files.delete_with("dir/a", DeleteOptions::missing_ok()).await.unwrap();
    assert!(!files.exists("dir/a").await.unwrap());
}

pub async fn a_delete_leaves_a_file_that_changes_meanwhile(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(100, 10) {
        let path = format!("round {round}");
        let etag = files.create(&path, "old").await.unwrap().etag.unwrap();
        let (writer, written) = (Arc::clone(&files), path.clone());
        let write = tokio::spawn(async move {
            writer.write_with(&written, "new", WriteOptions::replace()).await
        });
        let deleted = files.delete_with(&path, DeleteOptions::if_match(etag)).await;
        match (write.await.unwrap(), deleted) {
            // The file was replaced first, and stays.
            (Ok(_), Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
                assert_eq!(files.read(&path).await.unwrap(), "new");
            }
            // The file was deleted first, so there was nothing to replace.
            (Err(error), Ok(())) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                assert!(!files.exists(&path).await.unwrap());
            }
            (written, deleted) => panic!("round {round}: {written:?}, {deleted:?}"),
        }
    }
}

pub async fn a_copy_compares_the_etag_of_its_source(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("dir/a", "content").await.unwrap().etag.unwrap();
    for (index, (condition, holds)) in on_etag(&etag).into_iter().enumerate() {
        let (call, to) = (format!("{condition:?}"), format!("copy {index}"));
        let options = CopyOptions::default().with_source(condition);
        let copied = files.copy_with("dir/a", &to, options).await;
        as_expected(copied, holds, ErrorKind::PreconditionFailed, &call);
        assert_eq!(files.exists(&to).await.unwrap(), holds, "{call}");
    }
}

pub async fn a_copy_compares_the_conditions_of_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("source", "source").await.unwrap();
    for condition in 0..on_etag(&Etag::new("any")).len() {
        let etag = files.write("target", "old").await.unwrap().etag.unwrap();
        let (condition, holds) = on_etag(&etag)[condition].clone();
        let call = format!("{condition:?}");
        let options = CopyOptions::overwrite().with_target(condition);
        let copied = files.copy_with("source", "target", options).await;
        as_expected(copied, holds, ErrorKind::PreconditionFailed, &call);
        let expected = if holds { "source" } else { "old" };
        assert_eq!(files.read("target").await.unwrap(), expected, "{call}");
    }
    let any = CopyOptions::overwrite().with_target(Precondition::if_match(Etags::Any));
    let missing = files.copy_with("source", "missing", any).await;
    refused(missing, ErrorKind::PreconditionFailed);
    let none = CopyOptions::overwrite().with_target(Precondition::if_none_match(Etags::Any));
    files.copy_with("source", "new", none).await.unwrap();
}

pub async fn a_rename_compares_the_etag_of_its_source(store: &dyn Fixture) {
    let files = store.backend().await;
    for condition in 0..on_etag(&Etag::new("any")).len() {
        let from = format!("dir/{condition}");
        let etag = files.create(&from, "content").await.unwrap().etag.unwrap();
        let (condition, holds) = on_etag(&etag)[condition].clone();
        let (call, to) = (format!("{condition:?}"), format!("{from} moved"));
        let options = RenameOptions::default().with_source(condition);
        let renamed = files.rename_with(&from, &to, options).await;
        as_expected(renamed, holds, ErrorKind::PreconditionFailed, &call);
        assert_eq!(files.exists(&to).await.unwrap(), holds, "{call}");
        assert_eq!(files.exists(&from).await.unwrap(), !holds, "{call}");
    }
}

pub async fn a_rename_compares_the_conditions_of_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    for condition in 0..on_etag(&Etag::new("any")).len() {
        files.write("source", "source").await.unwrap();
        let etag = files.write("target", "old").await.unwrap().etag.unwrap();
        let (condition, holds) = on_etag(&etag)[condition].clone();
        let call = format!("{condition:?}");
        let options = RenameOptions::overwrite().with_target(condition);
        let renamed = files.rename_with("source", "target", options).await;
        as_expected(renamed, holds, ErrorKind::PreconditionFailed, &call);
        let expected = if holds { "source" } else { "old" };
        assert_eq!(files.read("target").await.unwrap(), expected, "{call}");
    }
}

pub async fn a_copy_or_rename_cannot_append(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "a").await.unwrap();
    files.create("b", "b").await.unwrap();
    let before = state(&*files).await;
    let copy = CopyOptions::default().with_mode(WriteMode::Append);
    refused(files.copy_with("a", "b", copy).await, ErrorKind::InvalidInput);
    let rename = RenameOptions::default().with_mode(WriteMode::Append);
    refused(files.rename_with("a", "b", rename).await, ErrorKind::InvalidInput);
    assert_eq!(state(&*files).await, before);
}

pub async fn a_copy_or_rename_that_replaces_needs_a_target(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "a").await.unwrap();
    files.create("b", "b").await.unwrap();
    let copy = CopyOptions::default().with_mode(WriteMode::Replace);
    refused(files.copy_with("a", "new/c", copy.clone()).await, ErrorKind::NotFound);
    let rename = RenameOptions::default().with_mode(WriteMode::Replace);
    refused(files.rename_with("a", "new/c", rename.clone()).await, ErrorKind::NotFound);
    assert!(!files.exists("new").await.unwrap(), "a parent was created");
    files.copy_with("a", "b", copy).await.unwrap();
    assert_eq!(files.read("b").await.unwrap(), "a");
    files.rename_with("a", "b", rename).await.unwrap();
    assert!(!files.exists("a").await.unwrap());
}

pub async fn a_write_compares_the_etag_of_its_condition(store: &dyn Fixture) {
    let files = store.backend().await;
    for options in [WriteOptions::default(), WriteOptions::replace()] {
        for condition in 0..on_etag(&Etag::new("any")).len() {
            let etag = files.write("a", "old").await.unwrap().etag.unwrap();
            let (condition, holds) = on_etag(&etag)[condition].clone();
            let call = format!("{condition:?}");
            let options = options.clone().with_condition(condition);
            let written = files.write_with("a", "new", options).await;
            as_expected(written, holds, ErrorKind::PreconditionFailed, &call);
            let expected = if holds { "new" } else { "old" };
            assert_eq!(files.read("a").await.unwrap(), expected, "{call}");
        }
    }
}
