//! Merges two commits without touching the working tree.
//!
//! The merge is computed as a tree (`git merge-tree`, git 2.38). It is committed and checked out when it is complete; until then reads
//! return the local content. A merge with conflicts is kept in a note, so it survives a restart, and is computed again when either side
//! has moved. A resolution stays valid as long as the versions of its file are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::locks::Operation;
use super::parse::{self, MergedTree, Oid, RawPath};
use super::pending_merge::{Conflict, PendingMerge, Resolution, Sides};
use super::repository::{MERGE_INDEX, Repository};
use crate::core::error::{Error, ErrorKind, Result};

/// The name of the note that keeps a merge with conflicts.
const NOTE: &str = "merge.json";

/// The outcome of [`Repository::merge`].
pub(super) enum Merged {
    /// A commit with both sides as its parents, to which no ref points yet.
    Commit(Oid),
    Conflicts(PendingMerge),
}

impl Repository {
    /// Returns the merge whose conflicts are not resolved yet, if there is one.
    pub(super) async fn pending_merge(&self) -> Result<Option<PendingMerge>> {
        self.note(NOTE).await
    }

    pub(super) async fn set_pending_merge(&self, pending: &PendingMerge) -> Result<()> {
        self.write_note(NOTE, pending).await
    }

    pub(super) async fn remove_pending_merge(&self) -> Result<()> {
        self.remove_note(NOTE).await
    }

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
        let index = self.git_dir.join(MERGE_INDEX);
        let run = |arguments: &[&str]| self.git.local(arguments).index(&index).within(operation);
        run(&["read-tree", pending.tree.as_str()])?.stdout().await?;
        let (grouped, single): (Vec<_>, Vec<_>) =
            pending.conflicts.iter().partition(|conflict| conflict.is_grouped());
        let mut changes = IndexInfo::new(pending.ours.null());
        let mut files = BTreeSet::new();
        for conflict in grouped {
            if self.resolve_whole(&mut changes, pending, conflict).await? {
                files.insert(&conflict.path);
            }
        }
        for conflict in single {
            changes.remove(&conflict.path);
            // Nothing can be below a path that the resolution made a file.
            if !files.iter().any(|file| conflict.path.is_below(file)) {
                changes.resolve(conflict);
            }
        }
        let update = self.git.local(["update-index", "-z", "--index-info"]).index(&index);
        update.input(changes.lines).within(operation)?.stdout().await?;
        parse::oid(&run(&["write-tree"])?.stdout().await?)
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
            changes.remove(alias);
        }
        let side = match &conflict.resolution {
            Some(Resolution::Local) => &pending.ours,
            Some(Resolution::Remote) => &pending.theirs,
            _ => {
                changes.resolve(conflict);
                return Ok(true);
            }
        };
        let entries = self.entries(side, &conflict.path).await?;
        for entry in &entries {
            changes.add(entry.mode, &entry.oid, &entry.path);
        }
        Ok(entries.iter().any(|entry| entry.path == conflict.path))
    }

    /// Records how the conflict at `path` is resolved.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if there is no conflict at `path`.
    pub(super) async fn resolve(&self, path: &str, resolution: Resolution) -> Result<PendingMerge> {
        let mut pending = self.pending_merge().await?.ok_or_else(|| no_conflict(path))?;
        pending.find(path).ok_or_else(|| no_conflict(path))?.resolution = Some(resolution);
        self.set_pending_merge(&pending).await?;
        Ok(pending)
    }

    /// Returns the versions of the file in conflict at `path`.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if there is no conflict at `path`.
    pub(super) async fn sides(&self, path: &str) -> Result<Sides> {
        let mut pending = self.pending_merge().await?.ok_or_else(|| no_conflict(path))?;
        pending.find(path).map(|conflict| conflict.sides()).ok_or_else(|| no_conflict(path))
    }
}

fn no_conflict(path: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation)
        .with_path(path)
        .with_message("there is no conflict at this path")
}

/// The input of `git update-index -z --index-info`.
struct IndexInfo {
    lines: Vec<u8>,
    null: Oid,
}

impl IndexInfo {
    fn new(null: Oid) -> Self {
        Self { lines: Vec::new(), null }
    }

    fn remove(&mut self, path: &RawPath) {
        let null = self.null.clone();
        self.add(0, &null, path);
    }

    fn add(&mut self, mode: u32, oid: &Oid, path: &RawPath) {
        self.lines.extend_from_slice(format!("{mode:06o} {oid}\t").as_bytes());
        self.lines.extend_from_slice(&path.0);
        self.lines.push(0);
    }

    /// Adds the resolution of `conflict` at its path. Adds nothing if the accepted side has nothing there.
    fn resolve(&mut self, conflict: &Conflict) {
        let (path, sides) = (&conflict.path, conflict.sides());
        let accepted = match &conflict.resolution {
            Some(Resolution::Content(oid)) => return self.add(conflict.file_mode(), oid, path),
            Some(Resolution::Local) => sides.local,
            Some(Resolution::Remote) => sides.remote,
            None => None,
        };
        if let Some(stage) = accepted {
            self.add(stage.mode, &stage.oid, path);
        }
    }
}
