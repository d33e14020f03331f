//! Copying content, and renaming entries.

use std::fs::File;
use std::io::Write as _;
use std::ops::{ControlFlow, Range};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::SeekFrom;
use rustix::io::{Errno, pread, retry_on_intr};

use super::cache::{is_made_by_kernel, is_overlay};
use super::dir_lock::{Attempt, DirectoryLock};
use super::errno::{system_error, truncated};
use super::locate::retry_if_removed;
use super::metadata::add_metadata_at;
use super::move_name::{
    lacks_step, lock_out_others, move_entry, remove_source, rename_new_at_once,
};
use super::open_beneath::{DIRECTORY, open_beneath};
use super::parent_dir::{CreatedDirs, ParentDir};
use super::read_dir::for_each_name;
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{RenameOptions, WriteMode};
use crate::core::path::FilePath;
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
        let mut renamed = rename_entry(&source, target, &stat, options, &wanted, false);
        if matches!(renamed, Ok(Renamed::NotAlone)) {
            renamed = rename_entry(&source, target, &stat, options, &wanted, true);
        }
        match renamed {
            Err(error) => target.undo(created, error),
            Ok(Renamed::Done) => Ok(Some(created)),
            Ok(Renamed::Busy | Renamed::NotAlone) => {
                created.remove();
                Ok(None)
            }
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

/// The result of an attempt to rename.
enum Renamed {
    Done,
    /// Another process holds one of the locks, or has changed the source.
    Busy,
    /// The rename takes several steps, which need exclusive locks.
    NotAlone,
}

/// Renames the entry while both directories are locked, with `alone` exclusively if that is possible.
fn rename_entry(
    source: &ParentDir,
    target: &ParentDir,
    stat: &Stat,
    options: &RenameOptions,
    wanted: &WriteTarget,
    alone: bool,
) -> Result<Renamed> {
    let needs_source = !options.source.is_empty();
    let is_same_dir = source.is_in_same_dir(target);
    let target_is_conditional = wanted.is_conditional() || is_same_dir && needs_source;
    let Some((_target_lock, target_is_locked)) = lock(target, target_is_conditional, alone)? else {
        return Ok(Renamed::Busy);
    };
    // If both are one directory, it is locked once.
    let source_lock = if is_same_dir { None } else { lock(source, needs_source, alone)? };
    if !is_same_dir && source_lock.is_none() {
        return Ok(Renamed::Busy);
    }
    let is_locked =
        target_is_locked && source_lock.as_ref().is_none_or(|(_, is_locked)| *is_locked);
    if needs_source || alone {
        let now = source.stat()?.ok_or(ErrorKind::NotFound)?;
        now.check_change(&options.source)?;
        if now.id() != stat.id() {
            return Ok(Renamed::Busy);
        }
    }
    let old = target.stat()?;
    check_target(stat, old.as_ref(), wanted)?;
    if is_same_dir && source.name == target.name {
        return Ok(Renamed::Done);
    }
    match change_name(source, target, stat, old.as_ref(), alone.then_some(is_locked)) {
        // Another process created an entry that may be replaced.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && !wanted.is_new() => {
            Ok(Renamed::Busy)
        }
        renamed => renamed,
    }
}

/// Locks a directory for a rename. The flag is true if it is locked against all others.
fn lock(
    place: &ParentDir,
    is_conditional: bool,
    alone: bool,
) -> Result<Option<(DirectoryLock, bool)>> {
    if alone && !is_conditional {
        return lock_out_others(&place.dir);
    }
    let mode = if is_conditional { LockMode::Exclusive } else { LockMode::Shared };
    Ok(DirectoryLock::acquire(&place.dir, mode)?.map(|lock| (lock, is_conditional)))
}

/// Changes the name of an entry. `old` is what has the new name. `alone` is set if several steps are allowed, and is true if both
/// directories are locked against all others.
fn change_name(
    source: &ParentDir,
    target: &ParentDir,
    stat: &Stat,
    old: Option<&Stat>,
    alone: Option<bool>,
) -> Result<Renamed> {
    let (from, to) = (source.dir.as_fd(), target.dir.as_fd());
    let done_if = |is_done| if is_done { Renamed::Done } else { Renamed::Busy };
    match (old, alone) {
        (None, Some(is_locked)) => {
            let error = |errno| rename_error(errno, from, stat, false);
            move_entry(source, stat, target, is_locked, error).map(done_if)
        }
        (None, None) => match rename_new_at_once(from, &source.name, to, &target.name) {
            Ok(()) => Ok(Renamed::Done),
            Err(errno) if lacks_step(errno) => Ok(Renamed::NotAlone),
            Err(errno) => Err(rename_error(errno, from, stat, false)),
        },
        // A rename to another name of the same file does nothing (rename(2)), so the old name is removed. A directory has one name.
        (Some(old), _) if old.id() == stat.id() && stat.is_dir() => Ok(Renamed::Done),
        (Some(old), None) if old.id() == stat.id() => Ok(Renamed::NotAlone),
        (Some(old), Some(_)) if old.id() == stat.id() => {
            remove_source(source, stat, target).map(done_if)
        }
        (Some(old), _) => {
            let (name, new) = (source.name.as_str(), target.name.as_str());
            match retry_on_intr(|| rustix::fs::renameat(from, name, to, new)) {
                Ok(()) => Ok(Renamed::Done),
                Err(_) if stat.is_dir() && old.is_dir() && has_entries(target) => {
                    Err(ErrorKind::DirectoryNotEmpty.into())
                }
                Err(errno) => Err(rename_error(errno, from, stat, true)),
            }
        }
    }
}

/// Whether the directory at a place has entries. Not every file system says so when a rename fails.
fn has_entries(place: &ParentDir) -> bool {
    let opened = open_beneath(place.dir.as_fd(), place.name.as_ref(), DIRECTORY);
    opened.is_ok_and(|dir| {
        let mut has_some = false;
        drop(for_each_name(dir.as_fd(), |_, _| {
            has_some = true;
            ControlFlow::Break(())
        }));
        has_some
    })
}

fn rename_error(errno: Errno, from: BorrowedFd<'_>, source: &Stat, is_over: bool) -> Error {
    match errno {
        Errno::EXIST | Errno::NOTEMPTY if source.is_dir() && is_over => {
            ErrorKind::DirectoryNotEmpty.into()
        }
        Errno::INVAL => into_itself(),
        Errno::XDEV => across_file_systems(from, source),
        errno => system_error(errno),
    }
}
