//! Conflicts between local and remote changes, and their resolution.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use crate::cli;
use crate::clones::Clones;
use crate::history::head;
use crate::remote::{Change, Remote};

mod kinds;
mod links;
mod names;
mod open;
mod versions;

/// A working tree `mine` with local commits, and a remote with other commits.
pub(super) struct Divergence {
    clones: Clones,
    /// The last commit of `mine`.
    local: String,
    /// The last commit of the remote.
    remote: String,
}

/// How a conflict is resolved.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    Local,
    Remote,
    Content,
}

/// The content of [`Resolution::Content`].
const RESOLVED: &str = "resolved\n";

/// Everything in a working tree but `.git`: directories (`None`), files with permissions and content, and links with their targets.
type Snapshot = BTreeMap<PathBuf, Option<(u32, Vec<u8>)>>;

impl Divergence {
    /// Commits `local` and `remote` on top of `base`. A file `kept` is added, which no commit changes.
    async fn between(base: &[Change], local: &[Change], remote: &[Change]) -> Self {
        let clones = Clones::of(Remote::with(&[Change::write("kept", "kept")]));
        let shared = &clones.remote;
        if !base.is_empty() {
            shared.commit(base);
        }
        let base = shared.main().head().unwrap();
        let mine = clones.open("mine").await;
        let local = commit_each(shared, "local", &base, local);
        // With git, so that the commits may contain anything that git supports.
        let url = shared.path();
        let fetch = ["fetch".as_ref(), "-q".as_ref(), url.as_os_str(), "refs/heads/local".as_ref()];
        cli::run(mine.root(), fetch);
        cli::run(mine.root(), ["reset", "-q", "--hard", "FETCH_HEAD"]);
        let remote = commit_each(shared, "main", &base, remote);
        Self { clones, local, remote }
    }

    async fn mine(&self) -> GitSyncFileBackend {
        self.clones.open("mine").await
    }

    fn shared(&self) -> &Remote {
        &self.clones.remote
    }

    /// Checks that a pull fails with exactly these conflicts, each as `status kind path`.
    async fn assert_conflicts(&self, mine: &GitSyncFileBackend, expected: &[String]) {
        let error = mine.pull().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(report(mine).await, expected);
        let open = mine.conflict_report().await.unwrap().into_iter().map(|open| open.path);
        assert_eq!(error.conflicts(), open.collect::<Vec<_>>());
    }

    /// Checks that the remote's branch ends with a merge of both sides, and that `mine` has it.
    async fn assert_completed(&self, mine: &GitSyncFileBackend) {
        let (local, remote) = (&self.local, &self.remote);
        assert_eq!(self.shared().main().log("%P")[0], format!("{local} {remote}"));
        self.shared().assert_sound();
        assert_eq!(report(mine).await, [""; 0]);
        assert_equals_remote(mine, self.shared());
    }
}

/// Checks that a working tree equals the remote and has no local changes.
fn assert_equals_remote(clone: &GitSyncFileBackend, remote: &Remote) {
    assert_eq!(Some(head(clone.root())), remote.main().head());
    assert_eq!(cli::run(clone.root(), ["status", "--porcelain"]), "");
}

/// Creates a branch at `from` with one commit for each change, and returns the last commit.
fn commit_each(remote: &Remote, name: &str, from: &str, changes: &[Change]) -> String {
    let branch = remote.branch(name);
    branch.set(from);
    // Each side has its own time, because the same change at the same time is the same commit.
    let began = if name == "main" { 1_000_000_000 } else { 1_100_000_000 };
    let each = (began..).zip(changes);
    let each = each.map(|(time, change)| branch.commit_at(time, std::slice::from_ref(change)));
    each.last().unwrap_or_else(|| from.to_owned())
}

/// Returns the reported conflicts, each as `status kind path`.
async fn report(clone: &GitSyncFileBackend) -> Vec<String> {
    let open = clone.conflict_report().await.unwrap();
    open.iter()
        .map(|open| format!("{} {:?} {}", open.status.code(), open.kind, open.path))
        .collect()
}

async fn resolve(clone: &GitSyncFileBackend, path: &str, resolution: Resolution) {
    match resolution {
        Resolution::Local => clone.conflict_accept_local(path).await,
        Resolution::Remote => clone.conflict_accept_remote(path).await,
        Resolution::Content => clone.conflict_resolve(path, RESOLVED.into()).await,
    }
    .unwrap();
}

/// Reads everything in a working tree.
fn snapshot(root: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path == root.join(".git") {
                continue;
            }
            let metadata = entry.metadata().unwrap();
            let seen = if metadata.is_dir() {
                directories.push(path.clone());
                None
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap().into_os_string();
                Some((0, target.into_encoded_bytes()))
            } else {
                Some((metadata.permissions().mode(), fs::read(&path).unwrap()))
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), seen);
        }
    }
    found
}

/// Copies a working tree byte for byte.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
