//! Opening returns a working backend or one clear error, whatever is in the directory.

use std::fs;
use std::path::Path;

use f9::prelude::*;
use f9::{ErrorKind, GitConfig, GitSyncFileBackend};

use crate::cli;
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};

fn notes() -> Clones {
    Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/b", "two")]))
}

async fn refusal(config: GitConfig) -> f9::Error {
    GitSyncFileBackend::open(config).await.unwrap_err()
}

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_first_push_initializes_an_empty_remote() {
    let clones = Clones::of(Remote::empty());
    let clone = clones.open("mine").await;
    clone.push("Nothing").await.unwrap();
    clone.pull().await.unwrap();
    assert!(clone.glob("**").await.unwrap().is_empty());
    assert!(clones.remote.refs().is_empty());
    clone.create("a", "x").await.unwrap();
    clone.push("First").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a"]);
}

#[tokio::test]
async fn two_first_pushes_to_an_empty_remote_are_merged() {
    let clones = Clones::of(Remote::empty());
    let (mine, yours) = (clones.open("mine").await, clones.open("yours").await);
    mine.create("mine", "x").await.unwrap();
    mine.push("Mine").await.unwrap();
    yours.create("yours", "y").await.unwrap();
    yours.push("Yours").await.unwrap();
    mine.pull().await.unwrap();
    assert_eq!(mine.glob("*").await.unwrap(), ["mine", "yours"]);
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_missing_branch_starts_at_the_default_branch_and_is_created_by_the_first_push() {
    let clones = notes();
    let clone = opened(clones.config("mine").with_branch("drafts/new")).await;
    assert_eq!(clone.read("a").await.unwrap(), "one");
    assert_eq!(clones.remote.branch("drafts/new").head(), None);
    clone.pull().await.unwrap();
    clone.create("c", "x").await.unwrap();
    clone.push("Begin").await.unwrap();
    assert_eq!(clones.remote.branch("drafts/new").file("c").unwrap(), b"x");
    assert_eq!(clones.remote.main().file("c"), None);
    clone.pull().await.unwrap();
}

#[tokio::test]
async fn the_name_of_the_default_branch_does_not_matter() {
    let clones = notes();
    clones.remote.branch("trunk").set(&clones.remote.main().head().unwrap());
    clones.remote.git(["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    let clone = clones.open("mine").await;
    clone.create("c", "x").await.unwrap();
    clone.push("Add").await.unwrap();
    assert_eq!(clones.remote.main().file("c").unwrap(), b"x");
    assert_eq!(clones.remote.branch("trunk").file("c"), None);
}

#[tokio::test]
async fn a_directory_that_is_no_repository_is_not_changed() {
    let clones = notes();
    let config = clones.config("mine");
    fs::create_dir(&config.path).unwrap();
    fs::write(config.path.join("precious"), "x").unwrap();
    let error = refusal(config.clone()).await;
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(entries(&config.path), ["precious"]);
    fs::create_dir(config.path.join(".git")).unwrap();
    fs::write(config.path.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    assert_eq!(refusal(config.clone()).await.kind(), ErrorKind::AlreadyExists);
    assert_eq!(entries(&config.path.join(".git")), ["HEAD"]);

    let file = clones.config("file");
    fs::write(&file.path, "x").unwrap();
    assert_eq!(refusal(file.clone()).await.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&file.path).unwrap(), "x");

    let linked = clones.config("linked");
    fs::create_dir(&linked.path).unwrap();
    fs::write(linked.path.join(".git"), "gitdir: ../mine/.git\n").unwrap();
    assert_eq!(refusal(linked).await.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_clone_made_with_git_is_adopted() {
    let clones = notes();
    let config = clones.config("mine");
    let dir = config.path.parent().unwrap();
    cli::run(dir, ["clone", "-q", &config.remote_url, "mine"]);
    fs::write(config.path.join("a"), "changed by hand").unwrap();
    let clone = opened(config.clone()).await;
    assert_eq!(clone.read("a").await.unwrap(), "changed by hand");
    clones.remote.commit(&[Change::write("d/b", "news")]);
    clone.sync("By hand").await.unwrap();
    assert_eq!(clone.read("d/b").await.unwrap(), "news");
    assert_eq!(clones.remote.main().file("a").unwrap(), b"changed by hand");
    assert_eq!(
        cli::run(&config.path, ["status", "--porcelain", "--branch"]),
        "## main...origin/main"
    );
}

#[tokio::test]
async fn a_clone_of_another_repository_is_refused_until_its_remote_url_is_set() {
    let (clones, others) = (notes(), notes());
    let config = clones.config("mine");
    drop(opened(config.clone()).await);
    let moved = GitConfig::new(others.remote.path().to_str().unwrap(), &config.path);
    let error = refusal(moved.clone()).await;
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("git remote set-url"), "{error}");
    drop(opened(config).await);
    cli::run(&moved.path, ["remote", "set-url", "origin", &moved.remote_url]);
    drop(opened(moved).await);

    let config = clones.config("by git");
    let dir = config.path.parent().unwrap();
    cli::run(dir, ["clone", "-q", others.remote.path().to_str().unwrap(), "by git"]);
    assert_eq!(refusal(config).await.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn another_branch_or_none_checked_out_is_refused() {
    let clones = notes();
    let config = clones.config("mine");
    drop(opened(config.clone()).await);
    let error = refusal(config.clone().with_branch("other")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
    assert!(error.to_string().contains("branch `main` is checked out, not `other`"), "{error}");

    let clone = opened(config.clone()).await;
    cli::run(&config.path, ["switch", "-q", "--detach"]);
    assert_eq!(clone.pull().await.unwrap_err().kind(), ErrorKind::InvalidOperation);
    assert_eq!(clone.push("x").await.unwrap_err().kind(), ErrorKind::InvalidOperation);
    drop(clone);
    let error = refusal(config.clone()).await;
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
    assert!(error.to_string().contains("detached HEAD"), "{error}");
    cli::run(&config.path, ["switch", "-q", "main"]);
    opened(config).await.pull().await.unwrap();
}

#[tokio::test]
async fn a_rewritten_remote_changes_nothing_locally() {
    let clones = notes();
    let clone = clones.open("mine").await;
    clones.remote.commit(&[Change::write("c", "published")]);
    clone.pull().await.unwrap();
    let first = clones.remote.main().log("%H").pop().unwrap();
    clones.remote.main().set(&first);
    clones.remote.commit(&[Change::write("d/b", "another past")]);
    clone.update("a", "mine").await.unwrap();
    for _ in 0..2 {
        let error = clone.pull().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged);
        assert!(error.to_string().contains("git push --force"), "{error}");
        let error = clone.push("Mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Diverged);
    }
    assert_eq!(clone.read("a").await.unwrap(), "mine");
    assert_eq!(clone.read("c").await.unwrap(), "published");
    assert_eq!(clone.read("d/b").await.unwrap(), "two");
}

#[tokio::test]
async fn another_repository_at_the_remote_is_not_merged() {
    let clones = notes();
    let clone = clones.open("mine").await;
    clones.remote.main().start_over(&[Change::write("other", "x")]);
    assert_eq!(clone.pull().await.unwrap_err().kind(), ErrorKind::Diverged);
    assert_eq!(clone.glob("**").await.unwrap(), ["a", "d", "d/b"]);
}

#[tokio::test]
async fn a_branch_deleted_at_the_remote_is_published_again() {
    let clones = notes();
    let clone = clones.open("mine").await;
    let head = clones.remote.main().head();
    clones.remote.main().delete();
    let error = clone.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("push to create it again"), "{error}");
    clone.push("Nothing new").await.unwrap();
    assert_eq!(clones.remote.main().head(), head);
    clone.pull().await.unwrap();
}

#[tokio::test]
async fn a_uri_opens_a_clone() {
    let clones = notes();
    let config = clones.config("mine");
    let (remote, path) = (clones.remote.path(), config.path.display().to_string());
    let uri = format!("git+file://{}@main?path={path}&auto_push=true", remote.display());
    let files = f9::resolve_backend(&uri).await.unwrap();
    assert_eq!(files.read("d/b").await.unwrap(), "two");
    files.create("c", "x").await.unwrap();
    assert_eq!(clones.remote.main().file("c").unwrap(), b"x");
    let error = f9::resolve_backend("git+http://host/repo?path=x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidUri);
    assert!(error.to_string().contains("allow_http"), "{error}");
}

#[tokio::test]
async fn ignored_files_stay_local_unless_written_through_the_backend() {
    let clones = Clones::of(Remote::with(&[Change::write(".gitignore", "*.log\nbuild/\n")]));
    let config = clones.config("mine");
    let clone = opened(config.clone()).await;
    fs::write(config.path.join("noise.log"), "not mine").unwrap();
    clone.create("kept.log", "mine").await.unwrap();
    clone.create("build/out", "mine too").await.unwrap();
    drop(clone);
    // Also when another process publishes.
    let clone = opened(config.clone()).await;
    clone.push("Logs").await.unwrap();
    assert_eq!(
        clones.remote.main().tree(),
        ["100644 .gitignore", "100644 build/out", "100644 kept.log"]
    );
    // A file of the same name from the remote does not replace the unpublished one.
    clones.remote.commit(&[Change::write("noise.log", "theirs")]);
    let error = clone.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(fs::read_to_string(config.path.join("noise.log")).unwrap(), "not mine");
    clone.conflict_accept_remote("noise.log").await.unwrap();
    clone.sync("Take theirs").await.unwrap();
    assert_eq!(clone.read("noise.log").await.unwrap(), "theirs");
}

#[tokio::test]
async fn submodules_are_left_alone() {
    let commit = "1234567890123456789012345678901234567890";
    let changes = [Change::write("a", "x"), Change::submodule("lib/sub", commit)];
    let clones = Clones::of(Remote::with(&changes));
    let clone = clones.open("mine").await;
    let error = clone.create("lib/sub/file", "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.path(), Some("lib/sub/file"));
    clone.create("lib/file", "x").await.unwrap();
    clone.push("Add").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a", "100644 lib/file", "160000 lib/sub"]);
}

#[tokio::test]
async fn a_submodule_is_neither_moved_nor_deleted() {
    let commit = "1234567890123456789012345678901234567890";
    let changes = [Change::write("a", "x"), Change::submodule("lib/sub", commit)];
    let clones = Clones::of(Remote::with(&changes));
    let clone = clones.open("mine").await;
    let unsupported = |result: f9::Result<()>| {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
    };
    unsupported(clone.delete("lib/sub").await);
    unsupported(clone.delete("lib/sub/file").await);
    unsupported(clone.rename("lib/sub", "moved").await.map(drop));
    unsupported(clone.rename("a", "lib/sub/a").await.map(drop));
    clone.push("Nothing").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a", "160000 lib/sub"]);
}

#[tokio::test]
async fn a_nested_repository_is_refused_and_not_published_as_an_empty_directory() {
    let clones = notes();
    let clone = clones.open("mine").await;
    let remote = clones.remote.path();
    cli::run(clone.root(), ["clone", "-q", remote.to_str().unwrap(), "inner"]);
    clone.create("b", "x").await.unwrap();
    for _ in 0..2 {
        let error = clone.push("Add").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation);
        assert!(error.to_string().contains("`inner` is another git repository"), "{error}");
    }
    clone.create(".gitignore", "inner\n").await.unwrap();
    clone.push("Add").await.unwrap();
    assert_eq!(
        clones.remote.main().tree(),
        ["100644 .gitignore", "100644 a", "100644 b", "100644 d/b"]
    );
    cli::run(clone.root(), ["init", "-q", "unborn"]);
    let error = clone.push("Nothing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOperation);
    assert!(error.to_string().contains("unborn"), "{error}");
}

#[tokio::test]
async fn a_branch_name_with_refs_heads_is_refused() {
    let clones = notes();
    let error = refusal(clones.config("mine").with_branch("refs/heads/main")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
