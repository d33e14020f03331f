//! A rename moves a file or a whole directory to its new path.

use std::sync::Arc;

use futures::future::join_all;

use crate::core::error::ErrorKind;
use crate::core::etag::Etag;
use crate::core::options::{ListOptions, RenameOptions};
use crate::prelude::*;
use crate::testing::Fixture;
use crate::testing::expect::{refused, refused_when};
use crate::testing::state::{listed, state, state_below};

pub async fn a_renamed_file_is_only_at_its_new_path(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "content").await.unwrap();
    for (from, to) in [("a", "b"), ("b", "new/dir/c"), ("new/dir/c", "new/d")] {
        let renamed = files.rename(from, to).await.unwrap();
        let info = files.info(to).await.unwrap();
        assert_eq!((renamed.path.as_str(), renamed.is_file()), (to, true));
        assert_eq!((&renamed.etag, renamed.size), (&info.etag, info.size));
        assert_eq!(files.read(to).await.unwrap(), "content");
        refused(files.read(from).await, ErrorKind::NotFound);
        assert!(!files.exists(from).await.unwrap());
    }
    assert_eq!(files.glob_files("**").await.unwrap(), ["new/d"]);
}

pub async fn a_renamed_directory_keeps_everything_in_it(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["dir/a", "dir/.hidden", "dir/sub/b", "dir/sub/deep/c", "dir.x", "dir-/y", "dir0"] {
        files.create(path, path).await.unwrap();
    }
    let content: Vec<_> = state_below(&*files, "dir").await.into_iter().collect();
    let renamed = files.rename("dir", "new/place").await.unwrap();
    assert_eq!((renamed.path.as_str(), renamed.is_dir()), ("new/place", true));
    let moved = state_below(&*files, "new/place").await;
    let renamed_back =
        moved.into_iter().map(|(key, content)| (key.replacen("new/place", "dir", 1), content));
    assert_eq!(renamed_back.collect::<Vec<_>>(), content);
    assert!(!files.exists("dir").await.unwrap());
    let left = listed(&*files, "", ListOptions::default()).await;
    assert_eq!(left, ["dir-/", "dir.x", "dir0", "new/"]);
}

pub async fn renaming_a_missing_path_fails(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    let before = state(&*files).await;
    for (from, kind) in [
        ("missing", ErrorKind::NotFound),
        ("missing/deeper", ErrorKind::NotFound),
        ("dir/missing", ErrorKind::NotFound),
        ("dir/file/below", ErrorKind::NotADirectory),
    ] {
        for to in ["new", "new/deep/er"] {
            refused_when(files.rename(from, to).await, kind, from);
            let renamed = files.rename_with(from, to, RenameOptions::overwrite()).await;
            refused_when(renamed, kind, from);
        }
        let onto_itself = files.rename_with(from, from, RenameOptions::overwrite()).await;
        refused_when(onto_itself, kind, from);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn a_rename_without_overwriting_replaces_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["a", "b", "dir/file", "other/file"] {
        files.create(path, path).await.unwrap();
    }
    let before = state(&*files).await;
    for (from, to) in [
        ("a", "b"),
        ("a", "dir"),
        ("a", "dir/file"),
        ("dir", "a"),
        ("dir", "other"),
        ("dir", "other/file"),
    ] {
        let call = format!("{from} to {to}");
        refused_when(files.rename(from, to).await, ErrorKind::AlreadyExists, &call);
    }
    for from in ["a", "dir"] {
        refused(files.rename(from, "b/below").await, ErrorKind::NotADirectory);
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn an_overwriting_rename_replaces_a_file(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("a", "source").await.unwrap();
    files.create("dir/b", "a longer target").await.unwrap();
    let renamed = files.rename_with("a", "dir/b", RenameOptions::overwrite()).await.unwrap();
    assert_eq!(renamed.size, Some(6));
    assert_eq!(files.read("dir/b").await.unwrap(), "source");
    assert_eq!(listed(&*files, "", ListOptions::recursive()).await, ["dir/", "dir/b"]);
    files.rename_with("dir/b", "free", RenameOptions::overwrite()).await.unwrap();
    assert_eq!(files.read("free").await.unwrap(), "source");
}

pub async fn an_overwriting_rename_never_changes_the_kind_of_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    for path in ["a", "dir/file", "other/file"] {
        files.create(path, path).await.unwrap();
    }
    let before = state(&*files).await;
    for (from, to, kind) in [
        ("a", "dir", ErrorKind::IsADirectory),
        ("dir", "a", ErrorKind::NotADirectory),
        ("dir", "other", ErrorKind::DirectoryNotEmpty),
        ("dir/file", "a/below", ErrorKind::NotADirectory),
        ("dir", "a/below", ErrorKind::NotADirectory),
    ] {
        let renamed = files.rename_with(from, to, RenameOptions::overwrite()).await;
        refused_when(renamed, kind, &format!("{from} to {to}"));
    }
    assert_eq!(state(&*files).await, before);
}

pub async fn an_overwriting_rename_replaces_an_empty_directory_by_a_directory(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/file", "content").await.unwrap();
    files.create("a", "content").await.unwrap();
    files.create_dir("empty").await.unwrap();
    refused(files.rename("dir", "empty").await, ErrorKind::AlreadyExists);
    let file = files.rename_with("a", "empty", RenameOptions::overwrite()).await;
    refused(file, ErrorKind::IsADirectory);
    files.rename_with("dir", "empty", RenameOptions::overwrite()).await.unwrap();
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["a", "empty/", "empty/file"]);
}

pub async fn an_empty_directory_is_renamed(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create_dir("empty").await.unwrap();
    files.rename("empty", "new/place").await.unwrap();
    let all = listed(&*files, "", ListOptions::recursive()).await;
    assert_eq!(all, ["new/", "new/place/"]);
}

pub async fn a_directory_is_not_renamed_into_itself(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/sub/file", "content").await.unwrap();
    files.create("dirx", "beside").await.unwrap();
    let before = state(&*files).await;
    for to in ["dir/new", "dir/sub/new", "dir/new/deep", "dir/sub/file/new"] {
        for options in [RenameOptions::default(), RenameOptions::overwrite()] {
            let renamed = files.rename_with("dir", to, options).await;
            refused_when(renamed, ErrorKind::InvalidInput, to);
        }
    }
    assert_eq!(state(&*files).await, before);
    files.rename("dir", "dir.new").await.unwrap();
    assert_eq!(files.read("dir.new/sub/file").await.unwrap(), "content");
}

pub async fn a_rename_onto_itself_changes_nothing(store: &dyn Fixture) {
    let files = store.backend().await;
    files.create("dir/a", "content").await.unwrap();
    let (before, etag) = (state(&*files).await, files.info("dir/a").await.unwrap().etag);
    for (from, to) in [("dir/a", "dir/a"), ("dir/a", "/dir//a/"), ("dir", "dir"), ("dir", "dir/")] {
        refused_when(files.rename(from, to).await, ErrorKind::AlreadyExists, to);
        let renamed = files.rename_with(from, to, RenameOptions::overwrite()).await.unwrap();
        assert_eq!(renamed.path, from);
    }
    assert_eq!(state(&*files).await, before);
    assert_eq!(files.info("dir/a").await.unwrap().etag, etag);
}

pub async fn a_rename_compares_the_etag_of_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    let of_source = files.create("a", "source").await.unwrap().etag.unwrap();
    let stale = files.create("b", "target").await.unwrap().etag.unwrap();
    let current = files.update("b", "changed").await.unwrap().etag.unwrap();
    let before = state(&*files).await;
    for etag in [stale, of_source, Etag::new("never given")] {
        for to in ["b", "missing"] {
            let options = RenameOptions::if_match(etag.clone());
            let renamed = files.rename_with("a", to, options).await;
            refused_when(renamed, ErrorKind::PreconditionFailed, to);
        }
    }
    assert_eq!(state(&*files).await, before);
    let options = RenameOptions::if_match(current);
    files.rename_with("a", "b", options).await.unwrap();
    assert_eq!(listed(&*files, "", ListOptions::default()).await, ["b"]);
    assert_eq!(files.read("b").await.unwrap(), "source");
}

