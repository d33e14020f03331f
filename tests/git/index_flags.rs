//! Flags of the index that tell git not to look at files. What is saved through f9 is published all the same.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use f9::prelude::*;
use f9::{CreateDirOptions, DeleteOptions, GitSyncFileBackend, RenameOptions};

use crate::cli;
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

const FLAGS: [&[&str]; 3] =
    [&["--assume-unchanged"], &["--skip-worktree"], &["--assume-unchanged", "--skip-worktree"]];

/// Sets flags of files with git.
fn flag(root: &Path, flags: &[&str], paths: &[&str]) {
    for flag in flags {
        cli::run(root, ["update-index", flag].iter().chain(paths));
    }
}

/// Returns the letters and names of `git ls-files -v`.
fn flags(root: &Path) -> Vec<String> {
    cli::run(root, ["ls-files", "-v"]).lines().map(str::to_owned).collect()
}

fn content(clones: &Clones, path: &str) -> Option<String> {
    clones.remote.main().file(path).map(|content| String::from_utf8(content).unwrap())
}

async fn clones() -> (Clones, GitSyncFileBackend) {
    let files = ["a", "b", "c", "d/e/f", "d/g", "h"].map(|path| Change::write(path, "old"));
    let clones = Clones::of(Remote::with(&files));
    let mine = clones.open("mine").await;
    (clones, mine)
}

/// Changes files by every verb.
async fn change(mine: &GitSyncFileBackend) {
    mine.update("a", "new").await.unwrap();
    mine.delete("b").await.unwrap();
    mine.rename("c", "c2").await.unwrap();
    mine.delete_with("d", DeleteOptions::recursive()).await.unwrap();
    mine.copy_with("a", "h", f9::CopyOptions::overwrite()).await.unwrap();
}

const CHANGED: [&str; 3] = ["100644 a", "100644 c2", "100644 h"];

fn assert_changed(clones: &Clones) {
    assert_eq!(clones.remote.main().tree(), CHANGED);
    for (path, expected) in [("a", "new"), ("c2", "old"), ("h", "new")] {
        assert_eq!(content(clones, path).unwrap(), expected, "{path}");
    }
}

const ALL: [&str; 6] = ["a", "b", "c", "d/e/f", "d/g", "h"];

#[tokio::test]
async fn files_with_flags_are_published_when_they_are_changed_through_f9() {
    for flags in FLAGS {
        let (clones, mine) = clones().await;
        flag(mine.root(), flags, &ALL);
        change(&mine).await;
        mine.push("Mine").await.unwrap();
        assert_changed(&clones);
        clones.remote.assert_sound();
    }
}

#[tokio::test]
async fn files_that_get_flags_after_they_were_changed_through_f9_are_published() {
    for flags in FLAGS {
        let (clones, mine) = clones().await;
        change(&mine).await;
        flag(mine.root(), flags, &ALL);
        mine.push("Mine").await.unwrap();
        assert_changed(&clones);
    }
}

#[tokio::test]
async fn another_process_publishes_the_changes_of_files_with_flags() {
    for flags in FLAGS {
        let (clones, mine) = clones().await;
        flag(mine.root(), flags, &ALL);
        change(&mine).await;
        drop(mine);
        clones.open("mine").await.push("Mine").await.unwrap();
        assert_changed(&clones);
    }
}

#[tokio::test]
async fn automatic_pushes_publish_files_with_flags() {
    for flags in FLAGS {
        let (clones, mine) = clones().await;
        flag(mine.root(), flags, &ALL);
        drop(mine);
        let mine = opened(clones.config("mine").with_auto_push(true)).await;
        change(&mine).await;
        assert_changed(&clones);
        let files =
            ["a", "new"].map(|path| (path.to_owned(), Bytes::from_static(b"many"))).to_vec();
        flag(mine.root(), flags, &["a", "h"]);
        mine.write_many(files).await.unwrap();
        assert_eq!(content(&clones, "a").unwrap(), "many");
        mine.delete_many(&["h"]).await.unwrap();
        assert_eq!(content(&clones, "h"), None);
    }
}

#[tokio::test]
async fn a_repository_that_flags_every_file_publishes_what_is_changed_through_f9() {
    let remote = Remote::with(&ALL.map(|path| Change::write(path, "old")));
    let clones = Clones::of(remote);
    let config = clones.config("mine");
    let parent = config.path.parent().unwrap();
    cli::run(parent, ["clone", "-q", "-c", "core.ignoreStat=true", &config.remote_url, "mine"]);
    assert!(flags(&config.path).iter().all(|line| line.starts_with("h ")));
    let mine = opened(config).await;
    change(&mine).await;
    mine.push("Mine").await.unwrap();
    assert_changed(&clones);
    mine.update("a", "again").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(content(&clones, "a").unwrap(), "again");
}

#[tokio::test]
async fn an_edit_by_hand_of_a_file_with_a_flag_stays_local() {
    for flags_set in FLAGS {
        let (clones, mine) = clones().await;
        flag(mine.root(), flags_set, &["a", "b"]);
        fs::write(mine.root().join("a"), "for this machine").unwrap();
        fs::remove_file(mine.root().join("b")).unwrap();
        mine.update("c", "new").await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_eq!(content(&clones, "a").unwrap(), "old");
        assert_eq!(content(&clones, "b").unwrap(), "old");
        assert_eq!(content(&clones, "c").unwrap(), "new");
        let flagged = flags(mine.root()).into_iter().filter(|line| !line.starts_with("H "));
        assert_eq!(flagged.count(), 2);
    }
}

