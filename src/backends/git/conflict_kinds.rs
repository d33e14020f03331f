//! Derives conflicts from the stages and messages of `git merge-tree`.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{MergedTree, Message, RawPath, SUBMODULE, SYMLINK, Stage};
use crate::backend::{ConflictKind, ConflictStatus};

/// The stages of one conflict.
pub(super) struct Group {
    /// The path in the working tree.
    pub(super) path: RawPath,
    pub(super) status: ConflictStatus,
    pub(super) kind: ConflictKind,
    pub(super) stages: Vec<Stage>,
    /// The paths of the stages.
    pub(super) aliases: Vec<RawPath>,
}

/// Groups the stages of a merge by their path in the working tree. Git records the sides of some conflicts under other names.
pub(super) fn group_stages(merged: &MergedTree) -> Vec<Group> {
    let mut originals: BTreeMap<&RawPath, (&RawPath, ConflictKind)> = BTreeMap::new();
    for message in &merged.messages {
        let (path, kind) = match (message.topic.as_str(), &message.paths[..]) {
            ("CONFLICT (file/directory)", [_, path]) => (path, ConflictKind::DirectoryFile),
            ("CONFLICT (distinct modes)", [path, ..]) => (path, ConflictKind::Type),
            _ => continue,
        };
        for alias in message.paths.iter().chain([path]) {
            originals.insert(alias, (path, kind));
        }
    }
    let mut groups: BTreeMap<RawPath, (Vec<Stage>, Option<ConflictKind>)> = BTreeMap::new();
    for stage in &merged.stages {
        let original = originals.get(&stage.path);
        let path = original.map_or(&stage.path, |(path, _)| path);
        let (stages, kind) = groups.entry(path.clone()).or_default();
        stages.push(stage.clone());
        *kind = kind.or(original.map(|&(_, kind)| kind));
    }
    let group = |(path, (stages, renamed)): (RawPath, (Vec<Stage>, Option<ConflictKind>))| {
        let aliases: BTreeSet<RawPath> = stages.iter().map(|stage| stage.path.clone()).collect();
        Group {
            kind: renamed.unwrap_or_else(|| kind(&path, &stages, &merged.messages)),
            status: status(&stages, renamed.is_some()),
            path,
            stages,
            aliases: aliases.into_iter().collect(),
        }
    };
    groups.into_iter().map(group).collect()
}

/// `on_both_sides` is true if each side has an entry at the path, even if git records no file for it.
fn status(stages: &[Stage], on_both_sides: bool) -> ConflictStatus {
    let has = |number| stages.iter().any(|stage| stage.number == number);
    match (has(1), has(2) || on_both_sides, has(3) || on_both_sides) {
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
    let has_message = |topic: &str| {
        messages.iter().any(|message| message.topic == topic && message.paths.contains(path))
    };
    let side = |number| stages.iter().find(|stage| stage.number == number);
    if has_message("CONFLICT (rename/delete)") {
        return ConflictKind::RenameDelete;
    }
    if has_message("CONFLICT (rename/rename)")
        || has_message("CONFLICT (rename involved in collision)")
    {
        return ConflictKind::Rename;
    }
    let (Some(ours), Some(theirs)) = (side(2), side(3)) else {
        return ConflictKind::ModifyDelete;
    };
    match (ours.mode, theirs.mode) {
        (SUBMODULE, SUBMODULE) => ConflictKind::Submodule,
        (SYMLINK, SYMLINK) => ConflictKind::Symlink,
        _ if has_message("CONFLICT (binary)") => ConflictKind::Binary,
        (one, other) if one != other && ours.oid == theirs.oid => ConflictKind::Mode,
        _ => ConflictKind::Content,
    }
}
