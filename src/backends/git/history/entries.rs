//! Parses the output of `git log -z` with `--name-status` or `--raw`, entry by entry.
//!
//! A path can be any bytes but NUL, so a field that may be a path is never recognized by its content: the status before it says how many
//! paths follow, and the format says how many fields a commit has.

use std::num::IntErrorKind;
use std::ops::ControlFlow;

use futures::stream::TryStreamExt as _;

use crate::backends::git::parse::Oid;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::ByteStream;

/// The format of a commit's first field. It differs from every status, which has no lower-case letters. More fields may follow, each
/// after `%x00`.
pub(super) const HEAD: &str = "commit %H %at %ct %P";

/// Options of `git log` to list the files that a commit changed. A merge lists the files that differ from all of its parents, with their
/// names in each of them.
pub(super) const CHANGES: [&str; 6] =
    ["-c", "-M", "--combined-all-paths", "--root", "--name-status", "-z"];

/// The same as [`CHANGES`], with the modes and the ids of the blobs.
pub(super) const STATES: [&str; 7] =
    ["-c", "-M", "--combined-all-paths", "--root", "--raw", "--no-abbrev", "-z"];

/// The first field of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    /// Unix time. It is that of `committed` if git cannot parse the date.
    pub(super) authored: i64,
    pub(super) committed: i64,
    parents: &'a str,
}

impl<'a> Head<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(line).ok()?.splitn(4, ' ');
        let id = parts.next().filter(|id| !id.is_empty())?;
        let (authored, committed) = (seconds(parts.next()?), seconds(parts.next()?).unwrap_or(0));
        let parents = parts.next()?;
        Some(Self { id, authored: authored.unwrap_or(committed), committed, parents })
    }

    pub(super) fn parents(&self) -> impl Iterator<Item = &'a str> {
        self.parents.split(' ').filter(|parent| !parent.is_empty())
    }
}

/// Parses a date. Git prints nothing for a date that it cannot parse, and prints a number of any size as it is.
fn seconds(text: &str) -> Option<i64> {
    text.parse().map_or_else(
        |error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Some(i64::MAX),
            IntErrorKind::NegOverflow => Some(i64::MIN),
            _ => None,
        },
        Some,
    )
}

/// A file that a commit changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    /// With [`STATES`], the mode of each parent and the mode after the commit, then the ids in the same order. Else empty.
    states: &'a [u8],
    /// One status letter for each parent.
    letters: &'a [u8],
    /// The names before, if listed, and the name after, separated by NUL.
    paths: &'a [u8],
}

impl<'a> Change<'a> {
    /// Returns the name after the commit; of a deleted file, the name before.
    pub(super) fn path(&self) -> &'a [u8] {
        self.paths.rsplit(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// Returns the names from which the file was renamed.
    pub(super) fn names_before(&self) -> impl Iterator<Item = &'a [u8]> {
        let names = self.paths.split(|&byte| byte == 0);
        self.letters.iter().zip(names).filter(|(letter, _)| **letter == b'R').map(|(_, name)| name)
    }

    /// Returns the mode and the id of the file after the commit; the mode of a deleted file is zero. `None` without [`STATES`].
    pub(super) fn state(&self) -> Option<(u32, Oid)> {
        let states = std::str::from_utf8(self.states).ok()?;
        let parents = self.letters.len();
        let mode = states.split(' ').nth(parents)?;
        let oid = states.split(' ').nth(2 * parents + 1)?;
        Some((u32::from_str_radix(mode, 8).ok()?, oid.parse().ok()?))
    }

    /// Whether the commit is a merge.
    pub(super) fn is_of_merge(&self) -> bool {
        self.letters.len() > 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A commit, with the additional fields of the format, separated by NUL. Its changes follow.
    Commit(Head<'a>, &'a [u8]),
    Change(Change<'a>),
}

/// Calls `take` with each entry of the output, until it breaks. A commit has `more` fields after its head.
pub(super) async fn for_each(
    mut printed: ByteStream<'static>,
    more: usize,
    mut take: impl FnMut(Entry<'_>) -> ControlFlow<()> + Send,
) -> Result<()> {
    let mut unread = Vec::new();
    while let Some(chunk) = printed.try_next().await? {
        unread.extend_from_slice(&chunk);
        let mut rest = &unread[..];
        while let Some((entry, remaining)) = next(rest, more)? {
            if take(entry).is_break() {
                return Ok(());
            }
            rest = remaining;
        }
        let read = unread.len() - rest.len();
        unread.drain(..read);
    }
    if is_separators(&unread) { Ok(()) } else { Err(unreadable()) }
}

/// Parses the first entry of `bytes`. Returns it with the rest; `None` if the entry is not complete yet.
pub(super) fn next(bytes: &[u8], more: usize) -> Result<Option<(Entry<'_>, &[u8])>> {
    // Any number of separators precedes an entry. A merge has others than a commit with one parent.
    let Some(start) = bytes.iter().position(|&byte| !is_separator(byte)) else { return Ok(None) };
    let Some((head, rest)) = fields(&bytes[start..], 1) else { return Ok(None) };
    if let Some(line) = head.strip_prefix(b"commit ") {
        let head = Head::parse(line).ok_or_else(unreadable)?;
        let found = fields(rest, more);
        return Ok(found.map(|(fields, rest)| (Entry::Commit(head, fields), rest)));
    }
    let (states, status) = states_and_status(head).ok_or_else(unreadable)?;
    let count = status.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let (letters, score) = status.split_at(count);
    if letters.is_empty() || !score.iter().all(u8::is_ascii_digit) {
        return Err(unreadable());
    }
    let paths = match letters {
        [b'R' | b'C'] => 2,
        [_] => 1,
        per_parent => per_parent.len() + 1,
    };
    let found = fields(rest, paths);
    Ok(found.map(|(paths, rest)| (Entry::Change(Change { states, letters, paths }), rest)))
}

/// Splits the first field of a change: `<status>`, or with [`STATES`] `:<states> <status>` with one colon for each parent.
fn states_and_status(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let colons = head.iter().take_while(|byte| **byte == b':').count();
    if colons == 0 {
        return Some((&[], head));
    }
    let end = head.iter().rposition(|&byte| byte == b' ')?;
    Some((head.get(colons..end)?, &head[end + 1..]))
}

/// Splits off the first `count` fields, without the NUL after the last one.
fn fields(bytes: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    let Some(last) = count.checked_sub(1) else { return Some((&[], bytes)) };
    let end = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0).nth(last)?.0;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn is_separators(bytes: &[u8]) -> bool {
    bytes.iter().copied().all(is_separator)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, 0 | b'\n')
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Internal).with_message("unexpected output of `git log`")
}