#[tokio::test]
async fn a_file_made_by_hand_in_place_of_a_deleted_one_stays_local_if_it_is_ignored() {
    let (clones, mine) = clones().await;
    flag(mine.root(), &["--skip-worktree"], &["a"]);
    mine.create(".gitignore", "a\n").await.unwrap();
    mine.push("Ignore").await.unwrap();
    mine.delete("a").await.unwrap();
    drop(mine);
    let mine = clones.open("mine").await;
    mine.push("Delete").await.unwrap();
    assert_eq!(content(&clones, "a"), None);
    fs::write(mine.root().join("a"), "private").unwrap();
    mine.push("Nothing").await.unwrap();
    assert_eq!(content(&clones, "a"), None);
}

#[tokio::test]
async fn a_file_with_a_flag_can_become_a_directory_and_a_directory_a_file() {
    for flags in FLAGS {
        let (clones, mine) = clones().await;
        flag(mine.root(), flags, &ALL);
        mine.delete("a").await.unwrap();
        mine.create("a/b/c", "deep").await.unwrap();
        mine.delete_with("d", DeleteOptions::recursive()).await.unwrap();
        mine.create("d", "flat").await.unwrap();
        mine.create_dir_with("b2", CreateDirOptions::default()).await.unwrap();
        mine.rename_with("b", "b2/b", RenameOptions::default()).await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_eq!(
            clones.remote.main().tree(),
            ["100644 a/b/c", "100644 b2/b", "100644 c", "100644 d", "100644 h"]
        );
    }
}

#[tokio::test]
async fn flags_in_every_form_of_the_index_are_found() {
    for (version, is_split) in [("2", false), ("3", false), ("4", false), ("2", true), ("4", true)]
    {
        let (clones, mine) = clones().await;
        let root = mine.root();
        cli::run(root, ["update-index", "--index-version", version]);
        if is_split {
            cli::run(root, ["update-index", "--split-index"]);
        }
        flag(root, &["--assume-unchanged"], &ALL[..3]);
        flag(root, &["--skip-worktree"], &ALL[3..]);
        change(&mine).await;
        mine.push("Mine").await.unwrap();
        assert_changed(&clones);
    }
}

#[tokio::test]
async fn a_working_tree_that_became_sparse_publishes_only_what_is_changed_through_f9() {
    let (clones, mine) = clones().await;
    cli::run(mine.root(), ["sparse-checkout", "set", "--no-cone", "/c", "/d/g"]);
    assert!(!mine.root().join("a").exists());
    mine.write("a", "new").await.unwrap();
    mine.write("x", "new").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(content(&clones, "a").unwrap(), "new");
    assert_eq!(content(&clones, "x").unwrap(), "new");
    assert_eq!(content(&clones, "b").unwrap(), "old");
    mine.delete_with("d", DeleteOptions::recursive()).await.unwrap();
    mine.delete("a").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(
        clones.remote.main().tree(),
        ["100644 b", "100644 c", "100644 d/e/f", "100644 h", "100644 x"]
    );
}

#[tokio::test]
async fn a_change_of_the_same_length_and_time_is_published() {
    let (clones, mine) = clones().await;
    cli::run(mine.root(), ["config", "core.checkStat", "minimal"]);
    cli::run(mine.root(), ["config", "core.trustctime", "false"]);
    // Git reads a file again if it was written in the same second as the index.
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let set_time = || {
        let file = fs::File::options().write(true).open(mine.root().join("a")).unwrap();
        file.set_modified(then).unwrap();
    };
    set_time();
    mine.push("Nothing").await.unwrap();
    cli::run(mine.root(), ["status", "--porcelain"]);
    mine.update("a", "new").await.unwrap();
    set_time();
    mine.push("Mine").await.unwrap();
    assert_eq!(content(&clones, "a").unwrap(), "new");
}

#[tokio::test]
async fn a_file_with_a_flag_that_is_changed_through_a_link_is_published() {
    for flags in FLAGS {
        let (clones, mine) = clones().await;
        mine.create_link("link", "d").await.unwrap();
        mine.create_link("file", "a").await.unwrap();
        mine.push("Links").await.unwrap();
        flag(mine.root(), flags, &ALL);
        mine.update("link/g", "new").await.unwrap();
        mine.write("file", "new").await.unwrap();
        let through_file = mine.read("a").await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_eq!(content(&clones, "d/g").unwrap(), "new");
        assert_eq!(content(&clones, "a").unwrap(), through_file);
        mine.delete("link/g").await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_eq!(content(&clones, "d/g"), None);
    }
}

#[tokio::test]
async fn a_link_to_a_directory_is_published_where_git_ignores_files() {
    let clones = Clones::of(Remote::with(&[
        Change::write(".gitignore", "*.log\n"),
        Change::write("d/a", "old"),
    ]));
    let mine = clones.open("mine").await;
    fs::write(mine.root().join("d/private.log"), "private").unwrap();
    mine.create_link("link", "d").await.unwrap();
    mine.push("Link").await.unwrap();
    mine.create("link/x.log", "published").await.unwrap();
    mine.push("Log").await.unwrap();
    let tree = ["100644 .gitignore", "100644 d/a", "100644 d/x.log", "120000 link"];
    assert_eq!(clones.remote.main().tree(), tree);
}
