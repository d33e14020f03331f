//! One repository: its settings, its refs and the state of its working tree.
//!
//! Refs are read from git's files, which saves a process for each. The git directory is accessed by path, not through the confined
//! root of the working tree: git itself opens it by path, and a program that can replace `.git` already decides what git does here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::command::Git;
use super::error::corrupted;
use super::gc_lock::GcLock;
use super::locks::{Locks, Operation};
use super::names::Names;
use super::parse::{self, Oid, RawPath};
use super::pending_merge::KeptMerge;
use super::special::SpecialEntries;
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::backends::local::LocalFileBackend;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::sys::fs::Root;
use crate::sys::lock::TimeLeft;

/// The ref that records where a new branch starts: the commit of the remote's default branch.
pub(super) const START: &str = "refs/f9/start";

/// The index in which the tree of a resolved merge is built.
pub(super) const MERGE_INDEX: &str = "f9/index";

/// The index against which the files of an adopted clone are compared.
pub(super) const ADOPT_INDEX: &str = "f9/adopt-index";

/// The copy of the index that takes its place when all changes are made.
pub(super) const NEW_INDEX: &str = "f9/new-index";

/// The special entries of one index; `None` if only git can read it.
pub(super) type Special = Option<Arc<SpecialEntries>>;

pub(super) struct Repository {
    pub(super) git: Git,
    pub(super) locks: Arc<Locks>,
    pub(super) work_tree: PathBuf,
    /// The working tree as an open directory, through which f9 accesses all files in it.
    pub(super) root: Arc<Root>,
    pub(super) names: Names,
    pub(super) git_dir: PathBuf,
    pub(super) branch: String,
    pub(super) lock_timeout: Duration,
    pub(super) push_timeout: Duration,
    /// The name of the line of those that push to the branch from this machine.
    pub(super) line: String,
    /// Git's own files, for reading only.
    pub(super) files: LocalFileBackend,
    /// f9's notes about the repository, which survive a power loss.
    pub(super) notes: LocalFileBackend,
    /// The last commit whose tree was looked up, and that tree.
    pub(super) tree_of: Mutex<Option<(Oid, Oid)>>,
    /// The last commit whose submodules were looked up, and their paths.
    pub(super) submodules: tokio::sync::Mutex<Option<(Oid, Arc<BTreeSet<RawPath>>)>>,
    /// The merge with conflicts as it was last read.
    pub(super) kept_merge: Mutex<Option<KeptMerge>>,
    /// The etag of the last index that was searched for special entries, and those entries.
    pub(super) special: Mutex<Option<(Etag, Special)>>,
}

impl Repository {
    /// Begins an operation that changes the repository, when earlier ones have ended. Removes the lock files that a dead git left.
    pub(super) async fn operation(&self) -> Result<Operation> {
        let left = TimeLeft::new(self.lock_timeout);
        let operation = self.locks.operation(self.lock_timeout).await?;
        self.remove_stale_locks().await?;
        let gc = GcLock::take(&self.git_dir, left).await?;
        Ok(operation.with_gc_lock(gc))
    }

    pub(super) fn local_ref(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    pub(super) fn tracking_ref(&self) -> String {
        format!("refs/remotes/origin/{}", self.branch)
    }

    /// Returns the commit that is checked out; `None` before the first one.
    pub(super) async fn head(&self) -> Result<Option<Oid>> {
        self.read_ref(&self.local_ref()).await
    }

    /// Returns the commit of the remote's branch as of the last fetch or push.
    pub(super) async fn tracking(&self) -> Result<Option<Oid>> {
        self.read_ref(&self.tracking_ref()).await
    }

    /// Returns the commit that an unfinished clone began to check out, if it got that far.
    pub(super) async fn unfinished_checkout(&self) -> Result<Option<Oid>> {
        match self.tracking().await? {
            None => self.start().await,
            tracking => Ok(tracking),
        }
    }

    /// Returns the commit at which a new branch starts, if it has been fetched.
    pub(super) async fn start(&self) -> Result<Option<Oid>> {
        self.read_ref(START).await
    }

    async fn read_ref(&self, name: &str) -> Result<Option<Oid>> {
        if let Some(text) = read_if_present(&self.files, name).await? {
            let invalid = |_| corrupted(format!("the ref `{name}` is damaged"));
            return parse::oid(&text).map(Some).map_err(invalid);
        }
        let Some(packed) = read_if_present(&self.files, "packed-refs").await? else {
            return Ok(None);
        };
        let packed = String::from_utf8_lossy(&packed);
        let mut refs = packed.lines().filter_map(|line| line.split_once(' '));
        refs.find(|(_, packed)| *packed == name).map(|(oid, _)| oid.parse()).transpose()
    }

    /// Whether `HEAD` names another branch than the configured one, and no branch has a commit. `git clone` of an empty repository chooses
    /// a name by itself.
    pub(super) async fn has_unborn_branch(&self) -> Result<bool> {
        let Some(head) = read_if_present(&self.files, "HEAD").await? else { return Ok(false) };
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        let Some(current) = head.strip_prefix("ref: ") else { return Ok(false) };
        Ok(current != self.local_ref()
            && !self.files.exists("index").await?
            && self.read_ref(current).await?.is_none()
            && self.head().await?.is_none())
    }

    /// Makes `HEAD` name the configured branch.
    pub(super) async fn name_branch(&self, operation: &Operation) -> Result<()> {
        let branch = self.local_ref();
        let point = self.git.local(["symbolic-ref", "HEAD", &branch]);
        point.within(operation)?.stdout().await.map(drop)
    }

    /// Checks that the configured branch is checked out and that no merge or rebase is in progress.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if it is not; [`Corrupted`](ErrorKind::Corrupted) if `HEAD` is damaged.
    pub(super) async fn check_state(&self) -> Result<()> {
        let head = read_if_present(&self.files, "HEAD").await?;
        let head = head.ok_or_else(|| corrupted("the repository has no HEAD"))?;
        self.check_head(String::from_utf8_lossy(&head).trim())?;
        self.expect_nothing_in_progress().await
    }

    /// Checks that no merge or rebase is in progress.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation).
    pub(super) async fn expect_nothing_in_progress(&self) -> Result<()> {
        for (name, command) in [
            ("MERGE_HEAD", "merge"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("BISECT_LOG", "bisect"),
        ] {
            if self.files.exists(name).await? {
                return Err(refused(format!(
                    "a `git {command}` is in progress; finish or abort it first"
                )));
            }
        }
        Ok(())
    }

    fn check_head(&self, head: &str) -> Result<()> {
        let branch = &self.branch;
        match head.strip_prefix("ref: refs/heads/") {
            Some(current) if current == branch => Ok(()),
            Some(current) => {
                Err(refused(format!("branch `{current}` is checked out, not `{branch}`")))
            }
            None if head.parse::<Oid>().is_err() => {
                Err(corrupted("the repository's HEAD is damaged"))
            }
            None => Err(refused(format!(
                "no branch is checked out (detached HEAD); run `git switch {branch}` first"
            ))),
        }
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation).with_message(message)
}

/// Returns the content of a file; `None` if there is no file.
pub(super) async fn read_if_present(
    files: &LocalFileBackend,
    path: &str,
) -> Result<Option<bytes::Bytes>> {
    match files.read(path).await {
        Ok(content) => Ok(Some(content)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => Ok(None),
            _ => Err(error),
        },
    }
}
