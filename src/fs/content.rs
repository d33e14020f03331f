//! Reading a file that is open.

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsFd as _;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::{pread, retry_on_intr};

use super::draft::{Draft, NewFile};
use super::root::Root;
use super::stat::Stat;
use super::transfer::copy_content;
use crate::offload::Cancelled;
use crate::{Checksum, ChecksumAlgorithm, Error, ErrorKind, Hasher, LinkMode, Result};

/// How much is read at a time for hashing: enough for BLAKE3 to spread over the cores, little enough to stay in the cache.
const HASH_BLOCK: usize = 1024 * 1024;

/// A regular file and what was known of it when it was opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(super) file: File,
    pub(crate) stat: Stat,
}

/// Opens the file at `path` for reading. A special file is refused, without waiting for its other end.
pub(crate) fn open_file(root: &Root, path: &str) -> Result<OpenFile> {
    let file: File = root.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?.into();
    let stat = Stat::of(file.as_fd())?;
    stat.expect_file()?;
    Ok(OpenFile { file, stat })
}

/// What is at `path`; the root too.
pub(crate) fn look_up(root: &Root, path: &str, links: LinkMode) -> Result<Stat> {
    if path.is_empty() {
        root.expect_present()?;
    }
    let flags = match links {
        LinkMode::Keep => OFlags::PATH | OFlags::NOFOLLOW,
        LinkMode::Follow => OFlags::PATH,
    };
    Ok(Stat::of(root.open_at(path, flags)?.as_fd())?)
}

impl OpenFile {
    /// Copies the whole content into an empty draft.
    pub(crate) fn copy_to(&self, draft: &Draft, cancelled: &Cancelled) -> Result<()> {
        copy_content(&self.file, draft.file(), cancelled)
    }

    /// What a copy of this file shall be like, where `new_file` leaves that open: it has the same permissions, but never the
    /// set-id bits, which would lend its owner's rights.
    pub(crate) fn copied(&self, new_file: NewFile) -> NewFile {
        let permissions = new_file.permissions.unwrap_or(self.stat.permissions() & 0o777);
        NewFile { permissions: Some(permissions), ..new_file }
    }

    /// Reads a range that lies within the file.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) if the file has been truncated since it was opened.
    pub(crate) fn read(&self, range: &Range<u64>) -> Result<Bytes> {
        let too_large =
            |_| Error::new(ErrorKind::TooLarge).with_message("it does not fit into memory");
        let length = usize::try_from(range.end - range.start).map_err(too_large)?;
        let mut content = Vec::new();
        content.try_reserve_exact(length).map_err(|_| {
            Error::new(ErrorKind::TooLarge).with_message("it does not fit into memory")
        })?;
        while content.len() < length {
            let at = range.start + content.len() as u64;
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut content), at))?;
            if read == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof)
                    .with_message("the file was truncated while it was read"));
            }
        }
        content.truncate(length);
        Ok(content.into())
    }

    /// The start of the file, and whether that is all of it.
    pub(crate) fn sample(&self, bytes: usize) -> Result<(Bytes, bool)> {
        let length = self.stat.size().min(bytes as u64);
        Ok((self.read(&(0..length))?, length == self.stat.size()))
    }

    /// Hashes the file to its end.
    pub(crate) fn checksum(
        &self,
        algorithm: ChecksumAlgorithm,
        cancelled: &Cancelled,
    ) -> Result<Checksum> {
        let mut hasher = Hasher::new(algorithm);
        // A byte more than the file, so that a short read shows its end.
        let size = usize::try_from(self.stat.size()).unwrap_or(usize::MAX);
        let mut block = Vec::with_capacity(HASH_BLOCK.min(size.saturating_add(1)));
        let mut offset = 0;
        loop {
            cancelled.check()?;
            block.clear();
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut block), offset))?;
            if read == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(&block);
            offset += read as u64;
        }
    }
}
