//! The index file (gitformat-index(5)).

use super::fields::{fields, split_at};
use super::merge::{Stage, stage};
use super::oid::Oid;
use super::raw_path::RawPath;
use super::tree::TreeEntry;
use crate::core::error::Result;

/// A flag of two bytes: git does not look at the file.
const ASSUME_UNCHANGED: u16 = 0x8000;

/// A flag of two bytes: two more bytes of flags follow.
const EXTENDED: u16 = 0x4000;

/// A flag of the second two bytes: the file may be missing, and git does not look at it.
const SKIP_WORKTREE: u16 = 0x4000;

/// The mode of a directory whose files are not in a sparse index.
const DIRECTORY: u32 = 0o040_000;

/// An entry of the index, with the flags that keep git from looking at the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct IndexEntry {
    pub(in crate::backends::git) entry: TreeEntry,
    pub(in crate::backends::git) is_assumed_unchanged: bool,
    /// Whether it has the flag skip-worktree.
    pub(in crate::backends::git) is_skipped: bool,
    /// When the file last changed, as of git's last look at it, in nanoseconds. 0 if git has not looked at it: it was never checked out.
    pub(in crate::backends::git) seen: u64,
}

impl IndexEntry {
    pub(in crate::backends::git) fn is_hidden(&self) -> bool {
        self.is_assumed_unchanged || self.is_skipped
    }
}

/// Returns the entries of an index file that have a flag, and those whose paths are `wanted`; `None` if it is not known how to read the
/// file. An object id has `id_bytes` bytes.
pub(in crate::backends::git) fn index_entries(
    index: &[u8],
    id_bytes: usize,
    wanted: impl Fn(&RawPath) -> bool,
) -> Option<Vec<IndexEntry>> {
    let mut rest = Rest(index);
    if rest.take(4)? != b"DIRC" {
        return None;
    }
    let (version, count) = (rest.long()?, rest.long()?);
    if !matches!(version, 2..=4) {
        return None;
    }
    let (mut found, mut path) = (Vec::new(), RawPath(Vec::new()));
    for _ in 0..count {
        let start = rest.0.len();
        let seen = nanoseconds(rest.long()?, rest.long()?);
        // The other time, device and inode.
        rest.take(16)?;
        let mode = rest.long()?;
        // Owner and size.
        rest.take(12)?;
        let id = rest.take(id_bytes)?;
        let flags = rest.short()?;
        let extended = if flags & EXTENDED == 0 { 0 } else { rest.short()? };
        // In version 4, the bytes at the end of the last path that this one does not have.
        let removed = if version == 4 { rest.variable()? } else { path.0.len() };
        path.0.truncate(path.0.len().checked_sub(removed)?);
        path.0.extend_from_slice(rest.until_nul()?);
        if version != 4 {
            let length = start - rest.0.len();
            rest.take(length.next_multiple_of(8) - length)?;
        }
        let number = u8::try_from(flags >> 12 & 3).ok()?;
        let is_skipped = extended & SKIP_WORKTREE != 0;
        let is_assumed_unchanged = flags & ASSUME_UNCHANGED != 0;
        let is_returned = is_skipped || is_assumed_unchanged || wanted(&path);
        if is_returned && number == 0 && mode != DIRECTORY {
            let oid: Oid = hex::encode(id).parse().ok()?;
            let entry = TreeEntry { path: path.clone(), mode, oid };
            found.push(IndexEntry { entry, is_assumed_unchanged, is_skipped, seen });
        }
    }
    // A checksum follows the extensions.
    while rest.0.len() > id_bytes {
        let name = rest.take(4)?;
        // The other entries of a split index are in another file.
        if name == b"link" {
            return None;
        }
        let length = rest.long()?;
        rest.take(usize::try_from(length).ok()?)?;
    }
    (rest.0.len() == id_bytes).then_some(found)
}

/// Returns the same from the output of `git ls-files -v --stage --debug -z`. The letter of an entry that is assumed unchanged is in lower
/// case, and the letter of a skipped one is an `S`. After its NUL follow lines that begin with spaces.
pub(in crate::backends::git) fn listed_index_entries(
    output: &[u8],
    wanted: impl Fn(&RawPath) -> bool,
) -> Result<Vec<IndexEntry>> {
    let mut found: Vec<IndexEntry> = Vec::new();
    let mut is_last_returned = false;
    for mut field in fields(output) {
        while let Some(line) = field.strip_prefix(b"  ") {
            let (line, rest) = split_at(line, b'\n').unwrap_or((line, b""));
            if let Some(last) = found.last_mut().filter(|_| is_last_returned) {
                last.seen = listed_time(line).unwrap_or(last.seen);
            }
            field = rest;
        }
        let Some((&[letter], entry)) = split_at(field, b' ') else { continue };
        let (Stage { path, mode, oid, number }, is_assumed_unchanged) =
            (stage(entry)?, letter.is_ascii_lowercase());
        let is_skipped = letter.eq_ignore_ascii_case(&b's');
        is_last_returned = (is_skipped || is_assumed_unchanged || wanted(&path))
            && number == 0
            && mode != DIRECTORY;
        if is_last_returned {
            let entry = TreeEntry { mode, oid, path };
            found.push(IndexEntry { entry, is_assumed_unchanged, is_skipped, seen: 0 });
        }
    }
    Ok(found)
}

