//! Clones and remotes of every form: each works with all promises, or is refused with a reason and not changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use f9::prelude::*;
use f9::{ErrorKind, GitConfig, GitSyncFileBackend};
use tempfile::TempDir;

use crate::cli;
use crate::clock::HANGS;
use crate::clones::{Clones, opened};
use crate::remote::{Change, Remote};
use crate::traces::everything_in;

fn notes() -> Clones {
    Clones::of(Remote::with(&[
        Change::write("a", "one\ntwo\n"),
        Change::write("run", "#!/bin/sh\n"),
    ]))
}

/// Clones with git, with further arguments.
fn clone_with_git(config: &GitConfig, arguments: &[&str]) {
    let parent = config.path.parent().unwrap();
    let mut clone = vec!["clone", "-q"];
    clone.extend_from_slice(arguments);
    clone.extend([&*config.remote_url, config.path.to_str().unwrap()]);
    cli::run(parent, clone);
}

/// Asserts that the clone is refused for `reason` and not changed.
async fn assert_refused(config: GitConfig, kind: ErrorKind, reason: &str) {
    let before = everything_in(&config.path);
    let path = config.path.clone();
    let error = GitSyncFileBackend::open(config).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(everything_in(&path), before, "{reason}");
}

#[tokio::test]
async fn a_clone_with_converted_line_ends_publishes_none_of_them() {
    // Opened at once, while the files are as new as the index, so that git has to read them.
    for converting in ["true", "input"] {
        let clones = notes();
        let config = clones.config("mine");
        clone_with_git(&config, &["-c", &format!("core.autocrlf={converting}")]);
        let mine = opened(config).await;
        assert_eq!(mine.read("a").await.unwrap(), "one\ntwo\n");
        mine.create("b", "three\r\n").await.unwrap();
        mine.push("Mine").await.unwrap();
        assert_eq!(clones.remote.main().file("a").unwrap(), b"one\ntwo\n");
        assert_eq!(clones.remote.main().file("b").unwrap(), b"three\r\n");
        assert_eq!(cli::run(mine.root(), ["status", "--short"]), "");
    }
}

#[tokio::test]
async fn a_change_in_a_clone_with_converted_line_ends_is_published() {
    let clones = notes();
    let config = clones.config("mine");
    clone_with_git(&config, &["-c", "core.autocrlf=true"]);
    fs::write(config.path.join("a"), "one\r\nthree\r\n").unwrap();
    let mine = opened(config).await;
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("a").unwrap(), b"one\r\nthree\r\n");
    assert_eq!(clones.remote.main().file("run").unwrap(), b"#!/bin/sh\n");
}

#[tokio::test]
async fn a_changed_file_with_a_filter_is_refused() {
    let attributes = Change::write(".gitattributes", "secret filter=crypt\n");
    let clones = Clones::of(Remote::with(&[attributes, Change::write("secret", "x")]));
    let config = clones.config("mine");
    clone_with_git(&config, &[]);
    fs::write(config.path.join("secret"), "decrypted").unwrap();
    let error = GitSyncFileBackend::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(
        error.to_string().contains("`secret` looks changed and has the filter `crypt`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_clone_whose_origin_is_another_repository_is_refused() {
    let clones = notes();
    let other = Remote::with(&[Change::write("other", "x")]);
    let config = clones.config("mine");
    clone_with_git(&config, &[]);
    cli::run(&config.path, ["remote", "rename", "origin", "fork"]);
    cli::run(&config.path, ["remote", "add", "origin", other.path().to_str().unwrap()]);
    assert_refused(config, ErrorKind::AlreadyExists, "a clone of another repository").await;
}

#[tokio::test]
async fn a_copy_of_a_clone_without_links_is_refused() {
    let clones = notes();
    let mine = clones.open("mine").await;
    let refs = mine.root().join(".git/f9/common/refs");
    fs::remove_file(&refs).unwrap();
    drop(mine);
    // A missing link is made again.
    drop(clones.open("mine").await);
    fs::remove_file(&refs).unwrap();
    fs::create_dir(&refs).unwrap();
    let error = GitSyncFileBackend::open(clones.config("mine")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
}

#[tokio::test]
async fn modes_are_published_from_a_clone_that_ignored_them() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a"), Change::write("run", "x")]));
    clones.remote.commit(&[Change::set_executable("run", true)]);
    let config = clones.config("mine");
    clone_with_git(&config, &["-c", "core.fileMode=false"]);
    let executable = |path: &str, is: bool| {
        let mode = if is { 0o755 } else { 0o644 };
        fs::set_permissions(config.path.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    // As after a copy from a file system without modes.
    executable("a", true);
    executable("run", false);
    let mine = opened(config.clone()).await;
    mine.push("Nothing").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a", "100755 run"]);
    executable("a", true);
    executable("run", false);
    mine.push("Modes").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100755 a", "100644 run"]);
}

#[tokio::test]
async fn links_that_git_wrote_as_files_stay_links() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "a"), Change::symlink("link", "a")]));
    let config = clones.config("mine");
    clone_with_git(&config, &["-c", "core.symlinks=false"]);
    assert!(config.path.join("link").symlink_metadata().unwrap().is_file());
    let mine = opened(config).await;
    mine.create("b", "b").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a", "100644 b", "120000 link"]);
    assert_eq!(mine.read("link").await.unwrap(), "a");
}

