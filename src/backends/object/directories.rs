//! What is known of directories, so that a write need not ask for it each time.
//!
//! A bucket has no directories: a key with slashes implies them. A write must still not put a file where a directory is, nor below a file.
//! One listing of a directory answers that for all its names. What it showed is relied on for a short time, and only if it allows the
//! write; whatever forbids one is looked up again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::core::path::FilePath;

/// The most names that are kept.
const MAX_NAMES: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Directories(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    directories: BTreeMap<FilePath, Directory>,
    /// Directories and names together.
    size: usize,
    /// The number of entries that were made.
    made: u64,
}

/// When a listing began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    at: Instant,
    made: u64,
}

#[derive(Debug)]
struct Directory {
    seen_at: Instant,
    /// The names of its directories.
    names: BTreeSet<String>,
}

impl Directories {
    /// Whether it is known that a file may be written at `path`: its parent is no file, and it is no directory.
    pub(super) fn allow(&self, path: &FilePath, ttl: Duration) -> bool {
        let Some((parent, name)) = place(path) else { return false };
        let mut known = self.known();
        let is_fresh = |directory: &Directory| directory.seen_at.elapsed() < ttl;
        match known.directories.get(&parent) {
            Some(directory) if is_fresh(directory) => !directory.names.contains(name),
            Some(_) => {
                known.forget(&parent);
                false
            }
            None => false,
        }
    }

    /// Returns the moment before a listing.
    pub(super) fn moment(&self) -> Moment {
        Moment { at: Instant::now(), made: self.known().made }
    }

    /// Notes the names of all directories in `directory`, as they were after a moment. Does nothing if an entry was made since, which the
    /// listing may not have.
    pub(super) fn learn(&self, directory: FilePath, seen: Moment, names: BTreeSet<String>) {
        let mut known = self.known();
        known.forget(&directory);
        if known.made != seen.made {
            return;
        }
        known.size += names.len() + 1;
        if known.size > MAX_NAMES {
            *known = Known { size: names.len() + 1, made: known.made, ..Known::default() };
        }
        known.directories.insert(directory, Directory { seen_at: seen.at, names });
    }

    /// Notes that an entry was made at `path`, so that all its parents are directories.
    pub(super) fn made(&self, path: &FilePath) {
        let mut known = self.known();
        known.made += 1;
        let mut below = path.parent();
        while let Some(directory) = below.filter(|path| !path.is_root()) {
            if let Some((parent, name)) = place(&directory)
                && let Some(parent) = known.directories.get_mut(&parent)
                && parent.names.insert(name.to_owned())
            {
                known.size += 1;
            }
            below = directory.parent();
        }
    }

    /// Forgets what is known of `path` and below, because a file is put there or everything is removed.
    pub(super) fn forget(&self, path: &FilePath) {
        let mut known = self.known();
        let below: Vec<_> = known
            .directories
            .range(path.clone()..)
            .map(|(directory, _)| directory)
            .take_while(|directory| directory.as_str().starts_with(path.as_str()))
            .filter(|directory| directory.starts_with(path))
            .cloned()
            .collect();
        for directory in below {
            known.forget(&directory);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // No code under this mutex panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, directory: &FilePath) {
        if let Some(directory) = self.directories.remove(directory) {
            self.size -= directory.names.len() + 1;
        }
    }
}

/// Returns the directory and the name of an entry.
fn place(path: &FilePath) -> Option<(FilePath, &str)> {
    Some((path.parent()?, path.name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    fn path(text: &str) -> FilePath {
        FilePath::accepted(text)
    }

    fn learn(known: &Directories, directory: &str, names: &[&str]) {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        known.learn(path(directory), known.moment(), names);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_listed_is_allowed_and_only_for_a_time() {
        let known = Directories::default();
        assert!(!known.allow(&path("a/x"), TTL));
        learn(&known, "a", &["sub"]);
        assert!(known.allow(&path("a/x"), TTL));
        assert!(!known.allow(&path("a/sub"), TTL));
        assert!(!known.allow(&path("b/x"), TTL));
        tokio::time::advance(TTL).await;
        assert!(!known.allow(&path("a/x"), TTL));
        assert_eq!(known.known().size, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn own_changes_are_known_at_once() {
        let known = Directories::default();
        learn(&known, "", &[]);
        learn(&known, "a", &[]);
        known.made(&path("a/b/c"));
        assert!(!known.allow(&path("a"), TTL) && !known.allow(&path("a/b"), TTL));
        assert!(known.allow(&path("a/c"), TTL) && known.allow(&path("b"), TTL));
        learn(&known, "a/b", &[]);
        learn(&known, "ab", &[]);
        learn(&known, "a-", &[]);
        known.forget(&path("a"));
        assert!(!known.allow(&path("a/c"), TTL) && !known.allow(&path("a/b/x"), TTL));
        assert!(known.allow(&path("ab/c"), TTL) && known.allow(&path("a-/c"), TTL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_during_which_an_entry_was_made_is_not_relied_on() {
        let known = Directories::default();
        let moment = known.moment();
        known.made(&path("a/new/x"));
        known.learn(path("a"), moment, BTreeSet::new());
        assert!(!known.allow(&path("a/new"), TTL));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_names_is_bounded() {
        let known = Directories::default();
        let names: Vec<_> = (0..1_000).map(|number| number.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for number in 0..200 {
            learn(&known, &format!("d{number}"), &names);
            assert!(known.known().size <= MAX_NAMES);
        }
        assert!(known.allow(&path("d199/x"), TTL));
    }
}
