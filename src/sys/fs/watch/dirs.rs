//! The watched directories, and the names in them.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::mem;

/// The number of names that are known. They take up to 18 bytes each.
pub(super) const NAME_LIMIT: usize = 512 * 1024;

/// The parent of the topmost directory. No watch has this number.
const NO_PARENT: i32 = -1;

#[derive(Debug)]
struct Dir {
    parent: i32,
    name: Box<str>,
    /// The hashes of all known names in it.
    names: HashSet<u64>,
    /// The watched directories in it.
    dirs: BTreeMap<Box<str>, i32>,
}

/// The watched directories by the numbers of their watches. A directory that moves takes everything below it along.
#[derive(Debug, Default)]
pub(super) struct Dirs {
    dirs: HashMap<i32, Dir>,
    hasher: RandomState,
    names: usize,
}

impl Dirs {
    pub(super) fn has(&self, watch: i32) -> bool {
        self.dirs.contains_key(&watch)
    }

    /// Returns the path of a directory below the topmost one; `None` if it is not watched.
    pub(super) fn path(&self, watch: i32) -> Option<String> {
        let mut names = Vec::new();
        let mut dir = self.dirs.get(&watch)?;
        while dir.parent != NO_PARENT {
            names.push(&*dir.name);
            dir = self.dirs.get(&dir.parent)?;
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// Whether a directory is `above`, or is below it.
    pub(super) fn is_within(&self, watch: i32, above: i32) -> bool {
        let mut here = watch;
        while here != above {
            match self.dirs.get(&here) {
                Some(dir) => here = dir.parent,
                None => return false,
            }
        }
        true
    }

    /// Returns the watched directory `name`.
    pub(super) fn below(&self, watch: i32, name: &str) -> Option<i32> {
        self.dirs.get(&watch)?.dirs.get(name).copied()
    }

    /// Remembers a name, and returns whether it was known.
    pub(super) fn learn(&mut self, watch: i32, name: &str) -> bool {
        let hash = self.hasher.hash_one(name);
        let Some(dir) = self.dirs.get_mut(&watch) else { return false };
        if dir.names.contains(&hash) {
            return true;
        }
        if self.names < NAME_LIMIT {
            dir.names.insert(hash);
            self.names += 1;
        }
        false
    }

    pub(super) fn knows(&self, watch: i32, name: &str) -> bool {
        let hash = self.hasher.hash_one(name);
        self.dirs.get(&watch).is_some_and(|dir| dir.names.contains(&hash))
    }

    /// Whether no name in a directory is known.
    pub(super) fn knows_nothing(&self, watch: i32) -> bool {
        self.dirs.get(&watch).is_none_or(|dir| dir.names.is_empty())
    }

    pub(super) fn forget(&mut self, watch: i32, name: &str) {
        let hash = self.hasher.hash_one(name);
        if let Some(dir) = self.dirs.get_mut(&watch)
            && dir.names.remove(&hash)
        {
            self.names -= 1;
            if dir.names.is_empty() {
                // Otherwise, a directory that once had many names would keep their memory.
                dir.names = HashSet::new();
            }
        }
    }

    /// Adds the topmost directory.
    pub(super) fn insert_top(&mut self, watch: i32) {
        self.insert(watch, NO_PARENT, "");
    }

    /// Adds a directory with no known names.
    pub(super) fn insert(&mut self, watch: i32, parent: i32, name: &str) {
        if let Some(above) = self.dirs.get_mut(&parent) {
            above.dirs.insert(name.into(), watch);
        }
        let (names, dirs) = (HashSet::new(), BTreeMap::new());
        self.dirs.insert(watch, Dir { parent, name: name.into(), names, dirs });
    }

    /// Moves a directory with everything below it. Does nothing and returns false if that would put it below itself.
    pub(super) fn rename(&mut self, watch: i32, parent: i32, name: &str) -> bool {
        if self.is_within(parent, watch) || !self.has(parent) {
            return false;
        }
        let Some(dir) = self.dirs.get_mut(&watch) else { return false };
        let old_parent = mem::replace(&mut dir.parent, parent);
        let old_name = mem::replace(&mut dir.name, name.into());
        if let Some(old) = self.dirs.get_mut(&old_parent) {
            old.dirs.remove(&old_name);
        }
        if let Some(new) = self.dirs.get_mut(&parent) {
            new.dirs.insert(name.into(), watch);
        }
        true
    }

    /// Removes a directory and everything below it, and returns their watches.
    pub(super) fn remove(&mut self, watch: i32) -> Vec<i32> {
        if let Some(dir) = self.dirs.get(&watch) {
            let (parent, name) = (dir.parent, dir.name.clone());
            if let Some(above) = self.dirs.get_mut(&parent) {
                above.dirs.remove(&name);
            }
        }
        let (mut removed, mut waiting) = (Vec::new(), vec![watch]);
        while let Some(watch) = waiting.pop() {
            if let Some(dir) = self.dirs.remove(&watch) {
                self.names -= dir.names.len();
                waiting.extend(dir.dirs.into_values());
                removed.push(watch);
            }
        }
        removed
    }

    /// Removes all directories, and returns their watches.
    pub(super) fn remove_all(&mut self) -> Vec<i32> {
        self.names = 0;
        mem::take(&mut self.dirs).into_keys().collect()
    }
}