#[tokio::test]
async fn a_remote_with_another_spelling_of_its_path_is_the_same() {
    let clones = notes();
    let remote = clones.remote.path();
    let above = clones.config("x").path.parent().unwrap().to_owned();
    symlink(&remote, above.join("link.git")).unwrap();
    symlink(clones.remote.folder(), above.join("folder")).unwrap();
    let through = above.join("folder/notes.git");
    let relative = format!(
        "../../{}/notes.git",
        remote.parent().unwrap().file_name().unwrap().to_str().unwrap()
    );
    let spellings = [
        above.join("link.git").display().to_string(),
        above.join("link").display().to_string(),
        format!("file://{}", through.display()),
        through.display().to_string(),
        relative,
    ];
    for (number, url) in spellings.iter().enumerate() {
        let config = clones.config(&format!("clone{number}"));
        clone_with_git(&config, &[]);
        cli::run(&config.path, ["remote", "set-url", "origin", url]);
        let mine = opened(config).await;
        mine.create(&number.to_string(), "x").await.unwrap();
        mine.push("Mine").await.unwrap();
    }
    let other = Remote::with(&[Change::write("other", "x")]);
    let config = clones.config("other");
    clone_with_git(&config, &[]);
    cli::run(&config.path, ["remote", "set-url", "origin", other.path().to_str().unwrap()]);
    assert_refused(config, ErrorKind::AlreadyExists, "a clone of another repository").await;
}

#[tokio::test]
async fn a_clone_of_an_empty_repository_is_adopted_whatever_its_branch_is_called() {
    let clones = Clones::of(Remote::empty());
    let config = clones.config("mine");
    clone_with_git(&config, &[]);
    cli::run(&config.path, ["symbolic-ref", "HEAD", "refs/heads/master"]);
    let mine = opened(config).await;
    mine.create("a", "one").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().tree(), ["100644 a"]);
    assert_eq!(cli::run(mine.root(), ["status", "--short", "--branch"]), "## main...origin/main");
}

#[tokio::test]
async fn a_clone_of_an_empty_repository_keeps_its_branch_if_it_is_refused() {
    for left in ["MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge"] {
        let clones = Clones::of(Remote::empty());
        let config = clones.config("mine");
        clone_with_git(&config, &[]);
        cli::run(&config.path, ["symbolic-ref", "HEAD", "refs/heads/master"]);
        fs::write(config.path.join(".git").join(left), "").unwrap();
        assert_refused(config.clone(), ErrorKind::InvalidOperation, "is in progress").await;
        let head = fs::read_to_string(config.path.join(".git/HEAD")).unwrap();
        assert_eq!(head, "ref: refs/heads/master\n", "{left}");
        fs::remove_file(config.path.join(".git").join(left)).unwrap();
        drop(opened(config).await);
    }
}

