//! Moves the working tree from one commit to the next in a way that survives a crash.
//!
//! Git replaces the files of a tree one by one. A git that is killed in between leaves some old and some new files, and an index that
//! does not know about it; the next commit would publish the mixture. So a journal is written and synced before, and removed after.
//! An operation that finds a journal rolls back the files that the dead process replaced. It recognizes them by their content: a file
//! with anything but the new version, or the beginning of it, is somebody's work and stays.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Output;
use super::diagnosis::Failure;
use super::locks::Operation;
use super::objects::empty_tree;
use super::parse::{self, Change, Oid, RawPath, SUBMODULE};
use super::partial_checkout::{LeftOutPaths, PartialCheckout};
use super::repository::Repository;
use super::uncommitted::uncommitted_paths;
use super::work_tree::{self, Comparison};
use crate::core::error::{ErrorKind, Result};
use crate::sys::pool;

/// The name of the journal among the notes.
pub(super) const JOURNAL: &str = "journal";

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// `None` before the first commit.
    from: Option<Oid>,
    to: Oid,
    #[serde(default)]
    left_out: LeftOutPaths,
}

impl Journal {
    fn commits(&self) -> (Option<&Oid>, &Oid) {
        (self.from.as_ref(), &self.to)
    }
}

/// The outcome of [`Repository::fast_forward`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FastForward {
    Done,
    /// Nothing was changed, because these paths hold changes that are not committed.
    Blocked(Vec<RawPath>),
    /// Nothing was changed, because somebody has changed the branch or the index with git in the meantime.
    Outdated,
}

impl Repository {
    /// Moves the branch, the index and the working tree to `to`, a descendant of `from`.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it runs to its end even if the future is dropped.
    pub(super) async fn fast_forward(
        self: &Arc<Self>,
        operation: &Operation,
        from: Option<&Oid>,
        to: &Oid,
    ) -> Result<FastForward> {
        let (repository, operation) = (Arc::clone(self), operation.clone());
        let left_out = LeftOutPaths::default();
        let journal = Journal { from: from.cloned(), to: to.clone(), left_out };
        let run = async move { repository.fast_forward_here(&operation, journal).await };
        pool::spawn_to_completion(run).await
    }

    async fn fast_forward_here(
        &self,
        operation: &Operation,
        mut journal: Journal,
    ) -> Result<FastForward> {
        self.tidy_up(operation).await?;
        let mut changes = self.changes_of(operation, &journal).await?;
        let partial = self.partial_checkout(operation, journal.commits(), &changes).await?;
        if let Some(partial) = &partial {
            journal.left_out = partial.paths.clone();
            changes = self.changes_in(partial).await?;
        }
        let journal = &journal;
        let has_submodule = changes.iter().any(|change| change.new_mode == SUBMODULE);
        let guard = self.locks.tree.write(self.lock_timeout).await?;
        let (changes, deleted) = self.with_uncommitted_deletions(changes).await?;
        if !deleted.is_empty() {
            return Ok(FastForward::Blocked(deleted));
        }
        let merged = match &partial {
            None => {
                self.write_note(JOURNAL, journal).await?;
                self.check_out(operation, journal).await
            }
            Some(partial) => {
                match self.check_out_unless_in_the_way(operation, journal, &changes, partial).await
                {
                    Ok(Err(obstacle)) => return Ok(obstacle),
                    Ok(Ok(output)) => Ok(output),
                    Err(error) => Err(error),
                }
            }
        };
        let outcome = match merged {
            Ok(output) if output.is_success() => Ok(FastForward::Done),
            Ok(output) if output.failure() == Failure::WouldOverwrite => {
                self.uncommitted_among(journal, &changes).await.map(FastForward::Blocked)
            }
            Ok(output) if output.failure() == Failure::NonFastForward => Ok(FastForward::Outdated),
            // This is all that git says if a commit is missing. If a tree is missing, it says nothing.
            Ok(output)
                if output.stderr.is_empty()
                    || output.stderr.ends_with("- not something we can merge\n") =>
            {
                Err(output.error().with_kind(ErrorKind::Corrupted))
            }
            Ok(output) => Err(output.error()),
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            self.roll_back(operation, journal, changes).await?;
        }
        self.remove_note(JOURNAL).await?;
        drop(guard);
        if matches!(outcome, Ok(FastForward::Done))
            && !has_submodule
            && let Some(from) = &journal.from
        {
            self.keep_without_submodules(from, &journal.to).await;
        }
        outcome
    }

