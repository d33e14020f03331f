//! Copying content, and moving names.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;

use rustix::fs::AtFlags;
use rustix::io::{Errno, retry_on_intr};

use super::draft::{check, etag_changed};
use super::lock::{Attempt, DirectoryLock, Hold};
use super::root::{Place, Root, act_at, confirm, sync_directory};
use super::stat::Stat;
use super::temporary::rename_new;
use crate::offload::Cancelled;
use crate::{Error, ErrorKind, FilePath, Result, WriteMode};

/// How much the kernel copies before it is asked whether that is still wanted.
const COPY_BLOCK: usize = 64 * 1024 * 1024;

/// Copies all of `from` into the empty file `to`: by sharing the blocks where the file system can, else within the kernel.
pub(crate) fn copy_content(from: &File, to: &File, cancelled: &Cancelled) -> Result<()> {
    let mut target = to;
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        // Sharing moves no offset; what is appended goes behind.
        target.seek(SeekFrom::End(0))?;
        return Ok(());
    }
    let mut copied = false;
    loop {
        cancelled.check()?;
        match retry_on_intr(|| rustix::fs::copy_file_range(from, None, to, None, COPY_BLOCK)) {
            Ok(0) if copied => return Ok(()),
            // Some file systems copy nothing this way and say so by copying nothing.
            Ok(0) => break,
            Ok(_) => copied = true,
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM)
                if !copied =>
            {
                break;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    let mut source = from;
    io::copy(&mut source, &mut target)?;
    Ok(())
}

/// Moves what is at `from` to `to`.
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
    let moved = |target: &mut Place| {
        check_target(&stat, target.stat()?.as_ref(), mode)?;
        if from == to {
            return Ok(true);
        }
        let made = target.make_missing(sync)?;
        match move_name(&source, target, &stat, mode) {
            Err(error) => target.undone(made, error),
            Ok(false) => {
                made.undo();
                Ok(false)
            }
            moved => moved,
        }
    };
    let (target, moved) = act_at(root, || root.locate(to), moved)?;
    if !moved {
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

/// Whether `source` may be moved to where `old` is.
fn check_target(source: &Stat, old: Option<&Stat>, mode: &WriteMode) -> Result<()> {
    match (old, mode) {
        (None, WriteMode::Create | WriteMode::Overwrite) => Ok(()),
        (Some(_), WriteMode::Create) => Err(ErrorKind::AlreadyExists.into()),
        // Only files have an etag, so only a file can be matched and replaced by one.
        (_, WriteMode::IfMatch(_)) if source.is_dir() => Err(etag_changed()),
        (Some(old), WriteMode::Overwrite) if source.is_dir() != old.is_dir() => {
            Err(if old.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::NotADirectory }
                .into())
        }
        (Some(_), WriteMode::Overwrite) => Ok(()),
        (old, WriteMode::IfMatch(_)) => check(old, mode),
    }
}

fn move_name(source: &Place, target: &Place, stat: &Stat, mode: &WriteMode) -> Result<bool> {
    let conditional = matches!(mode, WriteMode::IfMatch(_));
    let hold = if conditional { Hold::Exclusive } else { Hold::Shared };
    let Some(_target_lock) = DirectoryLock::acquire(&target.dir, hold)? else {
        return Ok(false);
    };
    let one_directory = Stat::of(source.dir.as_fd())?.id() == Stat::of(target.dir.as_fd())?.id();
    let _source_lock = if one_directory {
        None
    } else {
        match DirectoryLock::acquire(&source.dir, Hold::Shared)? {
            None => return Ok(false),
            lock => lock,
        }
    };
    let old = target.stat()?;
    check_target(stat, old.as_ref(), mode)?;
    if one_directory && source.name == target.name {
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
        Err(errno) => return Err(errno.into()),
    }
    // Renaming onto another name of the same file does nothing and succeeds (rename(2)). With a single link, both are
    // spellings of one name.
    if old.is_some_and(|old| old.id() == stat.id() && old.links() > 1) {
        retry_on_intr(|| rustix::fs::unlinkat(from, source.name.as_str(), AtFlags::empty()))?;
    }
    Ok(true)
}
