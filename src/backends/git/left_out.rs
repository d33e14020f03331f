//! Files of the branch that the working tree cannot hold: those with long names, those with names that git protects, and twins, of which
//! the file system can hold one.
//!
//! They stay in the branch and in the index, with the flag skip-worktree: without it, git would take them for deleted. A note has the
//! paths of the twins. It tells them from files that a person has hidden when the other twin is gone, and tells which twin is in the
//! working tree if somebody has removed the flags.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use super::index::IndexInfo;
use super::locks::Operation;
use super::objects::blob_oid;
use super::parse::{self, RawPath, SYMLINK, TreeEntry};
use super::repository::Repository;
use super::special::{Misplaced, SpecialEntries};
use super::work_tree::remove_with_parents;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::sys::fs::{RawEntry, Root};
use crate::sys::pool;

/// The note with the paths of the twins that are left out, and perhaps of some that are not any more.
const NOTE: &str = "twins.json";

/// A file of the branch that the working tree cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The path in the branch. Bytes that are not UTF-8 become replacement characters.
    pub path: FilePath,
    /// Why it was left out.
    pub reason: String,
}

impl Repository {
    /// Returns the files that are left out.
    pub(super) async fn left_out(&self) -> Result<Vec<LeftOut>> {
        let special = self.special_entries().await?;
        let files = special.left_out.iter().map(|file| LeftOut {
            path: FilePath::found(file.entry.path.to_text()),
            reason: file.reason.to_string(),
        });
        Ok(files.collect())
    }

    /// Whether a twin can be checked out, because the other one is gone.
    pub(super) async fn can_show_twin(&self) -> Result<bool> {
        if !self.names.folds() {
            return Ok(false);
        }
        Ok(self.special_entries().await?.returning().next().is_some())
    }

    /// Makes the index and the working tree as f9 leaves them, after a person's git has checked out twins.
    pub(super) async fn tidy_up(&self, operation: &Operation) -> Result<()> {
        if !self.special_entries().await?.misplaced.is_empty() {
            self.remove_misplaced(operation).await?;
        }
        self.leave_out(operation).await
    }

    /// Gives the flag skip-worktree to files that are left out and do not have it, and takes it from those that are checked out.
    pub(super) async fn leave_out(&self, operation: &Operation) -> Result<()> {
        if !self.special_entries().await?.is_disturbed() {
            return Ok(());
        }
        self.with_new_index(operation, async |index| {
            let special = self.special_entries().await?;
            let exposed = special.left_out.iter().filter(|file| !file.is_skipped);
            let exposed: Vec<TreeEntry> = exposed.map(|file| file.entry.clone()).collect();
            self.note_left_out(special.entries().map(|entry| &entry.path)).await?;
            self.add_left_out(operation, index.path(), &exposed).await?;
            self.unskip(operation, index.path(), &special.checked_out).await?;
            index.install().await
        })
        .await
    }

    /// Removes the files that git has written into a directory of another name, and restores those that they have replaced. Their content is in
    /// the branch.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if a file has changed since it has replaced another one.
    async fn remove_misplaced(&self, operation: &Operation) -> Result<()> {
        let _guard = self.locks.tree.write(self.lock_timeout).await?;
        let special = self.special_entries().await?;
        let root = Arc::clone(&self.root);
        let restored = pool::run(move || {
            let mut restored = Vec::new();
            for Misplaced { entry, over } in &special.misplaced {
                let is_there = root.raw_stat(Path::new(entry.path.as_os()))?.is_some();
                let is_unchanged = is_there && holds(&root, entry)?;
                match over {
                    None if is_unchanged => remove_with_parents(&root, &entry.path)?,
                    Some(over) if is_unchanged || !is_there => restored.push(over.path.clone()),
                    Some(over) if !holds(&root, over)? => return Err(is_edited(entry, over)),
                    _ => {}
                }
            }
            Ok(restored)
        })
        .await?;
        if restored.is_empty() {
            return Ok(());
        }
        let restore = self.git.local(["checkout-index", "--force", "-z", "--stdin"]);
        let restore = restore.input(parse::nul_terminated(restored));
        restore.within(operation)?.stdout().await.map(drop)
    }

