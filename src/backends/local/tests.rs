//! Names that the code that opens a root reserves, and what tests share.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::LazyLock;

use futures::StreamExt as _;
use tempfile::TempDir;

use super::*;
use crate::core::error::ErrorKind;
use crate::core::options::LinkMode;
use crate::core::options::{CreateOptions, UpdateOptions};
use crate::prelude::*;
use crate::sys::fs::name_of_the_dead;

/// Runs the test `name`, the calling one, in a process of its own, which has the pool for itself. Returns false in that process.
pub(super) fn ran_alone(name: &str) -> bool {
    const ALONE: &str = "F9_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return false;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let done = command.args(["--exact", name, "--nocapture"]).env(ALONE, "").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("1 passed"), "{out}\n{err}");
    true
}

/// The name of a temporary file whose process has ended; `.f9tmp-0` in the lists below.
static DEAD: LazyLock<String> = LazyLock::new(name_of_the_dead);

/// Returns a root with two repositories, where `.git` is reserved in upper and lower case.
async fn store() -> (TempDir, LocalFileBackend) {
    let dir = tempfile::tempdir().unwrap();
    for repository in [".git", "sub/.GIT"] {
        fs::create_dir_all(dir.path().join(repository).join("hooks")).unwrap();
        for file in ["config", "hooks/run", DEAD.as_str()] {
            fs::write(dir.path().join(repository).join(file), "kept").unwrap();
        }
    }
    let dead = format!("sub/{}", *DEAD);
    for file in ["file", "sub/.gitignore", &dead] {
        fs::write(dir.path().join(file), "shown").unwrap();
    }
    let builder = LocalFileBackend::builder(dir.path());
    let reserving = builder.reserving(|name| name.eq_ignore_ascii_case(".git"));
    let backend = reserving.open().await.unwrap();
    (dir, backend)
}

/// Returns the files of the repositories, and checks that they are unchanged.
fn kept(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![dir.join(".git"), dir.join("sub/.GIT")];
    while let Some(here) = pending.pop() {
        for entry in fs::read_dir(here).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                pending.push(entry);
            } else {
                assert_eq!(fs::read(&entry).unwrap(), b"kept", "{entry:?}");
                let path = entry.strip_prefix(dir).unwrap().to_str().unwrap();
                found.push(path.replace(&*DEAD, ".f9tmp-0"));
            }
        }
    }
    found.sort();
    found
}

const KEPT: [&str; 6] = [
    ".git/.f9tmp-0",
    ".git/config",
    ".git/hooks/run",
    "sub/.GIT/.f9tmp-0",
    "sub/.GIT/config",
    "sub/.GIT/hooks/run",
];

