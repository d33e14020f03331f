//! Deleting several files of one directory.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::AtFlags;
use rustix::io::{Errno, retry_on_intr};

use super::dir_lock::DirectoryLock;
use super::root::Root;
use super::sync::{confirm, sync_directory};
use crate::core::error::{ErrorKind, Result};
use crate::core::path::FilePath;
use crate::sys::lock::LockMode;

/// The number of files that are deleted under one lock, so that others wait for a few milliseconds only.
const BATCH: usize = 128;

/// The files of one directory that were deleted, in the order in which they were given.
#[derive(Debug)]
pub(crate) struct RemovedFrom {
    /// `None` for an entry that must be deleted by [`remove`](super::remove), because it is not a file or was not deleted. There may be
    /// fewer results than files.
    pub(crate) results: Vec<Option<Result<()>>>,
    /// The directory, if anything in it was deleted.
    changed: Option<Arc<OwnedFd>>,
}

impl RemovedFrom {
    /// Deletes the files at `paths`, which all have the parent `parent`, with one open and one lock of the directory.
    pub(crate) fn delete(root: &Root, parent: &str, paths: &[&FilePath]) -> Self {
        let mut removed = Self { results: Vec::with_capacity(paths.len()), changed: None };
        // The deletion of each file reports the failure.
        if !paths.is_empty()
            && let Ok(dir) = root.open_directory(parent)
        {
            removed.delete_in(&Arc::new(dir), paths);
        }
        removed
    }

    /// Brings the deletions to stable storage.
    pub(crate) fn sync(&self) -> Result<()> {
        self.changed.as_ref().map_or(Ok(()), |dir| confirm(sync_directory(dir.as_fd())))
    }

    fn delete_in(&mut self, dir: &Arc<OwnedFd>, paths: &[&FilePath]) {
        for batch in paths.chunks(BATCH) {
            let Ok(Some(_lock)) = DirectoryLock::acquire(dir, LockMode::Shared) else {
                return;
            };
            for path in batch {
                let name = path.name().unwrap_or_default();
                let removed = retry_on_intr(|| rustix::fs::unlinkat(dir, name, AtFlags::empty()));
                self.results.push(match removed {
                    Ok(()) => {
                        self.changed.get_or_insert_with(|| Arc::clone(dir));
                        Some(Ok(()))
                    }
                    Err(Errno::NOENT) => Some(Err(ErrorKind::NotFound.into())),
                    Err(_) => None,
                });
            }
        }
    }
}
