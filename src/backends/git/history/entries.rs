//! What `git log -z --name-status` prints, entry by entry.
//!
//! A path can be any bytes but NUL, so nothing is told by how a field looks where a path may stand: the status before says how many
//! paths follow, and the format how many fields a commit has.

use std::num::IntErrorKind;
use std::ops::ControlFlow;

use futures::stream::TryStreamExt as _;

use crate::stream::ByteStream;
use crate::{Error, ErrorKind, Result};

/// How a commit is to begin: no status has small letters. More fields may follow, each behind `%x00`.
pub(super) const HEAD: &str = "commit %H %at %ct %P";

/// What makes `git log` tell which files a commit touched: a merge those that differ from each of its parents, with their names
/// in all of them.
pub(super) const CHANGES: [&str; 6] =
    ["-c", "-M", "--combined-all-paths", "--root", "--name-status", "-z"];

/// The first line of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    /// Seconds after 1970, or those of `committed` where git cannot read the date.
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

/// Reads a date. Git prints none that it cannot read, and what does not fit any clock as it stands.
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

/// A file that a commit touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change<'a> {
    /// A letter for each parent.
    letters: &'a [u8],
    /// The names before, if any is told, and the one since, apart by NULs.
    paths: &'a [u8],
}

impl<'a> Change<'a> {
    /// What the file is called since, or was, if it is gone.
    pub(super) fn path(&self) -> &'a [u8] {
        self.paths.rsplit(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The names that it lost.
    pub(super) fn names_before(&self) -> impl Iterator<Item = &'a [u8]> {
        let names = self.paths.split(|&byte| byte == 0);
        self.letters.iter().zip(names).filter(|(letter, _)| **letter == b'R').map(|(_, name)| name)
    }

    /// Whether this is told of a merge.
    pub(super) fn is_merged(&self) -> bool {
        self.letters.len() > 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A commit, with the fields that the format has besides, apart by NULs. Its changes follow.
    Commit(Head<'a>, &'a [u8]),
    Change(Change<'a>),
}

/// Gives `take` each entry of what is `printed`, until it breaks. A commit has `more` fields besides its head.
pub(super) async fn each(
    mut printed: ByteStream<'static>,
    more: usize,
    mut take: impl FnMut(Entry<'_>) -> ControlFlow<()> + Send,
) -> Result<()> {
    let mut unread = Vec::new();
    while let Some(chunk) = printed.try_next().await? {
        unread.extend_from_slice(&chunk);
        let mut rest = &unread[..];
        while let Some((entry, behind)) = next(rest, more)? {
            if take(entry).is_break() {
                return Ok(());
            }
            rest = behind;
        }
        let read = unread.len() - rest.len();
        unread.drain(..read);
    }
    if is_separators(&unread) { Ok(()) } else { Err(unreadable()) }
}

/// The first entry of `bytes` and what is behind it; `None` if it is not all there yet.
pub(super) fn next(bytes: &[u8], more: usize) -> Result<Option<(Entry<'_>, &[u8])>> {
    // An entry begins behind any number of separators, of which a merge has others than a commit with one parent.
    let Some(start) = bytes.iter().position(|&byte| !is_separator(byte)) else { return Ok(None) };
    let Some((head, rest)) = fields(&bytes[start..], 1) else { return Ok(None) };
    if let Some(line) = head.strip_prefix(b"commit ") {
        let head = Head::parse(line).ok_or_else(unreadable)?;
        let found = fields(rest, more);
        return Ok(found.map(|(fields, rest)| (Entry::Commit(head, fields), rest)));
    }
    let count = head.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let (letters, score) = head.split_at(count);
    if letters.is_empty() || !score.iter().all(u8::is_ascii_digit) {
        return Err(unreadable());
    }
    let paths = match letters {
        [b'R' | b'C'] => 2,
        [_] => 1,
        of_parents => of_parents.len() + 1,
    };
    Ok(fields(rest, paths).map(|(paths, rest)| (Entry::Change(Change { letters, paths }), rest)))
}

/// The first `count` fields, without the last one's NUL, and what is behind it.
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
    Error::new(ErrorKind::Internal).with_message("git printed something else than its log")
}