    /// Returns the changes, and the files among them that were deleted and not committed.
    async fn with_uncommitted_deletions(
        &self,
        changes: Vec<Change>,
    ) -> Result<(Vec<Change>, Vec<RawPath>)> {
        let root = Arc::clone(&self.root);
        pool::run(move || {
            let deleted = work_tree::uncommitted_deletions(&root, &changes);
            Ok((changes, deleted))
        })
        .await
    }

    /// Checks out a part of the commit, or returns what is in the way of it.
    async fn check_out_unless_in_the_way(
        &self,
        operation: &Operation,
        journal: &Journal,
        changes: &[Change],
        partial: &PartialCheckout,
    ) -> Result<Result<Output, FastForward>> {
        self.with_new_index(operation, async |index| {
            if let Some(obstacle) = self.obstacle(journal, changes, partial).await? {
                return Ok(Err(obstacle));
            }
            self.write_note(JOURNAL, journal).await?;
            self.check_out_partially(operation, journal.commits(), partial, index).await.map(Ok)
        })
        .await
    }

    /// Returns what is in the way of a partial checkout while the index is locked. `git merge` would find out both: that the branch has
    /// moved, and that a file that is not tracked would be replaced.
    async fn obstacle(
        &self,
        journal: &Journal,
        changes: &[Change],
        partial: &PartialCheckout,
    ) -> Result<Option<FastForward>> {
        let is_new = journal.from.is_none();
        if self.head().await? != journal.from || !(is_new || self.is_as_planned(partial).await?) {
            return Ok(Some(FastForward::Outdated));
        }
        let in_the_way = self.in_the_way(changes, &partial.paths).await?;
        Ok((!in_the_way.is_empty()).then_some(FastForward::Blocked(in_the_way)))
    }

    /// Removes files with reserved names that are in the way of the history's, and restores the committed version of each. Such
    /// files hold nothing of value, and must not keep the changes of others out.
    pub(super) async fn discard_reserved(
        &self,
        operation: &Operation,
        reserved: Vec<RawPath>,
    ) -> Result<()> {
        let _guard = self.locks.tree.write(self.lock_timeout).await?;
        let input = parse::nul_terminated(&reserved);
        let root = Arc::clone(&self.root);
        pool::run(move || {
            reserved.iter().try_for_each(|path| root.raw_remove_file(Path::new(path.as_os())))
        })
        .await?;
        let restore = ["checkout-index", "--force", "--quiet", "--index", "-z", "--stdin"];
        // It exits with an error if some of them were never committed.
        drop(self.git.local(restore).input(input).within(operation)?.output().await?);
        Ok(())
    }

    /// Rolls back the checkout of a process that died, if there is one. Restores a missing index.
    pub(super) async fn recover(self: &Arc<Self>, operation: &Operation) -> Result<()> {
        if self.note::<Journal>(JOURNAL).await?.is_none() {
            return self.restore_index(operation).await;
        }
        let (repository, operation) = (Arc::clone(self), operation.clone());
        pool::spawn_to_completion(async move {
            let _guard = repository.locks.tree.write(repository.lock_timeout).await?;
            let Some(journal) = repository.note::<Journal>(JOURNAL).await? else { return Ok(()) };
            let mut changes = repository.changes_of(&operation, &journal).await?;
            // Git writes no such file, and a file of the repository may be there.
            changes.retain(|change| repository.names.objection(&change.path).is_none());
            repository.roll_back(&operation, &journal, changes).await?;
            repository.remove_note(JOURNAL).await
        })
        .await
    }

