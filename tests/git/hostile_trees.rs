//! Trees with files that git accepts nowhere, as only broken or hostile programs make them.

use std::fs;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use crate::cli;
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

fn notes() -> Clones {
    Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/b", "two")]))
}

/// Commits a tree with a new file and a file that git accepts nowhere. Returns the path of the latter for each kind.
fn commit_hostile(remote: &Remote, kind: usize) -> &'static str {
    let blob = remote.blob("x");
    let inner = remote.tree(&[("100644", b"config", &blob)]);
    let deep = remote.tree(&[("040000", b".gIt", &inner)]);
    let (path, entry): (_, (&str, &[u8], &str)) = [
        (".git/config", ("040000", &b".git"[..], &*inner)),
        (".GIT", ("100644", b".GIT", &blob)),
        ("d/.gIt/config", ("040000", b"d", &deep)),
        ("../config", ("040000", b"..", &inner)),
        ("./config", ("040000", b".", &inner)),
        (".gitmodules", ("120000", b".gitmodules", &blob)),
        (".GitModules", ("120000", b".GitModules", &blob)),
        ("GITMOD~1", ("120000", b"GITMOD~1", &blob)),
        (".gitmodules .", ("120000", b".gitmodules .", &blob)),
    ][kind];
    remote.main().commit_tree(&remote.tree(&[entry, ("100644", b"new", &blob)]));
    path
}

const KINDS: std::ops::Range<usize> = 0..9;

#[tokio::test]
async fn a_hostile_tree_is_not_cloned() {
    for kind in KINDS {
        let clones = Clones::of(Remote::empty());
        let path = commit_hostile(&clones.remote, kind);
        let error = GitSyncFileBackend::open(clones.config("mine")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[tokio::test]
async fn nothing_but_pulls_is_stopped_by_a_hostile_tree() {
    for kind in KINDS {
        let clones = notes();
        let mine = clones.open("mine").await;
        let automatic = opened(clones.config("automatic").with_auto_pull(true)).await;
        let base = clones.remote.main().head().unwrap();
        let path = commit_hostile(&clones.remote, kind);
        for round in ["one", "two"] {
            for error in [mine.pull().await.unwrap_err(), mine.push("Mine").await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
                assert!(!error.is_retryable(), "{error}");
                assert!(error.to_string().contains(path), "{error}");
            }
            // Reads, writes and commits go on.
            assert_eq!(mine.read("d/b").await.unwrap(), "two");
            assert_eq!(automatic.read("d/b").await.unwrap(), "two");
            assert!(!mine.exists("new").await.unwrap());
            mine.write("mine", round).await.unwrap();
            drop(mine.push("Mine").await.unwrap_err());
            assert_eq!(cli::run(mine.root(), ["show", "HEAD:mine"]), round);
            assert_eq!(cli::run(mine.root(), ["status", "--short"]), "");
            // So do restarts.
            let again = clones.open("mine").await;
            assert_eq!(again.read("mine").await.unwrap(), round);
        }
        // Somebody removes the file, or merges without it.
        let hostile = clones.remote.main().head().unwrap();
        let clean = ["commit-tree", "-m", "Clean", "-p", &hostile, &format!("{base}^{{tree}}")];
        clones.remote.main().set(&clones.remote.git(clean));
        clones.remote.commit(&[Change::write("new", "new")]);
        mine.push("Mine").await.unwrap();
        assert_eq!(mine.read("new").await.unwrap(), "new");
        assert_eq!(automatic.read("mine").await.unwrap(), "two");
        drop(clones.open("new").await);
    }
}

#[tokio::test]
async fn a_pull_of_a_hostile_tree_changes_nothing() {
    let clones = notes();
    let mine = clones.open("mine").await;
    let remote = &clones.remote;
    // The content of the file that is there, so that git could have written it.
    let head = fs::read(mine.root().join(".git/HEAD")).unwrap();
    let inner = remote.tree(&[("100644", b"HEAD", &remote.blob(&head))]);
    let outer = [("040000", &b".git"[..], &*inner), ("100644", b"new", &remote.blob("x"))];
    let hostile = remote.main().commit_tree(&remote.tree(&outer));
    for _ in 0..2 {
        let error = mine.pull().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert!(error.to_string().contains("`.git/HEAD`"), "{error}");
        assert_eq!(fs::read(mine.root().join(".git/HEAD")).unwrap(), head);
        assert!(!mine.exists("new").await.unwrap());
    }
    // A journal of an earlier version, which had begun the checkout.
    let from = remote.git(["rev-parse", &format!("{hostile}^")]);
    let journal = format!("{{\"from\":\"{from}\",\"to\":\"{hostile}\"}}");
    fs::write(mine.root().join(".git/f9/journal"), journal).unwrap();
    drop(mine);
    let mine = clones.open("mine").await;
    assert_eq!(fs::read(mine.root().join(".git/HEAD")).unwrap(), head);
    mine.create("mine", "x").await.unwrap();
    let clean = remote.tree(&[("100644", b"new", &remote.blob("x"))]);
    remote.main().commit_tree(&clean);
    mine.push("Mine").await.unwrap();
    assert_eq!(remote.main().tree(), ["100644 mine", "100644 new"]);
}
