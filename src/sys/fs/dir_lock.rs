//! The lock on a directory, which makes the check and the change of an entry one step.
//!
//! A conditional write compares the etag and then replaces the file. Meanwhile it holds an exclusive `flock` on the directory. All
//! other verbs that replace, move or remove a file hold a shared one. So no change, of this or another process, comes between the
//! check and the write. There is no lock file, and the lock of a killed process is released. The lock is held for a few system
//! calls. If it is taken, the caller retries for a few milliseconds and then returns [`Attempt::Busy`], so that a longer wait does
//! not keep a thread of the pool.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::LockMode;

/// The result of a step that needs a lock.
#[derive(Debug)]
pub(crate) enum Attempt<T, S> {
    /// The step is done.
    Done(T),
    /// Another process holds the lock. Try again with this state.
    Busy(S),
}

/// Holds the lock on a directory until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock(Option<Arc<OwnedFd>>);

/// How long a verb waits for the lock. Others hold it only for a few system calls.
pub(crate) const DIR_LOCK_TIMEOUT: Duration = Duration::from_secs(30);

impl DirectoryLock {
    /// Tries for a few milliseconds to lock `dir`; `None` if others hold the lock all the time.
    ///
    /// The lock belongs to the open file description, so each call of a verb must have opened `dir` itself.
    pub(super) fn acquire(dir: &Arc<OwnedFd>, mode: LockMode) -> Result<Option<Self>> {
        match try_lock(dir.as_fd(), mode) {
            Ok(is_locked) => Ok(is_locked.then(|| Self(Some(Arc::clone(dir))))),
            Err(errno @ (Errno::OPNOTSUPP | Errno::NOLCK)) => Self::without(mode, errno),
            // A directory that this user may not read is open with `PATH` and cannot be locked.
            Err(Errno::BADF) => Self::without(mode, Errno::ACCESS),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Releases the lock by closing the directory, which saves a system call, if the caller has the only other reference and drops it.
    /// Otherwise the lock is released here.
    pub(super) fn release_on_close(mut self) {
        if self.0.as_ref().is_some_and(|dir| Arc::strong_count(dir) == 2) {
            self.0 = None;
        }
    }

    /// Goes on without a lock. A plain write is atomic without it, a conditional write is not.
    fn without(mode: LockMode, reason: Errno) -> Result<Option<Self>> {
        match mode {
            LockMode::Shared => Ok(Some(Self(None))),
            LockMode::Exclusive => Err(Error::new(ErrorKind::Unsupported)
                .with_message("the directory cannot be locked, which a conditional write needs")
                .with_source(io::Error::from(reason))),
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take() {
            // If this fails, closing the directory releases the lock.
            let _ = retry_on_intr(|| rustix::fs::flock(&dir, FlockOperation::Unlock));
        }
    }
}

/// Tries for a few milliseconds to lock an open directory until it is closed; `false` if others hold the lock all the time.
pub(super) fn try_lock(dir: BorrowedFd<'_>, mode: LockMode) -> Result<bool, Errno> {
    let operation = match mode {
        LockMode::Shared => FlockOperation::NonBlockingLockShared,
        LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    for pause in [0, 0, 20, 50, 100, 200, 400, 800, 1600] {
        match retry_on_intr(|| rustix::fs::flock(dir, operation)) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if pause == 0 => thread::yield_now(),
            Err(Errno::WOULDBLOCK) => thread::sleep(Duration::from_micros(pause)),
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}
