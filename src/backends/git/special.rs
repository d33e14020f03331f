//! The entries of the index whose files git does not look at, or must not look at.

use std::collections::{HashMap, HashSet};

use super::names::{Names, Reason};
use super::parse::{IndexEntry, RawPath, TreeEntry};
use super::twins::{Traces, Twins, key};
use crate::core::error::Result;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SpecialEntries {
    /// Those that somebody else has hidden from git.
    pub(super) hidden: Vec<IndexEntry>,
    pub(super) left_out: Vec<LeftOutEntry>,
    /// Those that were left out until a person's git checked them out.
    pub(super) checked_out: Vec<TreeEntry>,
    /// Those that a person's git has written where they do not belong.
    pub(super) misplaced: Vec<Misplaced>,
}

/// An entry whose file the working tree cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOutEntry {
    pub(super) entry: TreeEntry,
    /// Whether it has the flag skip-worktree, and git has never looked at its file. Without the flag, git takes the file for deleted.
    pub(super) is_skipped: bool,
    pub(super) reason: Reason,
}

/// A file of a directory that gives way to another. Git has written it into that directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    pub(super) entry: TreeEntry,
    /// The file of the other directory that it has replaced.
    pub(super) over: Option<TreeEntry>,
}

impl SpecialEntries {
    /// Sorts the entries of an index. f9 has left out the twins at the paths `noted`.
    pub(super) fn of(
        entries: Vec<IndexEntry>,
        names: &Names,
        noted: &HashSet<RawPath>,
    ) -> Result<Self> {
        let traces = |entry: &IndexEntry| {
            let is_noted = noted.contains(&entry.entry.path);
            Traces {
                absence: u8::from(entry.is_skipped) * 2 + u8::from(is_noted),
                seen: entry.seen,
            }
        };
        let twins = names.twins(entries.iter().map(|entry| (&entry.entry.path, traces(entry))))?;
        let mut special =
            Self { misplaced: misplaced(&entries, names, &twins)?, ..Self::default() };
        for entry in entries {
            let path = &entry.entry.path;
            let is_noted = entry.is_skipped && noted.contains(path);
            let twin = || twins.instead_of(path).map(|twin| Reason::Twin(twin.clone()));
            let reason = names.objection(path).or_else(twin);
            match reason {
                Some(reason) => {
                    let is_skipped = entry.is_skipped && entry.seen == 0;
                    special.left_out.push(LeftOutEntry { entry: entry.entry, is_skipped, reason });
                }
                None if is_noted && entry.seen > 0 => special.checked_out.push(entry.entry),
                None if is_noted => special.left_out.push(LeftOutEntry::returning(entry.entry)),
                None if entry.is_hidden() => special.hidden.push(entry),
                None => {}
            }
        }
        Ok(special)
    }

    /// Whether the index, or the working tree, is not as f9 leaves it.
    pub(super) fn is_disturbed(&self) -> bool {
        !self.checked_out.is_empty()
            || !self.misplaced.is_empty()
            || self.left_out.iter().any(|file| !file.is_skipped)
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

    /// Whether files are left out whose names git protects.
    pub(super) fn has_protected(&self) -> bool {
        self.left_out.iter().any(|file| file.reason == Reason::Protected)
    }
}

impl LeftOutEntry {
    /// The entry of a twin that can be checked out.
    pub(super) fn returning(entry: TreeEntry) -> Self {
        Self { entry, is_skipped: true, reason: Reason::Returns }
    }
}

/// Finds the files of directories that give way which git has written after what they may have replaced.
fn misplaced(entries: &[IndexEntry], names: &Names, twins: &Twins) -> Result<Vec<Misplaced>> {
    let gives_way = |entry: &IndexEntry| twins.instead_of(&entry.entry.path).is_some();
    let written: Vec<_> =
        entries.iter().filter(|entry| entry.seen > 0 && gives_way(entry)).collect();
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let mut staying: HashMap<Vec<u8>, Vec<&IndexEntry>> = HashMap::new();
    for entry in entries.iter().filter(|entry| !gives_way(entry)) {
        staying.entry(key(&entry.entry.path.0)).or_default().push(entry);
    }
    let mut misplaced = Vec::new();
    for entry in written {
        let path = &entry.entry.path;
        let mut over = None;
        for other in staying.get(&key(&path.0)).into_iter().flatten() {
            if names.are_one(path, &other.entry.path)? {
                over = Some(*other);
            }
        }
        // Git checks out files in the order of their paths, and some file systems have coarse times.
        let is_last = over.is_none_or(|over| (over.seen, &over.entry.path) < (entry.seen, path));
        if is_last {
            let over = over.map(|over| over.entry.clone());
            misplaced.push(Misplaced { entry: entry.entry.clone(), over });
        }
    }
    Ok(misplaced)
}
