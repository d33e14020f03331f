//! Finds the parent directory of an entry.

use std::thread;
use std::time::Duration;

use super::open_beneath::ATTEMPTS;
use super::parent_dir::ParentDir;
use super::root::Root;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::WriteMode;
use crate::core::path::FilePath;

impl Root {
    /// Returns the place of a new entry: the deepest existing parent, and the parents that are missing.
    pub(crate) fn locate(&self, path: &FilePath) -> Result<ParentDir> {
        let (mut parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut missing = Vec::new();
        loop {
            match self.open_directory(parent) {
                Ok(dir) => {
                    missing.reverse();
                    return Ok(ParentDir { dir, missing, name: name.to_owned() });
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
        Ok(ParentDir { dir, missing: Vec::new(), name: name.to_owned() })
    }

    /// Returns the place of a file that is written. If a link is there and `mode` allows a replacement, this is the place of the
    /// target, so that the target is replaced and not the link.
    pub(super) fn locate_for(&self, path: &FilePath, mode: &WriteMode) -> Result<ParentDir> {
        let place = self.locate(path)?;
        let is_link = *mode != WriteMode::Create
            && place.missing.is_empty()
            && place.stat()?.is_some_and(|stat| stat.is_symlink());
        if !is_link {
            return Ok(place);
        }
        let target = self.expand(path)?;
        let target = target.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidPath)
                .with_message("the symbolic link leads to a name that is not UTF-8")
        })?;
        self.locate_existing(&FilePath::found(target.to_owned()))
    }
}

/// Calls `act` with the place that `find` returns. If another process removes the parent directory between these calls,
/// both are repeated.
pub(super) fn retry_if_removed<T>(
    root: &Root,
    find: impl Fn() -> Result<ParentDir>,
    mut act: impl FnMut(&mut ParentDir) -> Result<T>,
) -> Result<(ParentDir, T)> {
    let mut attempt = 0;
    loop {
        let mut place = find()?;
        match act(&mut place) {
            Err(_) if attempt < ATTEMPTS && place.is_removed() && !root.is_removed() => {}
            acted => return Ok((place, acted?)),
        }
        await_removal(attempt);
        attempt += 1;
    }
}

/// Backs off while another process finishes removing a directory; its name still resolves until then.
pub(super) fn await_removal(attempt: u64) {
    thread::sleep(Duration::from_micros(attempt * attempt));
}
