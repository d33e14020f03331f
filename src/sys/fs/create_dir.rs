//! Creating a directory.

use std::os::fd::AsFd as _;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::locate::{keeps_deleting, retry_if_removed};
use super::open_beneath::ATTEMPTS;
use super::parent_dir::{CreatedDirs, ParentDir};
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use crate::core::error::{ErrorKind, Result};
use crate::core::options::DirMode;
use crate::core::path::FilePath;

/// Creates the directory at `path` and its missing parents.
pub(crate) fn create_dir(root: &Root, path: &FilePath, mode: DirMode, sync: bool) -> Result<()> {
    let create = |place: &mut ParentDir| create_at(root, path, place, mode);
    let (place, parents) = retry_if_removed(root, || root.locate(path), create)?;
    if sync && let Some(parents) = parents {
        parents.sync()?;
        confirm(sync_directory(place.dir.as_fd()))?;
    }
    Ok(())
}

/// Returns the parents that were created; `None` if the directory existed.
fn create_at(
    root: &Root,
    path: &FilePath,
    place: &mut ParentDir,
    mode: DirMode,
) -> Result<Option<CreatedDirs>> {
    let parents = place.create_missing()?;
    for _ in 0..ATTEMPTS {
        let name = place.name.as_str();
        match retry_on_intr(|| rustix::fs::mkdirat(&place.dir, name, Mode::from_raw_mode(0o777))) {
            Ok(()) => return Ok(Some(parents)),
            Err(Errno::EXIST) => {}
            Err(errno) => return place.undo(parents, system_error(errno)),
        }
        match (is_directory(root, path, place), mode) {
            // The entry was deleted meanwhile.
            (Ok(None), _) => {}
            (Ok(Some(true)), DirMode::Overwrite) => return Ok(None),
            (Ok(Some(true)), _) => return place.undo(parents, ErrorKind::AlreadyExists.into()),
            (Ok(Some(false)), _) => return place.undo(parents, ErrorKind::NotADirectory.into()),
            (Err(error), _) => return place.undo(parents, error),
        }
    }
    place.undo(parents, keeps_deleting())
}

/// Whether the entry is a directory or a link to one; `None` if it does not exist.
fn is_directory(root: &Root, path: &FilePath, place: &ParentDir) -> Result<Option<bool>> {
    let is_symlink = |stat: &Stat| stat.is_symlink();
    match place.stat()? {
        Some(stat) if !is_symlink(&stat) => return Ok(Some(stat.is_dir())),
        Some(_) => {}
        None => return Ok(None),
    }
    match root.open_at(path, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(_) => Ok(Some(true)),
        // A dangling link is not a directory.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(place.stat()?.as_ref().is_some_and(is_symlink).then_some(false))
        }
        Err(error) => Err(error.kind().into()),
    }
}
