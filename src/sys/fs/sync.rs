//! Bringing changes to stable storage.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::open_beneath::DIRECTORY;
use crate::core::error::{Error, ErrorKind, Result};

/// Brings the entries of a directory to stable storage.
pub(super) fn sync_directory(dir: BorrowedFd<'_>) -> Result<()> {
    fsync_directory(dir).map_err(system_error)
}

pub(super) fn fsync_directory(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    match retry_on_intr(|| rustix::fs::fsync(dir)) {
        // The directory was opened with `PATH`, because it cannot be read. A second handle can be synced.
        Err(Errno::BADF) => {
            retry_on_intr(|| rustix::fs::openat(dir, ".", DIRECTORY, Mode::empty()))
                .and_then(|readable| retry_on_intr(|| rustix::fs::fsync(&readable)))
        }
        synced => synced,
    }
}

/// Returns what closing a written file reports. NFS, SMB and FUSE write behind, and say only then that the disk of the server is full or
/// failed. The file is closed through a copy of its handle, so it can still be linked or renamed if all is well.
///
/// Dropping a file closes it too, but hides the result.
pub(super) fn expect_written(file: &File) -> Result<()> {
    loop {
        match nix::unistd::close(file.try_clone()?) {
            // The copy is closed, and the server may not have answered yet.
            Err(nix::errno::Errno::EINTR) => {}
            closed => return Ok(closed.map_err(io::Error::from)?),
        }
    }
}

/// Replaces an error after the change became visible: the change was made, but may not survive a power loss.
pub(super) fn confirm<T>(confirmed: Result<T>) -> Result<T> {
    confirmed.map_err(|error| Error::new(ErrorKind::DurabilityUnknown).with_source(error))
}
