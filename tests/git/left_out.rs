//! Files of the branch that the file system cannot hold.

use std::collections::BTreeMap;

use f9::GitSyncFileBackend;
use f9::prelude::*;

use crate::cli;
use crate::clones::Clones;
use crate::remote::{Change, Remote};

/// The directory of the path that is too long.
const DIRECTORY: &str = "long";

/// A name that is too long, and a path that is too long.
fn too_long() -> [String; 2] {
    [
        format!("d/{}", "n".repeat(300)),
        format!("{DIRECTORY}/{}", vec!["p".repeat(100); 43].join("/")),
    ]
}

/// Returns the content of every file in the working tree.
async fn content(mine: &GitSyncFileBackend) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for path in mine.glob("**/*").await.unwrap() {
        if mine.info(&path).await.unwrap().is_dir() {
            continue;
        }
        let text = mine.read(&path).await.unwrap();
        found.insert(path.to_string(), String::from_utf8(text.to_vec()).unwrap());
    }
    found
}

fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// Asserts that the backend names the files that it left out, and that it keeps them in the branch.
async fn assert_left_out(clones: &Clones, mine: &GitSyncFileBackend, expected: &[String]) {
    let left_out = mine.left_out().await.unwrap();
    let paths: Vec<_> = left_out.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, expected);
    for file in left_out {
        assert!(file.reason.contains("longer than"), "{}", file.reason);
    }
    assert_eq!(mine.pull().await.unwrap().files_left_out, expected.len() as u64);
    let tree = clones.remote.main().tree();
    for path in expected {
        assert!(tree.contains(&format!("100644 {path}")), "{path} is gone");
    }
    assert_eq!(cli::run(mine.root(), ["status", "--short"]), "");
}

#[tokio::test]
async fn files_that_are_too_long_are_left_out_and_stay_in_the_branch() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/b", "b")]));
    let mine = clones.open("mine").await;
    let [name, path] = too_long();
    for (mut changes, expected) in [
        (vec![Change::write(&name, "long")], &[&name][..]),
        (vec![Change::write(&path, "long")], &[&name, &path]),
        (vec![Change::write(&name, "changed")], &[&name, &path]),
        (vec![Change::delete(&name)], &[&path]),
        (vec![Change::delete(DIRECTORY), Change::write(DIRECTORY, "a file")], &[]),
    ] {
        let expected: Vec<String> = expected.iter().map(|path| (*path).clone()).collect();
        changes.push(Change::write("a", "two"));
        clones.remote.commit(&changes);
        mine.pull().await.unwrap();
        assert_left_out(&clones, &mine, &expected).await;
        // Merges, commits and pushes go on.
        clones.remote.commit(&[Change::write("theirs", "x")]);
        mine.write("mine", "y").await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_left_out(&clones, &mine, &expected).await;
        mine.delete("mine").await.unwrap();
        mine.push("Mine").await.unwrap();
        // A new clone and a restart find the same.
        let new = clones.open(&format!("new{}", clones.remote.main().head().unwrap())).await;
        assert_left_out(&clones, &new, &expected).await;
        assert_eq!(content(&new).await, content(&mine).await);
        let again = clones.open("mine").await;
        assert_left_out(&clones, &again, &expected).await;
    }
    let last = files(&[("a", "two"), ("d/b", "b"), (DIRECTORY, "a file"), ("theirs", "x")]);
    assert_eq!(content(&mine).await, last);
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_checkout_that_fails_beside_a_file_that_is_too_long_is_rolled_back() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let [name, path] = too_long();
    clones.remote.commit(&[Change::write(&path, "old")]);
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "two"), Change::write(&name, "long")]);
    // Something that can be neither committed nor replaced is in the way.
    clones.remote.commit(&[Change::write("way", "theirs")]);
    let socket = std::os::unix::net::UnixListener::bind(mine.root().join("way")).unwrap();
    mine.pull().await.unwrap_err();
    assert_eq!(mine.read("a").await.unwrap(), "one");
    mine.write("b", "b").await.unwrap();
    drop(socket);
    std::fs::remove_file(mine.root().join("way")).unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(mine.read("way").await.unwrap(), "theirs");
    assert_left_out(&clones, &mine, &[name, path]).await;
}

#[tokio::test]
async fn a_conflict_at_a_path_that_is_too_long_can_be_settled() {
    let [name, _] = too_long();
    let clones = Clones::of(Remote::with(&[Change::write(&name, "one"), Change::write("a", "a")]));
    let mine = clones.open("mine").await;
    // Changed here with plumbing, as a file system with longer names would allow.
    let blob = cli::run(mine.root(), ["rev-parse", "HEAD:a"]);
    cli::run(mine.root(), ["update-index", "--cacheinfo", &format!("100644,{blob},{name}")]);
    cli::run(mine.root(), ["update-index", "--skip-worktree", &name]);
    cli::run(mine.root(), ["commit", "-q", "-m", "Long"]);
    clones.remote.commit(&[Change::write(&name, "theirs")]);
    mine.pull().await.unwrap_err();
    let report = mine.conflict_report().await.unwrap();
    assert_eq!(report.len(), 1);
    mine.conflict_accept_remote(&report[0].path).await.unwrap();
    mine.push("Settled").await.unwrap();
    assert_eq!(clones.remote.main().file(&name).unwrap(), b"theirs");
    assert_left_out(&clones, &mine, &[name]).await;
}

#[tokio::test]
async fn an_ignored_file_is_not_replaced_beside_a_file_that_is_too_long() {
    let clones = Clones::of(Remote::with(&[Change::write(".gitignore", "*.log\n")]));
    let mine = clones.open("mine").await;
    std::fs::write(mine.root().join("x.log"), "mine").unwrap();
    let [name, _] = too_long();
    clones.remote.commit(&[Change::write("x.log", "theirs"), Change::write(&name, "long")]);
    assert_eq!(mine.pull().await.unwrap_err().kind(), f9::ErrorKind::Conflict);
    assert_eq!(mine.read("x.log").await.unwrap(), "mine");
    mine.conflict_accept_local("x.log").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("x.log").unwrap(), b"mine");
    assert_left_out(&clones, &mine, &[name]).await;
}
