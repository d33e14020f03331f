//! Reading an open file.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, OFlags};
use rustix::io::{Errno, pread, retry_on_intr};

use super::attributes::permissions_without_acl;
use super::buffer::{Buffers, too_large};
use super::cache::{Cache, is_made_by_kernel};
use super::errno::{system_error, truncated};
use super::metadata::{add_metadata, add_metadata_by_link};
use super::new_file::NewFile;
use super::open_beneath::ATTEMPTS;
use super::root::Root;
use super::staged_file::StagedFile;
use super::stat::Stat;
use super::transfer::copy_content;
use super::tree_hash;
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;
use crate::core::options::{InfoOptions, LinkMode};
use crate::core::path::FilePath;
use crate::sys::pool::{Cancelled, INLINE_LIMIT, Wait};

/// The size of the reads for hashing. A block stays in the cache of the core.
const HASH_BLOCK: usize = 256 * 1024;

/// The size of the reads of a file that may not tell its size.
const UNTOLD_BLOCK: usize = 64 * 1024;

/// The limit of the content of such a file, which is read as a whole.
const UNTOLD_LIMIT: usize = 64 * 1024 * 1024;

/// The number of attempts to open a file that others keep replacing. Some file systems never count links.
const OPEN_ATTEMPTS: usize = 8;

/// A regular file with its metadata at the time of the open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(super) file: File,
    pub(crate) stat: Stat,
    cache: Arc<Cache>,
    keeps_metadata: bool,
}

/// Opens the file at `path` for reading. Refuses a special file, without waiting for the other end of a FIFO.
pub(crate) fn open_file(root: &Root, path: &str, wait: Wait) -> Result<OpenFile> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = || {
        retry_if_unseen(root, path, || {
            let file: File = root.open_within(path, flags, wait)?.into();
            let stat = Stat::of(file.as_fd()).map_err(system_error)?;
            stat.expect_file()?;
            Ok::<_, Error>((file, stat))
        })
    };
    let (mut file, mut stat) = open()?;
    for _ in 1..OPEN_ATTEMPTS {
        // If the file was replaced between the two calls, its last link is gone and its etag is unknown.
        if stat.links() > 0 {
            break;
        }
        (file, stat) = open()?;
    }
    let (cache, keeps_metadata) = (Arc::clone(root.cache()), root.keeps_metadata());
    Ok(OpenFile { file, stat, cache, keeps_metadata })
}

/// Calls `act` again if it misses a file that exists, because another one replaces it at this moment.
fn retry_if_unseen<T>(root: &Root, path: &str, act: impl Fn() -> Result<T>) -> Result<T> {
    let is_unseen = |error: &Error| {
        let system = std::error::Error::source(error).and_then(|source| source.downcast_ref());
        let is_stale = system.and_then(Errno::from_io_error) == Some(Errno::STALE);
        let is_there = || root.open_at(path, OFlags::PATH).is_ok();
        root.loses_sight() && (is_stale || error.kind() == ErrorKind::NotFound && is_there())
    };
    for _ in 1..ATTEMPTS {
        match act() {
            Err(error) if is_unseen(&error) => {}
            acted => return acted,
        }
    }
    act()
}

/// Returns all metadata of the entry at `path`, which may be the root, if the condition holds.
pub(crate) fn look_up(
    root: &Root,
    path: &FilePath,
    options: &InfoOptions,
    wait: Wait,
) -> Result<FileInfo> {
    if path.is_root() {
        root.expect_present()?;
    }
    let flags = match options.links {
        LinkMode::Keep => OFlags::PATH | OFlags::NOFOLLOW,
        LinkMode::Follow => OFlags::PATH,
    };
    let (entry, stat) = retry_if_unseen(root, path, || {
        let entry = root.open_within(path, flags, wait)?;
        let stat = Stat::of(entry.as_fd()).map_err(system_error)?;
        Ok((entry, stat))
    })?;
    stat.check_read(&options.condition)?;
    let mut info = stat.info(path.clone());
    if (stat.is_file() || stat.is_dir()) && root.keeps_metadata() {
        let read = || add_metadata_by_link(entry.as_fd(), &mut info);
        root.cache().without_metadata.unless_known(&stat, read)?;
    }
    if stat.is_symlink() {
        let target = retry_on_intr(|| rustix::fs::readlinkat(&entry, "", Vec::new()));
        info.link_target = target.map_err(system_error)?.into_string().ok();
    }
    Ok(info)
}

