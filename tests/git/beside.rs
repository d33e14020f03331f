//! Other programs change the working tree and the branch while the backend has them open.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use f9::prelude::*;
use f9::{ErrorKind, GitTimeouts};
use futures::SinkExt as _;
use futures::channel::mpsc;

use crate::cli;
use crate::clock;
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};
use crate::traces::until;

/// Clones with git and returns the configuration of the clone.
fn cloned_by_git(clones: &Clones, name: &str) -> f9::GitConfig {
    let config = clones.config(name);
    cli::run(config.path.parent().unwrap(), ["clone", "-q", &config.remote_url, name]);
    config
}

#[tokio::test]
async fn edits_of_files_assumed_unchanged_survive_the_adoption() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("b", "two")]));
    let config = cloned_by_git(&clones, "mine");
    let root = &config.path;
    cli::run(root, ["update-index", "--assume-unchanged", "a"]);
    cli::run(root, ["update-index", "--skip-worktree", "b"]);
    fs::write(root.join("a"), "mine, for this machine").unwrap();
    fs::write(root.join("b"), "mine too").unwrap();
    let mine = opened(config.clone()).await;
    assert_eq!(mine.read("a").await.unwrap(), "mine, for this machine");
    assert_eq!(mine.read("b").await.unwrap(), "mine too");
}

#[tokio::test]
async fn a_killed_adoption_is_repeated() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let config = cloned_by_git(&clones, "mine");
    let own = config.path.join(".git/f9");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("adopt-index"), "DIRC").unwrap();
    fs::write(own.join("adopt-index.lock"), "DIRC").unwrap();
    let mine = opened(config).await;
    assert_eq!(mine.read("a").await.unwrap(), "one");
}

#[tokio::test]
async fn a_branch_that_was_reset_with_git_gets_the_remote_commits_again() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("b", "two")]);
    mine.pull().await.unwrap();
    cli::run(mine.root(), ["reset", "-q", "--hard", "HEAD~1"]);
    mine.pull().await.unwrap();
    assert_eq!(mine.read("b").await.unwrap(), "two");
    cli::run(mine.root(), ["reset", "-q", "--hard", "HEAD~1"]);
    mine.create("c", "three").await.unwrap();
    mine.push("Three").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a", "100644 b", "100644 c"]);
}

