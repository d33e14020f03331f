//! Reading a file that is open.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::{Errno, pread, retry_on_intr};

use super::buffer::{Buffers, too_large};
use super::cache::Cache;
use super::draft::{Draft, NewFile};
use super::root::Root;
use super::stat::Stat;
use super::transfer::copy_content;
use super::tree_hash;
use crate::offload::{Cancelled, MOST_ON_THE_SPOT, Wait};
use crate::{Checksum, ChecksumAlgorithm, Error, ErrorKind, Hasher, LinkMode, Result};

/// How much is read at a time for hashing: little enough to stay in the core's cache.
const HASH_BLOCK: usize = 256 * 1024;

/// A regular file and what was known of it when it was opened.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(super) file: File,
    pub(crate) stat: Stat,
    cache: Arc<Cache>,
}

/// Opens the file at `path` for reading. A special file is refused, without waiting for its other end.
pub(crate) fn open_file(root: &Root, path: &str, wait: Wait) -> Result<OpenFile> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file: File = root.open_within(path, flags, wait)?.into();
    let stat = Stat::of(file.as_fd())?;
    stat.expect_file()?;
    Ok(OpenFile { file, stat, cache: Arc::clone(root.cache()) })
}

/// What is at `path`; the root too.
pub(crate) fn look_up(root: &Root, path: &str, links: LinkMode, wait: Wait) -> Result<Stat> {
    if path.is_empty() {
        root.expect_present()?;
    }
    let flags = match links {
        LinkMode::Keep => OFlags::PATH | OFlags::NOFOLLOW,
        LinkMode::Follow => OFlags::PATH,
    };
    Ok(Stat::of(root.open_within(path, flags, wait)?.as_fd())?)
}

impl OpenFile {
    /// Whether nothing but open handles keeps its content.
    pub(crate) fn has_lost_its_name(&self) -> bool {
        Stat::of(self.file.as_fd()).is_ok_and(|stat| stat.links() == 0)
    }

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
    pub(crate) fn read(&self, range: &Range<u64>, wait: Wait) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(|_| too_large())?;
        if wait == Wait::Never {
            if length > MOST_ON_THE_SPOT {
                return Err(Errno::AGAIN.into());
            }
            let mut content = vec![0; length];
            self.fill(&mut content, range.start, wait)?;
            return Ok(content.into());
        }
        // Read into memory that nobody has zeroed: for large content that would be a pass more.
        let mut content = Vec::new();
        content.try_reserve_exact(length).map_err(|_| too_large())?;
        while content.len() < length {
            let at = range.start + content.len() as u64;
            if retry_on_intr(|| pread(&self.file, spare_capacity(&mut content), at))? == 0 {
                return Err(truncated());
            }
        }
        content.truncate(length);
        Ok(content.into())
    }

    /// Reads a range that lies within the file into one of `buffers`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn chunk(&self, range: &Range<u64>, buffers: &Buffers, wait: Wait) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(|_| too_large())?;
        if wait == Wait::Never && length > MOST_ON_THE_SPOT {
            return Err(Errno::AGAIN.into());
        }
        buffers.filled(length, |buffer| self.fill(buffer, range.start, wait))
    }

    /// Fills `buffer` with the content from `offset` on.
    fn fill(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<()> {
        if wait == Wait::Never {
            // Where less is there than there was, the file has changed, or not all of it is cached.
            let read = self.cache.read(&self.file, buffer, offset)?;
            return if read == buffer.len() { Ok(()) } else { Err(Errno::AGAIN.into()) };
        }
        self.file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => truncated(),
            _ => error.into(),
        })
    }

    /// The start of the file, and whether that is all of it.
    pub(crate) fn sample(&self, bytes: usize) -> Result<(Bytes, bool)> {
        let length = self.stat.size().min(bytes as u64);
        Ok((self.read(&(0..length), Wait::Disk)?, length == self.stat.size()))
    }

    /// Hashes the file to its end.
    pub(crate) fn checksum(
        &self,
        algorithm: ChecksumAlgorithm,
        cancelled: &Cancelled,
    ) -> Result<Checksum> {
        if algorithm == ChecksumAlgorithm::Blake3 && self.stat.size() >= tree_hash::WORTH_IT {
            let hashed = tree_hash::hash(&self.file, self.stat.size(), cancelled)?;
            if let Some(hash) = hashed {
                return Ok(Checksum::of_blake3(&hash));
            }
        }
        let mut hasher = Hasher::new(algorithm);
        // A byte more than the file, so that a short read shows its end.
        let size = usize::try_from(self.stat.size()).unwrap_or(usize::MAX);
        let mut block = Vec::with_capacity(HASH_BLOCK.min(size.saturating_add(1)));
        let mut offset = 0;
        loop {
            cancelled.check()?;
            block.clear();
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut block), offset))?;
            hasher.update(&block);
            offset += read as u64;
            // At its known end, less than there was room for means that nothing came after it.
            let ended = offset == self.stat.size() && block.len() < block.capacity();
            if read == 0 || ended {
                return Ok(hasher.finish());
            }
        }
    }
}

fn truncated() -> Error {
    Error::new(ErrorKind::UnexpectedEof).with_message("the file was truncated while it was read")
}

#[cfg(test)]
mod tests {
    use super::super::reserved::Reserved;
    use super::*;

    #[test]
    fn a_file_truncated_between_look_and_read_is_looked_at_again_or_told() {
        let dir = tempfile::tempdir().unwrap();
        let on_disk = dir.path().join("a");
        std::fs::write(&on_disk, "0123456789").unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let file = open_file(&root, "a", Wait::Disk).unwrap();
        std::fs::write(&on_disk, "0123").unwrap();
        let (range, buffers) = (0..file.stat.size(), Buffers::new(10));
        assert!(file.read(&range, Wait::Never).unwrap_err().would_wait());
        assert!(file.chunk(&range, &buffers, Wait::Never).unwrap_err().would_wait());
        let told = [file.read(&range, Wait::Disk), file.chunk(&range, &buffers, Wait::Disk)];
        for read in told {
            assert_eq!(read.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }
}