    /// Asks git which of `changes` would overwrite something uncommitted. Git's message cannot be parsed, because it does not quote names.
    async fn uncommitted_among(
        &self,
        journal: &Journal,
        changes: &[Change],
    ) -> Result<Vec<RawPath>> {
        let from = journal.from.as_ref().map_or(empty_tree(&journal.to), Oid::as_str);
        let found = uncommitted_paths(&self.git, from, changes).await?;
        // It may have been committed or removed since.
        let all = || changes.iter().map(|change| change.path.clone()).collect();
        Ok(if found.is_empty() { all() } else { found })
    }

    /// Returns the changes between the two commits, without those of files that are left out.
    async fn changes_of(&self, operation: &Operation, journal: &Journal) -> Result<Vec<Change>> {
        if journal.left_out.is_empty() {
            let from = journal.from.as_ref().map_or(empty_tree(&journal.to), Oid::as_str);
            return self.changes_between(from, &journal.to).await;
        }
        self.shown_changes(operation, journal.commits(), &journal.left_out).await
    }

    async fn check_out(&self, operation: &Operation, journal: &Journal) -> Result<Output> {
        let merge = ["merge", "--ff-only", "--no-overwrite-ignore", "--quiet", journal.to.as_str()];
        self.git.local(merge).within(operation)?.output().await
    }

    /// Restores the files that the checkout has replaced, and no others, unless the branch has moved.
    async fn roll_back(
        &self,
        operation: &Operation,
        journal: &Journal,
        changes: Vec<Change>,
    ) -> Result<()> {
        if self.head().await? != journal.from {
            return Ok(());
        }
        // New files are removed first. On a full disk that makes room for the index, and a new file may be where a directory was.
        let (added, replaced): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.old.is_null());
        for change in added {
            if self.is_replaced(&change).await? {
                let (root, path) = (Arc::clone(&self.root), change.path);
                pool::run(move || work_tree::remove_with_parents(&root, &path)).await?;
            }
        }
        let mut restored = Vec::new();
        for change in replaced {
            if self.is_replaced(&change).await? {
                restored.push(change.path);
            }
        }
        let reset = match &journal.from {
            Some(from) => vec!["read-tree", "--reset", from.as_str()],
            None => vec!["read-tree", "--empty"],
        };
        self.reset_index(operation, &reset, &journal.left_out.before).await?;
        if !restored.is_empty() {
            let restore = self.git.local(["checkout-index", "--force", "-z", "--stdin"]);
            restore.input(parse::nul_terminated(restored)).within(operation)?.stdout().await?;
        }
        let refresh = ["update-index", "-q", "--refresh"];
        // It exits with an error if some files are changed, which is fine here.
        drop(self.git.local(refresh).within(operation)?.output().await?);
        Ok(())
    }

    /// Resets the index by the command `reset`. The entries at the paths `left_out` get the flag skip-worktree.
    async fn reset_index(
        &self,
        operation: &Operation,
        reset: &[&str],
        left_out: &[RawPath],
    ) -> Result<()> {
        if left_out.is_empty() {
            let reset = self.git.local(reset).unprotected();
            reset.within(operation)?.stdout().await?;
        } else {
            self.with_new_index(operation, async |index| {
                let reset = self.git.local(reset).index(index.path()).unprotected();
                reset.within(operation)?.stdout().await?;
                let list = self.git.local(["ls-files", "-z"]).index(index.path());
                let mut skipped = parse::paths(&list.stdout().await?);
                skipped.retain(|path| left_out.contains(path));
                self.skip(operation, index.path(), &skipped).await?;
                index.install().await
            })
            .await?;
        }
        // A journal of an earlier version does not say what was left out.
        self.leave_out(operation).await
    }

    /// Whether the checkout has replaced the entry at the path of `change`.
    async fn is_replaced(&self, change: &Change) -> Result<bool> {
        if change.new_mode == SUBMODULE || change.old_mode == SUBMODULE {
            return Ok(false);
        }
        let (root, compared) = (Arc::clone(&self.root), change.clone());
        match pool::run(move || work_tree::compare(&root, &compared)).await? {
            Comparison::New => Ok(true),
            Comparison::NotNew => Ok(false),
            Comparison::MaybePartial(content) => {
                let new = ["cat-file", "blob", change.new.as_str()];
                Ok(self.git.local(new).stdout().await?.starts_with(&content))
            }
        }
    }
}
