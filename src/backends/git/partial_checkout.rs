//! Checks out a commit without the files that the working tree cannot hold.
//!
//! Git fails when it looks for some of them, and takes a file for its twin. So it moves the working tree between two trees without them,
//! with an index without them, which gets their entries before it takes the place of the old one.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Output;
use super::index::IndexInfo;
use super::locks::Operation;
use super::names::refuse_impossible;
use super::new_index::NewIndex;
use super::objects::empty_tree;
use super::parse::{self, Change, Oid, RawPath, TreeEntry};
use super::repository::{MERGE_INDEX, Repository};
use super::special::SpecialEntries;
use super::tracked::TrackedFiles;
use super::twins::Traces;
use crate::core::error::Result;
use crate::sys::pool;

/// The paths that are left out before a checkout and after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOutPaths {
    pub(super) before: Vec<RawPath>,
    after: Vec<RawPath>,
}

impl LeftOutPaths {
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// A checkout without the files that are left out.
#[derive(Debug)]
pub(super) struct PartialCheckout {
    pub(super) paths: LeftOutPaths,
    /// The trees with the files of the working tree, before and after.
    trees: (Oid, Oid),
    /// The tree after it without files that get another name of a file that goes.
    without_renamed: Option<Oid>,
    before: Vec<TreeEntry>,
    after: Vec<TreeEntry>,
    /// The special entries for which it is planned.
    planned_for: Arc<SpecialEntries>,
}

impl Repository {
    /// Plans the checkout of `to` where `from` is checked out. `changes` are those between the two commits. Returns `None` if nothing has to be
    /// left out.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a file that no index can hold.
    pub(super) async fn partial_checkout(
        &self,
        operation: &Operation,
        (from, to): (Option<&Oid>, &Oid),
        changes: &[Change],
    ) -> Result<Option<PartialCheckout>> {
        refuse_impossible(changes.iter().map(|change| (change.new_mode, &change.path)))?;
        let special = match from {
            Some(_) => self.special_entries().await?,
            None => Arc::default(),
        };
        let changed: HashMap<&RawPath, &Change> =
            changes.iter().map(|change| (&change.path, change)).collect();
        let after = if self.names.folds() {
            self.left_out_among(self.all_entries(to).await?, from, &changed, &special).await?
        } else if special.has_protected()
            || changes.iter().any(|change| self.names.objection(&change.path).is_some())
        {
            self.left_out_after(&changed, &special)
        } else {
            return Ok(None);
        };
        let before: Vec<TreeEntry> = special.entries().cloned().collect();
        let mut paths = LeftOutPaths { before: paths_of(&before), after: paths_of(&after) };
        let renamed = self.renamed(changes).await?;
        if paths.is_empty() && renamed.is_empty() {
            return Ok(None);
        }
        // A person may have removed some from the index.
        let old = changes
            .iter()
            .filter(|change| change.old_mode != 0 && self.names.objection(&change.path).is_some());
        paths.before.extend(old.map(|change| change.path.clone()));
        let trees = self.trees_without(operation, (from, to), &paths).await?;
        let without_renamed = if renamed.is_empty() {
            None
        } else {
            let without = [&*paths.after, &renamed].concat();
            Some(self.tree_without(operation, to, &without).await?)
        };
        let planned_for = special;
        Ok(Some(PartialCheckout { paths, trees, without_renamed, before, after, planned_for }))
    }

    /// Returns the paths of new files that the file system takes for those of files that go. Git refuses to replace these, unless only the case
    /// of ASCII letters differs.
    async fn renamed(&self, changes: &[Change]) -> Result<Vec<RawPath>> {
        if !self.names.folds() {
            return Ok(Vec::new());
        }
        let paths = |is_meant: fn(&Change) -> bool| {
            let meant = changes.iter().filter(|change| is_meant(change));
            meant.map(|change| change.path.clone()).collect::<Vec<_>>()
        };
        let gone = paths(|change| change.new_mode == 0);
        let new = paths(|change| change.old_mode == 0);
        let names = self.names.clone();
        pool::run(move || {
            let traces = |absence| Traces { absence, seen: 0 };
            let both = gone.iter().map(|path| (path, traces(0)));
            let twins = names.twins(both.chain(new.iter().map(|path| (path, traces(1)))))?;
            Ok(new.into_iter().filter(|path| twins.instead_of(path).is_some()).collect())
        })
        .await
    }

