//! What services need: changes of metadata, links, copies between stores, and uploads that outlive a process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::stream::{StreamExt as _, TryStreamExt as _};

use crate::backend::Capability;
use crate::backends::memory::MemoryFileBackend;
use crate::core::change::Change;
use crate::core::checksum::ChecksumAlgorithm;
use crate::core::error::{Error, ErrorKind};
use crate::core::etag::Etag;
use crate::core::info::FileType;
use crate::core::options::{
    CopyOptions, DeleteOptions, InfoChanges, InfoOptions, LinkMode, ListOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::precondition::Precondition;
use crate::core::presign::PresignOperation;
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::content::{bytes, failing_source, gated, source};
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::{listed, state};

fn earlier() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

pub async fn set_info_changes_the_times_and_nothing_else(store: &dyn Fixture) {
    let files = store.backend().await;
    let before = files.create("dir/a", "content").await.unwrap();
    let changes = InfoChanges::default().with_modified_at(earlier());
    let changed = files.set_info("dir/a", changes).await.unwrap();
    assert_eq!(changed.modified_at, Some(earlier()));
    assert_eq!(files.info("dir/a").await.unwrap().modified_at, Some(earlier()));
    assert_eq!((changed.size, changed.permissions), (Some(7), before.permissions));
    assert_eq!(files.read("dir/a").await.unwrap(), "content");
}

pub async fn set_info_changes_the_time_of_a_directory(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let changes = InfoChanges::default().with_modified_at(earlier());
    assert!(files.set_info("dir", changes).await.unwrap().is_dir());
    assert_eq!(files.info("dir").await.unwrap().modified_at, Some(earlier()));
    assert_eq!(files.read("dir/a").await.unwrap(), "content");
}

pub async fn set_info_changes_permissions(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    for bits in [0o600, 0o644, 0o755] {
        let changes = InfoChanges::default().with_permissions(bits);
        assert_eq!(files.set_info("a", changes).await.unwrap().permissions, Some(bits));
        assert_eq!(files.info("a").await.unwrap().permissions, Some(bits));
    }
}

pub async fn set_info_replaces_user_metadata_and_the_content_type(store: &dyn Fixture) {
    let files = store.backend().await;
    let options = WriteOptions::default()
        .with_content_type("text/plain")
        .with_user_metadata("author", "Anna");
    files.write_with("a", "content", options).await.unwrap();
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let changes = InfoChanges::default().with_user_metadata(pairs(&[("editor", "Ben")]));
    let changed = files.set_info("a", changes).await.unwrap();
    assert_eq!(changed.user_metadata, pairs(&[("editor", "Ben")]));
    assert_eq!(changed.content_type.as_deref(), Some("text/plain"));
    let changed = files.set_info("a", InfoChanges::default().with_content_type("")).await.unwrap();
    assert_eq!((changed.content_type, changed.user_metadata.len()), (None, 1));
    let none = InfoChanges::default().with_user_metadata(BTreeMap::new());
    files.set_info("a", none).await.unwrap();
    assert!(files.info("a").await.unwrap().user_metadata.is_empty());
    assert_eq!(files.read("a").await.unwrap(), "content");
}

pub async fn set_info_compares_the_etag(store: &dyn Fixture) {
    let files = store.backend().await;
    let etag = files.create("a", "content").await.unwrap().etag.unwrap();
    let changes = |etag: Etag| {
        InfoChanges::default().with_permissions(0o755).with_condition(Precondition::if_match(etag))
    };
    let stale = files.set_info("a", changes(Etag::new("never given"))).await;
    refused(stale, ErrorKind::PreconditionFailed);
    files.set_info("a", changes(etag)).await.unwrap();
    assert_eq!(files.info("a").await.unwrap().permissions, Some(0o755));
}

pub async fn set_info_of_a_missing_entry_or_with_malformed_values_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let good = InfoChanges::default().with_permissions(0o644);
    refused(files.set_info("missing", good.clone()).await, ErrorKind::NotFound);
    refused(files.set_info("a/below", good.clone()).await, ErrorKind::NotADirectory);
    refused(files.set_info("..", good).await, ErrorKind::PathEscapesRoot);
    let bad = InfoChanges::default().with_permissions(0o10_000);
    refused(files.set_info("a", bad).await, ErrorKind::InvalidInput);
    let bad = InfoChanges::default().with_content_type("a\nb");
    refused(files.set_info("a", bad).await, ErrorKind::InvalidInput);
}

