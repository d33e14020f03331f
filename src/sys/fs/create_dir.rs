//! Creating a directory.

use std::os::fd::AsFd as _;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::locate::retry_if_removed;
use super::parent_dir::ParentDir;
use super::root::Root;
use super::sync::{confirm, sync_directory};
use crate::core::error::{ErrorKind, Result};
use crate::core::options::DirMode;
use crate::core::path::FilePath;

/// Creates the directory at `path` and its missing parents.
pub(crate) fn create_dir(root: &Root, path: &FilePath, mode: DirMode, sync: bool) -> Result<()> {
    let create = |place: &mut ParentDir| create_at(root, path, place, mode, sync);
    retry_if_removed(root, || root.locate(path), create).map(drop)
}

fn create_at(
    root: &Root,
    path: &FilePath,
    place: &mut ParentDir,
    mode: DirMode,
    sync: bool,
) -> Result<()> {
    let parents = place.create_missing(sync)?;
    let created = retry_on_intr(|| {
        rustix::fs::mkdirat(&place.dir, place.name.as_str(), Mode::from_raw_mode(0o777))
    });
    match created {
        Ok(()) if sync => confirm(sync_directory(place.dir.as_fd())),
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let directory = root.open_at(path, OFlags::PATH | OFlags::DIRECTORY);
            match directory.map_err(|error| error.kind()) {
                Ok(_) if mode == DirMode::Overwrite => Ok(()),
                Ok(_) => place.undo(parents, ErrorKind::AlreadyExists.into()),
                // A dangling link is not a directory.
                Err(ErrorKind::NotFound) => place.undo(parents, ErrorKind::NotADirectory.into()),
                Err(kind) => place.undo(parents, kind.into()),
            }
        }
        Err(errno) => place.undo(parents, system_error(errno)),
    }
}
