//! The content of uploads that are not finished, in a hidden directory of the root.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::fd::{AsFd as _, OwnedFd};

use bytes::Bytes;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::open_beneath::DIRECTORY;
use super::root::Root;
use super::stat::Stat;
use super::sync::sync_directory;
use crate::core::checksum::{Checksum, Hasher};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::{PRIVATE_DIRECTORY, is_name_of_digits};
use crate::sys::pool::Cancelled;
use crate::sys::random;

/// The directory in the private directory of the root.
const DIRECTORY_NAME: &str = "uploads";

/// The size of the reads for a checksum.
const BLOCK: usize = 256 * 1024;

/// The content of one upload. It is locked, so that one caller at a time works on it.
#[derive(Debug)]
pub(crate) struct UploadFile {
    file: File,
}

impl UploadFile {
    /// Creates an empty upload and returns its name.
    pub(crate) fn create(root: &Root, sync: bool) -> Result<String> {
        let dir = directory(root, true)?.ok_or(ErrorKind::Internal)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let id = random::hex::<16>()?;
            let mode = Mode::from_raw_mode(0o600);
            match retry_on_intr(|| rustix::fs::openat(&dir, id.as_str(), flags, mode)) {
                Ok(_) if sync => return sync_directory(dir.as_fd()).map(|()| id),
                Ok(_) => return Ok(id),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(system_error(errno)),
            }
        }
    }

    /// Opens an upload.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; `InvalidOperation` if another caller works on it.
    pub(crate) fn open(root: &Root, id: &str) -> Result<Self> {
        if !is_name_of_digits(id) {
            return Err(Error::new(ErrorKind::InvalidInput)
                .with_message("the id of the upload is malformed"));
        }
        let dir = directory(root, false)?.ok_or(ErrorKind::NotFound)?;
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

    /// Removes an upload, if there is one.
    pub(crate) fn remove(root: &Root, id: &str) -> Result<()> {
        let Some(dir) = directory(root, false)?.filter(|_| is_name_of_digits(id)) else {
            return Ok(());
        };
        match retry_on_intr(|| rustix::fs::unlinkat(&dir, id, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(system_error(errno)),
        }
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
        let size = self.size()?;
        if offset > size {
            let message = format!("the upload has {size} bytes, less than {offset}");
            return Err(Error::new(ErrorKind::InvalidInput).with_message(message));
        }
        self.file.set_len(offset)?;
        (&self.file).seek(SeekFrom::Start(offset))?;
        Ok(())
    }

    /// Adds `pieces`.
    pub(crate) fn append(&self, pieces: &[Bytes]) -> Result<()> {
        use std::io::Write as _;
        for piece in pieces {
            (&self.file).write_all(piece)?;
        }
        Ok(())
    }

    /// Brings the content to stable storage.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(self.file.sync_all()?)
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

/// Opens the directory of uploads, and creates it if `create`; `None` if it is missing.
fn directory(root: &Root, create: bool) -> Result<Option<OwnedFd>> {
    let mut dir = root.fd().try_clone_to_owned()?;
    for name in [PRIVATE_DIRECTORY, DIRECTORY_NAME] {
        if create {
            let mode = Mode::from_raw_mode(0o777);
            match retry_on_intr(|| rustix::fs::mkdirat(&dir, name, mode)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(system_error(errno)),
            }
        }
        dir = match retry_on_intr(|| rustix::fs::openat(&dir, name, DIRECTORY, Mode::empty())) {
            Ok(below) => below,
            Err(Errno::NOENT) if !create => return Ok(None),
            Err(errno) => return Err(system_error(errno)),
        };
    }
    Ok(Some(dir))
}
