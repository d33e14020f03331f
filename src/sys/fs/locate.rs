//! Finds the parent directory of an entry.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::cache::dislikes_links;
use super::open_beneath::ATTEMPTS;
use super::parent_dir::ParentDir;
use super::root::Root;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::core::target::WriteTarget;

/// The number of attempts while the kernel has not marked a removed directory yet.
const FUSE_ATTEMPTS: u64 = 16;

impl Root {
    /// Returns the place of a new entry: the deepest existing parent, and the parents that are missing.
    pub(crate) fn locate(&self, path: &FilePath) -> Result<ParentDir> {
        let (mut parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut missing = Vec::new();
        loop {
            match self.open_directory(parent) {
                Ok(dir) => {
                    missing.reverse();
                    return Ok(ParentDir::within(dir.into(), missing, name));
                }
                Err(error) if error.kind() == ErrorKind::NotFound && !parent.is_empty() => {
                    let (above, segment) = parent.rsplit_once('/').unwrap_or(("", parent));
                    missing.push(segment.to_owned());
                    parent = above;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Like [`locate`](Self::locate) for an existing entry, whose parents all exist.
    pub(super) fn locate_existing(&self, path: &FilePath) -> Result<ParentDir> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.open_directory(parent)?;
        Ok(ParentDir::within(dir.into(), Vec::new(), name))
    }

    /// Returns the place of a file that is written, with what is there. If a link is there and may be replaced, this is the place of the
    /// link's target, so that the target is replaced and not the link. `parent` is the parent directory, if it is open.
    pub(super) fn locate_for(
        &self,
        path: &FilePath,
        target: &WriteTarget,
        parent: Option<&Arc<OwnedFd>>,
    ) -> Result<ParentDir> {
        let mut place = match parent {
            Some(dir) => {
                let name = path.name().unwrap_or_default();
                ParentDir::within(Arc::clone(dir), Vec::new(), name)
            }
            None => self.locate(path)?,
        };
        place.found = place.stat()?;
        if target.is_new() || !place.found.as_ref().is_some_and(Stat::is_symlink) {
            return Ok(place);
        }
        let target = self.expand(path)?;
        let target = target.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidPath)
                .with_message("the symbolic link leads to a name that is not UTF-8")
        })?;
        let mut place = self.locate_existing(&FilePath::found(target.to_owned()))?;
        place.found = place.stat()?;
        Ok(place)
    }
}

/// Calls `act` with the place that `find` returns. If another process removes the parent directory between these calls,
/// both are repeated.
pub(super) fn retry_if_removed<T>(
    root: &Root,
    find: impl Fn() -> Result<ParentDir>,
    mut act: impl FnMut(&mut ParentDir) -> Result<T>,
) -> Result<(ParentDir, T)> {
    for attempt in 0..ATTEMPTS {
        let mut place = find()?;
        match act(&mut place) {
            Err(_) if place.is_removed() && !root.is_removed() => await_removal(attempt),
            // FUSE reports the removal of a directory before the kernel marks it.
            Err(error) if attempt < FUSE_ATTEMPTS && is_unmarked(&error, &place) => {
                thread::sleep(Duration::from_millis(attempt));
            }
            acted => return Ok((place, acted?)),
        }
    }
    Err(keeps_deleting())
}

/// The error of a write whose directory is deleted during every attempt.
pub(super) fn keeps_deleting() -> Error {
    Error::new(ErrorKind::Contention).with_message("another process keeps deleting the directory")
}

fn is_unmarked(error: &Error, place: &ParentDir) -> bool {
    error.kind() == ErrorKind::NotFound && dislikes_links(place.dir.as_fd())
}

/// Backs off while another process finishes removing a directory; its name still resolves until then.
pub(super) fn await_removal(attempt: u64) {
    thread::sleep(Duration::from_micros(attempt * attempt));
}
