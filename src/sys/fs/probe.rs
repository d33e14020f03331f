//! What the file system of a root can do.
//!
//! The file systems of local disks have every step that f9 uses. Others, such as NFS, FUSE and overlayfs, differ, so each step is tried
//! once when the root is opened, with files that have temporary names. A root that cannot be written to is not tried, and nothing is
//! claimed for it. A verb does not depend on the result: it tries the best step first, and takes the next one if that is missing.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::attributes::{set_modified_at, set_permissions};
use super::cache::dislikes_links;
use super::errno::system_error;
use super::move_name::{rename_new, rename_new_at_once, rename_new_in_steps};
use super::owner::new_name;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::metadata::FileMetadata;
use crate::core::target::FileState as _;

/// The target of a link. sshfs does not read links with such a target.
const TARGET: &str = "f9/../f9";

/// What was found about a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a step that a file system has or lacks")]
pub(crate) struct FileSystem {
    /// Whether the steps could be tried.
    is_known: bool,
    /// A file can get a name only if the name is free. Other processes of f9 cannot take the name meanwhile.
    pub(crate) creates_exclusively: bool,
    /// An entry can be renamed only if the new name is free. Other processes of f9 cannot take the name meanwhile.
    pub(crate) renames_at_once: bool,
    /// A look-up after a write returns the etag that the write returned.
    pub(crate) keeps_etags: bool,
    /// Directories can be locked.
    pub(crate) locks_directories: bool,
    /// Files can be locked.
    pub(crate) locks_files: bool,
    /// Symbolic links can be created.
    pub(crate) has_links: bool,
    /// Modification times are kept to the nanosecond.
    pub(crate) keeps_times: bool,
    /// Permission bits are kept.
    pub(crate) keeps_permissions: bool,
    /// Paths may be as long as those of the kernel. A FUSE file system may add a prefix to each.
    pub(crate) has_long_paths: bool,
}

impl FileSystem {
    /// The file system of a local disk, which has every step.
    pub(super) const COMPLETE: Self = Self {
        is_known: true,
        creates_exclusively: true,
        renames_at_once: true,
        keeps_etags: true,
        locks_directories: true,
        locks_files: true,
        has_links: true,
        keeps_times: true,
        keeps_permissions: true,
        has_long_paths: true,
    };

    /// Returns what the file system of an open directory can do. Leaves nothing behind.
    pub(super) fn of(dir: &Arc<OwnedFd>) -> Self {
        let mut found = Self::default();
        // A directory that is read-only or full can be read, and nothing more is known.
        drop(found.probe(dir));
        found
    }

    /// Checks that the file system keeps the metadata that a caller gives to a file, as far as that is known.
    pub(crate) fn check(self, metadata: &FileMetadata) -> Result<()> {
        let lacking = match (metadata.modified_at, metadata.permissions) {
            _ if !self.is_known => return Ok(()),
            (Some(_), _) if !self.keeps_times => "exact modification times",
            (_, Some(_)) if !self.keeps_permissions => "permissions",
            _ => return Ok(()),
        };
        Err(Error::new(ErrorKind::Unsupported)
            .with_message(format!("the file system does not keep {lacking}")))
    }

    /// Tries each step. What is not tried because of an earlier failure stays unclaimed.
    fn probe(&mut self, dir: &Arc<OwnedFd>) -> Result<()> {
        self.has_long_paths = !dislikes_links(dir.as_fd());
        self.locks_directories = can_lock(dir.as_fd());
        let mut first = Probe::create(dir)?;
        self.is_known = true;
        self.locks_files = first.file.as_ref().is_some_and(|file| can_lock(file.as_fd()));
        self.keeps_times = first.keeps_times()?;
        self.keeps_permissions = first.keeps_permissions()?;
        let link = new_name()?;
        if retry_on_intr(|| rustix::fs::symlinkat(TARGET, dir, link.as_str())).is_ok() {
            let read = retry_on_intr(|| rustix::fs::readlinkat(dir, link.as_str(), Vec::new()));
            self.has_links = read.is_ok_and(|target| target.to_bytes() == TARGET.as_bytes());
            let _ = rustix::fs::unlinkat(dir, link.as_str(), AtFlags::empty());
        }
        // A new file.
        let name = new_name()?;
        self.renames_at_once = first.rename(&name, rename_new_at_once).is_ok();
        self.creates_exclusively = self.renames_at_once;
        if !self.renames_at_once {
            // The lock on the directory replaces the missing step. A hard link could too, but the file would have two names for a moment.
            let has_links = first.has_hard_links()?;
            self.creates_exclusively = has_links || self.locks_directories;
            self.renames_at_once =
                self.locks_directories && (!has_links || dislikes_links(dir.as_fd()));
            let step: Rename = if self.locks_directories { rename_new_locked } else { rename_new };
            first.rename(&name, step).map_err(system_error)?;
        }
        let keeps_new = first.keeps_etag(true)?;
        // A file that replaces it.
        let mut second = Probe::create(dir)?;
        second.rename(&name, replace).map_err(system_error)?;
        first.name = None;
        self.keeps_etags = keeps_new && second.keeps_etag(false)?;
        Ok(())
    }
}