type Outcome = (&'static str, Result<()>);

fn outcome<T>(verb: &'static str, result: Result<T>) -> Outcome {
    (verb, result.map(drop))
}

async fn every_verb(backend: &LocalFileBackend, path: &str) -> Vec<Outcome> {
    let sha256 = ChecksumAlgorithm::Sha256;
    let follow = InfoOptions::default().with_links(LinkMode::Follow);
    let streamed = backend.stream_write_with(
        path,
        futures::stream::iter([Ok("x".into())]).boxed(),
        WriteOptions::overwrite(),
    );
    let replaced = backend.create_with(path, "x", CreateOptions::overwrite());
    vec![
        outcome("read", backend.read(path).await),
        outcome("stream_read", backend.stream_read(path).await),
        outcome("info", backend.info_with(path, follow).await),
        outcome("exists", backend.exists(path).await),
        outcome("list", backend.list(path).await),
        outcome("checksum", backend.checksum(path, sha256).await),
        outcome("checksum_many", backend.checksum_many(&["file", path], sha256).await),
        outcome("copy from", backend.copy(path, "copied").await),
        outcome("create", replaced.await),
        outcome("stream_write", streamed.await),
        outcome("create_dir", backend.create_dir(path).await),
        outcome("update", backend.update(path, "x").await),
        outcome("append", backend.update_with(path, "x", UpdateOptions::append()).await),
        outcome("copy to", backend.copy_with("file", path, CopyOptions::overwrite()).await),
        outcome("copy onto itself", backend.copy_with(path, path, CopyOptions::overwrite()).await),
        outcome("rename from", backend.rename(path, "moved").await),
        outcome("rename to", backend.rename_with("file", path, RenameOptions::overwrite()).await),
        outcome("delete", backend.delete(path).await),
        outcome("delete all", backend.delete_with(path, DeleteOptions::recursive()).await),
    ]
}

#[tokio::test]
async fn every_verb_refuses_a_reserved_name_at_every_position() {
    let (dir, backend) = store().await;
    for path in [".git", "/.Git/", ".git/config", "sub/.GIT", "sub/.GIT/hooks/run", "new/.git/x"] {
        for (verb, result) in every_verb(&backend, path).await {
            let error = result.expect_err(verb);
            assert_eq!(error.kind(), ErrorKind::ReservedPath, "{verb} {path}");
            assert!(error.operation().is_some(), "{verb} {path}");
            assert!([Some(path), Some("file")].contains(&error.path()), "{verb} {path}: {error}");
        }
        assert_eq!(kept(dir.path()), KEPT);
    }
    assert_eq!(backend.read("sub/.gitignore").await.unwrap(), "shown");
}

#[tokio::test]
async fn reserved_names_are_invisible() {
    let (_dir, backend) = store().await;
    let entries = backend.list_with("", ListOptions::recursive()).await.unwrap();
    let shown: Vec<_> = entries.map(|entry| entry.unwrap().path.to_string()).collect().await;
    assert_eq!(shown, ["file", "sub", "sub/.gitignore"]);
    assert_eq!(backend.glob("**").await.unwrap(), ["file", "sub", "sub/.gitignore"]);
    for pattern in [".git", ".git/config", ".git/*", "sub/.GIT/**", "*/.[gG]*/config", "**/config"]
    {
        assert_eq!(backend.glob(pattern).await.unwrap(), [""; 0], "{pattern}");
    }
}

#[tokio::test]
async fn a_link_to_a_reserved_name_is_refused() {
    let (dir, backend) = store().await;
    symlink(".git", dir.path().join("directory")).unwrap();
    symlink("sub/.GIT/config", dir.path().join("link")).unwrap();
    for path in ["directory/config", "link"] {
        for (verb, result) in every_verb(&backend, path).await {
            // These verbs work on the link itself.
            let on_the_link =
                ["exists", "create_dir", "rename from", "rename to", "delete", "delete all"];
            if path == "link" && on_the_link.contains(&verb) {
                continue;
            }
            assert_eq!(result.expect_err(verb).kind(), ErrorKind::ReservedPath, "{verb} {path}");
        }
        assert_eq!(kept(dir.path()), KEPT);
    }
}

#[tokio::test]
async fn a_sweep_skips_reserved_names() {
    let (dir, _backend) = store().await;
    assert!(!dir.path().join("sub").join(&*DEAD).exists());
    assert_eq!(kept(dir.path()), KEPT);
}

#[tokio::test]
async fn a_recursive_deletion_deletes_reserved_names_too() {
    let (dir, backend) = store().await;
    backend.delete("sub/.gitignore").await.unwrap();
    let error = backend.delete("sub").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
    backend.delete_with("sub", DeleteOptions::recursive()).await.unwrap();
    assert!(!dir.path().join("sub").exists());
}

#[tokio::test]
async fn other_backends_do_not_reserve_these_names() {
    let (dir, _) = store().await;
    let backend = LocalFileBackend::new(dir.path()).await.unwrap();
    assert_eq!(backend.read(".git/config").await.unwrap(), "kept");
    assert_eq!(backend.glob("**/config").await.unwrap(), [".git/config", "sub/.GIT/config"]);
    assert!(!dir.path().join(".git").join(&*DEAD).exists());
}
