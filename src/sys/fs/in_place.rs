//! Writing into an existing file instead of replacing it.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::{CWD, FallocateFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::attributes::{set_modified_at, set_permissions};
use super::cache::is_on_disk;
use super::errno::system_error;
use super::metadata::set_metadata_by_link;
use super::parent_dir::ParentDir;
use super::stat::Stat;
use super::sync::{confirm, expect_written};
use super::temporary::Temporary;
use super::transfer::copy_range;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::metadata::FileMetadata;
use crate::sys::pool::Cancelled;

/// Creates the file that keeps the new content until it is complete and checked. Where nothing can be created in `dir`, it is in the
/// directory for temporary files of the system: in a container, the file may be the only thing that can be written.
pub(super) fn create_spool(dir: &Arc<OwnedFd>) -> Result<Temporary> {
    match Temporary::create(dir, 0o600, true) {
        Err(error) if matches!(error.kind(), ErrorKind::ReadOnly | ErrorKind::PermissionDenied) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let elsewhere = std::env::temp_dir();
            let open = || rustix::fs::openat(CWD, &elsewhere, flags, Mode::empty());
            // The first error is about the directory that the caller named.
            let Ok(elsewhere) = retry_on_intr(open) else { return Err(error) };
            Temporary::create(&Arc::new(elsewhere), 0o600, true).map_err(|_| error)
        }
        created => created,
    }
}

/// Opens the file at `place` for writing; `None` if it is not `expected` any more.
pub(super) fn open(place: &ParentDir, expected: &Stat) -> Result<Option<File>> {
    let flags =
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(&place.dir, place.name.as_str(), flags, Mode::empty());
    let file = match retry_on_intr(open) {
        Err(Errno::LOOP | Errno::NOENT) => return Ok(None),
        opened => opened.map_err(system_error)?,
    };
    let is_expected = Stat::of(file.as_fd()).map_err(system_error)?.id() == expected.id();
    Ok(is_expected.then(|| file.into()))
}

/// Writes the content of `new` into `file`. The content that both have in common is written again and not cut off first, so that an append
/// loses nothing in a crash.
pub(super) fn write(file: &File, new: &File, metadata: &FileMetadata, sync: bool) -> Result<()> {
    let size = Stat::of(new.as_fd()).map_err(system_error)?.size();
    reserve(file, size)?;
    match set_metadata_by_link(file.as_fd(), metadata) {
        // There is nothing to set and nothing to remove.
        Err(error) if error.kind() == ErrorKind::Unsupported && has_no_attribute(metadata) => {}
        set => set?,
    }
    // Before the content, because the file may be that of another user.
    metadata.permissions.map_or(Ok(()), |bits| set_permissions(file, bits))?;
    let write = || {
        copy_range(new, file, 0..size, 0, &Cancelled::default())?;
        file.set_len(size)?;
        metadata.modified_at.map_or(Ok(()), |time| set_modified_at(file, time))?;
        if sync || is_on_disk(file.as_fd()) { Ok(()) } else { expect_written(file) }
    };
    write().map_err(|error| {
        // Repeating the append after a part was written would write that part twice.
        let kind = if error.is_retryable() { ErrorKind::Io } else { error.kind() };
        Error::new(kind)
            .with_message("it was written in place and may have a part of the new content")
            .with_unknown_outcome()
            .with_source(error)
    })?;
    if sync { confirm(file.sync_all().map_err(Error::from)) } else { Ok(()) }
}

fn has_no_attribute(metadata: &FileMetadata) -> bool {
    metadata.content_type.is_none() && metadata.user_metadata.is_empty()
}

/// Reserves the space of the new content, so that a full disk leaves the old content. Not every file system can do that.
fn reserve(file: &File, size: u64) -> Result<()> {
    if size == 0 {
        return Ok(());
    }
    let reserve = || rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size);
    match retry_on_intr(reserve) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(system_error(errno)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::dir_lock::{Attempt, DirectoryLock};
    use super::super::new_file::NewFile;
    use super::super::reserved::Reserved;
    use super::super::root::Root;
    use super::super::staged_file::StagedFile;
    use super::*;
    use crate::core::options::WriteMode;
    use crate::core::path::FilePath;
    use crate::sys::lock::LockMode;

    #[test]
    fn a_write_in_place_begins_when_nobody_else_changes_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (on_disk, path) = (dir.path().join("a"), FilePath::parse("a").unwrap());
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let target = WriteMode::Overwrite.into();
        let settings = NewFile { in_place: true, ..NewFile::default() };
        let shared = |dir: &_| DirectoryLock::acquire(dir, LockMode::Shared);
        for lock in [shared, DirectoryLock::acquire_for_long] {
            fs::write(&on_disk, "old").unwrap();
            let other = Arc::new(OwnedFd::from(File::open(dir.path()).unwrap()));
            let lock = lock(&other).unwrap().unwrap();
            let metadata = FileMetadata::default();
            let staged = StagedFile::begin(&root, &path, &target, settings, metadata).unwrap();
            staged.append(b"new").unwrap();
            let Attempt::Busy(staged) = staged.commit(&root, &path, &target).unwrap() else {
                panic!("two change the directory at the same time");
            };
            assert_eq!(fs::read(&on_disk).unwrap(), b"old");
            drop(lock);
            let Attempt::Done(_) = staged.commit(&root, &path, &target).unwrap() else {
                panic!("nobody else locks the directory");
            };
            assert_eq!(fs::read(&on_disk).unwrap(), b"new");
        }
    }
}