#[tokio::test]
async fn clones_without_all_objects_or_files_are_refused() {
    let clones = notes();
    clones.remote.git(["config", "uploadpack.allowFilter", "true"]);
    clones.remote.commit(&[Change::write("a", "two")]);
    let url = format!("file://{}", clones.remote.path().display());
    for (name, arguments, reason) in [
        ("shallow", &["--depth=1"][..], "shallow clone"),
        ("partial", &["--filter=blob:none"], "partial clone"),
        ("sparse", &["--sparse"], "sparse checkout"),
    ] {
        let mut config = clones.config(name);
        config.remote_url.clone_from(&url);
        clone_with_git(&config, arguments);
        assert_refused(config, ErrorKind::Unsupported, reason).await;
    }
}

#[tokio::test]
async fn clones_with_git_lfs_are_refused() {
    let clones = notes();
    let config = clones.config("mine");
    clone_with_git(&config, &[]);
    fs::create_dir_all(config.path.join(".git/lfs/objects")).unwrap();
    assert_refused(config, ErrorKind::Unsupported, "git-lfs").await;
}

#[tokio::test]
async fn clones_in_formats_that_f9_does_not_know_are_refused() {
    for (name, value, reason) in [
        ("extensions.future", "true", "extension `future`"),
        ("core.repositoryFormatVersion", "7", "newer"),
    ] {
        let clones = notes();
        let config = clones.config("mine");
        clone_with_git(&config, &[]);
        cli::run(&config.path, ["config", "core.repositoryFormatVersion", "1"]);
        cli::run(&config.path, ["config", name, value]);
        assert_refused(config, ErrorKind::Unsupported, reason).await;
    }
}

#[tokio::test]
async fn linked_working_trees_and_submodules_are_refused() {
    let clones = notes();
    let config = clones.config("mine");
    clone_with_git(&config, &[]);
    let linked = clones.config("linked");
    cli::run(&config.path, ["worktree", "add", "-q", "-b", "other", linked.path.to_str().unwrap()]);
    assert_refused(linked, ErrorKind::Unsupported, "linked working trees").await;
    // The main one is a clone like any other.
    let mine = opened(config).await;
    mine.create("b", "b").await.unwrap();
    mine.push("Mine").await.unwrap();
}

#[tokio::test]
async fn a_shallow_remote_is_refused() {
    let clones = notes();
    clones.remote.commit(&[Change::write("a", "two")]);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", clones.remote.path().display());
    cli::run(dir.path(), ["clone", "-q", "--bare", "--depth=1", &url, "shallow.git"]);
    for branch in ["main", "other"] {
        let shallow = dir.path().join("shallow.git");
        let config = GitConfig::new(shallow.to_str().unwrap(), dir.path().join("mine"));
        let error = GitSyncFileBackend::open(config.with_branch(branch)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("the remote is a shallow clone"), "{error}");
        assert!(!dir.path().join("mine").exists());
    }
}

/// Creates a remote whose objects have SHA-256 names, in a directory of its own.
fn sha256_remote() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let remote = dir.path().join("remote.git").to_str().unwrap().to_owned();
    cli::run(dir.path(), ["init", "-q", "--bare", "--object-format=sha256", "-b", "main", &remote]);
    begin_unless_cloned(dir.path(), &remote);
    (dir, remote)
}

/// Makes the first commit of an empty SHA-256 repository if this git clones such a repository with SHA-1, as git 2.39 does.
fn begin_unless_cloned(dir: &Path, remote: &str) {
    cli::run(dir, ["clone", "-q", remote, "probe"]);
    let probe = dir.join("probe");
    if cli::run(&probe, ["rev-parse", "--show-object-format"]) == "sha256" {
        return;
    }
    fs::remove_dir_all(&probe).unwrap();
    cli::run(dir, ["init", "-q", "--object-format=sha256", "-b", "main", "probe"]);
    cli::run(&probe, ["commit", "-q", "--allow-empty", "-m", "Begin"]);
    cli::run(&probe, ["push", "-q", dir.join(remote).to_str().unwrap(), "main"]);
}

