//! Merges two commits without touching the working tree.
//!
//! The merge is computed as a tree (`git merge-tree`, git 2.38). It is committed and checked out when it is complete; until then reads
//! return the local content. A merge with conflicts is kept (`kept_merge.rs`), so it survives a restart, and is computed again when either
//! side has moved. A resolution stays valid as long as the versions of its file are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::index::IndexInfo;
use super::kept_merge::CONTENTS;
use super::locks::Operation;
use super::parse::{self, MergedTree, Oid};
use super::pending_merge::{Conflict, PendingMerge, Resolution};
use super::repository::{MERGE_INDEX, Repository};
use crate::core::error::Result;

/// The outcome of [`Repository::merge`].
pub(super) enum Merged {
    /// A commit with both sides as its parents, to which no ref points yet.
    Commit(Oid),
    Conflicts(PendingMerge),
}

impl Repository {
    /// Merges `theirs` into `ours`.
    pub(super) async fn merge(
        &self,
        operation: &Operation,
        (ours, theirs): (&Oid, &Oid),
        allow_unrelated: bool,
        earlier: Option<&PendingMerge>,
    ) -> Result<Merged> {
        let mut merged = self.merge_tree(ours, theirs, allow_unrelated).await?;
        self.use_committed_sides(&mut merged, (ours, theirs)).await?;
        let pending = PendingMerge::new(ours, theirs, &merged, earlier);
        if !pending.is_resolved() {
            return Ok(Merged::Conflicts(pending));
        }
        let tree = if pending.conflicts.is_empty() {
            merged.tree
        } else {
            self.resolved_tree(operation, &pending).await?
        };
        let message = format!("Merge branch '{}' of the remote", self.branch);
        self.commit_tree(&tree, &[ours, theirs], &message).await.map(Merged::Commit)
    }

    /// Replaces the sides of a rename conflict with the files of the two commits. Git merges the other side into each of them, with
    /// conflict markers. But to accept a side means to accept the file of its commit.
    async fn use_committed_sides(
        &self,
        merged: &mut MergedTree,
        (ours, theirs): (&Oid, &Oid),
    ) -> Result<()> {
        if !merged.messages.iter().any(|message| message.topic.starts_with("CONFLICT (rename")) {
            return Ok(());
        }
        for (number, side) in [(2, ours), (3, theirs)] {
            let files = self.all_entries(side).await?.into_iter();
            let files: BTreeMap<_, _> = files.map(|file| (file.path.clone(), file)).collect();
            for stage in merged.stages.iter_mut().filter(|stage| stage.number == number) {
                if let Some(file) = files.get(&stage.path) {
                    (stage.mode, stage.oid) = (file.mode, file.oid.clone());
                }
            }
        }
        Ok(())
    }

    /// Writes the tree of a merge whose conflicts are all resolved.
    async fn resolved_tree(&self, operation: &Operation, pending: &PendingMerge) -> Result<Oid> {
        self.write_contents(operation, pending).await?;
        let index = self.git_dir.join(MERGE_INDEX);
        let run = |arguments: &[&str]| {
            self.git.local(arguments).index(&index).unprotected().within(operation)
        };
        run(&["read-tree", pending.tree.as_str()])?.stdout().await?;
        let (grouped, single): (Vec<_>, Vec<_>) =
            pending.conflicts.iter().partition(|conflict| conflict.is_grouped());
        let mut changes = IndexInfo::default();
        let mut files = BTreeSet::new();
        for conflict in grouped {
            if self.resolve_whole(&mut changes, pending, conflict).await? {
                files.insert(&conflict.path);
            }
        }
        for conflict in single {
            changes.remove(&conflict.path, &pending.ours.null());
            // Nothing can be below a path that the resolution made a file.
            if !files.iter().any(|file| conflict.path.is_below(file)) {
                resolve(&mut changes, conflict);
            }
        }
        self.change_index_at(operation, &index, changes).await?;
        parse::oid(&run(&["write-tree"])?.stdout().await?)
    }

    /// Makes blobs of the contents of resolutions.
    async fn write_contents(&self, operation: &Operation, pending: &PendingMerge) -> Result<()> {
        let (mut files, mut unique) = (String::new(), BTreeSet::new());
        for conflict in &pending.conflicts {
            if let Some(Resolution::Content(oid)) = &conflict.resolution
                && unique.insert(oid)
            {
                // Relative to the working tree, whose path may have a line break.
                files.push_str(&format!(".git/f9/{CONTENTS}/{oid}\n"));
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        let write = ["hash-object", "-w", "--no-filters", "--stdin-paths"];
        self.git.local(write).input(files).within(operation)?.stdout().await.map(drop)
    }

    /// Replaces the path of a grouped conflict, and all paths below it, with the entry that one side has there. Returns whether it is a
    /// file.
    async fn resolve_whole(
        &self,
        changes: &mut IndexInfo,
        pending: &PendingMerge,
        conflict: &Conflict,
    ) -> Result<bool> {
        // When an entry is added, git removes every file or directory that is in its way.
        for alias in &conflict.aliases {
            changes.remove(alias, &pending.ours.null());
        }
        let side = match &conflict.resolution {
            Some(Resolution::Local) => &pending.ours,
            Some(Resolution::Remote) => &pending.theirs,
            _ => {
                resolve(changes, conflict);
                return Ok(true);
            }
        };
        let entries = self.entries(side, &conflict.path).await?;
        for entry in &entries {
            changes.add(entry.mode, &entry.oid, &entry.path);
        }
        Ok(entries.iter().any(|entry| entry.path == conflict.path))
    }
}

/// Adds the resolution of `conflict` at its path. Adds nothing if the accepted side has nothing there.
fn resolve(lines: &mut IndexInfo, conflict: &Conflict) {
    let (path, sides) = (&conflict.path, conflict.sides());
    let accepted = match &conflict.resolution {
        Some(Resolution::Content(oid)) => return lines.add(conflict.file_mode(), oid, path),
        Some(Resolution::Local) => sides.local,
        Some(Resolution::Remote) => sides.remote,
        None => None,
    };
    if let Some(stage) = accepted {
        lines.add(stage.mode, &stage.oid, path);
    }
}
