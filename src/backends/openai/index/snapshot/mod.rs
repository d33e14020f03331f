//! The tree of a listing, kept up to date by the changes of this process.

use std::sync::Arc;
use std::time::Instant;

use crate::backends::openai::attributes::Entry;
use crate::backends::openai::recent_writes::RecentWrites;
use crate::core::path::FilePath;
use crate::core::tree::{Node, Tree, dir_key, path_of};

/// A directory without an entry of its own exists only because of the entries below it.
pub(crate) type Entries = Tree<Option<Entry>, Entry>;

#[derive(Default)]
pub(super) struct Snapshot {
    pub(super) entries: Entries,
    pub(super) hidden: Vec<Hidden>,
    /// When the listing behind `entries` started; `None` before the first one.
    pub(super) refreshed_at: Option<Instant>,
    /// When that listing was complete.
    pub(super) listed_at: Option<Instant>,
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
            if self.entries.at(&key).and_then(entry_of).is_some_and(|entry| entry.id == id) {
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
        self.entries = Entries::default();
        for (path, entry) in listed {
            let key = if entry.is_dir() { dir_key(&path) } else { path.to_string() };
            if self.entries.at(&key).and_then(entry_of).is_some() {
                self.hidden.push(Hidden { path, entry, is_shadowed: false });
            } else {
                put(&mut self.entries, &path, entry);
            }
        }
        // A file is hidden by a directory with entries, and an empty directory by a file.
        let files = self.entries.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        let both = files.map(|(key, _)| path_of(key)).filter(|path| self.entries.is_dir(path));
        for path in both.collect::<Vec<_>>() {
            let is_shadowed = self.entries.has_entries(&path);
            let key = if is_shadowed { path.to_string() } else { dir_key(&path) };
            let hidden = self.entries.remove(&key);
            if let Some(Node::File(entry) | Node::Directory(Some(entry))) = hidden {
                self.hidden.push(Hidden { path, entry, is_shadowed });
            }
        }
        self.refreshed_at = Some(began);
        self.listed_at = Some(Instant::now());
    }
}

/// Returns the entry of a file or directory, if it has one.
pub(crate) fn entry_of(node: &Node<Option<Entry>, Entry>) -> Option<&Entry> {
    match node {
        Node::Directory(entry) => entry.as_ref(),
        Node::File(entry) => Some(entry),
    }
}

fn put(entries: &mut Entries, path: &FilePath, entry: Entry) {
    if entry.is_dir() {
        entries.insert_dir(path, Some(entry), || None);
    } else {
        entries.insert_file(path, entry, || None);
    }
}

#[cfg(test)]
mod tests;
