//! Bringing two histories together beside the working tree.
//!
//! The merge is computed as a tree (`git merge-tree`, 2.38); only when it is complete is it committed and the working tree moved to it.
//! Until then reads give the local content. What is open is noted, so that it is known also after a restart, and computed anew
//! whenever either side has moved; what was settled stays settled as long as the versions of that file are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::locks::Operation;
use super::output::{self, FILE, MergedTree, Message, Oid, RawPath, SUBMODULE, SYMLINK, Stage};
use super::repository::{INDEX, Repository};
use crate::{ConflictKind, ConflictStatus, Error, ErrorKind, FilePath, Result, SyncConflict};

/// The name of the note that tells what is open.
const NOTE: &str = "merge.json";

/// A merge that waits for somebody to settle conflicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    ours: Oid,
    theirs: Oid,
    /// What the merge gave, with marks in the files that are open.
    tree: Oid,
    pub(super) conflicts: Vec<Conflict>,
}

/// One path at which the two sides contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conflict {
    pub(super) path: RawPath,
    status: ConflictStatus,
    kind: ConflictKind,
    stages: Vec<Stage>,
    /// The names under which git recorded the sides of a path that is a file on one side and something else on the other.
    aliases: Vec<RawPath>,
    choice: Option<Choice>,
}

/// How a conflict is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Choice {
    Local,
    Remote,
    Content(Oid),
}

/// The versions of a file in conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) base: Option<Stage>,
    pub(super) local: Option<Stage>,
    pub(super) remote: Option<Stage>,
}

impl Conflict {
    pub(super) fn is_open(&self) -> bool {
        self.choice.is_none()
    }

    pub(super) fn report(&self) -> SyncConflict {
        SyncConflict::new(FilePath::found(self.path.to_text()), self.status, self.kind)
    }

    pub(super) fn sides(&self) -> Sides {
        let side = |number| self.stages.iter().find(|stage| stage.number == number).cloned();
        Sides { base: side(1), local: side(2), remote: side(3) }
    }

    /// Whether its sides are whole trees rather than single files.
    fn is_grouped(&self) -> bool {
        matches!(self.kind, ConflictKind::DirectoryFile | ConflictKind::Type)
    }

    /// Whether what was settled there settles this too.
    fn is_same_as(&self, other: &Self) -> bool {
        // The aliases hold the name of a commit, which changes with every other.
        let versions = |conflict: &Self| -> Vec<(u8, u32, Oid)> {
            conflict
                .stages
                .iter()
                .map(|stage| (stage.number, stage.mode, stage.oid.clone()))
                .collect()
        };
        self.path == other.path && self.kind == other.kind && versions(self) == versions(other)
    }

    /// The mode that content of the caller's gets.
    fn file_mode(&self) -> u32 {
        let sides = self.sides();
        let stages = [sides.local, sides.remote, sides.base].into_iter().flatten();
        let mut modes = stages.map(|stage| stage.mode);
        modes.find(|mode| !matches!(*mode, SYMLINK | SUBMODULE)).unwrap_or(FILE)
    }
}

impl Pending {
    /// Reads the result of a merge. What `earlier` had settled and is still the same is settled.
    fn of(ours: &Oid, theirs: &Oid, merged: &MergedTree, earlier: Option<&Self>) -> Self {
        let mut conflicts = conflicts(merged);
        for conflict in &mut conflicts {
            let same = |earlier: &&Conflict| earlier.is_same_as(conflict);
            let found = earlier.and_then(|earlier| earlier.conflicts.iter().find(same));
            conflict.choice = found.and_then(|found| found.choice.clone());
        }
        Self { ours: ours.clone(), theirs: theirs.clone(), tree: merged.tree.clone(), conflicts }
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| conflict.is_open())
    }

    fn is_settled(&self) -> bool {
        self.open().next().is_none()
    }

    /// The error of who cannot go on before the conflicts are settled.
    pub(super) fn error(&self) -> Error {
        let paths: Vec<FilePath> = self.open().map(|open| open.report().path).collect();
        let named =
            paths.iter().take(5).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        let more = paths.len().saturating_sub(5);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Error::new(ErrorKind::Conflict)
            .with_message(format!("{named}{more}; local content is kept until each is settled"))
            .with_conflicts(paths)
    }

    /// The conflict at a path as the caller wrote it. Of names that are no text and shown alike, the first that is open.
    fn find(&mut self, path: &str) -> Option<&mut Conflict> {
        let canonical = FilePath::parse(path).ok();
        let is_meant = |conflict: &&mut Conflict| {
            let shown = conflict.path.to_text();
            shown == path
                || canonical.as_ref().is_some_and(|canonical| *canonical == shown.as_str())
        };
        self.conflicts.iter_mut().filter(is_meant).min_by_key(|conflict| !conflict.is_open())
    }
}

