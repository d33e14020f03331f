//! Moving a name where the file system lacks the step for it, and removing one of two names of a file.
//!
//! `rename(2)` replaces the entry with the new name, and does nothing if both names belong to one file. A rename that replaces nothing
//! (`RENAME_NOREPLACE`) is missing on NFS and on most FUSE file systems. There the move takes several steps. The caller holds exclusive
//! locks on both directories meanwhile, so that no other process of f9 changes them.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::cache::dislikes_links;
use super::dir_lock::DirectoryLock;
use super::errno::system_error;
use super::owner::new_name;
use super::parent_dir::ParentDir;
use super::read_dir::for_each_name;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::LockMode;

/// Renames an entry in one step. If the new name exists, this is `EEXIST`.
///
/// # Errors
///
/// `EINVAL` or `ENOSYS` if the file system lacks the step.
pub(super) fn rename_new_at_once(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE))
}

/// Whether an error of [`rename_new_at_once`] means that the file system lacks the step.
pub(super) fn lacks_step(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS)
}

/// Renames an entry, in several steps if the file system lacks the single one. If the new name exists, this is `EEXIST`.
pub(super) fn rename_new(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
) -> Result<(), Errno> {
    match rename_new_at_once(from, old, to, new) {
        Err(errno) if lacks_step(errno) => rename_new_in_steps(from, old, to, new, false),
        moved => moved,
    }
}

/// Renames an entry in several steps. `is_locked` tells whether the caller has locked both directories against all others.
///
/// `linkat` never replaces a file, but the moved file has two names for a moment. If that does harm and the directories are locked, or if
/// there are no hard links, this checks that the new name is free and then renames.
pub(super) fn rename_new_in_steps(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
    is_locked: bool,
) -> Result<(), Errno> {
    let may_link = || !(is_locked && dislikes_links(to));
    let is_dir = Stat::of_name(from, old.as_ref())?.is_dir();
    if !is_dir && may_link() && link_new(from, old, to, new)? {
        let removed = retry_on_intr(|| rustix::fs::unlinkat(from, old, AtFlags::empty()));
        if removed.is_err() {
            let _ = rustix::fs::unlinkat(to, new, AtFlags::empty());
        }
        return removed;
    }
    match Stat::of_name(to, new.as_ref()) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => retry_on_intr(|| rustix::fs::renameat(from, old, to, new)),
        Err(errno) => Err(errno),
    }
}

/// Gives a file a second name. Fails with `EEXIST` if that name is taken. Returns `false` if there are no hard links.
fn link_new(from: BorrowedFd<'_>, old: &str, to: BorrowedFd<'_>, new: &str) -> Result<bool, Errno> {
    match retry_on_intr(|| rustix::fs::linkat(from, old, to, new, AtFlags::empty())) {
        Ok(()) => Ok(true),
        // The file system has none, or the system refuses them to this user (`fs.protected_hardlinks`).
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::ACCESS) => {
            Ok(false)
        }
        Err(errno) => Err(errno),
    }
}

/// Like [`rename_new`], for an entry whose name another process may give to another file at any time. Returns `false` if that happens.
///
/// `error` converts the error of the move itself.
pub(super) fn move_entry(
    source: &ParentDir,
    stat: &Stat,
    target: &ParentDir,
    is_locked: bool,
    error: impl Fn(Errno) -> Error,
) -> Result<bool> {
    let (from, to) = (source.dir.as_fd(), target.dir.as_fd());
    let (old, new) = (source.name.as_str(), target.name.as_str());
    match rename_new_at_once(from, old, to, new) {
        Err(errno) if lacks_step(errno) => {}
        moved => return moved.map(|()| true).map_err(error),
    }
    let may_link = !(stat.is_dir() || is_locked && dislikes_links(to));
    if !may_link || !link_new(from, old, to, new).map_err(&error)? {
        let moved = rename_new_in_steps(from, old, to, new, is_locked);
        return moved.map(|()| true).map_err(error);
    }
    let removed = remove_source(source, stat, target);
    if !matches!(removed, Ok(true)) {
        // The new name was made here.
        let _ = rustix::fs::unlinkat(to, new, AtFlags::empty());
    }
    removed
}

