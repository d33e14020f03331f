//! The names in a directory, in the order of a listing, with bounded memory.
//!
//! Sorting needs all names at once, and a directory may have millions. So at most [`MAX_BYTES`] of names are kept: the smallest after the
//! last one returned. A larger directory is read again for each batch.

use std::cmp::Ordering;
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use rustix::fs::{Dir, FileType};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::stat::Stat;
use crate::core::error::Result;

/// The memory of a batch. Only directories with hundreds of thousands of names are read more than once.
const MAX_BYTES: usize = 12 * 1024 * 1024;

/// A name as a listing sorts it: the key of a directory ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    key: Box<[u8]>,
}

impl Entry {
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

/// The key of a name: where it is in the text of all keys. The first bytes decide most comparisons.
#[derive(Clone, Copy, Debug)]
struct Key {
    first_bytes: u64,
    start: u32,
    length: u32,
}

/// The smallest names of a directory.
#[derive(Debug, Default)]
struct Smallest {
    text: Vec<u8>,
    keys: Vec<Key>,
    /// The largest name that was kept when others were left out.
    bound: Option<Box<[u8]>>,
    has_more: bool,
}

impl Smallest {
    fn text_of<'a>(text: &'a [u8], key: &Key) -> &'a [u8] {
        &text[key.start as usize..][..key.length as usize]
    }

    fn compare(text: &[u8], a: &Key, b: &Key) -> Ordering {
        let whole = || Self::text_of(text, a).cmp(Self::text_of(text, b));
        a.first_bytes.cmp(&b.first_bytes).then_with(whole)
    }

    fn push(&mut self, name: &[u8], is_dir: bool) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        if is_dir {
            self.text.push(b'/');
        }
        let key = &self.text[start..];
        // No name has a zero byte, so the padding keeps the order.
        let mut first = [0; 8];
        let count = key.len().min(8);
        first[..count].copy_from_slice(&key[..count]);
        #[expect(clippy::cast_possible_truncation, reason = "the text is much shorter than 4 GiB")]
        let (start, length) = (start as u32, key.len() as u32);
        self.keys.push(Key { first_bytes: u64::from_be_bytes(first), start, length });
    }

    fn bytes(&self) -> usize {
        self.text.len() + self.keys.len() * size_of::<Key>()
    }

    /// Leaves out all but the `count` smallest names.
    fn keep(&mut self, count: usize) {
        let text = mem::take(&mut self.text);
        let (_, largest, _) =
            self.keys.select_nth_unstable_by(count - 1, |a, b| Self::compare(&text, a, b));
        self.bound = Some(Self::text_of(&text, largest).into());
        self.has_more = true;
        self.keys.truncate(count);
        for key in &mut self.keys {
            let kept = Self::text_of(&text, key);
            #[expect(clippy::cast_possible_truncation, reason = "it is shorter than before")]
            let start = self.text.len() as u32;
            self.text.extend_from_slice(kept);
            key.start = start;
        }
    }

    /// Sorts the names. Returns no more than `count`.
    fn finish(&mut self, count: usize) {
        if self.keys.len() > count {
            self.keep(count);
        }
        self.keys.sort_unstable_by(|a, b| Self::compare(&self.text, a, b));
    }
}

/// The state of a listing of one directory.
#[derive(Debug, Default)]
pub(super) struct Names {
    batch: Smallest,
    /// The number of names of the batch that were returned.
    returned: usize,
    last: Option<Entry>,
    is_started: bool,
}

impl Names {
    /// Returns the next name of `dir`, which must be the same directory at each call.
    pub(super) fn next(
        &mut self,
        dir: BorrowedFd<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Entry>> {
        let is_used_up = self.returned == self.batch.keys.len();
        if is_used_up && (self.batch.has_more || !self.is_started) {
            self.is_started = true;
            self.batch = read_batch(dir, wanted, self.last.as_ref(), MAX_BYTES)?;
            self.returned = 0;
        }
        let Some(key) = self.batch.keys.get(self.returned) else { return Ok(None) };
        self.returned += 1;
        let next = Entry { key: Smallest::text_of(&self.batch.text, key).into() };
        if self.batch.has_more && self.returned == self.batch.keys.len() {
            self.last = Some(next.clone());
        }
        Ok(Some(next))
    }
}

/// Returns the smallest names after `last`, sorted, with at most `max_bytes` of memory.
fn read_batch(
    dir: BorrowedFd<'_>,
    wanted: &Wanted<'_>,
    last: Option<&Entry>,
    max_bytes: usize,
) -> Result<Smallest> {
    let count = wanted.count.max(1);
    let mut smallest = Smallest::default();
    for_each_name(dir, |name, is_dir| {
        let is_after = |key: &[u8]| compare_keys(name, is_dir, key).is_gt();
        if !last.is_none_or(|last| is_after(&last.key)) {
            return ControlFlow::Continue(());
        }
        // Most names of a huge directory are refused here, without a copy.
        if smallest.bound.as_deref().is_some_and(is_after) {
            smallest.has_more = smallest.has_more || (wanted.accepts)(name, is_dir);
        } else if (wanted.accepts)(name, is_dir) {
            smallest.push(name, is_dir);
            // Finding the smallest names takes time, so this collects many before.
            let kept = smallest.keys.len();
            if kept >= count.saturating_mul(2) {
                smallest.keep(count);
            } else if smallest.bytes() > max_bytes && kept > 2 {
                smallest.keep(count.min(kept * 2 / 3));
            }
        }
        ControlFlow::Continue(())
    })?;
    smallest.finish(count);
    Ok(smallest)
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
        let all = collect(usize::MAX);
        assert_eq!(all.len(), 104);
        assert!(all.is_sorted());
        assert_eq!(all[..4], ["a-/", "a.b/", "a/", "a0/"]);
        for batch in [1, 3, 52, 103, 104, 105] {
            assert_eq!(collect(batch), all, "batches of {batch}");
        }
    }

    #[test]
    fn a_directory_that_needs_more_memory_is_read_several_times() {
        let dir = tempfile::tempdir().unwrap();
        let mut all: Vec<String> = (0..500).map(|i| format!("{}{i}", "n".repeat(i % 13))).collect();
        for name in &all {
            File::create(dir.path().join(name)).unwrap();
        }
        all.sort();
        let open = File::open(dir.path()).unwrap();
        for max_bytes in [1, 100, 1_000, 5_000, 1_000_000] {
            let (mut found, mut last, mut reads) = (Vec::new(), None, 0);
            loop {
                let batch =
                    read_batch(open.as_fd(), &Wanted::ALL, last.as_ref(), max_bytes).unwrap();
                reads += 1;
                let keys = batch.keys.iter().map(|key| Smallest::text_of(&batch.text, key));
                found.extend(keys.map(|key| String::from_utf8(key.to_vec()).unwrap()));
                assert!(batch.bytes() <= max_bytes.max(100), "{max_bytes}: {}", batch.bytes());
                last = found.last().map(|name| Entry { key: name.as_bytes().into() });
                if !batch.has_more {
                    break;
                }
            }
            assert_eq!(found, all, "{max_bytes}");
            assert_eq!(reads == 1, max_bytes == 1_000_000);
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