#[tokio::test]
async fn sha256_repositories_are_cloned_and_adopted() {
    let (dir, remote) = sha256_remote();
    // Of an empty remote, of one with commits, and with git.
    let mine = opened(GitConfig::new(&*remote, dir.path().join("mine"))).await;
    mine.create("a", "one").await.unwrap();
    mine.push("Add").await.unwrap();
    let yours = opened(GitConfig::new(&*remote, dir.path().join("yours"))).await;
    assert_eq!(yours.read("a").await.unwrap(), "one");
    cli::run(dir.path(), ["clone", "-q", &remote, "theirs"]);
    let theirs = opened(GitConfig::new(&*remote, dir.path().join("theirs"))).await;
    theirs.update("a", "two").await.unwrap();
    theirs.push("Change").await.unwrap();
    for (clone, text) in [(&mine, "mine"), (&yours, "yours")] {
        clone.update("a", text).await.unwrap();
        assert_eq!(clone.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
        clone.conflict_accept_remote("a").await.unwrap();
        clone.sync("Resolve").await.unwrap();
        assert_eq!(clone.read("a").await.unwrap(), "two");
        assert!(clone.log("a", None).await.unwrap().len() >= 2);
    }
    drop(yours);
    opened(GitConfig::new(&*remote, dir.path().join("yours"))).await.pull().await.unwrap();
}

/// The variable with the directory for the scenario, in the process that runs it.
const DIR: &str = "F9_TEST_GIT3";

/// Clones, pushes and reads in a process that another test has started.
#[tokio::test]
async fn git3_process() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    for name in ["sha1.git", "sha256.git"] {
        let remote = dir.join(name);
        let remote = remote.to_str().unwrap();
        let mine = opened(GitConfig::new(remote, dir.join(format!("mine {name}")))).await;
        mine.create("a", "one").await.unwrap();
        mine.push("Add").await.unwrap();
        let yours = opened(GitConfig::new(remote, dir.join(format!("yours {name}")))).await;
        yours.update("a", "two").await.unwrap();
        yours.push("Change").await.unwrap();
        mine.pull().await.unwrap();
        assert_eq!(mine.read("a").await.unwrap(), "two");
        assert_eq!(mine.log("a", None).await.unwrap().len(), 2);
        assert_eq!(mine.read_at("a", "HEAD~1").await.unwrap(), "one");
    }
}

#[test]
fn a_git_with_the_defaults_of_version_3_works() {
    let dir = tempfile::tempdir().unwrap();
    for format in ["sha1", "sha256"] {
        let (format_option, name) = (format!("--object-format={format}"), format!("{format}.git"));
        cli::run(dir.path(), ["init", "-q", "--bare", &format_option, "-b", "main", &name]);
    }
    begin_unless_cloned(dir.path(), "sha256.git");
    // Its defaults are below all settings and variables, as those of a program that was built with them. A git that knows no
    // reftable ignores that variable.
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = format!(
        "#!/bin/sh\n: \"${{GIT_DEFAULT_REF_FORMAT=reftable}}\" \"${{GIT_DEFAULT_HASH=sha256}}\"\n\
         export GIT_DEFAULT_REF_FORMAT GIT_DEFAULT_HASH\nexec {} \"$@\"\n",
        cli::program().display()
    );
    fs::write(bin.join("git"), program).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "clone_forms::git3_process", "--nocapture"]).env(DIR, dir.path());
    child.env("PATH", format!("{}:{}", bin.display(), cli::path()));
    cli::succeed(&mut child, b"");
    assert!(dir.path().join("mine sha1.git/.git/refs/heads/main").exists());
}

#[tokio::test]
async fn an_edit_during_the_adoption_is_kept() {
    let clones = notes();
    let config = clones.config("mine");
    clone_with_git(&config, &["-c", "core.autocrlf=true"]);
    let (file, index) = (config.path.join("a"), config.path.join(".git/f9/adopt-index"));
    // The index exists when git has been asked for changed files, and until the other files are converted.
    let edit = std::thread::spawn(move || {
        let since = Instant::now();
        while !index.exists() && since.elapsed() < HANGS {
            std::thread::yield_now();
        }
        fs::write(file, "edited\r\n").unwrap();
    });
    let mine = opened(config).await;
    edit.join().unwrap();
    assert_eq!(mine.read("a").await.unwrap(), "edited\r\n");
}
