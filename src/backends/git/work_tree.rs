//! The files of the working tree, at the raw paths that git uses.
//!
//! Every access goes through the open root directory and follows no symbolic link. So a link that another program swaps in between two
//! steps leads nowhere.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::objects::blob_oid;
use super::parse::{Change, RawPath, SUBMODULE, SYMLINK};
use super::protected_names::is_protected;
use crate::core::error::Result;
use crate::core::path::{FilePath, is_reserved_name};
use crate::sys::fs::{RawEntry, Root};

/// How the entry at the path of a change compares with the two versions of the change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The checkout has replaced it.
    New,
    /// It is the old version, or something that neither version explains.
    NotNew,
    /// A file with this content. It may be the beginning of the new version.
    MaybePartial(Vec<u8>),
}

/// Compares the entry at the path of a change with the two versions of the change.
pub(super) fn compare(root: &Root, change: &Change) -> Result<Comparison> {
    let (content, mode_matches): (_, fn(u32) -> bool) = match root.raw_entry(path_of(change))? {
        RawEntry::Blocked | RawEntry::Special => return Ok(Comparison::NotNew),
        // Git unlinks a file before it writes the new version. A deletion by somebody else would have been committed before.
        RawEntry::Missing if change.old.is_null() => return Ok(Comparison::NotNew),
        RawEntry::Missing => return Ok(Comparison::New),
        // Git has created a directory without files for files that were to come.
        RawEntry::Directory => {
            let is_new = !change.old.is_null() && has_only_directories(root, path_of(change));
            return Ok(if is_new { Comparison::New } else { Comparison::NotNew });
        }
        RawEntry::Symlink(target) => (target, |mode| mode == SYMLINK),
        RawEntry::File { content, is_executable: true } => {
            (content, |mode| mode != SYMLINK && mode & 0o100 != 0)
        }
        RawEntry::File { content, is_executable: false } => {
            (content, |mode| mode != SYMLINK && mode & 0o100 == 0)
        }
    };
    let is_symlink = mode_matches(SYMLINK);
    let oid = blob_oid(&content, &change.new)?;
    if oid == change.old && mode_matches(change.old_mode) {
        return Ok(Comparison::NotNew);
    }
    if oid == change.new && mode_matches(change.new_mode) {
        return Ok(Comparison::New);
    }
    if change.new.is_null() || is_symlink {
        return Ok(Comparison::NotNew);
    }
    Ok(Comparison::MaybePartial(content))
}

/// Returns the paths of files that were deleted without a commit, and that `changes` would restore. Git itself refuses to overwrite
/// every other uncommitted change.
pub(super) fn uncommitted_deletions(root: &Root, changes: &[Change]) -> Vec<RawPath> {
    let is_deleted = |change: &&Change| {
        !change.old.is_null()
            && change.old_mode != SUBMODULE
            && !matches!(root.raw_stat(path_of(change)), Ok(Some(_)))
    };
    changes.iter().filter(is_deleted).map(|change| change.path.clone()).collect()
}

/// Returns the files at `path` and below it; or the file that has the name of one of its parent directories.
pub(super) fn files_at(root: &Root, path: &RawPath) -> Vec<FilePath> {
    let whole = Path::new(path.as_os());
    let mut prefix = PathBuf::new();
    for name in whole.components() {
        prefix.push(name);
        match root.raw_stat(&prefix) {
            Ok(Some(stat)) if stat.is_dir() => {}
            Ok(Some(_)) => return file_path(&prefix).into_iter().collect(),
            _ => return Vec::new(),
        }
    }
    files_below(root, whole)
}

fn files_below(root: &Root, directory: &Path) -> Vec<FilePath> {
    let (mut files, mut waiting) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for (name, is_dir) in root.raw_names(&directory).unwrap_or_default() {
            // A name that is not UTF-8 has no `FilePath`. The names that f9 and git reserve are not part of the tree.
            let Some(name) = std::str::from_utf8(&name).ok().filter(|name| !is_own(name)) else {
                continue;
            };
            let path = directory.join(name);
            if is_dir {
                waiting.push(path);
            } else {
                files.extend(file_path(&path));
            }
        }
    }
    files
}

fn file_path(path: &Path) -> Option<FilePath> {
    path.to_str().map(|path| FilePath::found(path.to_owned()))
}

fn is_own(name: &str) -> bool {
    is_reserved_name(name) || is_protected(name.as_bytes())
}

/// Whether there are only directories in the directory at `path`, at any depth.
fn has_only_directories(root: &Root, path: &Path) -> bool {
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(names) = root.raw_names(&directory) else { return false };
        for (name, is_dir) in names {
            if !is_dir {
                return false;
            }
            waiting.push(directory.join(OsStr::from_bytes(&name)));
        }
    }
    true
}

/// Removes a file, and the directories above it that are empty then.
pub(super) fn remove_with_parents(root: &Root, path: &RawPath) -> Result<()> {
    let path = Path::new(path.as_os());
    root.raw_remove_file(path)?;
    let parents = path.ancestors().skip(1).take_while(|parent| !parent.as_os_str().is_empty());
    for parent in parents {
        if root.raw_remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(())
}

fn path_of(change: &Change) -> &Path {
    Path::new(change.path.as_os())
}
