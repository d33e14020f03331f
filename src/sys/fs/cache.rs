//! Lookups and reads that the kernel answers from its caches without waiting.
//!
//! Linux can resolve a path from cached names only (`RESOLVE_CACHED`, `openat2(2)`, since 5.12) and read from cached pages only
//! (`RWF_NOWAIT`, `preadv2(2)`, since 4.14). The metadata of an open file needs no disk. This holds for the file systems of local
//! disks. Others, such as NFS and FUSE, may still wait for a server, so they are never used this way. Neither are mount points
//! below the root, because their file system may be a different one.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};

use super::stat::Stat;
use super::without_metadata::WithoutMetadata;

/// The file systems that never wait with these flags, by their type in `statfs(2)`.
const DISKS: [u32; 4] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
];

/// The type of tmpfs, which has no disk and does not support `RWF_NOWAIT`.
const TMPFS: u32 = 0x0102_1994;

/// The type of an overlay file system.
const OVERLAY: u32 = 0x794c_7630;

/// Whether `file` is on the file system of a local disk.
pub(super) fn is_on_disk(file: BorrowedFd<'_>) -> bool {
    kind_of(file).is_some_and(|kind| DISKS.contains(&kind) || kind == TMPFS)
}

/// Whether `file` is on an overlay file system, as containers have it.
pub(super) fn is_overlay(file: BorrowedFd<'_>) -> bool {
    kind_of(file) == Some(OVERLAY)
}

/// The types of file systems whose files show what the kernel knows, by their type in `statfs(2)`.
const KERNEL: [u32; 8] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
];

/// Whether the kernel makes the content of `file` when it is read.
pub(super) fn is_made_by_kernel(file: BorrowedFd<'_>) -> bool {
    kind_of(file).is_some_and(|kind| KERNEL.contains(&kind))
}

/// Returns the type of the file system of `file` in `statfs(2)`.
fn kind_of(file: BorrowedFd<'_>) -> Option<u32> {
    // The type of this number depends on the architecture.
    rustix::fs::fstatfs(file).ok().and_then(|stat| u32::try_from(stat.f_type).ok())
}

/// Whether a hard link does harm here. FUSE treats both names as different files: the number of the file changes with its name, and if
/// the file is open, the old name stays in the directory as `.fuse_hidden…` until it is closed.
pub(super) fn dislikes_links(dir: BorrowedFd<'_>) -> bool {
    const FUSE: u32 = 0x6573_5546;
    kind_of(dir) == Some(FUSE)
}

/// The cached part of the file system of a root.
#[derive(Debug)]
pub(super) struct Cache {
    /// Whether names can be looked up in the cache only.
    names: AtomicBool,
    /// Whether pages can be read from the cache only.
    pages: AtomicBool,
    /// The flags of such a read.
    flags: ReadWriteFlags,
    /// The device of the root, if it is that of a local disk.
    disk: Option<(u32, u32)>,
    pub(super) without_metadata: WithoutMetadata,
}

impl Cache {
    /// Returns the cache of the file system of `dir`.
    pub(super) fn of(dir: BorrowedFd<'_>) -> Self {
        let kind = kind_of(dir);
        let is_disk = kind.is_some_and(|kind| DISKS.contains(&kind));
        let is_tmpfs = kind == Some(TMPFS);
        let stat = Stat::of(dir).ok().filter(|_| is_disk || is_tmpfs);
        let disk = stat.map(|stat| stat.device());
        Self {
            disk,
            without_metadata: WithoutMetadata::on(disk),
            names: AtomicBool::new(is_disk || is_tmpfs),
            pages: AtomicBool::new(is_disk || is_tmpfs),
            flags: if is_tmpfs { ReadWriteFlags::empty() } else { ReadWriteFlags::NOWAIT },
        }
    }

    /// Whether a file is on the local disk of the root, which tells the size of each file.
    pub(super) fn is_on_disk(&self, stat: &Stat) -> bool {
        self.disk == Some(stat.device())
    }

    /// Opens `path` beneath `dir`, without symbolic links and mount points.
    ///
    /// # Errors
    ///
    /// `ENOENT` if the cache knows that the file does not exist, and `EAGAIN` for any other failure.
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
                // The kernel does not support the call or the flag.
                if matches!(errno, Errno::INVAL | Errno::NOSYS) {
                    self.names.store(false, Ordering::Relaxed);
                }
                Err(Errno::AGAIN)
            }
            opened => opened,
        }
    }

    /// Reads the cached content of `file` at `offset` into `buffer`.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if no content is cached.
    pub(super) fn read(&self, file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        if !self.pages.load(Ordering::Relaxed) {
            return Err(Errno::AGAIN);
        }
        let mut buffers = [IoSliceMut::new(buffer)];
        match retry_on_intr(|| rustix::io::preadv2(file, &mut buffers, offset, self.flags)) {
            // The file system does not support the flag.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.pages.store(false, Ordering::Relaxed);
                Err(Errno::AGAIN)
            }
            read => read,
        }
    }
}
