//! A merge with conflicts, as it is kept until every conflict is resolved.

use serde::{Deserialize, Serialize};

use super::conflict_kinds::{Group, group_stages};
use super::parse::{FILE, MergedTree, Oid, RawPath, SUBMODULE, SYMLINK, Stage};
use crate::backend::{ConflictKind, ConflictStatus, SyncConflict};
use crate::core::error::{Error, ErrorKind};
use crate::core::etag::Etag;
use crate::core::path::FilePath;

/// How many paths an error message lists.
const LISTED_PATHS: usize = 5;

/// A merge with conflicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingMerge {
    pub(super) ours: Oid,
    pub(super) theirs: Oid,
    /// The result of the merge, with conflict markers in the unresolved files.
    pub(super) tree: Oid,
    pub(super) conflicts: Vec<Conflict>,
}

/// A merge as it was last read.
#[derive(Clone)]
pub(super) struct KeptMerge {
    /// The etag of its note.
    pub(super) etag: Etag,
    /// How much of the file with the resolutions has been read.
    pub(super) read_bytes: u64,
    pub(super) merge: PendingMerge,
}

/// A conflict at one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conflict {
    pub(super) path: RawPath,
    status: ConflictStatus,
    kind: ConflictKind,
    stages: Vec<Stage>,
    /// The names under which git records the sides of a path that is a file on one side and something else on the other.
    pub(super) aliases: Vec<RawPath>,
    pub(super) resolution: Option<Resolution>,
}

/// How a conflict is resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Resolution {
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
    fn new(group: Group) -> Self {
        let Group { path, status, kind, stages, aliases } = group;
        Self { path, status, kind, stages, aliases, resolution: None }
    }

    fn is_resolved(&self) -> bool {
        self.resolution.is_some()
    }

    pub(super) fn report(&self) -> SyncConflict {
        SyncConflict::new(FilePath::found(self.path.to_text()), self.status, self.kind)
    }

    pub(super) fn sides(&self) -> Sides {
        let side = |number| self.stages.iter().find(|stage| stage.number == number).cloned();
        Sides { base: side(1), local: side(2), remote: side(3) }
    }

    /// Whether its sides may be whole directories rather than single files.
    pub(super) fn is_grouped(&self) -> bool {
        matches!(self.kind, ConflictKind::DirectoryFile | ConflictKind::Type)
    }

    /// Whether a resolution of `self` also resolves `other`.
    fn is_same_as(&self, other: &Self) -> bool {
        // Without the aliases: they contain a commit id, which changes with every commit.
        let versions = |conflict: &Self| -> Vec<(u8, u32, Oid)> {
            let stages = conflict.stages.iter();
            stages.map(|stage| (stage.number, stage.mode, stage.oid.clone())).collect()
        };
        self.path == other.path && self.kind == other.kind && versions(self) == versions(other)
    }

    /// Returns the mode of a file that the caller resolved with content.
    pub(super) fn file_mode(&self) -> u32 {
        let sides = self.sides();
        let stages = [sides.local, sides.remote, sides.base].into_iter().flatten();
        let mut modes = stages.map(|stage| stage.mode);
        modes.find(|mode| !matches!(*mode, SYMLINK | SUBMODULE)).unwrap_or(FILE)
    }
}

impl PendingMerge {
    /// Reads the result of a merge. Keeps the resolutions of `earlier` for conflicts that are still the same.
    pub(super) fn new(
        ours: &Oid,
        theirs: &Oid,
        merged: &MergedTree,
        earlier: Option<&Self>,
    ) -> Self {
        let mut conflicts: Vec<_> = group_stages(merged).into_iter().map(Conflict::new).collect();
        for conflict in &mut conflicts {
            let is_same = |earlier: &&Conflict| earlier.is_same_as(conflict);
            let same = earlier.and_then(|earlier| earlier.conflicts.iter().find(is_same));
            conflict.resolution = same.and_then(|same| same.resolution.clone());
        }
        Self { ours: ours.clone(), theirs: theirs.clone(), tree: merged.tree.clone(), conflicts }
    }

    pub(super) fn unresolved(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| !conflict.is_resolved())
    }

    pub(super) fn is_resolved(&self) -> bool {
        self.unresolved().next().is_none()
    }

    /// Returns the error of a call that cannot go on before the conflicts are resolved.
    pub(super) fn error(&self) -> Error {
        let paths: Vec<FilePath> =
            self.unresolved().map(|conflict| conflict.report().path).collect();
        let listed: Vec<_> =
            paths.iter().take(LISTED_PATHS).map(|path| format!("`{path}`")).collect();
        let more = match paths.len().saturating_sub(LISTED_PATHS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message =
            format!("{}{more}; resolve each conflict, then sync again", listed.join(", "));
        Error::new(ErrorKind::Conflict).with_message(message).with_conflicts(paths)
    }

    /// Finds the conflict at a path as the caller wrote it. If several names that are not UTF-8 are displayed alike, this is the first
    /// unresolved one.
    pub(super) fn find(&self, path: &str) -> Option<&Conflict> {
        let canonical = FilePath::parse(path).ok();
        let is_meant = |conflict: &&Conflict| {
            let shown = conflict.path.to_text();
            shown == path
                || canonical.as_ref().is_some_and(|canonical| *canonical == shown.as_str())
        };
        self.conflicts.iter().filter(is_meant).min_by_key(|conflict| conflict.is_resolved())
    }

    /// Resolves the conflict at the path, if there is one.
    pub(super) fn resolve(&mut self, path: &RawPath, resolution: Resolution) {
        let conflict = self.conflicts.iter_mut().find(|conflict| conflict.path == *path);
        if let Some(conflict) = conflict {
            conflict.resolution = Some(resolution);
        }
    }
}
