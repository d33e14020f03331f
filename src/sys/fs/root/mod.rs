//! The root directory, and the resolution of paths beneath it.
//!
//! A path is first opened with `openat2` and `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`. The kernel resolves it without leaving the
//! root, so the checked names are the opened names. Only if the path has a symbolic link does cap-std expand the path beneath the
//! root. The expanded path is checked and opened in the same way. So no link leads out of the root or to a reserved name, even if
//! it is swapped in between.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, OFlags, fchmod};
use rustix::io::{Errno, retry_on_intr};

use super::cache::{Cache, dislikes_links, is_on_disk};
use super::dir_lock::permissions_of_lock_file;
use super::errno::system_error;
use super::metadata::keeps_metadata;
use super::open_beneath::{DIRECTORY, open_beneath, open_error};
use super::probe::FileSystem;
use super::reserved::Reserved;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::{FilePath, LOCK_FILE_NAME, MAX_PATH_BYTES, PRIVATE_DIRECTORY, shortened};
use crate::sys::pool::Wait;

mod links;

/// The longest path, in bytes, on a file system that may add a prefix to each: what every store allows.
const SHORT_PATH_BYTES: usize = 1024;

/// An open root directory. It stays the same directory if its path is renamed or replaced.
#[derive(Debug)]
pub(crate) struct Root {
    dir: Dir,
    reserved: Reserved,
    cache: Arc<Cache>,
    keeps_metadata: bool,
    file_system: FileSystem,
    /// The device whose files keep their identity for sure.
    exact_device: Option<(u32, u32)>,
    /// The name of the private directory that this root shows.
    view: Option<Arc<str>>,
}

