//! Files at raw paths, for programs that name files by bytes, such as git.
//!
//! A raw path may hold any bytes but NUL, and no name in it is reserved. No symbolic link is followed, at the end of a path or on the
//! way: the kernel resolves each path beneath the root in one call, so a link that is swapped in between two calls leads nowhere. The
//! kernel reports a link as `ELOOP`, and a directory that is moved out of the root during the call as `EXDEV`.

use std::fs::File;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::open_beneath::{ATTEMPTS, DIRECTORY, open_beneath};
use super::read_dir::for_each_name;
use super::remove::empty_directory;
use super::root::Root;
use super::stat::Stat;
use crate::core::error::{ErrorKind, Result};

/// The entry at a raw path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RawEntry {
    Missing,
    /// A parent in the path is a file or a symbolic link, or has just been moved out of the root.
    Blocked,
    Directory,
    File {
        content: Vec<u8>,
        is_executable: bool,
    },
    /// A symbolic link and the path in it.
    Symlink(Vec<u8>),
    /// A FIFO, socket or device.
    Special,
}

impl Root {
    /// Returns the metadata of the entry at `path`; `None` if it is missing or blocked.
    pub(crate) fn raw_stat(&self, path: &Path) -> Result<Option<Stat>> {
        match open_beneath(self.fd(), path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(entry) => Stat::of(entry.as_fd()).map(Some).map_err(system_error),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Reads the entry at `path`.
    pub(crate) fn raw_entry(&self, path: &Path) -> Result<RawEntry> {
        for _ in 0..ATTEMPTS {
            let entry = match open_beneath(self.fd(), path, OFlags::PATH | OFlags::NOFOLLOW) {
                Ok(entry) => entry,
                Err(Errno::NOENT) => return Ok(RawEntry::Missing),
                Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(RawEntry::Blocked),
                Err(errno) => return Err(system_error(errno)),
            };
            let stat = Stat::of(entry.as_fd()).map_err(system_error)?;
            if stat.is_symlink() {
                let target = retry_on_intr(|| rustix::fs::readlinkat(&entry, "", Vec::new()))
                    .map_err(system_error)?;
                return Ok(RawEntry::Symlink(target.into_bytes()));
            }
            if stat.is_dir() {
                return Ok(RawEntry::Directory);
            }
            if !stat.is_file() {
                return Ok(RawEntry::Special);
            }
            if let Some(file) = self.raw_file(path)? {
                return Ok(file);
            }
            // Something else took the name after the first call.
        }
        Err(ErrorKind::LinkLoop.into())
    }

    /// Reads the file at `path`; `None` if there is no file.
    fn raw_file(&self, path: &Path) -> Result<Option<RawEntry>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut file: File = match open_beneath(self.fd(), path, flags) {
            Ok(file) => file.into(),
            Err(Errno::NOENT | Errno::NXIO | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                return Ok(None);
            }
            Err(errno) => return Err(system_error(errno)),
        };
        let stat = Stat::of(file.as_fd()).map_err(system_error)?;
        if !stat.is_file() {
            return Ok(None);
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let is_executable = stat.permissions() & 0o100 != 0;
        Ok(Some(RawEntry::File { content, is_executable }))
    }

    /// Lists the names in the directory at `path`, in no order, each with whether it is a directory. The empty path is the root.
    pub(crate) fn raw_names(&self, path: &Path) -> Result<Vec<(Vec<u8>, bool)>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let dir = open_beneath(self.fd(), path, DIRECTORY).map_err(system_error)?;
        let mut names = Vec::new();
        for_each_name(dir.as_fd(), |name, is_dir| {
            names.push((name.to_vec(), is_dir));
            ControlFlow::Continue(())
        })?;
        Ok(names)
    }

    /// Removes the file or symbolic link at `path`, if there is one.
    pub(crate) fn raw_remove_file(&self, path: &Path) -> Result<()> {
        let Some((parent, name)) = self.raw_parent(path)? else { return Ok(()) };
        match retry_on_intr(|| rustix::fs::unlinkat(&parent, name, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Removes the empty directory at `path`.
    pub(crate) fn raw_remove_dir(&self, path: &Path) -> Result<()> {
        let (parent, name) = self.raw_parent(path)?.ok_or(ErrorKind::NotFound)?;
        retry_on_intr(|| rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR))
            .map_err(system_error)
    }

    /// Removes everything in the directory at `path`, but not the directory.
    pub(crate) fn raw_empty_dir(&self, path: &Path) -> Result<()> {
        let dir = open_beneath(self.fd(), path, DIRECTORY).map_err(system_error)?;
        empty_directory(dir, &path.to_string_lossy())
    }

    /// Opens the directory that holds the last name of `path`; `None` if it is missing or blocked.
    fn raw_parent<'a>(&self, path: &'a Path) -> Result<Option<(OwnedFd, &'a Path)>> {
        let Some(name) = path.file_name() else { return Ok(None) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        match open_beneath(self.fd(), parent, OFlags::PATH | OFlags::DIRECTORY) {
            Ok(parent) => Ok(Some((parent, name.as_ref()))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(system_error(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::reserved::Reserved;
    use super::*;

    #[test]
    fn no_verb_follows_a_symbolic_link() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::create_dir_all(outside.join("empty")).unwrap();
        fs::write(inside.join("a/b/file"), "inside").unwrap();
        fs::write(outside.join("file"), "outside").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        let root = Root::open(&inside, Reserved::default()).unwrap();

        let file = RawEntry::File { content: b"inside".to_vec(), is_executable: false };
        assert_eq!(root.raw_entry("a/b/file".as_ref()).unwrap(), file);
        assert_eq!(root.raw_entry("a".as_ref()).unwrap(), RawEntry::Directory);
        assert_eq!(root.raw_entry("a/x/y".as_ref()).unwrap(), RawEntry::Missing);
        assert_eq!(root.raw_entry("a/b/file/x".as_ref()).unwrap(), RawEntry::Blocked);
        let target = outside.to_str().unwrap().into();
        assert_eq!(root.raw_entry("link".as_ref()).unwrap(), RawEntry::Symlink(target));
        assert!(root.raw_stat("link".as_ref()).unwrap().unwrap().is_symlink());

        assert_eq!(root.raw_entry("link/file".as_ref()).unwrap(), RawEntry::Blocked);
        assert!(root.raw_stat("link/file".as_ref()).unwrap().is_none());
        assert!(root.raw_names("link".as_ref()).is_err());
        root.raw_remove_file("link/file".as_ref()).unwrap();
        assert!(root.raw_remove_dir("link/empty".as_ref()).is_err());
        assert!(root.raw_empty_dir("link".as_ref()).is_err());
        assert_eq!(root.raw_entry("../outside/file".as_ref()).unwrap(), RawEntry::Blocked);
        root.raw_remove_file("../outside/file".as_ref()).unwrap();
        assert!(outside.join("file").exists() && outside.join("empty").exists());
    }

    #[test]
    fn files_and_directories_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/file"), "").unwrap();
        symlink("file", dir.path().join("a/link")).unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let mut names = root.raw_names("a".as_ref()).unwrap();
        names.sort();
        let expected = [("b", true), ("file", false), ("link", false)];
        assert_eq!(names, expected.map(|(name, is_dir)| (name.as_bytes().to_vec(), is_dir)));
        root.raw_remove_file("a/link".as_ref()).unwrap();
        root.raw_remove_file("a/missing".as_ref()).unwrap();
        assert!(root.raw_remove_dir("a".as_ref()).is_err());
        root.raw_empty_dir("a".as_ref()).unwrap();
        root.raw_remove_dir("a".as_ref()).unwrap();
        assert_eq!(root.raw_names("".as_ref()).unwrap(), []);
    }
}
