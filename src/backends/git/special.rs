//! The entries of the index whose files git does not look at, or must not look at.

use std::collections::{HashMap, HashSet};

use super::names::{Names, Reason};
use super::parse::{IndexEntry, RawPath, TreeEntry};
use crate::core::error::Result;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpecialEntries {
    /// Those that somebody else has hidden from git.
    pub(super) hidden: Vec<IndexEntry>,
    pub(super) left_out: Vec<LeftOutEntry>,
}

/// An entry whose file the working tree cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOutEntry {
    pub(super) entry: TreeEntry,
    /// Whether it has the flag skip-worktree. Without it, git takes the file for deleted.
    pub(super) is_skipped: bool,
    pub(super) reason: Reason,
}

impl SpecialEntries {
    /// Sorts the entries of an index. f9 has left out the twins at the paths `noted`.
    pub(super) fn of(
        entries: Vec<IndexEntry>,
        names: &Names,
        noted: &HashSet<RawPath>,
    ) -> Result<Self> {
        let ranks: HashMap<RawPath, u8> = entries.iter().map(|entry| rank(entry, noted)).collect();
        let twins =
            names.twins(ranks.keys(), |path| ranks.get(path).copied().unwrap_or(u8::MAX))?;
        let mut special = Self::default();
        for entry in entries {
            let path = &entry.entry.path;
            let is_noted = entry.is_skipped && noted.contains(path);
            let twin = || twins.instead_of(path).map(|twin| Reason::Twin(twin.clone()));
            let reason =
                names.objection(path).or_else(twin).or_else(|| is_noted.then_some(Reason::Returns));
            match reason {
                Some(reason) => {
                    let is_skipped = entry.is_skipped;
                    special.left_out.push(LeftOutEntry { entry: entry.entry, is_skipped, reason });
                }
                None if entry.is_hidden() => special.hidden.push(entry),
                None => {}
            }
        }
        Ok(special)
    }

    /// Returns the entries that are left out.
    pub(super) fn entries(&self) -> impl Iterator<Item = &TreeEntry> {
        self.left_out.iter().map(|file| &file.entry)
    }

    /// Returns the twins that can be checked out, because the others are gone.
    pub(super) fn returning(&self) -> impl Iterator<Item = &TreeEntry> {
        let files = self.left_out.iter().filter(|file| file.reason == Reason::Returns);
        files.map(|file| &file.entry)
    }

    /// Whether twins are left out, or were.
    pub(super) fn has_twins(&self) -> bool {
        self.left_out.iter().any(|file| file.reason.is_about_twins())
    }

    /// Whether files are left out whose names git protects.
    pub(super) fn has_protected(&self) -> bool {
        self.left_out.iter().any(|file| file.reason == Reason::Protected)
    }
}

/// Ranks an entry among its twins: first the file in the working tree. If somebody has removed the flags, the note tells which one it is.
fn rank(entry: &IndexEntry, noted: &HashSet<RawPath>) -> (RawPath, u8) {
    let path = &entry.entry.path;
    (path.clone(), u8::from(entry.is_skipped) * 2 + u8::from(noted.contains(path)))
}