impl Root {
    /// Opens the directory at `path`, and hides the names in `reserved`.
    pub(crate) fn open(path: &Path, reserved: Reserved) -> Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let cache = Arc::new(Cache::of(dir.as_fd()));
        let keeps_metadata = keeps_metadata(dir.as_fd());
        let reserved =
            if dislikes_links(dir.as_fd()) { reserved.hiding_deleted() } else { reserved };
        let file_system = FileSystem::COMPLETE;
        let mut root = Self {
            dir,
            reserved,
            cache,
            keeps_metadata,
            file_system,
            exact_device: None,
            view: None,
        };
        if is_on_disk(root.fd()) {
            root.exact_device = Stat::of(root.fd()).ok().map(|stat| stat.device());
        } else {
            root.file_system = root
                .open_directory("")
                .map(Arc::new)
                .map_or_else(|_| FileSystem::default(), |dir| FileSystem::of(&dir));
        }
        Ok(root)
    }

    /// Returns the same root, in which the private directory of `view` can be reached.
    pub(crate) fn with_view(&self, view: &str) -> Result<Self> {
        Ok(Self {
            dir: self.dir.try_clone()?,
            reserved: self.reserved,
            cache: Arc::clone(&self.cache),
            keeps_metadata: self.keeps_metadata,
            file_system: self.file_system,
            exact_device: self.exact_device,
            view: Some(view.into()),
        })
    }

    /// Creates the directory at `path` and its missing parents.
    pub(crate) fn create(path: &Path, sync: bool) -> Result<()> {
        let is_missing = |path: &&Path| Stat::of_path(CWD, path).err() == Some(Errno::NOENT);
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        std::fs::create_dir_all(path).map_err(|error| match Stat::of_path(CWD, path) {
            Ok(_) => Error::new(ErrorKind::NotADirectory).with_source(error),
            Err(_) => Error::from(error),
        })?;
        for parent in missing.iter().filter_map(|created| created.parent()).filter(|_| sync) {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Whether files can have a content type and user metadata.
    pub(crate) fn keeps_metadata(&self) -> bool {
        self.keeps_metadata
    }

    /// Returns what the file system can do.
    pub(crate) fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// Returns the longest path, in bytes.
    pub(crate) fn path_bytes(&self) -> usize {
        if self.file_system.has_long_paths { MAX_PATH_BYTES } else { SHORT_PATH_BYTES }
    }

    /// Whether a file that exists may seem to be missing while another one replaces it. FUSE looks up a name and opens the file in two
    /// steps.
    pub(super) fn loses_sight(&self) -> bool {
        self.exact_device.is_none()
    }

    /// Whether an open file and its name always have the same metadata. Mounts below the root may lack this.
    pub(super) fn is_exact(&self, stat: &Stat) -> bool {
        self.exact_device == Some(stat.device())
    }

    /// Returns the longest name that the file system allows, in bytes; `None` if it does not say.
    pub(crate) fn name_bytes(&self) -> Option<usize> {
        let statistics = rustix::fs::fstatvfs(self.fd()).ok()?;
        usize::try_from(statistics.f_namemax).ok().filter(|bytes| *bytes > 0)
    }

    /// Whether the server of a file may report only when the file is closed that it has not kept all that was written to it.
    /// `created` is the metadata of the file, if they are known.
    pub(super) fn reports_on_close(&self, created: Option<&Stat>) -> bool {
        self.exact_device.is_none() || created.is_some_and(|created| !self.is_exact(created))
    }

    /// Returns the names that are hidden below this root.
    pub(super) fn reserved(&self) -> Reserved {
        self.reserved
    }

    /// Parses a path of the caller. Every path goes through this method or [`parse_entry`](Self::parse_entry).
    pub(crate) fn parse(&self, text: &str) -> Result<FilePath> {
        let path = FilePath::parse_in_view(text, self.view.as_deref())?;
        self.reserved.check(&path, text)?;
        if path.len() > self.path_bytes() {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_path(shortened(text))
                .with_message(format!(
                    "the path has {} bytes, at most {} are allowed on this file system",
                    path.len(),
                    self.path_bytes()
                )));
        }
        Ok(path)
    }

    /// Like [`parse`](Self::parse), but refuses the root.
    pub(crate) fn parse_entry(&self, text: &str) -> Result<FilePath> {
        let path = self.parse(text)?;
        path.expect_entry(text)?;
        Ok(path)
    }

    /// Whether `path` is in the private directory that this root shows.
    pub(crate) fn is_private(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let is_hidden = segments.next() == Some(PRIVATE_DIRECTORY);
        is_hidden && self.view.is_some() && segments.next() == self.view.as_deref()
    }

    /// Returns the part of the file system that answers without waiting.
    pub(super) fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Returns the device and inode of this directory, which do not depend on its path.
    pub(crate) fn id(&self) -> Result<(u32, u32, u64)> {
        Ok(Stat::of(self.fd()).map_err(system_error)?.id())
    }

    /// Opens the file that sessions lock, and creates it if it is missing. Every user who may change the root can lock the new file.
    pub(crate) fn open_lock_file(&self) -> Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |flags, mode| {
            retry_on_intr(|| rustix::fs::openat(self.fd(), LOCK_FILE_NAME, flags, mode))
        };
        let create = || {
            let mode = Mode::from_raw_mode(permissions_of_lock_file(&Stat::of(self.fd())?));
            let created = open(flags | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode);
            // The umask may have removed permissions.
            created.and_then(|file| retry_on_intr(|| fchmod(&file, mode)).map(|()| file))
        };
        let opened = match open(flags | OFlags::RDWR, Mode::empty()) {
            Err(Errno::NOENT) => match create() {
                Err(Errno::EXIST) => open(flags | OFlags::RDWR, Mode::empty()),
                created => created,
            },
            // The file of another user who lets others only read it, which suffices for a lock.
            Err(Errno::ACCESS) => {
                let opened = open(flags | OFlags::RDONLY, Mode::empty());
                opened.map_err(|errno| if errno == Errno::NOENT { Errno::ACCESS } else { errno })
            }
            opened => opened,
        };
        let opened = opened.map_err(system_error).and_then(|file| {
            Stat::of(file.as_fd()).map_err(system_error)?.expect_file()?;
            Ok(file.into())
        });
        opened.map_err(|error| error.with_path(LOCK_FILE_NAME))
    }

    /// Whether `file` is still the file that sessions lock.
    pub(crate) fn is_lock_file(&self, file: &File) -> bool {
        let current = Stat::of_name(self.fd(), LOCK_FILE_NAME.as_ref());
        let opened = Stat::of(file.as_fd());
        matches!((current, opened), (Ok(current), Ok(opened)) if current.id() == opened.id())
    }

    /// Checks that the directory still exists.
    ///
    /// # Errors
    ///
    /// [`RootGone`](ErrorKind::RootGone) if it was removed. Without this check it would look like an empty directory.
    pub(crate) fn expect_present(&self) -> Result<()> {
        if self.is_removed() { Err(ErrorKind::RootGone.into()) } else { Ok(()) }
    }

    /// Whether the directory was removed after it was opened.
    pub(crate) fn is_removed(&self) -> bool {
        Stat::of(self.fd()).is_ok_and(|stat| stat.links() == 0)
    }

    /// Opens the entry at `path`. Follows symbolic links beneath the root; a link at the end only without the flag `NOFOLLOW`.
    pub(super) fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let path = if path.is_empty() { "." } else { path };
        match open_beneath(self.fd(), path.as_ref(), flags) {
            Err(Errno::LOOP) => self.open_through_links(path, flags),
            opened => opened.map_err(open_error),
        }
    }

    /// Like [`open_at`](Self::open_at), but waits only if `wait` allows it.
    pub(super) fn open_within(&self, path: &str, flags: OFlags, wait: Wait) -> Result<OwnedFd> {
        match wait {
            Wait::Disk => self.open_at(path, flags),
            // The check for a removed root is only made where the disk may be waited for.
            Wait::Never if path.is_empty() => Err(system_error(Errno::AGAIN)),
            Wait::Never => self.cache.open(self.fd(), path.as_ref(), flags).map_err(system_error),
        }
    }

    /// Opens the directory at `path` for reading, locking and syncing.
    pub(crate) fn open_directory(&self, path: &str) -> Result<OwnedFd> {
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        match self.open_at(path, flags) {
            // Files can be written to a directory that may be searched but not read.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                self.open_at(path, OFlags::PATH | OFlags::DIRECTORY)
            }
            opened => opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_file_is_not_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let error = root.open_at("link/x", OFlags::RDONLY).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    }
}
