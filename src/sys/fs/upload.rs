//! The content of uploads that are not finished, in a hidden directory of the root.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};

use bytes::Bytes;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, SeekFrom};
use rustix::io::{Errno, retry_on_intr};

use super::cache::is_on_disk;
use super::errno::system_error;
use super::open_beneath::DIRECTORY;
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, expect_written, sync_directory};
use crate::core::checksum::{Checksum, Hasher};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::{PRIVATE_DIRECTORY, UPLOADS_DIRECTORY, is_name_of_digits};
use crate::sys::pool::Cancelled;
use crate::sys::random;

/// The size of the reads for a checksum.
const BLOCK: usize = 256 * 1024;

/// The content of one upload. It is locked, so that one caller at a time works on it.
#[derive(Debug)]
pub(crate) struct UploadFile {
    file: File,
}

impl Drop for UploadFile {
    /// Releases the lock. Closing the file would not do that if another thread has just forked: until the new process executes its
    /// program, it has a copy of the handle.
    fn drop(&mut self) {
        // Without locks on this file system there is nothing to release.
        let _ = retry_on_intr(|| rustix::fs::flock(&self.file, FlockOperation::Unlock));
    }
}

impl UploadFile {
    /// Creates an empty upload and returns its name.
    pub(crate) fn create(root: &Root, sync: bool) -> Result<String> {
        let dir = create_directory(root, sync)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let id = random::hex::<16>()?;
            let mode = Mode::from_raw_mode(0o600);
            match retry_on_intr(|| rustix::fs::openat(&dir, id.as_str(), flags, mode)) {
                Ok(_) => {}
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(system_error(errno)),
            }
            let synced = if sync { sync_directory(dir.as_fd()) } else { Ok(()) };
            if synced.is_err() {
                // Nobody learns the name.
                let _ = rustix::fs::unlinkat(&dir, id.as_str(), AtFlags::empty());
            }
            return synced.map(|()| id);
        }
    }

    /// Opens an upload.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; `InvalidOperation` if another caller works on it.
    pub(crate) fn open(root: &Root, id: &str) -> Result<Self> {
        let dir = directory_of(root, id)?;
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| rustix::fs::openat(&dir, id, flags, Mode::empty()));
        let file = File::from(opened.map_err(system_error)?);
        let lock = || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        match retry_on_intr(lock) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK) => {}
            Err(Errno::WOULDBLOCK) => {
                let error = Error::new(ErrorKind::InvalidOperation);
                return Err(error.with_message("another caller works on the upload"));
            }
            Err(errno) => return Err(system_error(errno)),
        }
        let stat = Stat::of(file.as_fd()).map_err(system_error)?;
        stat.expect_file()?;
        if stat.links() == 0 {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(Self { file })
    }

    /// Returns the number of bytes of an upload, on which another caller may work.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    pub(crate) fn size_of(root: &Root, id: &str) -> Result<u64> {
        let dir = directory_of(root, id)?;
        let stat = Stat::of_name(dir.as_fd(), id.as_ref()).map_err(system_error)?;
        stat.expect_file()?;
        Ok(stat.size())
    }

    /// Removes an upload, if there is one.
    pub(crate) fn abandon(root: &Root, id: &str) -> Result<()> {
        if !is_name_of_digits(id) {
            return Ok(());
        }
        let unlink = |dir| {
            retry_on_intr(|| rustix::fs::unlinkat(&dir, id, AtFlags::empty())).map_err(system_error)
        };
        match directory_of(root, id).and_then(unlink) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes the upload after it was published. The lock is held until then, so that it is published once.
    pub(crate) fn remove(self, root: &Root, id: &str) -> Result<()> {
        confirm(Self::abandon(root, id))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the number of bytes.
    pub(crate) fn size(&self) -> Result<u64> {
        Ok(Stat::of(self.file.as_fd()).map_err(system_error)?.size())
    }

    /// Drops everything after `offset`, and continues there.
    pub(crate) fn rewind(&self, offset: u64) -> Result<()> {
        self.file.set_len(offset)?;
        let seek = || rustix::fs::seek(&self.file, SeekFrom::Start(offset));
        retry_on_intr(seek).map(drop).map_err(system_error)
    }

    /// Adds `pieces`.
    pub(crate) fn append(&self, pieces: &[Bytes]) -> Result<()> {
        use std::io::Write as _;
        for piece in pieces {
            (&self.file).write_all(piece)?;
        }
        Ok(())
    }

    /// Brings the content after `offset` to stable storage, or at least to its server, or removes it: after a failure the kernel may have
    /// dropped it, and a later call would not tell.
    pub(crate) fn keep_after(&self, offset: u64, sync: bool) -> Result<()> {
        let kept = match sync {
            true => self.file.sync_all().map_err(Error::from),
            false if is_on_disk(self.file.as_fd()) => Ok(()),
            false => expect_written(&self.file),
        };
        if kept.is_err() {
            self.rewind(offset)?;
        }
        kept
    }

    /// Compares the content with a checksum.
    pub(crate) fn expect(&self, expected: &Checksum, cancelled: &Cancelled) -> Result<()> {
        use std::os::unix::fs::FileExt as _;
        let (mut hasher, mut block, mut offset) =
            (Hasher::new(expected.algorithm()), vec![0; BLOCK], 0);
        loop {
            cancelled.check()?;
            match self.file.read_at(&mut block, offset)? {
                0 => return expected.expect(&hasher.finish()),
                read => {
                    hasher.update(&block[..read]);
                    offset += read as u64;
                }
            }
        }
    }
}

/// The directory of uploads and the one above it, the topmost first.
const DIRECTORIES: [&str; 2] = [PRIVATE_DIRECTORY, UPLOADS_DIRECTORY];

/// Opens the directory of uploads, and creates it if it is missing.
fn create_directory(root: &Root, sync: bool) -> Result<OwnedFd> {
    // The handle of the root cannot be synced.
    let mut dir = root.open_directory("")?;
    for name in DIRECTORIES {
        let mode = Mode::from_raw_mode(0o777);
        match retry_on_intr(|| rustix::fs::mkdirat(&dir, name, mode)) {
            Ok(()) if sync => sync_directory(dir.as_fd())?,
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(system_error(errno)),
        }
        dir = open_below(&dir, name)?;
    }
    Ok(dir)
}

/// Opens the directory of the upload `id`. Without that directory there is no upload.
fn directory_of(root: &Root, id: &str) -> Result<OwnedFd> {
    if !is_name_of_digits(id) {
        let error = Error::new(ErrorKind::InvalidInput);
        return Err(error.with_message("the id of the upload is malformed"));
    }
    let start = root.fd().try_clone_to_owned()?;
    DIRECTORIES.iter().try_fold(start, |dir, name| open_below(&dir, name))
}

fn open_below(dir: &OwnedFd, name: &str) -> Result<OwnedFd> {
    retry_on_intr(|| rustix::fs::openat(dir, name, DIRECTORY, Mode::empty())).map_err(system_error)
}

#[cfg(test)]
mod tests {
    use super::super::reserved::Reserved;
    use super::*;

    #[test]
    fn a_copy_of_the_handle_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let id = UploadFile::create(&root, false).unwrap();
        let upload = UploadFile::open(&root, &id).unwrap();
        // A forked process has such a copy until it executes its program.
        let copy = upload.file.try_clone().unwrap();
        let error = UploadFile::open(&root, &id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation);
        drop(upload);
        UploadFile::open(&root, &id).unwrap();
        drop(copy);
    }
}
