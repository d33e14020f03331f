//! The directory of a working tree: checks and creates it before a clone, and removes a clone that failed.

use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};

use super::locks::LOCK;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::DirMode;
use crate::core::path::FilePath;
use crate::sys::fs::{Reserved, Root, create_dir};

/// The note that the clone is complete. It is written last.
pub(super) const READY: &str = "ready";

/// Creates the directory at `path` if it is missing, with a place for f9's notes. Returns the topmost directory that it created.
///
/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists), with nothing changed, if there is something else than a repository;
/// [`Unsupported`](ErrorKind::Unsupported) for a kind of repository that f9 cannot open.
pub(super) fn prepare(path: &Path) -> Result<Option<PathBuf>> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    let created = missing.last().map(|created| created.to_path_buf());
    fs::create_dir_all(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => already_exists("a file is there").with_source(error),
        // Another process is removing it.
        _ if error.kind() == IoKind::AlreadyExists => ErrorKind::RootGone.into(),
        _ => error.into(),
    })?;
    let git_dir = path.join(".git");
    match fs::symlink_metadata(&git_dir) {
        Err(error) if error.kind() == IoKind::NotFound => {
            if !is_empty(path)? {
                return Err(already_exists("the directory is neither empty nor a git repository"));
            }
        }
        Err(error) => return Err(error.into()),
        Ok(found) if !found.is_dir() => {
            return Err(unsupported(
                "`.git` is a file or a link: submodules and linked working trees cannot be opened",
            ));
        }
        Ok(_) => check_git_dir(&git_dir)?,
    }
    let root = Root::open(path, Reserved::default())?;
    let home = FilePath::found(".git/f9/home".to_owned());
    create_dir(&root, &home, DirMode::Overwrite, false)?;
    Ok(created)
}

fn check_git_dir(git_dir: &Path) -> Result<()> {
    // Listed once, because another process may be creating or removing them.
    let names: Vec<_> = fs::read_dir(git_dir)?.flatten().map(|entry| entry.file_name()).collect();
    // Some file systems list all names in lower case.
    let has = |name: &str| names.iter().any(|found| found.eq_ignore_ascii_case(name));
    if has("reftable") {
        return Err(unsupported(
            "its refs are stored as a reftable, which f9 cannot read; clone it again without",
        ));
    }
    let is_ready = git_dir.join("f9").join(READY).exists();
    if git_dir.join("info/sparse-checkout").exists() && !is_ready {
        return Err(unsupported(
            "it is a sparse checkout (git-sparse-checkout); clone it again in full",
        ));
    }
    if has("shallow") {
        return Err(unsupported(
            "it is a shallow clone, in which history is missing; complete it with `git fetch --unshallow`",
        ));
    }
    if has("lfs") && !is_ready {
        return Err(unsupported(
            "it is a clone with git-lfs, and f9 would publish the content of its files in place of the pointers; \
             let f9 clone it again",
        ));
    }
    // What git itself accepts as a repository (gitrepository-layout(5)).
    let is_repository = ["HEAD", "objects", "refs"].into_iter().all(has);
    if !(is_repository || has("f9") || names.is_empty()) {
        return Err(already_exists("the directory is not empty, and its `.git` is no repository"));
    }
    Ok(())
}

/// Whether the working tree has no files but those of the backend itself.
fn is_empty(work_tree: &Path) -> Result<bool> {
    let mut names = fs::read_dir(work_tree)?.flatten().map(|entry| entry.file_name());
    Ok(names.all(|name| name == ".git" || name == ".backend.lock"))
}

/// Removes a clone that failed before any file was checked out, and the directories that were created for it.
pub(super) fn remove(work_tree: &Path, created: Option<&Path>) -> Result<()> {
    if !is_empty(work_tree)? {
        return Ok(());
    }
    let root = Root::open(work_tree, Reserved::default())?;
    remove_repository(&root)?;
    remove_own(&root)?;
    root.raw_remove_dir(Path::new(".git"))?;
    let Some(created) = created else { return Ok(()) };
    for directory in work_tree.ancestors() {
        if fs::remove_dir(directory).is_err() || directory == created {
            break;
        }
    }
    Ok(())
}

/// Removes f9's notes and locks from a repository that f9 could not clone or adopt.
///
/// The operation's lock file is removed last, because other processes that wait for the lock take its removal as a sign that the
/// other process failed.
pub(super) fn remove_own(root: &Root) -> Result<()> {
    remove_all_but(root, LOCK, Path::new(".git/f9"))?;
    root.raw_remove_file(&Path::new(".git/f9").join(LOCK))?;
    root.raw_remove_dir(Path::new(".git/f9"))
}

/// Removes the repository, but not f9's notes and locks.
pub(super) fn remove_repository(root: &Root) -> Result<()> {
    remove_all_but(root, "f9", Path::new(".git"))
}

fn remove_all_but(root: &Root, kept: &str, directory: &Path) -> Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    for (name, is_dir) in root.raw_names(directory)? {
        if name == kept.as_bytes() {
            continue;
        }
        let path = directory.join(std::ffi::OsStr::from_bytes(&name));
        if is_dir {
            root.raw_empty_dir(&path)?;
            root.raw_remove_dir(&path)?;
        } else {
            root.raw_remove_file(&path)?;
        }
    }
    Ok(())
}

/// Turns the error of a missing directory into [`RootGone`](ErrorKind::RootGone): it was there before, so another process whose clone
/// failed has removed it.
pub(super) fn gone_if_missing(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_kind(ErrorKind::RootGone),
        _ => error,
    }
}

pub(super) fn already_exists(reason: &'static str) -> Error {
    Error::new(ErrorKind::AlreadyExists).with_message(reason)
}

fn unsupported(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported).with_message(reason)
}
