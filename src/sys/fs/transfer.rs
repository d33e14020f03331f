//! Copying content, and renaming entries.

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, SeekFrom};
use rustix::io::{Errno, pread, retry_on_intr};

use super::cache::{is_made_by_kernel, is_overlay};
use super::dir_lock::{Attempt, DirectoryLock};
use super::errno::{system_error, truncated};
use super::locate::retry_if_removed;
use super::metadata::add_metadata_at;
use super::parent_dir::{CreatedDirs, ParentDir};
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use super::temporary::rename_new;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{RenameOptions, WriteMode};
use crate::core::path::FilePath;
use crate::core::precondition::Precondition;
use crate::core::target::{Existing, WriteTarget};
use crate::sys::lock::LockMode;
use crate::sys::pool::Cancelled;

/// The number of bytes that the kernel copies between two checks for cancellation.
const COPY_BLOCK: usize = 64 * 1024 * 1024;

/// The same for a copy through this process.
const READ_BLOCK: usize = 256 * 1024;

/// Copies the content of `from` into the empty file `to`. Shares the blocks if the file system supports that, and otherwise copies
/// them within the kernel.
pub(crate) fn copy_content(from: &File, to: &File, cancelled: &Cancelled) -> Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        // Sharing does not move the file offset, and a caller may append.
        return seek_to(to, SeekFrom::End(0));
    }
    append_content(from, to, cancelled)
}

/// Appends the content of `from` to `to`, within the kernel if the file system supports that. Holes stay holes.
pub(super) fn append_content(from: &File, to: &File, cancelled: &Cancelled) -> Result<()> {
    let size_of =
        |file: &File| Stat::of(file.as_fd()).map(|stat| stat.size()).map_err(system_error);
    let (start, size) = (size_of(to)?, size_of(from)?);
    if size == 0 || is_made_by_kernel(from.as_fd()) {
        return copy_until_end(from, to, cancelled);
    }
    let mut end = 0;
    while let Some(data) = next_data(from, end, size)? {
        end = data.end;
        copy_range(from, to, data, start, cancelled)?;
    }
    if end < size {
        // The end of a file that was truncated looks like a hole.
        if size_of(from)? < size {
            return Err(truncated());
        }
        to.set_len(start + size)?;
    }
    seek_to(to, SeekFrom::End(0))
}

/// Appends the content of a file that may not tell its size.
fn copy_until_end(from: &File, to: &File, cancelled: &Cancelled) -> Result<()> {
    let (mut block, mut offset) = (vec![0; READ_BLOCK], 0);
    let mut to = to;
    seek_to(to, SeekFrom::End(0))?;
    loop {
        cancelled.check()?;
        let count = retry_on_intr(|| pread(from, &mut *block, offset)).map_err(system_error)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&block[..count])?;
        offset += count as u64;
    }
}

fn seek_to(file: &File, to: SeekFrom) -> Result<()> {
    retry_on_intr(|| rustix::fs::seek(file, to)).map(drop).map_err(system_error)
}

/// Returns the next range of a file that is not a hole, from `offset` on.
fn next_data(file: &File, offset: u64, size: u64) -> Result<Option<Range<u64>>> {
    let seek = |to| retry_on_intr(|| rustix::fs::seek(file, to));
    let data = match seek(SeekFrom::Data(offset)) {
        Ok(begin) => begin..seek(SeekFrom::Hole(begin)).unwrap_or(size).min(size),
        Err(Errno::NXIO) => return Ok(None),
        // The file system does not know its holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => offset..size,
        Err(errno) => return Err(system_error(errno)),
    };
    Ok((data.start < size).then_some(data))
}

/// Copies a range to the same offsets of `to`, counted from `start`.
pub(super) fn copy_range(
    from: &File,
    to: &File,
    range: Range<u64>,
    start: u64,
    cancelled: &Cancelled,
) -> Result<()> {
    let (mut read, mut written) = (range.start, start + range.start);
    // Empty as long as the kernel copies.
    let mut block = Vec::new();
    while read < range.end {
        cancelled.check()?;
        let left = usize::try_from(range.end - read).unwrap_or(COPY_BLOCK);
        if block.is_empty() {
            let length = left.min(COPY_BLOCK);
            match retry_on_intr(|| {
                rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), length)
            }) {
                Ok(1..) => continue,
                // Some file systems do not support this and return 0.
                Ok(0)
                | Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) =>
                {
                    block.resize(READ_BLOCK, 0);
                }
                Err(errno) => return Err(system_error(errno)),
            }
        }
        let part = &mut block[..left.min(READ_BLOCK)];
        let count = retry_on_intr(|| pread(from, &mut *part, read)).map_err(system_error)?;
        if count == 0 {
            return Err(truncated());
        }
        to.write_all_at(&part[..count], written)?;
        read += count as u64;
        written += count as u64;
    }
    Ok(())
}

