//! Pull.
//!
//! The order is: commit local changes, fetch, merge without touching the working tree, commit the merge, check it out, and, for a push,
//! push. If a step fails, the next call continues from there. Nothing is ever stashed or reset.

use std::sync::Arc;

use super::checkout::FastForward;
use super::error::may_be_collected;
use super::fetch::Fetched;
use super::locks::Operation;
use super::merge::Merged;
use super::parse::{Oid, RawPath};
use super::pending_merge::PendingMerge;
use super::report::Recorder;
use super::shared::Shared;
use super::work_tree;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::TimeLeft;
use crate::sys::pool;

/// The number of attempts to merge while files keep changing, after which only the time limit for locks allows more.
const MERGE_ATTEMPTS: usize = 6;

/// The message of the commit that a pull makes of local changes.
const BEFORE_MERGE: &str = "Local changes before a merge";

/// The note that the remote was empty and nothing has been fetched from it or pushed to it yet. Commits that appear there may have no
/// ancestor in common with the local ones.
pub(super) const FRESH: &str = "fresh";

/// The note that the remote's branch has been deleted.
pub(super) const GONE: &str = "gone";

/// How the local branch gets the remote's commit.
enum Target {
    /// It already contains that commit.
    UpToDate,
    /// By a fast-forward to this commit.
    Commit(Oid),
    /// There is no local commit yet. There may be files to be committed first.
    NoLocalCommit,
    Conflicts(Box<PendingMerge>),
}

impl Shared {
    /// Begins an operation, and rolls back the checkout of a process that died.
    pub(super) async fn begin(&self) -> Result<Operation> {
        let operation = self.repository.operation().await?;
        self.repository.recover(&operation).await?;
        self.repository.check_state().await?;
        Ok(operation)
    }

    /// Pulls. Local changes that are committed for that get `message`.
    pub(super) async fn pull(
        self: &Arc<Self>,
        message: Option<&str>,
        recorder: &Recorder,
    ) -> Result<()> {
        let message = message.unwrap_or(BEFORE_MERGE);
        check_message(message)?;
        let operation = self.begin().await?;
        let before = self.repository.tracking().await?;
        self.fetch_and_integrate(&operation, before, Some(message), recorder).await
    }

    pub(super) async fn fetch_and_integrate(
        self: &Arc<Self>,
        operation: &Operation,
        before: Option<Oid>,
        message: Option<&str>,
        recorder: &Recorder,
    ) -> Result<()> {
        match (self.repository.fetch(operation, recorder.meter()).await?, before) {
            (Fetched::NoBranch, None) => Ok(()),
            (Fetched::NoBranch, Some(_)) => {
                self.repository.write_note(GONE, &()).await?;
                Err(Error::new(ErrorKind::NotFound).with_message(format!(
                    "branch `{}` was deleted at the remote; push to create it again",
                    self.repository.branch
                )))
            }
            (Fetched::Branch, before) => {
                self.repository.remove_note(GONE).await?;
                let theirs = self.repository.tracking().await?.ok_or(ErrorKind::Internal)?;
                self.integrate(operation, before.as_ref(), &theirs, message, recorder).await
            }
        }
    }

