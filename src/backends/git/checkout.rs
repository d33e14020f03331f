//! Moves the working tree from one commit to the next in a way that survives a crash.
//!
//! Git replaces the files of a tree one by one. A git that is killed in between leaves some old and some new files, and an index that
//! does not know about it; the next commit would publish the mixture. So a journal is written and synced before, and removed after.
//! An operation that finds a journal rolls back the files that the dead process replaced. It recognizes them by their content: a file
//! with anything but the new version, or the beginning of it, is somebody's work and stays.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Output;
use super::diagnosis::Failure;
use super::index::IndexInfo;
use super::locks::Operation;
use super::objects::empty_tree;
use super::parse::{self, Change, Oid, RawPath, SUBMODULE};
use super::protected_names;
use super::repository::{MERGE_INDEX, Repository};
use super::uncommitted::uncommitted_paths;
use super::work_tree::{self, Comparison};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

/// The name of the journal among the notes.
pub(super) const JOURNAL: &str = "journal";

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// `None` before the first commit.
    from: Option<Oid>,
    to: Oid,
}

/// The outcome of [`Repository::fast_forward`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FastForward {
    Done,
    /// Nothing was changed, because these paths hold changes that are not committed.
    Blocked(Vec<RawPath>),
    /// Nothing was changed, because somebody has committed with git in the meantime.
    BranchMoved,
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
        let journal = Journal { from: from.cloned(), to: to.clone() };
        let run = async move { repository.fast_forward_here(&operation, &journal).await };
        pool::spawn_to_completion(run).await
    }

    async fn fast_forward_here(
        &self,
        operation: &Operation,
        journal: &Journal,
    ) -> Result<FastForward> {
        let (changes, too_long) = self.changes_of(journal).await?;
        refuse_protected(&changes)?;
        let has_submodule = changes.iter().any(|change| change.new_mode == SUBMODULE);
        let guard = self.locks.tree.write(self.lock_timeout).await?;
        let root = Arc::clone(&self.root);
        let (changes, deleted) = pool::run(move || {
            let deleted = work_tree::uncommitted_deletions(&root, &changes);
            Ok((changes, deleted))
        })
        .await?;
        if !deleted.is_empty() {
            return Ok(FastForward::Blocked(deleted));
        }
        if !too_long.is_empty() {
            // `git merge` would check both: that the branch has not moved, and that no untracked file is replaced.
            if self.head().await? != journal.from {
                return Ok(FastForward::BranchMoved);
            }
            let in_the_way = self.in_the_way(&changes).await?;
            if !in_the_way.is_empty() {
                return Ok(FastForward::Blocked(in_the_way));
            }
        }
        self.write_note(JOURNAL, journal).await?;
        let merged = if too_long.is_empty() {
            self.check_out(operation, journal).await
        } else {
            self.check_out_without(operation, journal, &too_long).await
        };
        let outcome = match merged {
            Ok(output) if output.is_success() => Ok(FastForward::Done),
            Ok(output) if output.failure() == Failure::WouldOverwrite => {
                self.uncommitted_among(journal, &changes).await.map(FastForward::Blocked)
            }
            Ok(output) if output.failure() == Failure::NonFastForward => {
                Ok(FastForward::BranchMoved)
            }
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
            let (mut changes, _) = repository.changes_of(&journal).await?;
            // Git never writes such a file, and a file of the repository may be there.
            changes.retain(|change| !is_protected(&change.path));
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

    /// Returns the changes of files, and those at paths that are too long for the file system.
    async fn changes_of(&self, journal: &Journal) -> Result<(Vec<Change>, Vec<Change>)> {
        let from = journal.from.as_ref().map_or(empty_tree(&journal.to), Oid::as_str);
        let changes = self.changes_between(from, &journal.to).await?.into_iter();
        Ok(changes.partition(|change| change.path.excess(self.name_max).is_none()))
    }

    async fn check_out(&self, operation: &Operation, journal: &Journal) -> Result<Output> {
        let merge = ["merge", "--ff-only", "--no-overwrite-ignore", "--quiet", journal.to.as_str()];
        self.git.local(merge).within(operation)?.output().await
    }

    /// Checks out a commit without the files of `too_long`, whose paths the file system cannot hold. Their changes are made only in the
    /// index, because git fails when it looks for such a file.
    async fn check_out_without(
        &self,
        operation: &Operation,
        journal: &Journal,
        too_long: &[Change],
    ) -> Result<Output> {
        let null = journal.to.null();
        let mut without = IndexInfo::default();
        for change in too_long {
            without.remove(&change.path, &null);
        }
        let from = match &journal.from {
            Some(from) => self.tree_without(operation, from, &without).await?,
            None => empty_tree(&journal.to).parse()?,
        };
        let to = self.tree_without(operation, &journal.to, &without).await?;
        self.change_index(operation, without).await?;
        let read = ["read-tree", "-m", "-u", from.as_str(), to.as_str()];
        let output = self.git.local(read).within(operation)?.output().await?;
        let (mut lines, mut paths) = (IndexInfo::default(), Vec::new());
        for change in too_long {
            let (mode, oid) = match output.is_success() {
                true => (change.new_mode, &change.new),
                false => (change.old_mode, &change.old),
            };
            if mode != 0 {
                lines.add(mode, oid, &change.path);
                paths.push(change.path.clone());
            }
        }
        self.change_index(operation, lines).await?;
        self.skip(operation, &paths).await?;
        if output.is_success() {
            self.move_branch(operation, journal.from.as_ref(), &journal.to).await?;
        }
        Ok(output)
    }

    /// Returns the paths of new files at or above which there is a file that git does not track, such as an ignored one.
    async fn in_the_way(&self, changes: &[Change]) -> Result<Vec<RawPath>> {
        let tracked = self.git.local(["ls-files", "-z"]).stdout().await?;
        let tracked: HashSet<RawPath> = parse::paths(&tracked).into_iter().collect();
        let new = changes.iter().filter(|change| change.old.is_null());
        let new: Vec<RawPath> = new.map(|change| change.path.clone()).collect();
        let root = Arc::clone(&self.root);
        pool::run(move || {
            let is_untracked = |path: &Path| {
                let is_file =
                    root.raw_stat(path).is_ok_and(|stat| stat.is_some_and(|s| !s.is_dir()));
                is_file && !tracked.contains(&RawPath(path.as_os_str().as_bytes().to_vec()))
            };
            let is_blocked = |path: &RawPath| Path::new(path.as_os()).ancestors().any(is_untracked);
            Ok(new.into_iter().filter(is_blocked).collect())
        })
        .await
    }

    /// Writes the tree of a commit after some changes.
    async fn tree_without(
        &self,
        operation: &Operation,
        commit: &Oid,
        changes: &IndexInfo,
    ) -> Result<Oid> {
        let index = self.git_dir.join(MERGE_INDEX);
        self.git.local(["read-tree", commit.as_str()]).index(&index).stdout().await?;
        let change = self.git.local(["update-index", "-z", "--index-info"]).index(&index);
        change.input(changes.clone().into_bytes()).within(operation)?.stdout().await?;
        parse::oid(&self.git.local(["write-tree"]).index(&index).stdout().await?)
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
        self.git.local(reset).within(operation)?.stdout().await?;
        self.leave_out(operation).await?;
        if !restored.is_empty() {
            let restore = self.git.local(["checkout-index", "--force", "-z", "--stdin"]);
            restore.input(parse::nul_terminated(restored)).within(operation)?.stdout().await?;
        }
        let refresh = ["update-index", "-q", "--refresh"];
        // It exits with an error if some files are changed, which is fine here.
        drop(self.git.local(refresh).within(operation)?.output().await?);
        Ok(())
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

/// Refuses files at paths that git protects, before anything is changed.
///
/// # Errors
///
/// [`InvalidData`](ErrorKind::InvalidData).
fn refuse_protected(changes: &[Change]) -> Result<()> {
    let mut protected = changes.iter().filter(|change| is_protected(&change.path));
    protected.next().map_or(Ok(()), |change| {
        Err(Error::new(ErrorKind::InvalidData).with_message(format!(
            "the remote's commit has a file at `{}`, a path that git protects",
            change.path.to_text()
        )))
    })
}

/// Whether git protects a name in `path`. All names that it protects are UTF-8.
fn is_protected(path: &RawPath) -> bool {
    let names = path.0.split(|&byte| byte == b'/');
    names.filter_map(|name| std::str::from_utf8(name).ok()).any(protected_names::is_protected)
}
