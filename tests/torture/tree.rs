//! What is on disk below a root, to compare: what anybody sees, and what f9 has left lying about.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The names of temporaries, and of trees on their way out.
const LITTER: &str = ".f9tmp-";

/// Everything below a root but the file that sessions lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) seen: BTreeMap<String, Entry>,
    pub(crate) litter: Vec<String>,
}

/// One file, directory or link, with what a replacement has to keep.
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
            if name.starts_with(LITTER) {
                self.litter.push(path);
            } else if name != ".backend.lock" {
                if entry.file_type().unwrap().is_dir() {
                    self.add(&entry.path(), &format!("{path}/"));
                }
                self.seen.insert(path, Entry::of(&entry.path()));
            }
        }
    }

    /// Without the directories that are not in `before` and have nothing in them: a process killed in the middle cannot take back
    /// what it made on the way.
    pub(crate) fn without_empty_directories_since(mut self, before: &Self) -> Self {
        let paths: Vec<String> = self.seen.keys().rev().cloned().collect();
        for path in paths {
            let below = format!("{path}/");
            let is_empty = !self.seen.keys().any(|other| other.starts_with(&below));
            if is_empty && self.seen[&path].is_directory() && !before.seen.contains_key(&path) {
                self.seen.remove(&path);
            }
        }
        self
    }

    /// As far as any user may set it.
    pub(crate) fn without_what_takes_permission(&self) -> Self {
        let mut tree = self.clone();
        for entry in tree.seen.values_mut() {
            (entry.owner, entry.attribute) = ((0, 0), None);
        }
        tree
    }

    /// How this differs from `other`, in words.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut lines = Vec::new();
        for (path, entry) in &self.seen {
            match other.seen.get(path) {
                None => lines.push(format!("{path} is there: {entry:?}")),
                Some(wanted) if wanted != entry => {
                    lines.push(format!("{path} is {entry:?}, not {wanted:?}"));
                }
                Some(_) => {}
            }
        }
        let missing = other.seen.keys().filter(|path| !self.seen.contains_key(*path));
        lines.extend(missing.map(|path| format!("{path} is missing")));
        lines.extend(self.litter.iter().map(|path| format!("{path} is left")));
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
