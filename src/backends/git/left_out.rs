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
use super::parse::{self, RawPath, TreeEntry};
use super::repository::Repository;
use super::special::SpecialEntries;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
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

    /// Gives the flag skip-worktree to files that are left out and do not have it.
    pub(super) async fn leave_out(&self, operation: &Operation) -> Result<()> {
        let special = self.special_entries().await?;
        let exposed = special.left_out.iter().filter(|file| !file.is_skipped);
        let exposed: Vec<RawPath> = exposed.map(|file| file.entry.path.clone()).collect();
        if exposed.is_empty() {
            return Ok(());
        }
        self.note_left_out(special.left_out.iter().map(|file| &file.entry.path)).await?;
        self.skip(operation, &self.index_path(), &exposed).await
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