pub async fn a_link_holds_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let link = files.create_link("new/link", "../dir/a").await.unwrap();
    assert_eq!((link.file_type, link.path.as_str()), (FileType::Symlink, "new/link"));
    assert_eq!(files.read_link("new/link").await.unwrap(), "../dir/a");
    let keep = InfoOptions::default().with_links(LinkMode::Keep);
    let info = files.info_with("new/link", keep).await.unwrap();
    assert_eq!(
        (info.file_type, info.link_target.as_deref()),
        (FileType::Symlink, Some("../dir/a"))
    );
    assert_eq!(files.read("new/link").await.unwrap(), "content");
    files.write("new/link", "changed").await.unwrap();
    assert_eq!(files.read("dir/a").await.unwrap(), "changed");
    files.delete("new/link").await.unwrap();
    assert_eq!(files.read("dir/a").await.unwrap(), "changed");
}

pub async fn a_link_may_dangle_but_not_lead_out(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_link("dir/link", "missing").await.unwrap();
    refused(files.read("dir/link").await, ErrorKind::NotFound);
    for target in ["../../a", "/etc/passwd", "..//../a", "x/../../../a"] {
        refused_when(
            files.create_link("dir/out", target).await,
            ErrorKind::PathEscapesRoot,
            target,
        );
    }
    refused(files.create_link("dir/link", "other").await, ErrorKind::AlreadyExists);
    assert_eq!(files.read_link("dir/link").await.unwrap(), "missing");
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/link"]);
}

pub async fn only_a_link_has_a_target(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    refused(files.read_link("dir/a").await, ErrorKind::InvalidInput);
    refused(files.read_link("dir").await, ErrorKind::InvalidInput);
    refused(files.read_link("missing").await, ErrorKind::NotFound);
}

pub async fn a_file_of_another_store_is_copied(store: &dyn Fixture) {
    let files = store.backend().await;
    let other = MemoryFileBackend::new();
    for size in [0, 7, 300_000] {
        let content = bytes(size);
        other.write("source", content.clone()).await.unwrap();
        let to = format!("dir/{size}");
        let copied = files.copy_from(&other, "source", &to, CopyOptions::default()).await.unwrap();
        assert_eq!((copied.path.as_str(), copied.size), (to.as_str(), Some(size as u64)));
        assert!(files.read(&to).await.unwrap() == content);
    }
    let again = files.copy_from(&other, "source", "dir/7", CopyOptions::default()).await;
    refused(again, ErrorKind::AlreadyExists);
    let missing = files.copy_from(&other, "missing", "b", CopyOptions::default()).await;
    refused(missing, ErrorKind::NotFound);
    files.copy_from(&other, "source", "dir/7", CopyOptions::overwrite()).await.unwrap();
    assert_eq!(files.info("dir/7").await.unwrap().size, Some(300_000));
    let back = other.copy_from(&files, "dir/0", "back", CopyOptions::default()).await.unwrap();
    assert_eq!(back.size, Some(0));
}

pub async fn a_copy_from_another_store_compares_both_sides(store: &dyn Fixture) {
    let files = store.backend().await;
    let other = MemoryFileBackend::new();
    let etag = other.write("source", "new").await.unwrap().etag.unwrap();
    files.create("target", "old").await.unwrap();
    let stale = CopyOptions::overwrite().with_source(Precondition::if_match(Etag::new("stale")));
    let copied = files.copy_from(&other, "source", "target", stale).await;
    refused(copied, ErrorKind::PreconditionFailed);
    let known = CopyOptions::overwrite().with_source(Precondition::if_none_match(etag.clone()));
    let copied = files.copy_from(&other, "source", "target", known).await;
    refused(copied, ErrorKind::PreconditionFailed);
    let never = CopyOptions::if_match(Etag::new("never given"));
    let copied = files.copy_from(&other, "source", "target", never).await;
    refused(copied, ErrorKind::PreconditionFailed);
    assert_eq!(files.read("target").await.unwrap(), "old");
    let right = CopyOptions::overwrite().with_source(Precondition::if_match(etag));
    files.copy_from(&other, "source", "target", right).await.unwrap();
    assert_eq!(files.read("target").await.unwrap(), "new");
}

