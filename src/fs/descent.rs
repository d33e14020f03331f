//! A way down a tree of directories that is as deep as it likes, with few of them open.
//!
//! Every step down opens one name without following a link. Directories far above are closed, and found again on the way back by
//! `..`, which is believed only if it leads to the same directory: one that was moved elsewhere meanwhile ends the walk.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::io::{Errno, retry_on_intr};

use super::root::DIRECTORY;
use super::stat::Stat;
use crate::{Error, ErrorKind, Result};

/// How many directories of the way are kept open.
const KEPT_OPEN: usize = 16;

#[derive(Debug)]
struct Level {
    dir: Option<Arc<OwnedFd>>,
    id: (u32, u32, u64),
}

#[derive(Debug)]
pub(super) struct Descent {
    above: Vec<Level>,
    here: Arc<OwnedFd>,
    id: (u32, u32, u64),
}

impl Descent {
    /// Begins at an open directory.
    pub(super) fn start(dir: OwnedFd) -> Result<Self> {
        let id = Stat::of(dir.as_fd())?.id();
        Ok(Self { above: Vec::new(), here: Arc::new(dir), id })
    }

    pub(super) fn here(&self) -> BorrowedFd<'_> {
        self.here.as_fd()
    }

    /// The directory, to be kept open beyond the next step.
    pub(super) fn share_here(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.here)
    }

    /// Steps down into the directory `name`; a link is `ELOOP` or `ENOTDIR`.
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
        if let Some(far) = self.above.len().checked_sub(KEPT_OPEN + 1) {
            self.above[far].dir = None;
        }
        Ok(())
    }

    /// Steps back up.
    pub(super) fn leave(&mut self) -> Result<()> {
        let Some(level) = self.above.pop() else {
            return Err(Error::new(ErrorKind::Internal).with_message("left the top of a walk"));
        };
        self.here = match level.dir {
            Some(dir) => dir,
            None => {
                let up = retry_on_intr(|| {
                    rustix::fs::openat(&self.here, "..", DIRECTORY, Mode::empty())
                })?;
                if Stat::of(up.as_fd())?.id() != level.id {
                    return Err(Error::new(ErrorKind::NotFound)
                        .with_message("a directory was moved while it was walked through"));
                }
                Arc::new(up)
            }
        };
        self.id = level.id;
        Ok(())
    }
}
