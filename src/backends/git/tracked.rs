//! The files that git tracks, by the names that the file system knows.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::parse::RawPath;
use super::twins::key;
use crate::sys::fs::Root;

pub(super) struct TrackedFiles {
    paths: HashSet<RawPath>,
    /// The same by the keys of their names, where different names may be one.
    similar: HashMap<Vec<u8>, Vec<RawPath>>,
}

impl TrackedFiles {
    /// `folds` is whether different names may be one.
    pub(super) fn new(paths: Vec<RawPath>, folds: bool) -> Self {
        let mut similar: HashMap<Vec<u8>, Vec<RawPath>> = HashMap::new();
        for path in paths.iter().filter(|_| folds) {
            similar.entry(key(&path.0)).or_default().push(path.clone());
        }
        Self { paths: paths.into_iter().collect(), similar }
    }

    /// Reports whether the file at `path` is tracked.
    pub(super) fn has(&self, root: &Root, path: &Path) -> bool {
        let name = path.as_os_str().as_bytes();
        self.paths.contains(&RawPath(name.to_vec())) || self.has_by_another_name(root, path)
    }

    /// Reports whether the file at `path` is tracked under another name, and not under this one.
    pub(super) fn has_by_another_name(&self, root: &Root, path: &Path) -> bool {
        let name = path.as_os_str().as_bytes();
        let Some(similar) = self.similar.get(&key(name)) else { return false };
        let id = |path: &Path| Some(root.raw_stat(path).ok()??.id());
        let Some(found) = id(path) else { return false };
        similar.iter().all(|other| other.0 != name)
            && similar.iter().any(|other| id(Path::new(other.as_os())) == Some(found))
    }
}