pub async fn a_copy_from_another_handle_of_the_store_is_a_copy(store: &dyn Fixture) {
    let files = store.backend().await;
    let second = store.second_handle().await.unwrap_or_else(|| Arc::clone(&files));
    files.create("dir/a", bytes(100_000)).await.unwrap();
    let copied = files.copy_from(&second, "dir/a", "b", CopyOptions::default()).await.unwrap();
    assert_eq!(copied.size, Some(100_000));
    files.write("dir/a", "changed").await.unwrap();
    assert!(files.read("b").await.unwrap() == bytes(100_000));
    let itself = files.copy_from(&second, "b", "b", CopyOptions::default()).await;
    refused(itself, ErrorKind::AlreadyExists);
}

pub async fn an_upload_is_published_when_it_is_finished(store: &dyn Fixture) {
    let files = store.backend().await;
    let content = bytes(500_000);
    let upload = files.begin_upload("dir/a", WriteOptions::create()).await.unwrap();
    assert_eq!((upload.path.as_str(), upload.offset), ("dir/a", 0));
    let first = source([content.slice(..100_000), content.slice(100_000..200_000)]);
    let upload = files.continue_upload(&upload, first).await.unwrap();
    assert_eq!(upload.offset, 200_000);
    assert!(!files.exists("dir/a").await.unwrap());
    // Another process reads the state, and another handle continues.
    let json = serde_json::to_string(&upload).unwrap();
    let upload = serde_json::from_str(&json).unwrap();
    let second = store.second_handle().await.unwrap_or_else(|| Arc::clone(&files));
    let upload = second.continue_upload(&upload, source([content.slice(200_000..)])).await.unwrap();
    assert_eq!(second.upload_state(&upload).await.unwrap().offset, 500_000);
    let info = second.finish_upload(&upload).await.unwrap();
    assert_eq!((info.path.as_str(), info.size), ("dir/a", Some(500_000)));
    assert!(files.read("dir/a").await.unwrap() == content);
    refused(files.finish_upload(&upload).await, ErrorKind::NotFound);
    refused(files.upload_state(&upload).await, ErrorKind::NotFound);
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/a"]);
}

pub async fn an_upload_continues_after_a_failing_source(store: &dyn Fixture) {
    let files = store.backend().await;
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let data = failing_source(["first ".into()], Error::new(ErrorKind::QuotaExceeded));
    refused(files.continue_upload(&upload, data).await, ErrorKind::QuotaExceeded);
    let state = files.upload_state(&upload).await.unwrap();
    assert!(state.offset == 0 || state.offset == 6, "{}", state.offset);
    let rest = &"first second"[usize::try_from(state.offset).unwrap()..];
    let upload = files.continue_upload(&state, source([rest.into()])).await.unwrap();
    files.finish_upload(&upload).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "first second");
}

pub async fn an_upload_repeats_what_came_after_its_offset(store: &dyn Fixture) {
    let files = store.backend().await;
    let start = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let one = files.continue_upload(&start, source(["one".into()])).await.unwrap();
    files.continue_upload(&one, source(["lost answer".into()])).await.unwrap();
    let two = files.continue_upload(&one, source(["two".into()])).await.unwrap();
    assert_eq!(two.offset, 6);
    let mut ahead = two.clone();
    ahead.offset = 100;
    let written = files.continue_upload(&ahead, source(["three".into()])).await;
    refused(written, ErrorKind::InvalidInput);
    files.finish_upload(&two).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "onetwo");
}

pub async fn a_finished_upload_respects_its_options(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("taken", "old").await.unwrap();
    refused(files.begin_upload("taken", WriteOptions::create()).await, ErrorKind::AlreadyExists);
    refused(files.begin_upload("new", WriteOptions::replace()).await, ErrorKind::NotFound);
    let upload = files.begin_upload("later", WriteOptions::create()).await.unwrap();
    let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
    files.create("later", "first").await.unwrap();
    refused(files.finish_upload(&upload).await, ErrorKind::AlreadyExists);
    assert_eq!(files.read("later").await.unwrap(), "first");
    // The content is kept, so that the caller can make room.
    files.delete("later").await.unwrap();
    files.finish_upload(&upload).await.unwrap();
    assert_eq!(files.read("later").await.unwrap(), "new");
    let sized = WriteOptions::default().with_size(5);
    let upload = files.begin_upload("sized", sized).await.unwrap();
    let upload = files.continue_upload(&upload, source(["1234".into()])).await.unwrap();
    refused(files.finish_upload(&upload).await, ErrorKind::LengthMismatch);
    files.abandon_upload(&upload).await.unwrap();
}

