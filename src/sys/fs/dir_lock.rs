//! The lock on a directory, which makes the check and the change of an entry one step.
//!
//! A conditional write compares the etag and then replaces the file. Meanwhile it holds an exclusive `flock` on the directory. All
//! other verbs that replace, move or remove a file hold a shared one. So no change, of this or another process, comes between the
//! check and the write. There is no lock file, and the lock of a killed process is released. The lock is held for a few system
//! calls. If it is taken, the caller retries for a few milliseconds and then returns [`Attempt::Busy`], so that a longer wait does
//! not keep a thread of the pool.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::open_beneath::DIRECTORY;
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

impl<T, S> Attempt<T, S> {
    pub(crate) fn map<U>(self, done: impl FnOnce(T) -> U) -> Attempt<U, S> {
        match self {
            Self::Done(value) => Attempt::Done(done(value)),
            Self::Busy(state) => Attempt::Busy(state),
        }
    }
}

/// Holds the lock on a directory until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock(
    #[expect(dead_code, reason = "closing the handle releases the lock")] Option<OwnedFd>,
);

/// How long a verb waits for the lock. Others hold it only for a few system calls.
pub(crate) const DIR_LOCK_TIMEOUT: Duration = Duration::from_secs(30);

impl DirectoryLock {
    /// Tries for a few milliseconds to lock `dir`; `None` if others hold the lock all the time.
    pub(super) fn acquire(dir: &OwnedFd, mode: LockMode) -> Result<Option<Self>> {
        // A lock belongs to the open file description, which may be shared, so this opens its own.
        let own = match retry_on_intr(|| rustix::fs::openat(dir, ".", DIRECTORY, Mode::empty())) {
            Ok(own) => own,
            // A directory that cannot be read cannot be locked.
            Err(errno @ Errno::ACCESS) => return Self::without(mode, errno),
            Err(errno) => return Err(system_error(errno)),
        };
        match try_lock(own.as_fd(), mode) {
            Ok(is_locked) => Ok(is_locked.then_some(Self(Some(own)))),
            Err(errno @ (Errno::OPNOTSUPP | Errno::NOLCK | Errno::BADF)) => {
                Self::without(mode, errno)
            }
            Err(errno) => Err(system_error(errno)),
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