    /// Returns what is left out after `changed`, where no names are twins.
    fn left_out_after(
        &self,
        changed: &HashMap<&RawPath, &Change>,
        special: &SpecialEntries,
    ) -> Vec<TreeEntry> {
        let stays = |entry: &&TreeEntry| !changed.contains_key(&entry.path);
        let new = changed
            .values()
            .filter(|change| change.new_mode != 0 && self.names.objection(&change.path).is_some());
        let new = new.map(|change| TreeEntry {
            mode: change.new_mode,
            oid: change.new.clone(),
            path: change.path.clone(),
        });
        special.entries().filter(stays).cloned().chain(new).collect()
    }

    /// Returns those of `entries`, the files of a commit, that are left out. Twins in the working tree stay there.
    async fn left_out_among(
        &self,
        entries: Vec<TreeEntry>,
        from: Option<&Oid>,
        changed: &HashMap<&RawPath, &Change>,
        special: &SpecialEntries,
    ) -> Result<Vec<TreeEntry>> {
        let new = changed.values().filter(|change| change.old_mode == 0);
        let mut absent: HashSet<RawPath> = new.map(|change| change.path.clone()).collect();
        absent.extend(special.entries().map(|entry| entry.path.clone()));
        let (names, has_files) = (self.names.clone(), from.is_some());
        let is_absent = move |path: &RawPath| !has_files || absent.contains(path);
        pool::run(move || names.left_out(entries, is_absent)).await
    }

    /// Returns the changes of the files in the working tree between two commits.
    pub(super) async fn shown_changes(
        &self,
        operation: &Operation,
        commits: (Option<&Oid>, &Oid),
        left_out: &LeftOutPaths,
    ) -> Result<Vec<Change>> {
        let (from, to) = self.trees_without(operation, commits, left_out).await?;
        self.changes_between(from.as_str(), &to).await
    }

    /// Returns the changes of the files in the working tree.
    pub(super) async fn changes_in(&self, checkout: &PartialCheckout) -> Result<Vec<Change>> {
        let (from, to) = &checkout.trees;
        self.changes_between(from.as_str(), to).await
    }

    /// Whether the index still has the special entries for which a checkout is planned.
    pub(super) async fn is_as_planned(&self, checkout: &PartialCheckout) -> Result<bool> {
        let special = self.special_entries().await?;
        Ok(*special == *checkout.planned_for && !special.is_disturbed())
    }

    /// Checks out a commit with the copy `index`. The caller has checked that no file is lost.
    pub(super) async fn check_out_partially(
        &self,
        operation: &Operation,
        (from, to): (Option<&Oid>, &Oid),
        checkout: &PartialCheckout,
        index: &NewIndex,
    ) -> Result<Output> {
        self.remove_entries(operation, index.path(), &checkout.before).await?;
        let (old, new) = &checkout.trees;
        let first = checkout.without_renamed.as_ref().unwrap_or(new);
        let output = self.move_tree(operation, index, (old, first)).await?;
        if !output.is_success() {
            return Ok(output);
        }
        if first != new {
            self.move_tree(operation, index, (first, new)).await?.success()?;
        }
        self.add_left_out(operation, index.path(), &checkout.after).await?;
        let left_out = checkout.paths.before.iter().chain(&checkout.paths.after);
        self.note_left_out(left_out).await?;
        index.install().await?;
        if from != Some(to) {
            self.move_branch(operation, from, to).await?;
        }
        Ok(output)
    }

    /// Moves the working tree and the copy `index` from one tree to another.
    async fn move_tree(
        &self,
        operation: &Operation,
        index: &NewIndex,
        (from, to): (&Oid, &Oid),
    ) -> Result<Output> {
        let read = ["read-tree", "-m", "-u", from.as_str(), to.as_str()];
        self.git.local(read).index(index.path()).within(operation)?.output().await
    }