/// Groups the stages of a merge by the path that people know.
fn conflicts(merged: &MergedTree) -> Vec<Conflict> {
    let mut original: BTreeMap<&RawPath, (&RawPath, ConflictKind)> = BTreeMap::new();
    for message in &merged.messages {
        let (path, kind) = match (message.topic.as_str(), &message.paths[..]) {
            ("CONFLICT (file/directory)", [_, path]) => (path, ConflictKind::DirectoryFile),
            ("CONFLICT (distinct modes)", [path, ..]) => (path, ConflictKind::Type),
            _ => continue,
        };
        for alias in message.paths.iter().chain([path]) {
            original.insert(alias, (path, kind));
        }
    }
    let mut groups: BTreeMap<RawPath, (Vec<Stage>, Option<ConflictKind>)> = BTreeMap::new();
    for stage in &merged.stages {
        let known = original.get(&stage.path);
        let path = known.map_or(&stage.path, |(path, _)| path);
        let group = groups.entry(path.clone()).or_default();
        group.0.push(stage.clone());
        group.1 = group.1.or(known.map(|&(_, kind)| kind));
    }
    let conflict = |(path, (stages, grouped)): (RawPath, (Vec<Stage>, Option<ConflictKind>))| {
        let aliases: BTreeSet<RawPath> = stages.iter().map(|stage| stage.path.clone()).collect();
        let kind = grouped.unwrap_or_else(|| kind(&path, &stages, &merged.messages));
        let status = status(&stages, grouped.is_some());
        Conflict {
            path,
            status,
            kind,
            stages,
            aliases: aliases.into_iter().collect(),
            choice: None,
        }
    };
    groups.into_iter().map(conflict).collect()
}

fn status(stages: &[Stage], grouped: bool) -> ConflictStatus {
    let has = |number| stages.iter().any(|stage| stage.number == number);
    match (has(1), has(2) || grouped, has(3) || grouped) {
        (true, true, true) => ConflictStatus::BothModified,
        (false, true, true) => ConflictStatus::BothAdded,
        (true, true, false) => ConflictStatus::DeletedRemotely,
        (true, false, true) => ConflictStatus::DeletedLocally,
        (false, true, false) => ConflictStatus::AddedLocally,
        (false, false, true) => ConflictStatus::AddedRemotely,
        (_, false, false) => ConflictStatus::BothDeleted,
    }
}

fn kind(path: &RawPath, stages: &[Stage], messages: &[Message]) -> ConflictKind {
    let told = |topic: &str| {
        messages.iter().any(|message| message.topic == topic && message.paths.contains(path))
    };
    let side = |number| stages.iter().find(|stage| stage.number == number);
    if told("CONFLICT (rename/delete)") {
        return ConflictKind::RenameDelete;
    }
    if told("CONFLICT (rename/rename)") || told("CONFLICT (rename involved in collision)") {
        return ConflictKind::Rename;
    }
    let (Some(ours), Some(theirs)) = (side(2), side(3)) else {
        return ConflictKind::ModifyDelete;
    };
    match (ours.mode, theirs.mode) {
        (SUBMODULE, SUBMODULE) => ConflictKind::Submodule,
        (SYMLINK, SYMLINK) => ConflictKind::Symlink,
        _ if told("CONFLICT (binary)") => ConflictKind::Binary,
        (one, other) if one != other && ours.oid == theirs.oid => ConflictKind::Mode,
        _ => ConflictKind::Content,
    }
}

/// What bringing two commits together gave.
pub(super) enum Merged {
    /// A commit with both as its parents, which nothing names yet.
    Commit(Oid),
    Open(Pending),
}

impl Repository {
    /// What is open, as it was last noted.
    pub(super) async fn pending(&self) -> Result<Option<Pending>> {
        self.note(NOTE).await
    }

    pub(super) async fn set_pending(&self, pending: &Pending) -> Result<()> {
        self.write_note(NOTE, pending).await
    }

    pub(super) async fn forget_pending(&self) -> Result<()> {
        self.remove_note(NOTE).await
    }

    /// Merges `theirs` into `ours` beside the tree.
    pub(super) async fn merge(
        &self,
        operation: &Operation,
        (ours, theirs): (&Oid, &Oid),
        unrelated: bool,
        earlier: Option<&Pending>,
    ) -> Result<Merged> {
        let mut merged = self.merge_tree(ours, theirs, unrelated).await?;
        self.take_sides_as_committed(&mut merged, (ours, theirs)).await?;
        let pending = Pending::of(ours, theirs, &merged, earlier);
        if !pending.is_settled() {
            return Ok(Merged::Open(pending));
        }
        let tree = if pending.conflicts.is_empty() {
            merged.tree
        } else {
            self.settled_tree(operation, &pending).await?
        };
        let message = format!("Merge branch '{}' of the remote", self.branch);
        self.commit_tree(&tree, &[ours, theirs], &message).await.map(Merged::Commit)
    }

