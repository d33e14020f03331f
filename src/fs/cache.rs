//! What the kernel can tell from its caches: at once, or not at all.
//!
//! Linux resolves a path from the cached names alone when asked to (`RESOLVE_CACHED`, `openat2(2)`, since 5.12), reads from cached pages
//! alone (`RWF_NOWAIT`, `preadv2(2)`, since 4.14), and tells what an open file is like without asking a disk. That holds for the file systems of
//! local disks; others, such as NFS and FUSE, may ask a server all the same, so they are never asked this way. Neither is anything mounted below
//! the root, whose file system may be another.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};

/// Names of the file systems that keep their promise not to wait, as `statfs(2)` tells them.
const DISKS: [u32; 4] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
];

/// The name of tmpfs, which has no disk to wait for and does not know `RWF_NOWAIT`.
const MEMORY: u32 = 0x0102_1994;

/// What the file system of a root can tell without waiting.
#[derive(Debug)]
pub(super) struct Cache {
    /// Whether it looks names up in the cache alone.
    names: AtomicBool,
    /// Whether it reads from the cache alone.
    pages: AtomicBool,
    /// How it is told to.
    flags: ReadWriteFlags,
}

impl Cache {
    /// That of the file system that `dir` is on.
    pub(super) fn of(dir: BorrowedFd<'_>) -> Self {
        // It is a number of another type on each architecture.
        let kind = rustix::fs::fstatfs(dir).ok().and_then(|stat| u32::try_from(stat.f_type).ok());
        let known = kind.is_some_and(|kind| DISKS.contains(&kind));
        let memory = kind == Some(MEMORY);
        Self {
            names: AtomicBool::new(known || memory),
            pages: AtomicBool::new(known || memory),
            flags: if memory { ReadWriteFlags::empty() } else { ReadWriteFlags::NOWAIT },
        }
    }

    /// Opens `path` beneath `dir`, without passing a symbolic link or a mount point.
    ///
    /// # Errors
    ///
    /// `EAGAIN` unless the cache alone tells that the path can be opened, or that there is no such file.
    pub(super) fn open(
        &self,
        dir: BorrowedFd<'_>,
        path: &Path,
        flags: OFlags,
    ) -> Result<OwnedFd, Errno> {
        if !self.names.load(Ordering::Relaxed) {
            return Err(Errno::AGAIN);
        }
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV
            | ResolveFlags::CACHED;
        match rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::NOENT) => Err(Errno::NOENT),
            Err(errno) => {
                // A kernel that does not know the call or the flag.
                if matches!(errno, Errno::INVAL | Errno::NOSYS) {
                    self.names.store(false, Ordering::Relaxed);
                }
                Err(Errno::AGAIN)
            }
            opened => opened,
        }
    }

    /// Reads into `buffer` what is cached of `file` from `offset` on.
    ///
    /// # Errors
    ///
    /// `EAGAIN` where nothing is.
    pub(super) fn read(&self, file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        if !self.pages.load(Ordering::Relaxed) {
            return Err(Errno::AGAIN);
        }
        let mut buffers = [IoSliceMut::new(buffer)];
        match retry_on_intr(|| rustix::io::preadv2(file, &mut buffers, offset, self.flags)) {
            // Others know the call and not the flag.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.pages.store(false, Ordering::Relaxed);
                Err(Errno::AGAIN)
            }
            read => read,
        }
    }
}