impl OpenFile {
    /// Returns all metadata of the file.
    pub(crate) fn info(&self, path: FilePath) -> Result<FileInfo> {
        let mut info = self.stat.info(path);
        if self.keeps_metadata {
            let read = || add_metadata(&self.file, &mut info);
            self.cache.without_metadata.unless_known(&self.stat, read)?;
        }
        Ok(info)
    }

    /// Whether the file has no name left, so that closing the last handle frees its blocks.
    pub(crate) fn is_unlinked(&self) -> bool {
        Stat::of(self.file.as_fd()).is_ok_and(|stat| stat.links() == 0)
    }

    /// Copies the whole content into an empty staged file.
    pub(crate) fn copy_to(&self, staged: &StagedFile, cancelled: &Cancelled) -> Result<()> {
        copy_content(&self.file, staged.file(), cancelled)
    }

    /// Returns the settings for a copy of this file. Without permissions in `new_file`, it has those of this file, except for the
    /// set-id bits, which would give away the rights of its owner.
    pub(crate) fn settings_of_copy(&self, new_file: NewFile) -> Result<NewFile> {
        let own = || permissions_without_acl(&self.file, &self.stat);
        let permissions = new_file.permissions.map_or_else(own, Ok)?;
        Ok(NewFile { permissions: Some(permissions), ..new_file })
    }

    /// Returns the metadata for a copy of this file. Its permissions are a setting, because a file that is replaced keeps its own.
    pub(crate) fn metadata_of_copy(&self) -> Result<FileMetadata> {
        let mut metadata = self.info(FilePath::root())?.kept();
        metadata.permissions = None;
        Ok(metadata)
    }