pub async fn a_finished_upload_ends_at_its_offset(store: &dyn Fixture) {
    let files = store.backend().await;
    let start = files.begin_upload("a", WriteOptions::default().with_size(3)).await.unwrap();
    let one = files.continue_upload(&start, source(["one".into()])).await.unwrap();
    let mut ahead = one.clone();
    ahead.offset = 4;
    refused(files.finish_upload(&ahead).await, ErrorKind::InvalidInput);
    let lost = files.continue_upload(&one, source(["lost answer".into()])).await;
    refused(lost, ErrorKind::LengthMismatch);
    assert_eq!(files.finish_upload(&one).await.unwrap().size, Some(3));
    let start = files.begin_upload("b", WriteOptions::default()).await.unwrap();
    let one = files.continue_upload(&start, source(["one".into()])).await.unwrap();
    files.continue_upload(&one, source([" lost answer".into()])).await.unwrap();
    // The store has more than the caller knows of.
    refused(files.finish_upload(&one).await, ErrorKind::InvalidInput);
    let state = files.upload_state(&one).await.unwrap();
    files.finish_upload(&state).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "one");
    assert_eq!(files.read("b").await.unwrap(), "one lost answer");
}

pub async fn an_upload_has_one_caller_at_a_time(store: &dyn Fixture) {
    let files = store.backend().await;
    let second = store.second_handle().await.unwrap_or_else(|| Arc::clone(&files));
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let (data, gate) = gated("slow ".into(), "content".into());
    let (first, state) = (Arc::clone(&files), upload.clone());
    let first = tokio::spawn(async move { first.continue_upload(&state, data).await });
    gate.reached().await;
    let other = second.continue_upload(&upload, source(["fast".into()])).await;
    refused(other, ErrorKind::InvalidOperation);
    refused(second.finish_upload(&upload).await, ErrorKind::InvalidOperation);
    assert!(second.upload_state(&upload).await.unwrap().offset <= 5);
    gate.open();
    let upload = first.await.unwrap().unwrap();
    second.finish_upload(&upload).await.unwrap();
    assert_eq!(files.read("a").await.unwrap(), "slow content");
}

pub async fn one_of_concurrent_finishes_publishes_an_upload(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(50, 10) {
        let path = format!("{round}");
        files.create(&path, "old ").await.unwrap();
        let upload = files.begin_upload(&path, WriteOptions::append()).await.unwrap();
        let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
        let finishes = (0..4).map(|_| {
            let (files, upload) = (Arc::clone(&files), upload.clone());
            tokio::spawn(async move { files.finish_upload(&upload).await })
        });
        let mut finished = 0;
        for done in finishes.collect::<Vec<_>>() {
            match done.await.unwrap() {
                Ok(_) => finished += 1,
                Err(error) => {
                    let kinds = [ErrorKind::NotFound, ErrorKind::InvalidOperation];
                    assert!(kinds.contains(&error.kind()), "{error}");
                }
            }
        }
        assert_eq!((finished, &*files.read(&path).await.unwrap()), (1, &b"old new"[..]));
    }
}

pub async fn an_abandoned_upload_leaves_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "old").await.unwrap();
    let before = state(&*files).await;
    let upload = files.begin_upload("a", WriteOptions::default()).await.unwrap();
    let upload = files.continue_upload(&upload, source(["new".into()])).await.unwrap();
    files.abandon_upload(&upload).await.unwrap();
    files.abandon_upload(&upload).await.unwrap();
    refused(files.continue_upload(&upload, source(["more".into()])).await, ErrorKind::NotFound);
    refused(files.finish_upload(&upload).await, ErrorKind::NotFound);
    assert_eq!(state(&*files).await, before);
}

