//! The metadata of a file from the kernel, and its [`FileInfo`].

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType as Kind, Statx, StatxAttributes, StatxFlags, StatxTimestamp};
use rustix::io::{Errno, retry_on_intr};

use crate::core::error::{ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::{FileInfo, FileType};
use crate::core::path::FilePath;
use crate::core::precondition::Precondition;
use crate::core::target::{Existing, FileState};

/// The number of attempts to look up a name that others keep replacing.
const STALE_ATTEMPTS: usize = 64;

/// The result of `statx`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat(Statx);

impl Stat {
    /// Returns the metadata of an open file.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        Self::call(fd, Path::new(""), AtFlags::EMPTY_PATH)
    }

    /// Returns the metadata of a name in `dir`. A link is not followed.
    pub(super) fn of_name(dir: BorrowedFd<'_>, name: &Path) -> Result<Self, Errno> {
        Self::call(dir, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Returns the metadata of `path`, relative to `dir` and not confined to it.
    pub(super) fn of_path(dir: BorrowedFd<'_>, path: &Path) -> Result<Self, Errno> {
        Self::call(dir, path, AtFlags::empty())
    }

    fn call(dir: BorrowedFd<'_>, path: &Path, flags: AtFlags) -> Result<Self, Errno> {
        let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        // FUSE and network file systems otherwise answer with times that were true a second ago, and then an etag would change without
        // a change of the file. For others the flag changes nothing.
        let flags = flags | AtFlags::STATX_FORCE_SYNC;
        let mut found = retry_on_intr(|| rustix::fs::statx(dir, path, flags, mask));
        // FUSE looks up a name and asks for the metadata of the file in two steps, between which another file may replace it.
        for _ in 0..STALE_ATTEMPTS {
            if path.as_os_str().is_empty() || found.as_ref().err() != Some(&Errno::STALE) {
                break;
            }
            found = retry_on_intr(|| rustix::fs::statx(dir, path, flags, mask));
        }
        found.map(Self)
    }

    fn kind(&self) -> Kind {
        Kind::from_raw_mode(self.0.stx_mode.into())
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.kind() == Kind::Directory
    }

    pub(crate) fn is_symlink(&self) -> bool {
        self.kind() == Kind::Symlink
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind() == Kind::RegularFile
    }

    /// Whether nothing can be removed or renamed in this directory, not even by root (`chattr +a`).
    pub(super) fn is_append_only(&self) -> bool {
        self.0.stx_attributes.contains(StatxAttributes::APPEND)
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.stx_size
    }

    /// Whether no block of a disk holds content.
    pub(super) fn has_no_blocks(&self) -> bool {
        self.0.stx_blocks == 0
    }

    pub(super) fn links(&self) -> u32 {
        self.0.stx_nlink
    }

    /// Returns the device and inode, which two names of one file share.
    pub(crate) fn id(&self) -> (u32, u32, u64) {
        (self.0.stx_dev_major, self.0.stx_dev_minor, self.0.stx_ino)
    }

    pub(super) fn device(&self) -> (u32, u32) {
        (self.0.stx_dev_major, self.0.stx_dev_minor)
    }

    /// Returns the time of the last change of the content or of the metadata.
    pub(crate) fn changed_at(&self) -> Option<SystemTime> {
        system_time(&self.0.stx_ctime)
    }

    pub(super) fn permissions(&self) -> u32 {
        u32::from(self.0.stx_mode) & 0o7777
    }

    pub(super) fn owner(&self) -> (u32, u32) {
        (self.0.stx_uid, self.0.stx_gid)
    }

    /// Checks that this is a regular file.
    ///
    /// # Errors
    ///
    /// [`IsADirectory`](ErrorKind::IsADirectory) or [`NotAFile`](ErrorKind::NotAFile) for anything else.
    pub(crate) fn expect_file(&self) -> Result<()> {
        match self.kind() {
            Kind::RegularFile => Ok(()),
            Kind::Directory => Err(ErrorKind::IsADirectory.into()),
            _ => Err(ErrorKind::NotAFile.into()),
        }
    }

    /// Returns the etag, which changes with every change of the content. `utimensat` cannot set back the change time. Since Linux
    /// 6.13 it differs between two changes if it was read in between. The other parts distinguish files that swap their names.
    pub(crate) fn etag(&self) -> Etag {
        // Two times within five centuries of each other never have the same number.
        let nanos = |time: &StatxTimestamp| {
            let whole = time.tv_sec.wrapping_mul(1_000_000_000);
            whole.wrapping_add(time.tv_nsec.into()).cast_unsigned()
        };
        let (changed, modified) = (nanos(&self.0.stx_ctime), nanos(&self.0.stx_mtime));
        Etag::new(format!("{:x}-{:x}-{modified:x}-{changed:x}", self.0.stx_ino, self.size()))
    }

    pub(crate) fn info(&self, path: FilePath) -> FileInfo {
        let mut info = FileInfo::new(
            path,
            match self.kind() {
                Kind::RegularFile => FileType::File,
                Kind::Directory => FileType::Directory,
                Kind::Symlink => FileType::Symlink,
                _ => FileType::Other,
            },
        );
        if !self.is_dir() {
            info.size = Some(self.size());
        }
        if self.is_file() {
            info.etag = Some(self.etag());
        }
        if self.0.stx_mask & StatxFlags::BTIME.bits() != 0 {
            info.created_at = system_time(&self.0.stx_btime);
        }
        info.modified_at = system_time(&self.0.stx_mtime);
        info.accessed_at = system_time(&self.0.stx_atime);
        info.permissions = Some(self.permissions());
        info.owner_uid = Some(self.0.stx_uid);
        info.owner_gid = Some(self.0.stx_gid);
        info.file_id = Some(self.0.stx_ino);
        info.changed_at = self.changed_at();
        info
    }

    /// Returns what a write finds at its target.
    pub(super) fn existing(stat: Option<&Self>) -> Existing<'_> {
        match stat {
            None => Existing::Nothing,
            Some(stat) => match stat.kind() {
                Kind::RegularFile => Existing::File(stat),
                Kind::Directory => Existing::Directory,
                _ => Existing::Special,
            },
        }
    }

    /// Checks a condition of a change of this entry.
    pub(crate) fn check_change(&self, condition: &Precondition) -> Result<()> {
        if condition.is_empty() {
            return Ok(());
        }
        let etag = self.is_file().then(|| self.etag());
        condition.check_change(etag.as_ref(), self.modified_at().filter(|_| self.is_file()))
    }

    /// Checks a condition of a read of this entry.
    pub(crate) fn check_read(&self, condition: &Precondition) -> Result<()> {
        if condition.is_empty() {
            return Ok(());
        }
        let etag = self.is_file().then(|| self.etag());
        condition.check_read(etag.as_ref(), self.modified_at())
    }
}

impl FileState for Stat {
    fn etag(&self) -> Option<Etag> {
        Some(self.etag())
    }

    fn modified_at(&self) -> Option<SystemTime> {
        system_time(&self.0.stx_mtime)
    }
}

fn system_time(time: &StatxTimestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    let whole = if time.tv_sec < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(time.tv_nsec.into()))
}