/// Fetches, and writes the journal of a checkout of `to`.
fn write_journal(root: &Path, to: &str) {
    let from = cli::run(root, ["rev-parse", "HEAD"]);
    cli::run(root, ["fetch", "-q"]);
    fs::write(root.join(".git/f9/journal"), format!(r#"{{"from":"{from}","to":"{to}"}}"#)).unwrap();
}

#[tokio::test]
async fn a_half_checked_out_directory_is_rolled_back_to_a_file() {
    for half in ["gone", "empty", "deep", "written"] {
        let clones =
            Clones::of(Remote::with(&[Change::write("d", "file"), Change::write("x", "")]));
        let mine = clones.open("mine").await;
        let root = mine.root().to_owned();
        let to =
            clones.remote.commit(&[Change::delete("d"), Change::write("d/e/f", "in directory")]);
        write_journal(&root, &to);
        fs::remove_file(root.join("d")).unwrap();
        match half {
            "gone" => {}
            "empty" => fs::create_dir(root.join("d")).unwrap(),
            "deep" => fs::create_dir_all(root.join("d/e")).unwrap(),
            _ => {
                fs::create_dir_all(root.join("d/e")).unwrap();
                fs::write(root.join("d/e/f"), "in dir").unwrap();
            }
        }
        assert_eq!(mine.read("d").await.unwrap(), "file", "{half}");
        assert_eq!(cli::run(&root, ["status", "--porcelain"]), "", "{half}");
        mine.sync("Nothing of ours").await.unwrap();
        assert_eq!(clones.remote.main().head().unwrap(), to, "{half}");
    }
}

#[tokio::test]
async fn a_half_checked_out_link_is_rolled_back_to_a_directory() {
    let files = [Change::write("d/a", "a"), Change::write("d/b", "b"), Change::write("e/a", "a")];
    let clones = Clones::of(Remote::with(&files));
    let mine = clones.open("mine").await;
    let root = mine.root().to_owned();
    let gone = [Change::delete("d/a"), Change::delete("d/b"), Change::symlink("d", "e")];
    let to = clones.remote.commit(&gone);
    write_journal(&root, &to);
    fs::remove_dir_all(root.join("d")).unwrap();
    std::os::unix::fs::symlink("e", root.join("d")).unwrap();
    assert_eq!(mine.read("d/b").await.unwrap(), "b");
    assert_eq!(cli::run(&root, ["status", "--porcelain"]), "");
    mine.sync("Nothing of ours").await.unwrap();
    assert_eq!(clones.remote.main().head().unwrap(), to);
}

#[tokio::test]
async fn a_user_file_in_place_of_a_new_directory_survives_the_rollback() {
    let clones = Clones::of(Remote::with(&[Change::write("d", "file")]));
    let mine = clones.open("mine").await;
    let root = mine.root().to_owned();
    let to = clones.remote.commit(&[Change::delete("d"), Change::write("d/e", "theirs")]);
    write_journal(&root, &to);
    fs::remove_file(root.join("d")).unwrap();
    fs::create_dir_all(root.join("d/empty")).unwrap();
    fs::write(root.join("d/work"), "of somebody").unwrap();
    assert_eq!(mine.read("d/work").await.unwrap(), "of somebody");
}

#[tokio::test]
async fn an_ignored_file_streamed_during_a_push_is_published() {
    let clones = Clones::of(Remote::with(&[Change::write(".gitignore", "*.log\n")]));
    let mine = clones.open("mine").await;
    let (mut sender, source) = mpsc::channel::<f9::Result<Bytes>>(0);
    let writing = mine.stream_write("x.log", Box::pin(source));
    let meanwhile = async {
        sender.send(Ok(Bytes::from_static(b"first "))).await.unwrap();
        mine.create("other", "x").await.unwrap();
        mine.push("Other").await.unwrap();
        sender.send(Ok(Bytes::from_static(b"last"))).await.unwrap();
        drop(sender);
    };
    let (written, ()) = tokio::join!(writing, meanwhile);
    written.unwrap();
    mine.push("Log").await.unwrap();
    assert_eq!(clones.remote.main().file("x.log").unwrap(), b"first last");
}

#[tokio::test]
async fn an_ignored_file_stays_local_if_a_write_to_it_fails() {
    let clones = Clones::of(Remote::with(&[Change::write(".gitignore", ".env\nbuild\n")]));
    let mine = clones.open("mine").await;
    fs::write(mine.root().join(".env"), "PASSWORD=x").unwrap();
    fs::create_dir(mine.root().join("build")).unwrap();
    fs::write(mine.root().join("build/out"), "local").unwrap();
    assert_eq!(mine.create(".env", "x").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(mine.create_dir("build").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    mine.push("Nothing private").await.unwrap();
    // The next process does not publish it either.
    drop(mine);
    clones.open("mine").await.push("Nothing private").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 .gitignore"]);
}

#[tokio::test]
async fn a_push_after_a_restart_restores_a_branch_deleted_at_the_remote() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let mine = clones.open("mine").await;
    clones.remote.main().delete();
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::NotFound);
    drop(mine);
    clones.open("mine").await.push("Again").await.unwrap();
    assert_eq!(clones.remote.main().file("a").unwrap(), b"one");
}

#[tokio::test]
async fn a_moved_directory_keeps_the_files_that_its_gitignore_names() {
    let clones = Clones::of(Remote::with(&[Change::write("x", "")]));
    let mine = clones.open("mine").await;
    mine.create("a/sub/.gitignore", "*.log\n").await.unwrap();
    mine.create("a/sub/x.log", "published").await.unwrap();
    mine.push("Add").await.unwrap();
    assert_eq!(clones.remote.main().file("a/sub/x.log").unwrap(), b"published");
    mine.rename("a", "b").await.unwrap();
    // Another process publishes it.
    drop(mine);
    let mine = clones.open("mine").await;
    mine.push("Move").await.unwrap();
    assert_eq!(clones.remote.main().file("b/sub/x.log").unwrap(), b"published");
    mine.rename("b", "c").await.unwrap();
    mine.push("Move").await.unwrap();
    assert_eq!(clones.remote.main().file("c/sub/x.log").unwrap(), b"published");
}

#[tokio::test]
async fn the_directory_of_a_deleted_submodule_is_writable() {
    let remote = Remote::with(&[Change::write("x", "")]);
    let commit = remote.main().head().unwrap();
    remote.commit(&[Change::submodule("sub", &commit)]);
    let clones = Clones::of(remote);
    let mine = clones.open("mine").await;
    let error = mine.create("sub/y", "never published").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    fs::remove_dir(mine.root().join("sub")).unwrap();
    mine.push("Gone").await.unwrap();
    mine.create("sub/y", "published").await.unwrap();
    mine.push("Room").await.unwrap();
    assert_eq!(clones.remote.main().file("sub/y").unwrap(), b"published");
}

/// Makes git block when it next writes `path` into the working tree. Returns a directory that exists from then on.
fn block_at(root: &Path, path: &str) -> PathBuf {
    let blocked = root.join(".git").join(format!("blocked at {path}"));
    let smudge = format!("mkdir '{}' 2>/dev/null && exec sleep 1000; exec cat", blocked.display());
    // Only f9's own configuration has an effect.
    let config = root.join(".git/f9/common/config");
    cli::run(root, ["config", "--file", config.to_str().unwrap(), "filter.block.smudge", &smudge]);
    fs::write(root.join(".git/info/attributes"), format!("{path} filter=block\n")).unwrap();
    blocked
}

#[tokio::test]
async fn a_checkout_that_times_out_is_rolled_back() {
    const FILES: usize = 300;
    let path = |number: usize| format!("f{number:03}");
    let all = |which: &str| {
        let change = |number| Change::write(path(number), format!("{which} {number}"));
        (0..FILES).map(change).collect::<Vec<_>>()
    };
    let clones = Clones::of(Remote::with(&all("old")));
    // Shorter than all other limits.
    let allowed = Duration::from_secs(120);
    let limits = GitTimeouts::default().with_local(allowed);
    let mine = opened(clones.config("mine").with_timeouts(limits)).await;
    let to = clones.remote.commit(&all("new"));
    let checked_out = || {
        let is_new = |number: &usize| {
            let content = fs::read_to_string(mine.root().join(path(*number)));
            content.is_ok_and(|content| content == format!("new {number}"))
        };
        (0..FILES).filter(is_new).count()
    };
    for at in [0, FILES / 2, FILES - 1] {
        let blocked = block_at(mine.root(), &path(at));
        let half_way = async {
            until("the checkout", || blocked.exists()).await;
            assert_eq!(checked_out(), at);
        };
        let pulled = clock::expire(allowed, mine.pull(), half_way).await;
        let error = pulled.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert_eq!(checked_out(), 0);
        assert_eq!(cli::run(mine.root(), ["status", "--porcelain"]), "");
    }
    mine.sync("Nothing of ours").await.unwrap();
    assert_eq!(checked_out(), FILES);
    assert_eq!(clones.remote.main().head().unwrap(), to);
    assert_eq!(cli::run(mine.root(), ["status", "--porcelain"]), "");
}

#[tokio::test]
async fn the_path_of_a_working_tree_may_contain_any_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let clones = Clones::of(Remote::with(&[Change::write("x", "")]));
    let dir = tempfile::tempdir().unwrap();
    let names = [b"with space".as_slice(), b"new\nline", b"not \xff text", b"quote\"'$(x)"];
    for (number, name) in names.into_iter().enumerate() {
        let mut config = clones.config("unused");
        config.path = dir.path().join(std::ffi::OsStr::from_bytes(name));
        let mine = opened(config).await;
        let file = number.to_string();
        mine.create(&file, "x").await.unwrap();
        mine.sync("Add").await.unwrap();
        assert_eq!(clones.remote.main().file(&file).unwrap(), b"x");
        assert!(mine.info(&file).await.unwrap().modified_at.is_some());
    }
}