pub async fn a_private_view_has_files_that_users_cannot_reach(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let view = files.private_view("guard").unwrap();
    view.create(".f9/guard/kept/a", "hidden").await.unwrap();
    view.rename("dir/a", ".f9/guard/trash").await.unwrap();
    assert_eq!(view.read(".f9/guard/trash").await.unwrap(), "content");
    assert!(!files.exists("dir/a").await.unwrap());
    view.copy(".f9/guard/trash", "restored").await.unwrap();
    assert_eq!(files.read("restored").await.unwrap(), "content");
    let names = listed(&*view, ".f9/guard", ListOptions::recursive()).await;
    assert_eq!(names, [".f9/guard/kept/", ".f9/guard/kept/a", ".f9/guard/trash"]);
    for path in [".f9/guard/trash", ".f9/other/a", ".f9"] {
        refused_when(files.read(path).await, ErrorKind::ReservedPath, path);
    }
    refused(view.create(".f9/other/a", "x").await, ErrorKind::ReservedPath);
    refused(view.create(".backend.lock", "x").await, ErrorKind::ReservedPath);
    for files in [&files, &view] {
        let all = listed(&**files, "", ListOptions::recursive()).await;
        assert!(!all.iter().any(|name| name.starts_with(".f9")), "{all:?}");
    }
    for name in ["", "a/b", "..", ".", "a\0b"] {
        let opened = files.private_view(name);
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidPath, "{name:?}");
    }
    refused(files.private_view("uploads").map(drop), ErrorKind::ReservedPath);
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
}

pub async fn reads_and_writes_reach_the_files_of_a_private_view(store: &dyn Fixture) {
    let view = store.backend().await.private_view("guard").unwrap();
    let has = |capability| view.capabilities().has(capability);
    let (a, b, dir) = (".f9/guard/a", ".f9/guard/dir/b", ".f9/guard/dir");
    let written = view.write_many([(a, "one"), (b, "two"), ("./.f9//guard/a", "twice")]).await;
    let mut written = written.unwrap();
    refused(written.pop().unwrap(), ErrorKind::InvalidInput);
    let paths = written.into_iter().map(|info| info.unwrap().path.to_string());
    assert_eq!(paths.collect::<Vec<_>>(), [a, b]);
    view.update(a, "first").await.unwrap();
    let data = source(["second".into()]);
    view.stream_write_with(b, data, WriteOptions::overwrite()).await.unwrap();
    if has(Capability::Append) {
        let more = vec![(a.to_owned(), Bytes::from(" more"))];
        let appended = view.write_many_with(more, WriteOptions::append()).await.unwrap();
        assert_eq!(appended.into_iter().next().unwrap().unwrap().size, Some(10));
        view.write(a, "first").await.unwrap();
    }
    assert_eq!(view.info(a).await.unwrap().path, a);
    assert!(view.exists(b).await.unwrap());
    assert_eq!(view.open(a).await.unwrap().bytes().await.unwrap(), "first");
    let ranges = [(0..2).into(), (3..5).into()];
    assert_eq!(view.read_ranges(a, &ranges).await.unwrap(), ["fi", "st"]);
    assert_eq!(listed(&*view, dir, ListOptions::default()).await, [b]);
    for (pattern, found) in [(".f9/guard/*", vec![a, dir]), (".f9/guard/**/b", vec![b])] {
        assert_eq!(view.glob(pattern).await.unwrap(), found, "{pattern}");
        let streamed = view.glob_stream(pattern).await.unwrap().try_collect::<Vec<_>>().await;
        assert_eq!(streamed.unwrap(), found, "{pattern}");
    }
    assert_eq!(view.glob("**").await.unwrap().len(), 0);
    let sha256 = ChecksumAlgorithm::Sha256;
    let checksum = view.checksum(a, sha256).await.unwrap();
    let checksums = view.checksum_many(&[a, ".f9/guard/missing"], sha256).await.unwrap();
    let keys = checksums.iter().map(|(path, checksum)| (path.as_str(), checksum));
    assert_eq!(keys.collect::<Vec<_>>(), [(a, &checksum)]);
    let deleted = view.delete_many(&[a, ".f9/guard/missing", ".f9/other"]).await.unwrap();
    let kinds = deleted.into_iter().map(|deleted| deleted.err().map(|error| error.kind()));
    let expected = [None, Some(ErrorKind::NotFound), Some(ErrorKind::ReservedPath)];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
}

