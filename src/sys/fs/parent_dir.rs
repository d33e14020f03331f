//! The parent directory of an entry, and the creation of missing parents.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::cache::dislikes_links;
use super::errno::system_error;
use super::metadata::link_to;
use super::open_beneath::{ATTEMPTS, DIRECTORY, open_beneath};
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use crate::core::error::{Error, ErrorKind, Result};

/// The place of an entry: an open directory, the missing directories below it, and the name.
#[derive(Debug)]
pub(crate) struct ParentDir {
    pub(super) dir: Arc<OwnedFd>,
    pub(super) missing: Vec<String>,
    pub(super) name: String,
    /// The entry when the place was found, if that was asked for.
    pub(super) found: Option<Stat>,
}

impl ParentDir {
    /// Returns the place of an entry in an open directory.
    pub(super) fn within(dir: Arc<OwnedFd>, missing: Vec<String>, name: &str) -> Self {
        Self { dir, missing, name: name.to_owned(), found: None }
    }

    /// Returns the metadata of the entry, if it exists. A symbolic link is not followed.
    pub(crate) fn stat(&self) -> Result<Option<Stat>> {
        if !self.missing.is_empty() {
            return Ok(None);
        }
        match Stat::of_name(self.dir.as_fd(), self.name.as_ref()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Whether the directory was removed after it was opened. A call in it then fails with `ENOENT` or `EPERM`.
    pub(super) fn is_removed(&self) -> bool {
        match Stat::of(self.dir.as_fd()) {
            Ok(stat) if stat.links() == 0 => true,
            // FUSE does not count the links of a directory.
            _ => dislikes_links(self.dir.as_fd()) && is_marked_deleted(self.dir.as_fd()),
        }
    }

    /// Whether both open directories are the same one.
    pub(super) fn is_in_same_dir(&self, other: &Self) -> bool {
        let id = |place: &Self| Stat::of(place.dir.as_fd()).map(|stat| stat.id());
        matches!((id(self), id(other)), (Ok(a), Ok(b)) if a == b)
    }

    /// Creates the missing directories, so that `dir` is the parent of the entry. They are synced when the entry is there: a sync takes long,
    /// and meanwhile another process may delete them.
    pub(super) fn create_missing(&mut self) -> Result<CreatedDirs> {
        let mut created = CreatedDirs(Vec::new());
        for name in std::mem::take(&mut self.missing) {
            let (is_new, below) = match create_and_open(self.dir.as_fd(), &name) {
                Ok(opened) => opened,
                // Another process created a file or a dangling link with this name.
                Err(Errno::LOOP) => return self.undo(created, ErrorKind::NotADirectory.into()),
                Err(errno) => return self.undo(created, system_error(errno)),
            };
            let parent = std::mem::replace(&mut self.dir, Arc::new(below));
            if is_new {
                created.0.push((parent, name));
            }
        }
        Ok(created)
    }

    /// Removes the created directories because of `error`, and goes back to the deepest one that is left. So
    /// [`is_removed`](Self::is_removed) is only true if another process removed the directory, and a retry makes sense.
    pub(super) fn undo<T>(&mut self, created: CreatedDirs, error: Error) -> Result<T> {
        let is_removed = self.is_removed();
        if let Some(left) = created.remove().filter(|_| !is_removed) {
            self.dir = left;
        }
        Err(error)
    }
}

/// Whether the kernel marks the path of an open directory as deleted. A directory may also have such a name, so this is a guess.
fn is_marked_deleted(dir: BorrowedFd<'_>) -> bool {
    let path = retry_on_intr(|| rustix::fs::readlink(link_to(dir), Vec::new()));
    path.is_ok_and(|path| path.to_bytes().ends_with(b" (deleted)"))
}

/// Opens the directory `name`, and returns whether it was created.
fn create_and_open(dir: BorrowedFd<'_>, name: &str) -> Result<(bool, OwnedFd), Errno> {
    let mut opened = Err(Errno::NOENT);
    for _ in 0..ATTEMPTS {
        let mode = Mode::from_raw_mode(0o777);
        let is_new = match retry_on_intr(|| rustix::fs::mkdirat(dir, name, mode)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        opened = open_beneath(dir, name.as_ref(), DIRECTORY).map(|below| (is_new, below));
        if is_new && opened.is_err() {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR);
        }
        // With `ENOENT`, another process removed the directory between the two calls.
        if !matches!(opened, Err(Errno::NOENT)) {
            break;
        }
    }
    opened
}

/// The directories that were created for an entry, with their parents, the topmost first.
#[derive(Debug, Default)]
pub(super) struct CreatedDirs(Vec<(Arc<OwnedFd>, String)>);

impl CreatedDirs {
    /// Brings the new directories to stable storage, after the file in them became visible.
    pub(super) fn sync(&self) -> Result<()> {
        self.0.iter().try_for_each(|(parent, _)| confirm(sync_directory(parent.as_fd())))
    }

    /// Returns the directories that got a new entry.
    pub(super) fn parents(self) -> impl Iterator<Item = Arc<OwnedFd>> {
        self.0.into_iter().map(|(parent, _)| parent)
    }

    /// Removes the directories that are still empty, and returns the deepest directory that is left.
    pub(super) fn remove(mut self) -> Option<Arc<OwnedFd>> {
        while let Some((parent, name)) = self.0.pop() {
            let removed = rustix::fs::unlinkat(&parent, name.as_str(), AtFlags::REMOVEDIR);
            if removed.is_err() || self.0.is_empty() {
                return Some(parent);
            }
        }
        None
    }
}
