//! The entries on disk below a root, for comparisons: visible entries and leftovers of f9.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The prefix of temporary files and of trees being deleted.
const TEMPORARY_PREFIX: &str = ".f9tmp-";

/// All entries below a root except for the lock file of sessions and uploads that are not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) leftovers: Vec<String>,
}

/// One file, directory or link, with the attributes that a replacement must keep.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    mode: u32,
    owner: (u32, u32),
    attribute: Option<Vec<u8>>,
    content: Vec<u8>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = String::from_utf8_lossy(&self.content[..self.content.len().min(16)]);
        let Self { mode, owner, attribute, content } = self;
        write!(f, "{mode:o} {owner:?} {attribute:?} {} bytes {start:?}", content.len())
    }
}

impl Tree {
    pub(crate) fn of(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(root, "");
        tree
    }

    fn add(&mut self, dir: &Path, prefix: &str) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{prefix}{name}");
            if name.starts_with(TEMPORARY_PREFIX) {
                self.leftovers.push(path);
            } else if ![".backend.lock", ".f9"].contains(&&*name) {
                if entry.file_type().unwrap().is_dir() {
                    self.add(&entry.path(), &format!("{path}/"));
                }
                self.entries.insert(path, Entry::of(&entry.path()));
            }
        }
    }

    /// Returns the tree without empty directories that are not in `before`. A killed process cannot remove the parent directories it
    /// has created.
    pub(crate) fn without_empty_directories_since(mut self, before: &Self) -> Self {
        let paths: Vec<String> = self.entries.keys().rev().cloned().collect();
        for path in paths {
            let below = format!("{path}/");
            let is_empty = !self.entries.keys().any(|other| other.starts_with(&below));
            if is_empty && self.entries[&path].is_directory() && !before.entries.contains_key(&path)
            {
                self.entries.remove(&path);
            }
        }
        self
    }

    /// Returns the tree without the owners and attributes, which need permissions to set.
    pub(crate) fn without_owners_and_attributes(&self) -> Self {
        let mut tree = self.clone();
        for entry in tree.entries.values_mut() {
            (entry.owner, entry.attribute) = ((0, 0), None);
        }
        tree
    }

    /// Describes the differences from `other`.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut lines = Vec::new();
        for (path, entry) in &self.entries {
            match other.entries.get(path) {
                None => lines.push(format!("{path} is unexpected: {entry:?}")),
                Some(expected) if expected != entry => {
                    lines.push(format!("{path} is {entry:?} instead of {expected:?}"));
                }
                Some(_) => {}
            }
        }
        let missing = other.entries.keys().filter(|path| !self.entries.contains_key(*path));
        lines.extend(missing.map(|path| format!("{path} is missing")));
        lines.extend(self.leftovers.iter().map(|path| format!("{path} is a leftover")));
        lines.join("; ")
    }
}

impl Entry {
    fn of(path: &Path) -> Self {
        let stat = fs::symlink_metadata(path).unwrap();
        let content = if stat.is_symlink() {
            fs::read_link(path).unwrap().into_os_string().into_vec()
        } else if stat.is_file() {
            fs::read(path).unwrap()
        } else {
            Vec::new()
        };
        let mut value = Vec::with_capacity(64);
        let spare = rustix::buffer::spare_capacity(&mut value);
        let attribute = rustix::fs::lgetxattr(path, "user.f9-test", spare).is_ok().then_some(value);
        Self { mode: stat.mode(), owner: (stat.uid(), stat.gid()), attribute, content }
    }

    fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}