    /// Refuses a file that has the name of a directory with files that are left out: git would take these for deleted.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation).
    pub(super) async fn refuse_files_as_directories(&self, special: &SpecialEntries) -> Result<()> {
        // A twin that is not in the working tree may be below a file.
        let held = special.left_out.iter().filter(|file| !file.reason.is_about_twins());
        let held: Vec<RawPath> = held.map(|file| file.entry.path.clone()).collect();
        if held.is_empty() {
            return Ok(());
        }
        let root = Arc::clone(&self.root);
        pool::run(move || {
            for path in &held {
                for directory in path.parents() {
                    let stat = root.raw_stat(Path::new(OsStr::from_bytes(directory)))?;
                    if stat.is_some_and(|stat| !stat.is_dir()) {
                        return Err(Error::new(ErrorKind::InvalidOperation).with_message(format!(
                            "`{}` is a file here and a directory of the branch with `{}`, which is left out; move the file away",
                            String::from_utf8_lossy(directory),
                            path.to_text()
                        )));
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// Gives the flag skip-worktree to the entries at `paths` in the file `index`.
    pub(super) async fn skip(
        &self,
        operation: &Operation,
        index: &Path,
        paths: &[RawPath],
    ) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let skip = self.git.local(["update-index", "--skip-worktree", "-z", "--stdin"]);
        let skip = skip.index(index).unprotected().input(parse::nul_terminated(paths));
        skip.within(operation)?.stdout().await.map(drop)
    }

    /// Takes the flag skip-worktree from entries of the file `index`.
    async fn unskip(
        &self,
        operation: &Operation,
        index: &Path,
        entries: &[TreeEntry],
    ) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let paths = parse::nul_terminated(entries.iter().map(|entry| &entry.path));
        let unskip = self.git.local(["update-index", "--no-skip-worktree", "-z", "--stdin"]);
        unskip.index(index).input(paths).within(operation)?.stdout().await.map(drop)
    }

    /// Removes entries from the file `index`.
    pub(super) async fn remove_entries(
        &self,
        operation: &Operation,
        index: &Path,
        entries: &[TreeEntry],
    ) -> Result<()> {
        let mut lines = IndexInfo::default();
        for entry in entries {
            lines.remove(&entry.path, &entry.oid.null());
        }
        self.change_index_at(operation, index, lines).await
    }

    /// Adds entries that are left out to the file `index`.
    pub(super) async fn add_left_out(
        &self,
        operation: &Operation,
        index: &Path,
        entries: &[TreeEntry],
    ) -> Result<()> {
        let (mut lines, mut paths) = (IndexInfo::default(), Vec::new());
        for entry in entries {
            lines.add(entry.mode, &entry.oid, &entry.path);
            paths.push(entry.path.clone());
        }
        self.change_index_at(operation, index, lines).await?;
        self.skip(operation, index, &paths).await
    }

    /// Returns the paths in the note.
    pub(super) async fn noted_as_left_out(&self) -> Result<HashSet<RawPath>> {
        if !self.names.folds() {
            return Ok(HashSet::new());
        }
        Ok(self.note(NOTE).await?.unwrap_or_default())
    }

    /// Writes the note, before the files at `paths` are left out.
    pub(super) async fn note_left_out(&self, paths: impl Iterator<Item = &RawPath>) -> Result<()> {
        if !self.names.folds() {
            return Ok(());
        }
        let paths: HashSet<&RawPath> = paths.collect();
        if paths.is_empty() {
            self.remove_note(NOTE).await
        } else {
            self.write_note(NOTE, &paths).await
        }
    }
}

/// Whether the working tree has the file of `entry` with the content of the index. Some file systems have no executable bit.
fn holds(root: &Root, entry: &TreeEntry) -> Result<bool> {
    let (content, is_symlink) = match root.raw_entry(Path::new(entry.path.as_os()))? {
        RawEntry::File { content, .. } => (content, false),
        RawEntry::Symlink(target) => (target, true),
        _ => return Ok(false),
    };
    Ok(is_symlink == (entry.mode == SYMLINK) && blob_oid(&content, &entry.oid)? == entry.oid)
}

fn is_edited(entry: &TreeEntry, over: &TreeEntry) -> Error {
    Error::new(ErrorKind::InvalidOperation).with_message(format!(
        "git has written `{}` over `{}`, which has the same name here, and the file has changed since; move it away",
        entry.path.to_text(),
        over.path.to_text()
    ))
}