    /// Resets the branch, the index and the working tree to a commit without the files that cannot be there, and discards their old content.
    /// Returns whether there are such files; if not, nothing was changed.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](crate::ErrorKind::InvalidData) for a file that no index can hold.
    pub(super) async fn reset_partially(
        &self,
        operation: &Operation,
        commit: &Oid,
    ) -> Result<bool> {
        let entries = self.all_entries(commit).await?;
        refuse_impossible(entries.iter().map(|entry| (entry.mode, &entry.path)))?;
        let left_out =
            self.left_out_among(entries, None, &HashMap::new(), &SpecialEntries::default()).await?;
        let tree = self.tree_without(operation, commit, &paths_of(&left_out)).await?;
        let is_reset = self.with_new_index(operation, async |index| {
            let special = self.special_entries().await?;
            if left_out.is_empty() && special.left_out.is_empty() {
                return Ok(false);
            }
            let before: Vec<TreeEntry> = special.entries().cloned().collect();
            self.remove_entries(operation, index.path(), &before).await?;
            let read = ["read-tree", "--reset", "-u", tree.as_str()];
            let read = self.git.local(read).index(index.path());
            read.within(operation)?.stdout().await?;
            self.add_left_out(operation, index.path(), &left_out).await?;
            self.note_left_out(left_out.iter().map(|entry| &entry.path)).await?;
            index.install().await?;
            Ok(true)
        });
        if !is_reset.await? {
            return Ok(false);
        }
        let branch = self.local_ref();
        let update = self.git.local(["update-ref", &branch, commit.as_str()]);
        update.within(operation)?.stdout().await?;
        Ok(true)
    }

    async fn trees_without(
        &self,
        operation: &Operation,
        (from, to): (Option<&Oid>, &Oid),
        paths: &LeftOutPaths,
    ) -> Result<(Oid, Oid)> {
        let before = match from {
            Some(from) => self.tree_without(operation, from, &paths.before).await?,
            None => empty_tree(to).parse()?,
        };
        Ok((before, self.tree_without(operation, to, &paths.after).await?))
    }

    /// Returns the tree of a commit without the files at `paths`, or the commit if there are none.
    async fn tree_without(
        &self,
        operation: &Operation,
        commit: &Oid,
        paths: &[RawPath],
    ) -> Result<Oid> {
        if paths.is_empty() {
            return Ok(commit.clone());
        }
        let (index, null) = (self.git_dir.join(MERGE_INDEX), commit.null());
        let read = self.git.local(["read-tree", commit.as_str()]).index(&index).unprotected();
        read.within(operation)?.stdout().await?;
        let mut lines = IndexInfo::default();
        for path in paths {
            lines.remove(path, &null);
        }
        self.change_index_at(operation, &index, lines).await?;
        let write = self.git.local(["write-tree"]).index(&index);
        parse::oid(&write.within(operation)?.stdout().await?)
    }

    /// Returns the paths of new files at or above which there is a file that git does not track, such as an ignored one.
    pub(super) async fn in_the_way(
        &self,
        changes: &[Change],
        left_out: &LeftOutPaths,
    ) -> Result<Vec<RawPath>> {
        let new = changes.iter().filter(|change| change.old.is_null());
        let new: Vec<RawPath> = new.map(|change| change.path.clone()).collect();
        if new.is_empty() {
            return Ok(new);
        }
        let mut tracked = parse::paths(&self.git.local(["ls-files", "-z"]).stdout().await?);
        let left_out: HashSet<&RawPath> = left_out.before.iter().collect();
        tracked.retain(|path| !left_out.contains(path));
        let (root, folds) = (Arc::clone(&self.root), self.names.folds());
        pool::run(move || {
            let tracked = TrackedFiles::new(tracked, folds);
            let is_untracked = |path: &Path| {
                let is_file =
                    root.raw_stat(path).is_ok_and(|stat| stat.is_some_and(|stat| !stat.is_dir()));
                is_file && !tracked.has(&root, path)
            };
            let is_blocked = |path: &RawPath| Path::new(path.as_os()).ancestors().any(is_untracked);
            Ok(new.into_iter().filter(is_blocked).collect())
        })
        .await
    }
}

fn paths_of(entries: &[TreeEntry]) -> Vec<RawPath> {
    entries.iter().map(|entry| entry.path.clone()).collect()
}