/// Removes the name `source` of the file that also has the name `target`. Returns `false` and changes nothing if `source` names another
/// file by now.
///
/// No system call removes a name only if it still belongs to a certain file. So the entry is first renamed to a reserved name, which nobody
/// else uses, and then checked.
pub(super) fn remove_source(source: &ParentDir, stat: &Stat, target: &ParentDir) -> Result<bool> {
    if source.is_in_same_dir(target) && has_both(source, target) == Some(false) {
        // Two spellings of one name, in a directory that ignores case.
        return Ok(true);
    }
    let (from, to, aside) = (source.dir.as_fd(), target.dir.as_fd(), new_name()?);
    match retry_on_intr(|| rustix::fs::renameat(from, source.name.as_str(), from, aside.as_str())) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(system_error(errno)),
    }
    let put_back = || match rename_new(from, &aside, from, &source.name) {
        // The name has another file again. The file that was moved aside is older, so it becomes the target.
        Err(Errno::EXIST) => {
            retry_on_intr(|| rustix::fs::renameat(from, aside.as_str(), to, target.name.as_str()))
        }
        put_back => put_back,
    };
    let looked = Stat::of_name(from, aside.as_ref())
        .map_err(system_error)
        .and_then(|moved| Ok((moved.id() == stat.id(), target.stat()?.is_some())));
    let removed = match looked {
        Ok((true, true)) => {
            retry_on_intr(|| rustix::fs::unlinkat(from, aside.as_str(), AtFlags::empty()))
                .map_err(system_error)
        }
        // Both were spellings of one name, or another process has deleted the other name.
        Ok((true, false)) => match rename_new(from, &aside, to, &target.name) {
            // Another process has created it again.
            Err(Errno::EXIST) => {
                put_back().map_err(system_error)?;
                return Ok(false);
            }
            moved => moved.map_err(system_error),
        },
        Ok((false, _)) => {
            put_back().map_err(system_error)?;
            return Ok(false);
        }
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(true),
        Err(error) => {
            // The first error says what failed.
            let _ = put_back();
            Err(error)
        }
    }
}

/// Whether the directory has both names, byte for byte; `None` if it cannot be read.
fn has_both(source: &ParentDir, target: &ParentDir) -> Option<bool> {
    let mut missing = vec![source.name.as_bytes(), target.name.as_bytes()];
    let read = for_each_name(source.dir.as_fd(), |name, _| {
        missing.retain(|wanted| *wanted != name);
        if missing.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    read.ok().map(|()| missing.is_empty())
}

/// Locks a directory against all other processes of f9; `None` if one of them holds the lock. On a file system without locks this goes on
/// without one. Also returns whether the directory is locked.
pub(super) fn lock_out_others(dir: &Arc<OwnedFd>) -> Result<Option<(DirectoryLock, bool)>> {
    match DirectoryLock::acquire(dir, LockMode::Exclusive) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            Ok(DirectoryLock::acquire(dir, LockMode::Shared)?.map(|lock| (lock, false)))
        }
        locked => Ok(locked?.map(|lock| (lock, true))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::reserved::Reserved;
    use super::super::root::Root;
    use super::*;
    use crate::core::path::FilePath;

    /// Returns the places of two names, and the file that the first one has now.
    fn two(dir: &Path, source: &str, target: &str) -> (ParentDir, Stat, ParentDir) {
        let root = Root::open(dir, Reserved::default()).unwrap();
        let place = |name| root.locate(&FilePath::parse(name).unwrap()).unwrap();
        let (source, target) = (place(source), place(target));
        let stat = source.stat().unwrap().unwrap();
        (source, stat, target)
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_of_two_names_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "old").unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        let (source, stat, target) = two(dir.path(), "a", "b");
        assert!(remove_source(&source, &stat, &target).unwrap());
        assert_eq!(names(dir.path()), ["b"]);
    }

    #[test]
    fn a_name_that_was_replaced_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "old").unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        let (source, stat, target) = two(dir.path(), "a", "b");
        fs::write(dir.path().join("new"), "acknowledged").unwrap();
        fs::rename(dir.path().join("new"), dir.path().join("a")).unwrap();
        assert!(!remove_source(&source, &stat, &target).unwrap());
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"acknowledged");
        assert_eq!(names(dir.path()), ["a", "b"]);
    }

    #[test]
    fn the_last_name_of_a_file_stays() {
        for has_another_link in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let elsewhere = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("a"), "kept").unwrap();
            if has_another_link {
                fs::hard_link(dir.path().join("a"), elsewhere.path().join("other")).unwrap();
            }
            let (source, stat, target) = two(dir.path(), "a", "A");
            // The directory lists one of the names only, like one that ignores case.
            assert!(remove_source(&source, &stat, &target).unwrap());
            assert_eq!(names(dir.path()), ["a"]);
            // The other name is gone by the time the first one is moved aside.
            fs::create_dir(dir.path().join("below")).unwrap();
            let (_, _, target) = two(dir.path(), "a", "below/A");
            assert!(remove_source(&source, &stat, &target).unwrap());
            assert_eq!(fs::read(dir.path().join("below/A")).unwrap(), b"kept");
            assert_eq!(names(dir.path()), ["below"]);
        }
    }

    #[test]
    fn a_move_in_steps_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a", "b"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir(at("dir")).unwrap();
        let open = fs::File::open(dir.path()).unwrap();
        let step = |old, new| rename_new_in_steps(open.as_fd(), old, open.as_fd(), new, false);
        for (old, new) in [("a", "b"), ("a", "dir"), ("dir", "a")] {
            assert_eq!(step(old, new), Err(Errno::EXIST), "{old} to {new}");
        }
        step("a", "c").unwrap();
        step("dir", "other").unwrap();
        assert_eq!(names(dir.path()), ["b", "c", "other"]);
        assert_eq!(fs::read(at("c")).unwrap(), b"a");
    }
}
