//! The state that all clones of a backend share, and the locks and checks that its verbs begin with.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, WeakShared};

use super::checkout::JOURNAL;
use super::config::OnUnreachable;
use super::history::History;
use super::locks::TreeReadGuard;
use super::parse::{Oid, RawPath};
use super::pending_paths::PendingPaths;
use super::repository::Repository;
use crate::backend::AsyncFileBackend as _;
use crate::backends::local::LocalFileBackend;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::path::FilePath;
use crate::sys::lock::Semaphore;

pub(super) struct Shared {
    pub(super) repository: Arc<Repository>,
    pub(super) tree: LocalFileBackend,
    pub(super) pending_paths: PendingPaths,
    /// `None` if the times of the history are turned off.
    pub(super) history: Option<History>,
    pub(super) auto_sync: AutoSync,
    pub(super) auto_pull: Mutex<AutoPull>,
    /// How many sessions are open.
    pub(super) sessions: AtomicUsize,
    /// A commit, and the etag of an index with the same content. While neither changes, there is nothing to commit.
    pub(super) committed: Mutex<Option<(Oid, Etag)>>,
    /// Held by the push that waits for its turn or has it.
    pub(super) pushing: Arc<Semaphore>,
    /// How many pushes have committed what they found.
    pub(super) saves: AtomicU64,
    /// How many of these commits are known to be at the remote.
    pub(super) published: AtomicU64,
    /// How many pushes have succeeded.
    pub(super) pushes: AtomicU64,
}

/// When to pull and push without an explicit call.
pub(super) struct AutoSync {
    pub(super) pull: bool,
    pub(super) push: bool,
    pub(super) max_staleness: Duration,
    pub(super) on_unreachable: OnUnreachable,
}

/// An automatic pull that several reads wait for.
#[derive(Default)]
pub(super) struct AutoPull {
    /// The waiting reads own the pull. It is cancelled when the last of them is dropped.
    pub(super) running: Option<WeakShared<BoxFuture<'static, Result<()>>>>,
    /// When the last successful pull started.
    pub(super) last_start: Option<Instant>,
    /// When the remote may be tried again after it was unreachable.
    pub(super) next_try: Option<Instant>,
}

impl Shared {
    /// Locks the working tree against operations that replace it as a whole. Repairs it first if such an operation died.
    pub(super) async fn lock_tree(&self) -> Result<TreeReadGuard> {
        let repository = &self.repository;
        loop {
            let guard = repository.locks.tree.read(repository.lock_timeout).await?;
            if guard.is_recovered() {
                return Ok(guard);
            }
            if !repository.notes.exists(JOURNAL).await? {
                guard.set_recovered();
                return Ok(guard);
            }
            drop(guard);
            let operation = repository.operation().await?;
            repository.recover(&operation).await?;
        }
    }

    /// Locks the tree for a read, after an automatic pull.
    pub(super) async fn lock_for_read(self: &Arc<Self>) -> Result<TreeReadGuard> {
        self.pull_before_read().await?;
        self.lock_tree().await
    }

    /// Locks the tree for a write at `path`.
    pub(super) async fn lock_for_write(&self, path: &FilePath) -> Result<TreeReadGuard> {
        self.refuse_submodule(path, false).await?;
        self.lock_tree().await
    }

    /// Fails if `path` is in a submodule, or with `or_itself` if it is one.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub(super) async fn refuse_submodule(&self, path: &FilePath, or_itself: bool) -> Result<()> {
        let submodules = self.repository.submodules().await?;
        let is_in = |submodule: &RawPath| {
            let rest = path.as_bytes().strip_prefix(submodule.0.as_slice());
            rest.is_some_and(|rest| rest.starts_with(b"/") || (or_itself && rest.is_empty()))
        };
        if submodules.iter().any(is_in) {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("it is in a submodule, whose files belong to another repository"));
        }
        Ok(())
    }
}