    /// Merges the remote's commit `theirs` into the local branch and checks out the result. `before` is the remote's commit before the
    /// fetch. Local changes that are committed for that get `message`.
    pub(super) async fn integrate(
        self: &Arc<Self>,
        operation: &Operation,
        before: Option<&Oid>,
        theirs: &Oid,
        message: Option<&str>,
        recorder: &Recorder,
    ) -> Result<()> {
        let repository = &self.repository;
        let mut is_committed = false;
        let resolved = repository.pending_merge().await?.map_or(0, |merge| merge.conflicts.len());
        let (left, mut attempts) = (TimeLeft::new(repository.lock_timeout), 0);
        while attempts < MERGE_ATTEMPTS || !left.get().is_zero() {
            attempts += 1;
            let head = repository.head().await?;
            let target = match self.target(operation, head.as_ref(), before, theirs).await {
                Err(error) if attempts < MERGE_ATTEMPTS && may_be_collected(&error) => continue,
                target => target?,
            };
            let target = match target {
                Target::UpToDate => {
                    if let Some(head) = &head
                        && repository.can_show_twin().await?
                    {
                        repository.fast_forward(operation, Some(head), head).await?;
                    }
                    return self.finish_merge().await;
                }
                Target::Commit(target) => target,
                Target::NoLocalCommit | Target::Conflicts(_) if !is_committed => {
                    is_committed = true;
                    self.commit(operation, message, Vec::new()).await?;
                    continue;
                }
                Target::NoLocalCommit => theirs.clone(),
                Target::Conflicts(pending) => {
                    repository.set_pending_merge(&pending).await?;
                    return Err(pending.error());
                }
            };
            let outcome = match repository.fast_forward(operation, head.as_ref(), &target).await {
                Err(error) if attempts < MERGE_ATTEMPTS && may_be_collected(&error) => continue,
                outcome => outcome?,
            };
            match outcome {
                FastForward::Done => {
                    recorder.resolved(resolved);
                    self.finish_merge().await?;
                    // Not from the commit before the fetch: an earlier call may have fetched commits that were in conflict.
                    recorder.received(head.as_ref(), theirs);
                    return Ok(());
                }
                FastForward::Outdated => {}
                FastForward::Blocked(paths) => {
                    self.commit_blocking(operation, paths, message).await?;
                }
            }
        }
        Err(Error::new(ErrorKind::Contention)
            .with_message("files kept changing during the merge; try again"))
    }

    async fn target(
        &self,
        operation: &Operation,
        head: Option<&Oid>,
        before: Option<&Oid>,
        theirs: &Oid,
    ) -> Result<Target> {
        let repository = &self.repository;
        let Some(head) = head else { return Ok(Target::NoLocalCommit) };
        if head == theirs {
            return Ok(Target::UpToDate);
        }
        let earlier = repository.pending_merge().await?;
        // All local commits are published, and a fetch accepts only descendants of `before`.
        if earlier.is_none() && before == Some(head) {
            return Ok(Target::Commit(theirs.clone()));
        }
        let base = repository.merge_base(head, theirs).await?;
        if base.as_ref() == Some(theirs) {
            return Ok(Target::UpToDate);
        }
        if base.as_ref() == Some(head) {
            return Ok(Target::Commit(theirs.clone()));
        }
        let is_unrelated = base.is_none();
        if is_unrelated && repository.note::<()>(FRESH).await?.is_none() {
            return Err(Error::new(ErrorKind::Diverged).with_message(format!(
                "branch `{}` of the remote has no commit in common with the local one; nothing was changed",
                repository.branch
            )));
        }
        let merged = repository.merge(operation, (head, theirs), is_unrelated, earlier.as_ref());
        Ok(match merged.await? {
            Merged::Commit(commit) => Target::Commit(commit),
            Merged::Conflicts(pending) => Target::Conflicts(Box::new(pending)),
        })
    }

    /// Removes the notes about a merge that is now complete.
    pub(super) async fn finish_merge(&self) -> Result<()> {
        self.repository.remove_pending_merge().await?;
        self.repository.remove_note(FRESH).await
    }

    /// Commits the files that block a checkout at `paths`, so that they take part in the merge.
    async fn commit_blocking(
        self: &Arc<Self>,
        operation: &Operation,
        paths: Vec<RawPath>,
        message: Option<&str>,
    ) -> Result<()> {
        let (reserved, paths): (Vec<_>, Vec<_>) = paths.into_iter().partition(RawPath::is_own);
        let has_reserved = !reserved.is_empty();
        if has_reserved {
            self.repository.discard_reserved(operation, reserved).await?;
        }
        let root = Arc::clone(&self.repository.root);
        let blocked = paths.clone();
        let files = pool::run(move || {
            let files = blocked.iter().flat_map(|path| work_tree::files_at(&root, path));
            Ok(files.collect::<Vec<_>>())
        });
        if self.commit(operation, message, files.await?).await? || has_reserved {
            return Ok(());
        }
        let listed: Vec<String> =
            paths.iter().take(5).map(|path| format!("`{}`", path.to_text())).collect();
        Err(Error::new(ErrorKind::InvalidOperation).with_message(format!(
            "something at one of these paths can neither be committed nor replaced; move it away: {}",
            listed.join(", ")
        )))
    }
}

pub(super) fn check_message(message: &str) -> Result<()> {
    if message.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidInput)
            .with_message("the commit message contains a NUL byte"));
    }
    Ok(())
}