/// A small file with a temporary name, which is removed when it is dropped.
struct Probe<'a> {
    dir: &'a Arc<OwnedFd>,
    file: Option<File>,
    name: Option<String>,
}

impl<'a> Probe<'a> {
    fn create(dir: &'a Arc<OwnedFd>) -> Result<Self> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let name = new_name()?;
        let mode = Mode::from_raw_mode(0o600);
        let opened = retry_on_intr(|| rustix::fs::openat(dir, name.as_str(), flags, mode));
        let mut file = File::from(opened.map_err(system_error)?);
        let probe = Self { dir, file: Some(file.try_clone()?), name: Some(name) };
        file.write_all(b"f9")?;
        Ok(probe)
    }

    fn file(&self) -> Result<&File> {
        self.file.as_ref().ok_or_else(|| ErrorKind::Internal.into())
    }

    /// Returns the metadata of the open file.
    fn opened(&self) -> Result<Stat> {
        Stat::of(self.file()?.as_fd()).map_err(system_error)
    }

    /// Returns the metadata of the file with the name.
    fn named(&self) -> Result<Stat> {
        let name = self.name.as_deref().unwrap_or_default();
        Stat::of_name(self.dir.as_fd(), name.as_ref()).map_err(system_error)
    }

    fn rename(&mut self, new: &str, rename: Rename) -> Result<(), Errno> {
        let old = self.name.as_deref().unwrap_or_default();
        rename(self.dir.as_fd(), old, self.dir.as_fd(), new)?;
        self.name = Some(new.to_owned());
        Ok(())
    }

    fn has_hard_links(&self) -> Result<bool> {
        let (name, link) = (self.name.as_deref().unwrap_or_default(), new_name()?);
        let linked = retry_on_intr(|| {
            rustix::fs::linkat(self.dir, name, self.dir, link.as_str(), AtFlags::empty())
        });
        if linked.is_ok() {
            let _ = rustix::fs::unlinkat(self.dir, link.as_str(), AtFlags::empty());
        }
        Ok(linked.is_ok())
    }

    fn keeps_times(&self) -> Result<bool> {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        let is_set = set_modified_at(self.file()?, time).is_ok();
        Ok(is_set && self.named()?.modified_at() == Some(time))
    }

    fn keeps_permissions(&self) -> Result<bool> {
        for bits in [0o640, 0o600] {
            let is_set = set_permissions(self.file()?, bits).is_ok();
            if !is_set || self.named()?.permissions() != bits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the etag of the file that has just got its name stays the same when the file is closed.
    fn keeps_etag(&mut self, is_new: bool) -> Result<bool> {
        let (opened, named) = (self.opened()?, self.named()?);
        let is_known = is_same_file(&opened, &named, is_new);
        self.file = None;
        Ok(is_known && self.named()?.etag() == named.etag())
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // The next sweep removes the file if this fails.
            let _ = rustix::fs::unlinkat(self.dir, name.as_str(), AtFlags::empty());
        }
    }
}

type Rename = fn(BorrowedFd<'_>, &str, BorrowedFd<'_>, &str) -> Result<(), Errno>;

fn rename_new_locked(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
) -> Result<(), Errno> {
    rename_new_in_steps(from, old, to, new, true)
}

fn replace(from: BorrowedFd<'_>, old: &str, to: BorrowedFd<'_>, new: &str) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::renameat(from, old, to, new))
}

/// Whether the file that has just got a name is the one that has it. Some FUSE file systems give a file another number with another
/// name, so a caller who is `alone` in the directory compares the content as far as its metadata tell it.
pub(super) fn is_same_file(opened: &Stat, named: &Stat, alone: bool) -> bool {
    let is_alike = || opened.size() == named.size() && opened.modified_at() == named.modified_at();
    opened.id() == named.id() || alone && is_alike()
}

fn can_lock(file: BorrowedFd<'_>) -> bool {
    match retry_on_intr(|| rustix::fs::flock(file, FlockOperation::NonBlockingLockShared)) {
        Ok(()) => {
            let _ = retry_on_intr(|| rustix::fs::flock(file, FlockOperation::Unlock));
            true
        }
        Err(errno) => errno == Errno::WOULDBLOCK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(dir: &std::path::Path) -> FileSystem {
        let dir = Arc::new(OwnedFd::from(File::open(dir).unwrap()));
        let mut found = FileSystem::default();
        drop(found.probe(&dir));
        found
    }

    #[test]
    fn the_file_system_of_a_local_disk_has_every_step_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(probed(dir.path()), FileSystem::COMPLETE);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_claimed_for_a_directory_that_cannot_be_written_to() {
        let found = probed("/proc/self".as_ref());
        assert!(!found.creates_exclusively && !found.renames_at_once && !found.keeps_etags);
    }
}
