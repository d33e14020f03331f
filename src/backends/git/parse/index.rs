//! The index file (gitformat-index(5)).

use super::fields::{fields, split_at};
use super::merge::{Stage, stage};
use super::oid::Oid;
use super::raw_path::RawPath;
use crate::core::error::Result;

/// A flag of two bytes: git does not look at the file.
const ASSUME_UNCHANGED: u16 = 0x8000;

/// A flag of two bytes: two more bytes of flags follow.
const EXTENDED: u16 = 0x4000;

/// A flag of the second two bytes: the file may be missing, and git does not look at it.
const SKIP_WORKTREE: u16 = 0x4000;

/// The mode of a directory whose files are not in a sparse index.
const DIRECTORY: u32 = 0o040_000;

/// An entry of the index with a flag that keeps git from looking at the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct HiddenEntry {
    pub(in crate::backends::git) entry: Stage,
    /// Whether the flag is skip-worktree.
    pub(in crate::backends::git) is_skipped: bool,
}

/// The entries of an index whose files git does not look at, or must not look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::backends::git) struct SpecialEntries {
    pub(in crate::backends::git) hidden: Vec<HiddenEntry>,
    /// Those that are too long for the file system, with the flag skip-worktree.
    pub(in crate::backends::git) left_out: Vec<RawPath>,
    /// Those that are too long for the file system, without the flag. Git takes their files for deleted.
    pub(in crate::backends::git) exposed: Vec<RawPath>,
}

impl SpecialEntries {
    fn add(&mut self, entry: Stage, is_skipped: bool, is_flagged: bool, name_max: usize) {
        if entry.path.excess(name_max).is_some() {
            let list = if is_skipped { &mut self.left_out } else { &mut self.exposed };
            list.push(entry.path);
        } else if is_flagged {
            self.hidden.push(HiddenEntry { entry, is_skipped });
        }
    }
}

/// Returns the special entries of an index file; `None` if it is not known how to read it. An object id has `id_bytes` bytes, and a name
/// in the file system up to `name_max`.
pub(in crate::backends::git) fn special_entries(
    index: &[u8],
    id_bytes: usize,
    name_max: usize,
) -> Option<SpecialEntries> {
    let mut rest = Rest(index);
    if rest.take(4)? != b"DIRC" {
        return None;
    }
    let (version, count) = (rest.long()?, rest.long()?);
    if !matches!(version, 2..=4) {
        return None;
    }
    let (mut found, mut path) = (SpecialEntries::default(), RawPath(Vec::new()));
    for _ in 0..count {
        let start = rest.0.len();
        // Times, device and inode.
        rest.take(24)?;
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
        let is_flagged = is_skipped || flags & ASSUME_UNCHANGED != 0;
        let is_special = is_flagged || path.excess(name_max).is_some();
        if is_special && number == 0 && mode != DIRECTORY {
            let oid: Oid = hex::encode(id).parse().ok()?;
            let entry = Stage { path: path.clone(), mode, oid, number };
            found.add(entry, is_skipped, is_flagged, name_max);
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

/// Returns the special entries in the output of `git ls-files -v --stage -z`. The letter of a hidden one is in lower case, or an `S`.
pub(in crate::backends::git) fn listed_special_entries(
    output: &[u8],
    name_max: usize,
) -> Result<SpecialEntries> {
    let mut found = SpecialEntries::default();
    for field in fields(output) {
        let Some((&[letter], entry)) = split_at(field, b' ') else { continue };
        let entry = stage(entry)?;
        if entry.number == 0 && entry.mode != DIRECTORY {
            let is_flagged = matches!(letter, b'a'..=b'z' | b'S');
            found.add(entry, letter.eq_ignore_ascii_case(&b's'), is_flagged, name_max);
        }
    }
    Ok(found)
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
    fn the_special_entries_are_those_that_git_lists() {
        for (format, id_bytes) in [("sha1", 20), ("sha256", 32)] {
            for version in ["2", "4"] {
                let dir = repository(format, version);
                let listed = git(dir.path(), &["ls-files", "-v", "--stage", "-z"]);
                let index = std::fs::read(dir.path().join(".git/index")).unwrap();
                for (name_max, counts) in [(255, [5, 0, 0]), (19, [4, 1, 1]), (5, [4, 1, 1])] {
                    let listed = listed_special_entries(&listed, name_max).unwrap();
                    let SpecialEntries { hidden, left_out, exposed } = &listed;
                    assert_eq!([hidden.len(), left_out.len(), exposed.len()], counts);
                    let read = special_entries(&index, id_bytes, name_max);
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
                assert_eq!(special_entries(&index[..length], 20, 255), None, "{length}");
            }
            git(dir.path(), &["update-index", "--split-index"]);
            let split = std::fs::read(dir.path().join(".git/index")).unwrap();
            assert_eq!(special_entries(&split, 20, 255), None);
        }
        assert_eq!(special_entries(b"DIRC\0\0\0\x05\0\0\0\0", 20, 255), None);
    }
}
