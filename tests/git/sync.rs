//! Commit, pull and push between two working trees.

use f9::ErrorKind;
use f9::prelude::*;

use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

#[tokio::test]
async fn one_clone_pulls_the_changes_that_another_pushes() {
    let clones = Clones::of(Remote::empty());
    let mine = clones.open("mine").await;
    mine.create("notes/a.txt", "one").await.unwrap();
    mine.push("Add a").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 notes/a.txt"]);

    let yours = clones.open("yours").await;
    assert_eq!(yours.read("notes/a.txt").await.unwrap(), "one");
    yours.update("notes/a.txt", "two").await.unwrap();
    yours.rename("notes/a.txt", "b.txt").await.unwrap();
    yours.push("Move a").await.unwrap();

    mine.pull().await.unwrap();
    assert!(!mine.exists("notes/a.txt").await.unwrap());
    assert_eq!(mine.read("b.txt").await.unwrap(), "two");
    clones.remote.assert_sound();
}

#[tokio::test]
async fn changes_of_different_files_are_merged() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a"), Change::write("b", "b")]));
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    mine.update("a", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    yours.update("b", "yours").await.unwrap();
    yours.push("Yours").await.unwrap();
    mine.pull().await.unwrap();
    for clone in [&mine, &yours] {
        assert_eq!(clone.read("a").await.unwrap(), "mine");
        assert_eq!(clone.read("b").await.unwrap(), "yours");
    }
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_file_in_conflict_keeps_its_local_content_until_resolved() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "base")]));
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    mine.update("a", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    yours.update("a", "yours").await.unwrap();
    let error = yours.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.conflicts(), ["a"]);
    assert_eq!(yours.read("a").await.unwrap(), "yours");

    let yours = {
        drop(yours);
        opened(clones.config("yours")).await
    };
    let report = yours.conflict_report().await.unwrap();
    assert_eq!(report.len(), 1);
    assert_eq!(report[0].status.code(), "UU");
    let error = yours.conflict_accept_local("b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
    yours.conflict_resolve("a", "both".into()).await.unwrap();
    assert_eq!(yours.read("a").await.unwrap(), "yours");
    yours.sync("Resolve").await.unwrap();
    assert_eq!(yours.read("a").await.unwrap(), "both");
    mine.pull().await.unwrap();
    assert_eq!(mine.read("a").await.unwrap(), "both");
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_file_changed_after_its_resolution_is_published_as_changed() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "base")]));
    let clone = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "theirs")]);
    clone.update("a", "mine").await.unwrap();
    assert_eq!(clone.push("Mine").await.unwrap_err().kind(), ErrorKind::Conflict);
    clone.conflict_accept_local("a").await.unwrap();
    clone.update("a", "better").await.unwrap();
    clone.push("Better").await.unwrap();
    assert_eq!(clones.remote.main().file("a").unwrap(), b"better");
    let subjects = clones.remote.main().log("%s");
    assert_eq!(subjects[..2], ["Better", "Merge branch 'main' of the remote"]);
    assert!(subjects.contains(&"Mine".to_owned()), "{subjects:?}");
}

#[tokio::test]
async fn a_sync_that_merges_keeps_its_message() {
    let base = "1\n2\n3\n4\n5\n6\n7\n";
    let clones = Clones::of(Remote::with(&[Change::write("a", base)]));
    let clone = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", base.replace('1', "one"))]);
    clone.update("a", base.replace('7', "seven")).await.unwrap();
    clone.sync("Spell out seven").await.unwrap();
    assert_eq!(clone.read("a").await.unwrap(), "one\n2\n3\n4\n5\n6\nseven\n");
    assert!(clones.remote.main().log("%s").contains(&"Spell out seven".to_owned()));
    let message = "a\0b";
    assert_eq!(clone.sync(message).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(clone.push(message).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_backend_from_a_uri_can_sync() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "x")]));
    let (remote, path) = (clones.remote.path(), clones.config("mine").path);
    let uri = format!("git+file://{}?path={}", remote.display(), path.display());
    let files = f9::resolve_backend(&uri).await.unwrap();
    files.create("b", "y").await.unwrap();
    files.as_sync().unwrap().push("Add").await.unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"y");
    assert!(f9::resolve_backend("memory://plain").await.unwrap().as_sync().is_none());
}

#[cfg(feature = "blocking")]
#[test]
fn a_blocking_backend_from_a_uri_can_sync() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "x")]));
    let (remote, path) = (clones.remote.path(), clones.config("mine").path);
    let uri = format!("git+file://{}?path={}", remote.display(), path.display());
    let files = f9::blocking::resolve_backend(&uri).unwrap();
    files.create("b", "y").unwrap();
    let report = files.as_sync().unwrap().sync("Add").unwrap();
    assert_eq!(report.commits_sent, 1);
    assert_eq!(clones.remote.main().file("b").unwrap(), b"y");
    assert!(f9::blocking::resolve_backend("memory://plain").unwrap().as_sync().is_none());
}
