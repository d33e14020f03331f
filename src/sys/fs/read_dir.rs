//! The names in a directory, in the order of a listing, with bounded memory.
//!
//! Sorting needs all names at once, and a directory may have millions. So at most [`BATCH`] names are kept: the smallest after the
//! last one returned. A larger directory is read again for each batch.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::vec;

use rustix::fs::{Dir, FileType};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::stat::Stat;
use crate::core::error::Result;

/// The number of names in a batch. This takes a few megabytes, and only huge directories are read more than once.
const BATCH: usize = 64 * 1024;

/// A name as a listing sorts it: the key of a directory ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    key: Box<[u8]>,
}

impl Entry {
    fn new(name: &[u8], is_dir: bool) -> Self {
        let mut key = Vec::with_capacity(name.len() + usize::from(is_dir));
        key.extend_from_slice(name);
        if is_dir {
            key.push(b'/');
        }
        Self { key: key.into() }
    }

    pub(super) fn is_dir(&self) -> bool {
        self.key.ends_with(b"/")
    }

    pub(super) fn name(&self) -> &[u8] {
        self.key.strip_suffix(b"/").unwrap_or(&self.key)
    }
}

/// Compares the key of a name with another key.
pub(super) fn compare_keys(name: &[u8], is_dir: bool, key: &[u8]) -> Ordering {
    let common = name.len().min(key.len());
    name[..common].cmp(&key[..common]).then_with(|| {
        let slash: &[u8] = if is_dir { b"/" } else { b"" };
        name[common..].iter().chain(slash).cmp(&key[common..])
    })
}

/// The names of a directory that are returned.
pub(super) struct Wanted<'a> {
    /// Whether a name is returned. The second argument is true for a directory.
    pub(super) accepts: &'a dyn Fn(&[u8], bool) -> bool,
    /// The number of names that the caller needs at a time.
    pub(super) count: usize,
}

impl Wanted<'_> {
    /// All names.
    pub(super) const ALL: Wanted<'static> = Wanted { accepts: &|_, _| true, count: usize::MAX };
}

/// The state of a listing of one directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    batch: vec::IntoIter<Entry>,
    last: Option<Entry>,
    is_started: bool,
    has_more: bool,
}

impl Names {
    /// Returns the next name of `dir`, which must be the same directory at each call.
    pub(super) fn next(
        &mut self,
        dir: BorrowedFd<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Entry>> {
        if self.batch.as_slice().is_empty() && (self.has_more || !self.is_started) {
            self.is_started = true;
            self.read(dir, wanted)?;
        }
        let next = self.batch.next();
        if self.has_more && self.batch.as_slice().is_empty() {
            self.last.clone_from(&next);
        }
        Ok(next)
    }

    fn read(&mut self, dir: BorrowedFd<'_>, wanted: &Wanted<'_>) -> Result<()> {
        self.has_more = false;
        let batch = wanted.count.clamp(1, BATCH);
        let mut smallest = BinaryHeap::<Entry>::new();
        for_each_name(dir, |name, is_dir| {
            let is_after = |entry: &Entry| compare_keys(name, is_dir, &entry.key).is_gt();
            if !self.last.as_ref().is_none_or(is_after) {
                return ControlFlow::Continue(());
            }
            // Most names of a huge directory are refused here, without an allocation.
            let is_full = smallest.len() == batch;
            if is_full && smallest.peek().is_some_and(is_after) {
                self.has_more = self.has_more || (wanted.accepts)(name, is_dir);
            } else if (wanted.accepts)(name, is_dir) {
                if is_full {
                    smallest.pop();
                    self.has_more = true;
                }
                smallest.push(Entry::new(name, is_dir));
            }
            ControlFlow::Continue(())
        })?;
        self.batch = smallest.into_sorted_vec().into_iter();
        Ok(())
    }
}

/// Calls `each` with every name in `dir` and whether it is a directory, in no particular order, until it returns `Break`.
pub(super) fn for_each_name(
    dir: BorrowedFd<'_>,
    mut each: impl FnMut(&[u8], bool) -> ControlFlow<()>,
) -> Result<()> {
    // A directory that cannot be read is open with `PATH`, and `getdents` then fails with `EBADF`.
    let read_error = |errno| system_error(if errno == Errno::BADF { Errno::ACCESS } else { errno });
    for entry in retry_on_intr(|| Dir::read_from(dir)).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let is_dir = match entry.file_type() {
            FileType::Directory => true,
            // Not every file system returns the type.
            FileType::Unknown => {
                Stat::of_name(dir, name_path(name)).is_ok_and(|stat| stat.is_dir())
            }
            _ => false,
        };
        if each(name, is_dir).is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn name_path(name: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(name).as_ref()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn batches_have_every_name_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..100 {
            File::create(dir.path().join(format!("f{i}"))).unwrap();
        }
        for name in ["a", "a-", "a.b", "a0"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let open = File::open(dir.path()).unwrap();
        let collect = |batch| {
            let mut names = Names::default();
            let mut found = Vec::new();
            let wanted = Wanted { count: batch, ..Wanted::ALL };
            while let Some(entry) = names.next(open.as_fd(), &wanted).unwrap() {
                found.push(String::from_utf8(entry.key.into()).unwrap());
            }
            found
        };
        let all = collect(BATCH);
        assert_eq!(all.len(), 104);
        assert!(all.is_sorted());
        assert_eq!(all[..4], ["a-/", "a.b/", "a/", "a0/"]);
        for batch in [1, 3, 52, 103, 104, 105] {
            assert_eq!(collect(batch), all, "batches of {batch}");
        }
    }

    #[test]
    fn the_key_of_a_directory_ends_with_a_slash() {
        for (name, is_dir) in [("a", true), ("a", false), ("", false), ("ab", true), ("a0", false)]
        {
            let own = format!("{name}{}", if is_dir { "/" } else { "" });
            for key in ["", "a", "a/", "a.", "a0", "ab", "ab/", "ab/c", "b"] {
                let compared = compare_keys(name.as_bytes(), is_dir, key.as_bytes());
                assert_eq!(compared, own.as_str().cmp(key), "{own} and {key}");
            }
        }
    }

    #[test]
    fn names_that_are_not_accepted_take_no_place() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..50 {
            File::create(dir.path().join(format!("f{i:02}"))).unwrap();
        }
        let open = File::open(dir.path()).unwrap();
        for count in [1, 7, 25, 26] {
            let mut names = Names::default();
            let is_odd = |name: &[u8], _| name[2] % 2 == 1;
            let wanted = Wanted { accepts: &is_odd, count };
            let mut found = Vec::new();
            while let Some(entry) = names.next(open.as_fd(), &wanted).unwrap() {
                found.push(entry.name().to_vec());
            }
            assert_eq!(found.len(), 25);
            assert!(found.is_sorted() && found.iter().all(|name| is_odd(name, false)));
        }
    }
}