/// Renames the entry at `from` to `to`, and returns its metadata.
pub(crate) fn rename(
    root: &Root,
    from: &FilePath,
    to: &FilePath,
    options: &RenameOptions,
    sync: bool,
) -> Result<Attempt<FileInfo, ()>> {
    let wanted = WriteTarget::from(options);
    wanted.expect_no_append()?;
    let source = root.locate_existing(from)?;
    let stat = source.stat()?.ok_or(ErrorKind::NotFound)?;
    stat.check_change(&options.source)?;
    if stat.is_dir() && from != to && to.starts_with(from) {
        return Err(into_itself());
    }
    let rename = |target: &mut ParentDir| {
        check_target(&stat, target.stat()?.as_ref(), &wanted)?;
        if from == to {
            return Ok(Some(CreatedDirs::default()));
        }
        let created = target.create_missing()?;
        match rename_entry(&source, target, &stat, &options.source, &wanted) {
            Err(error) => target.undo(created, error),
            Ok(false) => {
                created.remove();
                Ok(None)
            }
            Ok(true) => Ok(Some(created)),
        }
    };
    let (target, renamed) = retry_if_removed(root, || root.locate(to), rename)?;
    let Some(created) = renamed else { return Ok(Attempt::Busy(())) };
    let stat = if from == to { stat } else { confirm(target.stat())?.unwrap_or(stat) };
    if sync && from != to {
        created.sync()?;
        confirm(sync_directory(target.dir.as_fd()))?;
        confirm(sync_directory(source.dir.as_fd()))?;
    }
    let mut info = stat.info(to.clone());
    if stat.is_file() && root.keeps_metadata() {
        confirm(add_metadata_at(target.dir.as_fd(), &target.name, &mut info))?;
    }
    Ok(Attempt::Done(info))
}

fn into_itself() -> Error {
    Error::new(ErrorKind::InvalidInput).with_message("a directory cannot be moved into itself")
}

/// The error of a rename that the system refuses because the entry would move to another file system (`EXDEV`).
fn across_file_systems(from: BorrowedFd<'_>, stat: &Stat) -> Error {
    let is_layered = stat.is_dir() && is_overlay(from);
    Error::new(ErrorKind::Unsupported).with_message(if is_layered {
        "a directory of a lower layer of an overlay file system cannot be renamed; copy its files and delete it"
    } else {
        "the destination is on another file system or mount; copy and delete instead"
    })
}

/// Checks whether `target` allows `source` to replace `old`.
fn check_target(source: &Stat, old: Option<&Stat>, target: &WriteTarget) -> Result<()> {
    match Stat::existing(old) {
        existing if source.is_dir() => target.check_for_directory(existing),
        // A rename may replace a link or a special file, which has no etag.
        Existing::Special if target.mode == WriteMode::Overwrite => {
            target.condition.check_change(None, None)
        }
        existing => target.check(existing),
    }
}

/// Renames the entry while both directories are locked; `false` if another process holds one of the locks.
fn rename_entry(
    source: &ParentDir,
    target: &ParentDir,
    stat: &Stat,
    condition: &Precondition,
    wanted: &WriteTarget,
) -> Result<bool> {
    let mode_for = |is_conditional| {
        if is_conditional { LockMode::Exclusive } else { LockMode::Shared }
    };
    let needs_source = !condition.is_empty();
    let id =
        |place: &ParentDir| Ok::<_, Error>(Stat::of(place.dir.as_fd()).map_err(system_error)?.id());
    let is_same_dir = id(source)? == id(target)?;
    let target_mode = mode_for(wanted.is_conditional() || is_same_dir && needs_source);
    let Some(_target_lock) = DirectoryLock::acquire(&target.dir, target_mode)? else {
        return Ok(false);
    };
    let _source_lock = if is_same_dir {
        None
    } else {
        match DirectoryLock::acquire(&source.dir, mode_for(needs_source))? {
            None => return Ok(false),
            lock => lock,
        }
    };
    if needs_source {
        source.stat()?.ok_or(ErrorKind::NotFound)?.check_change(condition)?;
    }
    let old = target.stat()?;
    check_target(stat, old.as_ref(), wanted)?;
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
        // Another process created an entry that may be replaced.
        Err(Errno::EXIST) if old.is_none() && !wanted.is_new() => return Ok(false),
        Err(Errno::EXIST | Errno::NOTEMPTY) if stat.is_dir() && old.is_some() => {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        Err(Errno::INVAL) => return Err(into_itself()),
        Err(Errno::XDEV) => return Err(across_file_systems(from, stat)),
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