/// Parses `ctime: <seconds>:<nanoseconds>`.
fn listed_time(line: &[u8]) -> Option<u64> {
    let time = std::str::from_utf8(line).ok()?.strip_prefix("ctime: ")?;
    let (seconds, rest) = time.split_once(':')?;
    Some(nanoseconds(seconds.parse().ok()?, rest.parse().ok()?))
}

fn nanoseconds(seconds: u32, rest: u32) -> u64 {
    u64::from(seconds) * 1_000_000_000 + u64::from(rest)
}

/// The part of an index file that is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Reads a number of any length: seven bits in each byte, and 1 is added before more bits follow.
    fn variable(&mut self) -> Option<usize> {
        let mut number = 0usize;
        loop {
            let &[byte] = self.take(1)? else { return None };
            number = number.checked_mul(128)?.checked_add(usize::from(byte & 127))?;
            if byte & 128 == 0 {
                return Some(number);
            }
            number = number.checked_add(1)?;
        }
    }

    /// Reads to the next NUL, and the NUL.
    fn until_nul(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = split_at(self.0, 0)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn git(repository: &Path, arguments: &[&str]) -> Vec<u8> {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", repository);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = git.current_dir(repository).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    /// Creates an index with files of which some have flags.
    fn repository(format: &str, version: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        git(root, &["init", "-q", &format!("--object-format={format}")]);
        let long = "long/".repeat(40);
        std::fs::create_dir_all(root.join(&long)).unwrap();
        for number in 0..40 {
            std::fs::write(root.join("x".repeat(number + 1)), [7]).unwrap();
            std::fs::write(root.join(format!("{long}{number}\n")), "").unwrap();
        }
        std::fs::write(root.join("new"), "").unwrap();
        git(root, &["add", "x", "xx", "xxx", "long", &"x".repeat(20), &"x".repeat(30)]);
        git(root, &["add", "-N", "new"]);
        git(root, &["update-index", "--index-version", version]);
        git(root, &["update-index", "--assume-unchanged", "xx", "xxx", &format!("{long}7\n")]);
        git(root, &["update-index", "--skip-worktree", "xxx", &format!("{long}39\n")]);
        git(root, &["update-index", "--skip-worktree", &"x".repeat(20)]);
        dir
    }

    #[test]
    fn the_entries_are_those_that_git_lists() {
        for (format, id_bytes) in [("sha1", 20), ("sha256", 32)] {
            for version in ["2", "4"] {
                let dir = repository(format, version);
                let listed = git(dir.path(), &["ls-files", "-v", "--stage", "--debug", "-z"]);
                let index = std::fs::read(dir.path().join(".git/index")).unwrap();
                for (shortest, counts) in [(usize::MAX, [5, 3]), (20, [44, 3]), (0, [46, 3])] {
                    let wanted = |path: &RawPath| path.0.len() >= shortest;
                    let listed = listed_index_entries(&listed, wanted).unwrap();
                    let skipped = listed.iter().filter(|entry| entry.is_skipped).count();
                    assert_eq!([listed.len(), skipped], counts);
                    let read = index_entries(&index, id_bytes, wanted);
                    assert_eq!(read, Some(listed), "{format} {version}");
                }
            }
        }
    }

    #[test]
    fn an_index_that_is_split_or_cut_off_is_not_read() {
        for version in ["2", "4"] {
            let dir = repository("sha1", version);
            let index = std::fs::read(dir.path().join(".git/index")).unwrap();
            for length in 0..index.len() {
                assert_eq!(index_entries(&index[..length], 20, |_| true), None, "{length}");
            }
            git(dir.path(), &["update-index", "--split-index"]);
            let split = std::fs::read(dir.path().join(".git/index")).unwrap();
            assert_eq!(index_entries(&split, 20, |_| true), None);
        }
        assert_eq!(index_entries(b"DIRC\0\0\0\x05\0\0\0\0", 20, |_| true), None);
    }
}