    /// Reads the whole content of a file that may not tell its size, as most files in `/proc` and `/sys` do not; `None` if it tells it.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if the content exceeds [`UNTOLD_LIMIT`].
    pub(crate) fn untold(&self, wait: Wait, cancelled: &Cancelled) -> Result<Option<Bytes>> {
        if !self.may_be_untold() {
            return Ok(None);
        }
        wait.expect_disk()?;
        let mut content = Vec::with_capacity(UNTOLD_BLOCK);
        loop {
            cancelled.check()?;
            let at = content.len() as u64;
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut content), at));
            if read.map_err(system_error)? == 0 {
                return Ok(Some(content.into()));
            }
            if content.len() > UNTOLD_LIMIT {
                return Err(Error::new(ErrorKind::TooLarge)
                    .with_message("the file does not tell its size and has more than 64 MiB"));
            }
            content.try_reserve(UNTOLD_BLOCK).map_err(|_| too_large())?;
        }
    }

    fn may_be_untold(&self) -> bool {
        if self.cache.is_on_disk(&self.stat) {
            return false;
        }
        // A file in `/sys` has the size of a page.
        self.stat.size() == 0 || self.stat.has_no_blocks() && is_made_by_kernel(self.file.as_fd())
    }

    /// Reads a range within the file.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) if the file was truncated after it was opened.
    pub(crate) fn read(&self, range: &Range<u64>, wait: Wait) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(|_| too_large())?;
        if wait == Wait::Never {
            if length > INLINE_LIMIT {
                return Err(system_error(Errno::AGAIN));
            }
            let mut content = vec![0; length];
            self.fill(&mut content, range.start, wait)?;
            return Ok(content.into());
        }
        // This memory is not zeroed first, which would cost another pass over large content.
        let mut content = Vec::new();
        content.try_reserve_exact(length).map_err(|_| too_large())?;
        while content.len() < length {
            let at = range.start + content.len() as u64;
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut content), at));
            if read.map_err(system_error)? == 0 {
                return Err(truncated());
            }
        }
        content.truncate(length);
        Ok(content.into())
    }

    /// Reads ranges within the file. If one of them is not cached, this first asks the kernel to read the rest ahead, so that the disk reads
    /// them at the same time and not one after the other.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub(crate) fn read_each(
        &self,
        ranges: &[Range<u64>],
        wait: Wait,
        cancelled: &Cancelled,
    ) -> Result<Vec<Bytes>> {
        let mut is_requested = false;
        let read = ranges.iter().enumerate().map(|(at, range)| {
            cancelled.check()?;
            match self.read(range, Wait::Never) {
                Err(error) if error.would_wait() && wait == Wait::Disk => {
                    if !is_requested {
                        ranges[at..].iter().for_each(|range| self.read_ahead(range));
                        is_requested = true;
                    }
                    self.read(range, wait)
                }
                read => read,
            }
        });
        read.collect()
    }

    fn read_ahead(&self, range: &Range<u64>) {
        // A hint that a file system may ignore. Without it, the reads take longer.
        if let Some(length) = NonZero::new(range.end - range.start) {
            let _ = rustix::fs::fadvise(&self.file, range.start, Some(length), Advice::WillNeed);
        }
    }

    /// Reads a range within the file into one of `buffers`.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub(crate) fn chunk(&self, range: &Range<u64>, buffers: &Buffers, wait: Wait) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).map_err(|_| too_large())?;
        if wait == Wait::Never && length > INLINE_LIMIT {
            return Err(system_error(Errno::AGAIN));
        }
        buffers.filled(length, |buffer| self.fill(buffer, range.start, wait))
    }

    /// Fills `buffer` with the content at `offset`.
    fn fill(&self, buffer: &mut [u8], offset: u64, wait: Wait) -> Result<()> {
        if wait == Wait::Never {
            // After a short read, the file has changed, or a part is not cached.
            let read = self.cache.read(&self.file, buffer, offset).map_err(system_error)?;
            return if read == buffer.len() { Ok(()) } else { Err(system_error(Errno::AGAIN)) };
        }
        self.file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => truncated(),
            _ => error.into(),
        })
    }

    /// Returns the start of the file, and whether this is the whole file.
    pub(crate) fn sample(&self, bytes: usize, cancelled: &Cancelled) -> Result<(Bytes, bool)> {
        if let Some(content) = self.untold(Wait::Disk, cancelled)? {
            return Ok((content.slice(..content.len().min(bytes)), content.len() <= bytes));
        }
        let length = self.stat.size().min(bytes as u64);
        Ok((self.read(&(0..length), Wait::Disk)?, length == self.stat.size()))
    }

    /// Hashes the file up to its end.
    pub(crate) fn checksum(
        &self,
        algorithm: ChecksumAlgorithm,
        cancelled: &Cancelled,
    ) -> Result<Checksum> {
        if algorithm == ChecksumAlgorithm::Blake3 && self.stat.size() >= tree_hash::MIN_SIZE {
            let hashed = tree_hash::hash(&self.file, self.stat.size(), cancelled)?;
            if let Some(hash) = hashed {
                return Ok(Checksum::of_blake3(&hash));
            }
        }
        let mut hasher = Hasher::new(algorithm);
        // One byte more than the size, so that a short read shows the end.
        let size = usize::try_from(self.stat.size()).unwrap_or(usize::MAX).saturating_add(1);
        let size = if self.may_be_untold() { UNTOLD_BLOCK } else { size };
        let mut block = Vec::with_capacity(HASH_BLOCK.min(size));
        let mut offset = 0;
        loop {
            cancelled.check()?;
            block.clear();
            let read = retry_on_intr(|| pread(&self.file, spare_capacity(&mut block), offset))
                .map_err(system_error)?;
            hasher.update(&block);
            offset += read as u64;
            // A short read at the known size means that the file has not grown.
            let ended = offset == self.stat.size() && block.len() < block.capacity();
            if read == 0 || ended {
                return Ok(hasher.finish());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reserved::Reserved;
    use super::*;

    #[test]
    fn a_file_that_is_truncated_before_the_read_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let on_disk = dir.path().join("a");
        std::fs::write(&on_disk, "0123456789").unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let file = open_file(&root, "a", Wait::Disk).unwrap();
        std::fs::write(&on_disk, "0123").unwrap();
        let (range, buffers) = (0..file.stat.size(), Buffers::new(10));
        assert!(file.read(&range, Wait::Never).unwrap_err().would_wait());
        assert!(file.chunk(&range, &buffers, Wait::Never).unwrap_err().would_wait());
        let results = [file.read(&range, Wait::Disk), file.chunk(&range, &buffers, Wait::Disk)];
        for read in results {
            assert_eq!(read.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }
}
