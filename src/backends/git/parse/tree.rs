//! The entries of a tree, and the differences between two trees.

use super::fields::{fields, octal, split_at, text, unexpected};
use super::oid::Oid;
use super::raw_path::RawPath;
use crate::core::error::Result;

/// The modes of entries of a tree that are not executable.
pub(in crate::backends::git) const FILE: u32 = 0o100_644;
pub(in crate::backends::git) const SYMLINK: u32 = 0o120_000;
pub(in crate::backends::git) const SUBMODULE: u32 = 0o160_000;

/// An entry of a tree that is not a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct TreeEntry {
    pub(in crate::backends::git) mode: u32,
    pub(in crate::backends::git) oid: Oid,
    pub(in crate::backends::git) path: RawPath,
}

/// Parses the output of `git ls-tree -r -z`: `<mode> <type> <oid>\t<path>`.
pub(in crate::backends::git) fn tree_entries(output: &[u8]) -> Result<Vec<TreeEntry>> {
    let entry = |field: &[u8]| {
        let (head, path) = split_at(field, b'\t').ok_or_else(|| unexpected("a tree entry"))?;
        match text(head, "a tree entry")?.split(' ').collect::<Vec<_>>()[..] {
            [mode, _, oid] => Ok(TreeEntry {
                mode: octal(mode)?,
                oid: oid.parse()?,
                path: RawPath(path.to_vec()),
            }),
            _ => Err(unexpected("a tree entry")),
        }
    };
    fields(output).map(entry).collect()
}

/// A file that differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::git) struct Change {
    pub(in crate::backends::git) old_mode: u32,
    pub(in crate::backends::git) new_mode: u32,
    pub(in crate::backends::git) old: Oid,
    pub(in crate::backends::git) new: Oid,
    pub(in crate::backends::git) path: RawPath,
}

/// Parses the output of `git diff-tree -r -z --raw --no-renames`: `:<mode> <mode> <oid> <oid> <status>\0<path>\0`.
pub(in crate::backends::git) fn changes(output: &[u8]) -> Result<Vec<Change>> {
    let mut fields = fields(output);
    let mut changes = Vec::new();
    while let Some(head) = fields.next() {
        let path = fields.next().ok_or_else(|| unexpected("a change"))?;
        let head =
            text(head, "a change")?.strip_prefix(':').ok_or_else(|| unexpected("a change"))?;
        match head.split(' ').collect::<Vec<_>>()[..] {
            [old_mode, new_mode, old, new, _] => changes.push(Change {
                old_mode: octal(old_mode)?,
                new_mode: octal(new_mode)?,
                old: old.parse()?,
                new: new.parse()?,
                path: RawPath(path.to_vec()),
            }),
            _ => return Err(unexpected("a change")),
        }
    }
    Ok(changes)
}
