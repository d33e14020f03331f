//! Parses the output of git: pure functions of bytes. Paths are printed with `-z`, so that each is exactly the bytes before a NUL.

mod fields;
mod index;
mod merge;
mod oid;
mod paths;
mod push;
mod raw_path;
mod tree;

pub(super) use self::index::{IndexEntry, index_entries, listed_index_entries};
pub(super) use self::merge::{MergedTree, Message, Stage, merged_tree};
pub(super) use self::oid::{Oid, oid};
pub(super) use self::paths::{filtered_path, flagged_paths, nul_terminated, paths};
pub(super) use self::push::{Pushed, name_taken, pushed};
pub(super) use self::raw_path::RawPath;
pub(super) use self::tree::{Change, FILE, SUBMODULE, SYMLINK, TreeEntry, changes, tree_entries};

#[cfg(test)]
mod tests;
