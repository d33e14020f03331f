//! Copying content, and renaming entries.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;

use rustix::fs::AtFlags;
use rustix::io::{Errno, retry_on_intr};

use super::dir_lock::{Attempt, DirectoryLock};
use super::errno::system_error;
use super::locate::retry_if_removed;
use super::parent_dir::ParentDir;
use super::root::Root;
use super::staged_file::{check_mode, etag_changed};
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use super::temporary::rename_new;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::WriteMode;
use crate::core::path::FilePath;
use crate::sys::lock::LockMode;
use crate::sys::pool::Cancelled;

/// The number of bytes that the kernel copies between two checks for cancellation.
const COPY_BLOCK: usize = 64 * 1024 * 1024;

/// Copies the content of `from` into the empty file `to`. Shares the blocks if the file system supports that, and otherwise copies
/// them within the kernel.
pub(crate) fn copy_content(from: &File, to: &File, cancelled: &Cancelled) -> Result<()> {
    let mut target = to;
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        // Sharing does not move the file offset, and a caller may append.
        target.seek(SeekFrom::End(0))?;
        return Ok(());
    }
    let mut copied = false;
    loop {
        cancelled.check()?;
        match retry_on_intr(|| rustix::fs::copy_file_range(from, None, to, None, COPY_BLOCK)) {
            Ok(0) if copied => return Ok(()),
            // Some file systems do not support this and return 0.
            Ok(0) => break,
            Ok(_) => copied = true,
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM)
                if !copied =>
            {
                break;
            }
            Err(errno) => return Err(system_error(errno)),
        }
    }
    let mut source = from;
    io::copy(&mut source, &mut target)?;
    Ok(())
}

/// Renames the entry at `from` to `to`.
pub(crate) fn rename(
    root: &Root,
    from: &FilePath,
    to: &FilePath,
    mode: &WriteMode,
    sync: bool,
) -> Result<Attempt<Stat, ()>> {
    let source = root.locate_existing(from)?;
    let stat = source.stat()?.ok_or(ErrorKind::NotFound)?;
    if stat.is_dir() && from != to && to.starts_with(from) {
        return Err(into_itself());
    }
    let rename = |target: &mut ParentDir| {
        check_target(&stat, target.stat()?.as_ref(), mode)?;
        if from == to {
            return Ok(true);
        }
        let created = target.create_missing(sync)?;
        match rename_entry(&source, target, &stat, mode) {
            Err(error) => target.undo(created, error),
            Ok(false) => {
                created.remove();
                Ok(false)
            }
            renamed => renamed,
        }
    };
    let (target, is_renamed) = retry_if_removed(root, || root.locate(to), rename)?;
    if !is_renamed {
        return Ok(Attempt::Busy(()));
    }
    if from == to {
        return Ok(Attempt::Done(stat));
    }
    let stat = confirm(target.stat())?.unwrap_or(stat);
    if sync {
        confirm(sync_directory(target.dir.as_fd()))?;
        confirm(sync_directory(source.dir.as_fd()))?;
    }
    Ok(Attempt::Done(stat))
}

fn into_itself() -> Error {
    Error::new(ErrorKind::InvalidInput).with_message("a directory cannot be moved into itself")
}

/// Checks whether `mode` allows `source` to replace `old`.
fn check_target(source: &Stat, old: Option<&Stat>, mode: &WriteMode) -> Result<()> {
    match (old, mode) {
        (None, WriteMode::Create | WriteMode::Overwrite) => Ok(()),
        (Some(_), WriteMode::Create) => Err(ErrorKind::AlreadyExists.into()),
        // Directories have no etag.
        (_, WriteMode::IfMatch(_)) if source.is_dir() => Err(etag_changed()),
        (Some(old), WriteMode::Overwrite) if source.is_dir() != old.is_dir() => {
            Err(if old.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::NotADirectory }
                .into())
        }
        (Some(_), WriteMode::Overwrite) => Ok(()),
        (old, WriteMode::IfMatch(_)) => check_mode(old, mode),
    }
}

/// Renames the entry while both directories are locked; `false` if another process holds one of the locks.
fn rename_entry(
    source: &ParentDir,
    target: &ParentDir,
    stat: &Stat,
    mode: &WriteMode,
) -> Result<bool> {
    let lock_mode = match mode {
        WriteMode::IfMatch(_) => LockMode::Exclusive,
        WriteMode::Create | WriteMode::Overwrite => LockMode::Shared,
    };
    let Some(_target_lock) = DirectoryLock::acquire(&target.dir, lock_mode)? else {
        return Ok(false);
    };
    let id =
        |place: &ParentDir| Ok::<_, Error>(Stat::of(place.dir.as_fd()).map_err(system_error)?.id());
    let is_same_dir = id(source)? == id(target)?;
    let _source_lock = if is_same_dir {
        None
    } else {
        match DirectoryLock::acquire(&source.dir, LockMode::Shared)? {
            None => return Ok(false),
            lock => lock,
        }
    };
    let old = target.stat()?;
    check_target(stat, old.as_ref(), mode)?;
    if is_same_dir && source.name == target.name {
        return Ok(true);
    }
    let (from, to) = (source.dir.as_fd(), target.dir.as_fd());
    let moved = if old.is_none() {
        rename_new(from, &source.name, to, &target.name)
    } else {
        retry_on_intr(|| rustix::fs::renameat(from, source.name.as_str(), to, target.name.as_str()))
    };
    match moved {
        Ok(()) => {}
        Err(Errno::EXIST | Errno::NOTEMPTY) if stat.is_dir() && old.is_some() => {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        Err(Errno::INVAL) => return Err(into_itself()),
        Err(Errno::XDEV) => {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("the destination is on another file system"));
        }
        Err(errno) => return Err(system_error(errno)),
    }
    // A rename to another link of the same file does nothing (rename(2)), so the old name is removed here. With a single link, both
    // names are spellings of one name, which must stay.
    if old.is_some_and(|old| old.id() == stat.id() && old.links() > 1) {
        retry_on_intr(|| rustix::fs::unlinkat(from, source.name.as_str(), AtFlags::empty()))
            .map_err(system_error)?;
    }
    Ok(true)
}