pub async fn a_rename_changes_the_etag_at_its_target(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(20, 8) {
        let before = files
            .create_with("target", "same", crate::core::options::CreateOptions::overwrite())
            .await
            .unwrap();
        files.create("other", "othr").await.unwrap();
        let renamed = files.rename_with("other", "target", RenameOptions::overwrite()).await;
        assert_ne!(renamed.unwrap().etag, before.etag, "round {round}");
    }
}

pub async fn exactly_one_of_racing_renames_to_one_target_wins(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(20, 8) {
        let sources: Vec<String> = (0..8).map(|source| format!("round {round}/{source}")).collect();
        for source in &sources {
            files.create(source, source.clone()).await.unwrap();
        }
        let to = format!("round {round}/target/file");
        let renames = sources.iter().cloned().map(|source| {
            let (files, to) = (Arc::clone(&files), to.clone());
            tokio::spawn(async move { files.rename(&source, &to).await })
        });
        let mut winners = Vec::new();
        let outcomes = join_all(renames.collect::<Vec<_>>()).await;
        for (source, outcome) in sources.iter().zip(outcomes) {
            match outcome.unwrap() {
                Ok(_) => winners.push(source),
                lost => drop(refused(lost, ErrorKind::AlreadyExists)),
            }
            let exists = files.exists(source).await.unwrap();
            assert_eq!(exists, !winners.contains(&source), "{source}");
        }
        assert_eq!(winners.len(), 1, "round {round} was won by {winners:?}");
        assert_eq!(files.read(&to).await.unwrap(), winners[0].as_str());
    }
}

pub async fn exactly_one_of_racing_renames_of_one_file_wins(store: &dyn Fixture) {
    let files = store.backend().await;
    for round in 0..store.scale().pick(20, 8) {
        let from = format!("round {round}/source");
        files.create(&from, "content").await.unwrap();
        let renames = (0..8).map(|target| {
            let (files, from) = (Arc::clone(&files), from.clone());
            tokio::spawn(async move { files.rename(&from, &format!("{from} {target}")).await })
        });
        let mut winners = 0;
        for outcome in join_all(renames.collect::<Vec<_>>()).await {
            match outcome.unwrap() {
                Ok(_) => winners += 1,
                lost => drop(refused(lost, ErrorKind::NotFound)),
            }
        }
        assert_eq!(winners, 1, "round {round}");
        let left = listed(&*files, &format!("round {round}"), ListOptions::default()).await;
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
