//! The open directories of a walk through a tree of any depth, with a limit on open handles.
//!
//! Every step down opens one name without following a link. Directories far above are closed, and opened again through `..` on the
//! way back. If `..` is then a different directory, because the tree was moved, the walk ends.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::open_beneath::DIRECTORY;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool::max_open_files;

/// Returns how many parent directories are kept open during an operation.
pub(super) fn kept_open() -> usize {
    (max_open_files() / 32).min(16)
}

#[derive(Debug)]
struct Level {
    dir: Option<Arc<OwnedFd>>,
    id: (u32, u32, u64),
}

#[derive(Debug)]
pub(super) struct DirStack {
    kept_open: usize,
    above: Vec<Level>,
    here: Arc<OwnedFd>,
    id: (u32, u32, u64),
}

impl DirStack {
    /// Starts at an open directory.
    pub(super) fn start(dir: OwnedFd) -> Result<Self> {
        let id = Stat::of(dir.as_fd()).map_err(system_error)?.id();
        Ok(Self { kept_open: kept_open(), above: Vec::new(), here: Arc::new(dir), id })
    }

    pub(super) fn here(&self) -> BorrowedFd<'_> {
        self.here.as_fd()
    }

    /// Returns the current directory. It stays open after the next step.
    pub(super) fn share_here(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.here)
    }

    /// Enters the directory `name`. A link is `ELOOP` or `ENOTDIR`.
    pub(super) fn enter(&mut self, name: &str) -> Result<(), Errno> {
        self.enter_bytes(name.as_bytes())
    }

    pub(super) fn enter_bytes(&mut self, name: &[u8]) -> Result<(), Errno> {
        let below =
            retry_on_intr(|| rustix::fs::openat(&self.here, name, DIRECTORY, Mode::empty()))?;
        let id = Stat::of(below.as_fd())?.id();
        let dir = std::mem::replace(&mut self.here, Arc::new(below));
        self.above.push(Level { dir: Some(dir), id: self.id });
        self.id = id;
        if let Some(far) = self.above.len().checked_sub(self.kept_open + 1) {
            self.above[far].dir = None;
        }
        Ok(())
    }

    /// Closes all directories above, before a pause. They are opened again on the way back.
    pub(super) fn close_above(&mut self) {
        self.above.iter_mut().for_each(|level| level.dir = None);
    }

    /// Goes back to the parent directory.
    pub(super) fn leave(&mut self) -> Result<()> {
        let Some(level) = self.above.pop() else {
            return Err(
                Error::new(ErrorKind::Internal).with_message("the walk left its first directory")
            );
        };
        self.here = match level.dir {
            Some(dir) => dir,
            None => {
                let up = retry_on_intr(|| {
                    rustix::fs::openat(&self.here, "..", DIRECTORY, Mode::empty())
                })
                .map_err(system_error)?;
                if Stat::of(up.as_fd()).map_err(system_error)?.id() != level.id {
                    return Err(Error::new(ErrorKind::NotFound)
                        .with_message("a directory was moved during the walk"));
                }
                Arc::new(up)
            }
        };
        self.id = level.id;
        Ok(())
    }
}
