//! Local and remote changes that contradict each other, and how that is settled.

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

/// A working tree `mine` with local commits, of a remote that went another way since.
pub(super) struct Dispute {
    clones: Clones,
    /// The last commit of `mine`.
    local: String,
    /// The last commit of the remote.
    remote: String,
}

/// How a conflict is settled.
#[derive(Clone, Copy, Debug)]
enum Way {
    Local,
    Remote,
    Content,
}

/// What [`Way::Content`] gives.
const SETTLED: &str = "settled\n";

/// Everything in a working tree, without the repository: a directory, a file with its permissions, or where a link leads.
type Photograph = BTreeMap<PathBuf, Option<(u32, Vec<u8>)>>;

impl Dispute {
    /// Besides what is in `base`, there is a file `kept` that nobody touches.
    async fn between(base: &[Change], local: &[Change], remote: &[Change]) -> Self {
        let clones = Clones::of(Remote::with(&[Change::write("kept", "kept")]));
        let shared = &clones.remote;
        if !base.is_empty() {
            shared.commit(base);
        }
        let base = shared.main().head().unwrap();
        let mine = clones.open("mine").await;
        let local = commit_each(shared, "local", &base, local);
        // By hand, so that there can be anything in it that git knows.
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

    /// Pulls, which fails for exactly these conflicts: each a path, a status and a kind.
    async fn assert_open(&self, mine: &GitSyncFileBackend, expected: &[String]) {
        let error = mine.pull().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(report(mine).await, expected);
        let open = mine.conflict_report().await.unwrap().into_iter().map(|open| open.path);
        assert_eq!(error.conflicts(), open.collect::<Vec<_>>());
    }

    /// Fails unless the remote's branch ends with a merge of both sides, which `mine` and everybody else then have.
    async fn assert_concluded(&self, mine: &GitSyncFileBackend) {
        let (local, remote) = (&self.local, &self.remote);
        assert_eq!(self.shared().main().log("%P")[0], format!("{local} {remote}"));
        self.shared().assert_sound();
        assert_eq!(report(mine).await, [""; 0]);
        assert_in_step(mine, self.shared());
    }
}

/// Fails unless a working tree holds what the remote does, and nothing else.
fn assert_in_step(clone: &GitSyncFileBackend, remote: &Remote) {
    assert_eq!(Some(head(clone.root())), remote.main().head());
    assert_eq!(cli::run(clone.root(), ["status", "--porcelain"]), "");
}

/// Makes a branch that is `from` with a commit for each change, and gives the last.
fn commit_each(remote: &Remote, name: &str, from: &str, changes: &[Change]) -> String {
    let branch = remote.branch(name);
    branch.set(from);
    // Each side at a time of its own: the same change at the same time would be the same commit.
    let began = if name == "main" { 1_000_000_000 } else { 1_100_000_000 };
    let each = (began..).zip(changes);
    let each = each.map(|(time, change)| branch.commit_at(time, std::slice::from_ref(change)));
    each.last().unwrap_or_else(|| from.to_owned())
}

/// The conflicts that are reported, each as `status kind path`.
async fn report(clone: &GitSyncFileBackend) -> Vec<String> {
    let open = clone.conflict_report().await.unwrap();
    open.iter()
        .map(|open| format!("{} {:?} {}", open.status.code(), open.kind, open.path))
        .collect()
}

async fn settle(clone: &GitSyncFileBackend, path: &str, way: Way) {
    match way {
        Way::Local => clone.conflict_accept_local(path).await,
        Way::Remote => clone.conflict_accept_remote(path).await,
        Way::Content => clone.conflict_resolve(path, SETTLED.into()).await,
    }
    .unwrap();
}

fn photograph(root: &Path) -> Photograph {
    let mut found = Photograph::new();
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

/// Makes a working tree that is the same as another to the last byte.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