pub async fn copies_and_uploads_reach_the_files_of_a_private_view(store: &dyn Fixture) {
    let view = store.backend().await.private_view("guard").unwrap();
    let has = |capability| view.capabilities().has(capability);
    let (a, b, dir) = (".f9/guard/a", ".f9/guard/dir/b", ".f9/guard/dir");
    view.create(a, "first").await.unwrap();
    view.create(b, "second").await.unwrap();
    let other = MemoryFileBackend::new();
    other.write("source", "copied").await.unwrap();
    let overwrite = CopyOptions::overwrite;
    view.copy_from(&other, "source", ".f9/guard/c", overwrite()).await.unwrap();
    view.copy_from(&view, ".f9/guard/c", ".f9/guard/d", overwrite()).await.unwrap();
    other.copy_from(&view, ".f9/guard/d", "back", overwrite()).await.unwrap();
    assert_eq!(other.read("back").await.unwrap(), "copied");
    view.copy(a, ".f9/guard/e").await.unwrap();
    view.rename(".f9/guard/e", ".f9/guard/f").await.unwrap();
    assert_eq!(view.read(".f9/guard/f").await.unwrap(), "first");
    if has(Capability::EmptyDirectories) {
        view.create_dir(".f9/guard/empty").await.unwrap();
    }
    if has(Capability::SetInfo) && has(Capability::ModificationTime) {
        let changes = InfoChanges::default().with_modified_at(earlier());
        assert_eq!(view.set_info(a, changes).await.unwrap().modified_at, Some(earlier()));
    }
    if has(Capability::Links) {
        view.create_link(".f9/guard/link", "a").await.unwrap();
        assert_eq!(view.read_link(".f9/guard/link").await.unwrap(), "a");
        assert_eq!(view.read(".f9/guard/link").await.unwrap(), "first");
    }
    if has(Capability::Versions) {
        assert!(view.list_versions(a).await.unwrap().next().await.unwrap().is_ok());
    }
    if has(Capability::Resumable) {
        let path = ".f9/guard/uploaded";
        let upload = view.begin_upload(path, WriteOptions::default()).await.unwrap();
        let json = serde_json::to_string(&upload).unwrap();
        let upload = serde_json::from_str(&json).unwrap();
        let upload = view.continue_upload(&upload, source(["uploaded".into()])).await.unwrap();
        refused(store.backend().await.finish_upload(&upload).await, ErrorKind::ReservedPath);
        view.finish_upload(&upload).await.unwrap();
        assert_eq!(view.read(path).await.unwrap(), "uploaded");
    }
    if has(Capability::Watch) {
        let mut changes = view.watch(dir).await.unwrap();
        view.delete(b).await.unwrap();
        let removed = FilePath::accepted(b);
        assert_eq!(changes.next().await.unwrap().unwrap(), Change::Removed(removed));
    }
    view.delete_with(".f9/guard", DeleteOptions::recursive()).await.unwrap();
}

pub async fn what_the_store_cannot_do_is_unsupported(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    let has = |capability| files.capabilities().has(capability);
    let before = state(&*files).await;
    if !has(Capability::SetInfo) {
        let changes = InfoChanges::default().with_modified_at(earlier());
        refused(files.set_info("a", changes).await, ErrorKind::Unsupported);
    }
    if !has(Capability::Links) {
        refused(files.create_link("link", "a").await, ErrorKind::Unsupported);
        refused(files.read_link("a").await, ErrorKind::Unsupported);
    }
    if !has(Capability::Versions) {
        refused(files.list_versions("a").await.map(drop), ErrorKind::Unsupported);
    }
    if !has(Capability::Watch) {
        refused(files.watch("").await.map(drop), ErrorKind::Unsupported);
    }
    if !has(Capability::Presign) {
        let hour = Duration::from_secs(3600);
        refused(files.presign("a", PresignOperation::Read, hour).await, ErrorKind::Unsupported);
    }
    if !has(Capability::Resumable) {
        let begun = files.begin_upload("b", WriteOptions::default()).await;
        refused(begun, ErrorKind::Unsupported);
    }
    if !has(Capability::PrivateViews) {
        refused(files.private_view("guard").map(drop), ErrorKind::Unsupported);
    }
    assert_eq!(state(&*files).await, before);
}
