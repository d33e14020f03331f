//! The tree of a listing, kept up to date by the changes of this process.

use std::sync::Arc;
use std::time::Instant;

use crate::backends::openai::attributes::Entry;
use crate::backends::openai::recent_writes::RecentWrites;
use crate::core::path::FilePath;
use crate::core::tree::{Node, Tree, dir_key};

/// A directory without an entry of its own exists only because of the entries below it.
pub(crate) type Entries = Tree<Option<Entry>, Entry>;

#[derive(Default)]
pub(super) struct Snapshot {
    entries: Entries,
    hidden: Vec<Hidden>,
    /// When the listing behind `entries` started; `None` before the first one.
    refreshed_at: Option<Instant>,
    /// When that listing was complete.
    listed_at: Option<Instant>,
    recent_writes: Arc<RecentWrites>,
}

/// An entry that is not visible in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    pub(crate) path: FilePath,
    pub(crate) entry: Entry,
    /// Whether a directory with entries hides this file, which has no newer version. All other hidden entries are older than the
    /// visible one, or damaged.
    pub(crate) is_shadowed: bool,
}

impl Snapshot {
    pub(super) fn new(recent_writes: Arc<RecentWrites>) -> Self {
        Self { recent_writes, ..Self::default() }
    }

    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    pub(super) fn hidden(&self) -> &[Hidden] {
        &self.hidden
    }

    pub(super) fn refreshed_at(&self) -> Option<Instant> {
        self.refreshed_at
    }

    pub(super) fn listed_at(&self) -> Option<Instant> {
        self.listed_at
    }

    pub(super) fn is_new_or_had_entries(&self) -> bool {
        self.refreshed_at.is_none() || self.entries.iter().next().is_some()
    }

    pub(super) fn insert(&mut self, path: &FilePath, entry: Entry) {
        self.recent_writes.record(&entry.id, Some((path.clone(), entry.clone())));
        if let Some(old) = self.entries.file(path).filter(|old| old.id != entry.id) {
            let (path, entry) = (path.clone(), old.clone());
            self.hidden.push(Hidden { path, entry, is_shadowed: false });
        }
        put(&mut self.entries, path, entry);
    }

    /// Returns whether a hidden entry may have become visible.
    pub(super) fn remove(&mut self, path: &FilePath, id: &str) -> bool {
        self.recent_writes.record(id, None);
        self.hidden.retain(|hidden| hidden.entry.id != id);
        self.take(path, id)
    }

    /// Moves under one lock, so that no reader misses the entry in between. Returns the same as [`remove`](Self::remove).
    pub(super) fn rename(&mut self, from: &FilePath, to: &FilePath, entry: Entry) -> bool {
        let uncovers = self.take(from, &entry.id);
        self.insert(to, entry);
        uncovers
    }

    /// Removes the entry, and the parent directories that exist only because of it. Returns whether it was visible and may have hidden
    /// another.
    fn take(&mut self, path: &FilePath, id: &str) -> bool {
        let mut was_visible = false;
        for key in [path.to_string(), dir_key(path)] {
            if self.entries.at(&key).is_some_and(|node| id_of(node) == Some(id)) {
                was_visible = true;
                self.entries.remove(&key);
                if key.ends_with('/') && self.entries.has_entries(path) {
                    self.entries.insert_dir(path, None, || None);
                }
            }
        }
        let mut parent = path.parent();
        while let Some(path) = parent {
            let is_implicit = matches!(self.entries.directory(&path), Some(None));
            if !is_implicit || self.entries.has_entries(&path) {
                break;
            }
            self.entries.remove(&dir_key(&path));
            parent = path.parent();
        }
        was_visible && self.hidden.iter().any(|hidden| path.starts_with(&hidden.path))
    }

    /// Installs the listing that started at `began`.
    pub(super) fn install(&mut self, mut listed: Vec<(FilePath, Entry)>, began: Instant) {
        self.recent_writes.apply_to(&mut listed, began);
        // Newest first for each path and kind.
        listed.sort_unstable_by(|(a, one), (b, other)| {
            a.cmp(b)
                .then_with(|| one.is_dir().cmp(&other.is_dir()))
                .then_with(|| other.version().cmp(&one.version()))
        });
        self.hidden.clear();
        let mut newest: Vec<(FilePath, Entry)> = Vec::with_capacity(listed.len());
        for (path, entry) in listed {
            let last = newest.last();
            if last.is_some_and(|(other, newer)| *other == path && newer.is_dir() == entry.is_dir())
            {
                self.hidden.push(Hidden { path, entry, is_shadowed: false });
            } else {
                newest.push((path, entry));
            }
        }
        let visible: Vec<bool> =
            newest.iter().map(|(path, entry)| is_visible(&newest, path, entry)).collect();
        self.entries = Entries::default();
        for ((path, entry), is_visible) in newest.into_iter().zip(visible) {
            if is_visible {
                put(&mut self.entries, &path, entry);
            } else {
                let is_shadowed = !entry.is_dir();
                self.hidden.push(Hidden { path, entry, is_shadowed });
            }
        }
        self.refreshed_at = Some(began);
        self.listed_at = Some(Instant::now());
    }
}

fn id_of(node: &Node<Option<Entry>, Entry>) -> Option<&str> {
    match node {
        Node::Directory(entry) => entry.as_ref().map(|entry| entry.id.as_str()),
        Node::File(entry) => Some(&entry.id),
    }
}

fn put(entries: &mut Entries, path: &FilePath, entry: Entry) {
    if entry.is_dir() {
        entries.insert_dir(path, Some(entry), || None);
    } else {
        entries.insert_file(path, entry, || None);
    }
}

/// Whether an entry of the sorted list is visible. A file is hidden by a directory with entries, and an empty directory by a file.
fn is_visible(all: &[(FilePath, Entry)], path: &FilePath, entry: &Entry) -> bool {
    let below = dir_key(path);
    let first = all.partition_point(|(other, _)| other.as_str() < below.as_str());
    let has_entries = all.get(first).is_some_and(|(other, _)| other.as_str().starts_with(&below));
    if !entry.is_dir() {
        return !has_entries;
    }
    let same = all.partition_point(|(other, _)| other < path);
    let is_file_too = all.get(same).is_some_and(|(other, first)| other == path && !first.is_dir());
    has_entries || !is_file_too
}

#[cfg(test)]
mod tests;