    /// Where renames meet, git gives as a side what it has merged into it, marks of conflicts included. To accept a side is to accept
    /// the file of its commit.
    async fn take_sides_as_committed(
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

    /// The tree of a merge whose conflicts are all settled.
    async fn settled_tree(&self, operation: &Operation, pending: &Pending) -> Result<Oid> {
        let index: PathBuf = self.git_dir.join(INDEX);
        let run = |arguments: &[&str]| self.git.local(arguments).index(&index).within(operation);
        run(&["read-tree", pending.tree.as_str()])?.stdout().await?;
        let (grouped, single): (Vec<_>, Vec<_>) =
            pending.conflicts.iter().partition(|conflict| conflict.is_grouped());
        let mut changes = IndexInfo::new(pending.ours.null());
        let mut files = BTreeSet::new();
        for conflict in grouped {
            if self.choose_whole(&mut changes, pending, conflict).await? {
                files.insert(&conflict.path);
            }
        }
        for conflict in single {
            changes.remove(&conflict.path);
            // Below what is chosen to be a file is no place for another.
            if !files.iter().any(|file| conflict.path.is_below(file)) {
                changes.set(conflict, &conflict.path);
            }
        }
        let update = self.git.local(["update-index", "-z", "--index-info"]).index(&index);
        update.input(changes.lines).within(operation)?.stdout().await?;
        output::oid(&run(&["write-tree"])?.stdout().await?)
    }

    /// Has the path of a grouped conflict, and all below it, be what it is on one side. Tells whether that is a file.
    async fn choose_whole(
        &self,
        changes: &mut IndexInfo,
        pending: &Pending,
        conflict: &Conflict,
    ) -> Result<bool> {
        // What stands in the way of an entry, file or directory, git removes with adding that.
        for alias in &conflict.aliases {
            changes.remove(alias);
        }
        let side = match &conflict.choice {
            Some(Choice::Local) => &pending.ours,
            Some(Choice::Remote) => &pending.theirs,
            _ => {
                changes.set(conflict, &conflict.path);
                return Ok(true);
            }
        };
        let chosen = self.entries(side, &conflict.path).await?;
        for entry in &chosen {
            changes.add(entry.mode, &entry.oid, &entry.path);
        }
        Ok(chosen.iter().any(|entry| entry.path == conflict.path))
    }

    /// Settles the conflict at `path`, as far as anything is open there.
    pub(super) async fn settle(&self, path: &str, choice: Choice) -> Result<Pending> {
        let none = || {
            Error::new(ErrorKind::InvalidOperation)
                .with_path(path)
                .with_message("there is no conflict at this path")
        };
        let mut pending = self.pending().await?.ok_or_else(none)?;
        pending.find(path).ok_or_else(none)?.choice = Some(choice);
        self.set_pending(&pending).await?;
        Ok(pending)
    }

    /// The versions of the file in conflict at `path`.
    pub(super) async fn sides(&self, path: &str) -> Result<Sides> {
        let pending = self.pending().await?;
        let found = pending.and_then(|mut pending| pending.find(path).map(|found| found.sides()));
        found.ok_or_else(|| {
            Error::new(ErrorKind::InvalidOperation)
                .with_path(path)
                .with_message("there is no conflict at this path")
        })
    }

    /// Keeps content as a file that no commit names yet.
    pub(super) async fn keep_content(&self, data: Bytes) -> Result<Oid> {
        let keep = ["hash-object", "-w", "--no-filters", "--stdin"];
        output::oid(&self.git.local(keep).input(data).stdout().await?)
    }
}

/// What `git update-index -z --index-info` reads.
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
        self.line(0, &null, path);
    }

    fn add(&mut self, mode: u32, oid: &Oid, path: &RawPath) {
        self.line(mode, oid, path);
    }

    /// Puts what was chosen for `conflict` at `path`; nothing, where that side has nothing.
    fn set(&mut self, conflict: &Conflict, path: &RawPath) {
        let sides = conflict.sides();
        match &conflict.choice {
            Some(Choice::Content(oid)) => self.add(conflict.file_mode(), oid, path),
            Some(Choice::Local) => {
                sides.local.iter().for_each(|stage| self.add(stage.mode, &stage.oid, path));
            }
            Some(Choice::Remote) => {
                sides.remote.iter().for_each(|stage| self.add(stage.mode, &stage.oid, path));
            }
            None => {}
        }
    }

    fn line(&mut self, mode: u32, oid: &Oid, path: &RawPath) {
        self.lines.extend_from_slice(format!("{mode:06o} {oid}\t").as_bytes());
        self.lines.extend_from_slice(&path.0);
        self.lines.push(0);
    }
}
