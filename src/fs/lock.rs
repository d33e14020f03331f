//! The lock that makes a look and a change of a directory's entry one step.
//!
//! A conditional write looks at the etag and then replaces the file. It holds the directory exclusively with `flock` meanwhile; every
//! other verb that replaces, moves or removes a file holds it shared. So none slips between look and change, neither of this process
//! nor of another, no lock file lies about, and a killed process lets go by itself. It is held for a few system calls; who finds it
//! taken tries for a moment and then reports [`Attempt::Busy`], so that the wait happens outside of the pool.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::root::DIRECTORY;
use crate::{Error, ErrorKind, Result};

/// What came of trying a step that needs a lock.
#[derive(Debug)]
pub(crate) enum Attempt<T, S> {
    /// The step is done.
    Done(T),
    /// Somebody else holds the lock; try again with this.
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

/// How one wants to hold a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Shared,
    Exclusive,
}

/// Holds a directory until it is dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock(
    #[expect(dead_code, reason = "closing it lets go")] Option<OwnedFd>,
);

/// How long the short steps of others may take before something is wrong.
pub(crate) const fn directory_lock_timeout() -> Duration {
    Duration::from_secs(30)
}

impl DirectoryLock {
    /// Tries for a moment to hold `dir`; `None` if others hold it all the while.
    pub(super) fn acquire(dir: &OwnedFd, hold: Hold) -> Result<Option<Self>> {
        // The lock belongs to the open file, and `dir` may be shared: it takes one of its own.
        let own = match retry_on_intr(|| rustix::fs::openat(dir, ".", DIRECTORY, Mode::empty())) {
            Ok(own) => own,
            // A directory that may not be read cannot be locked.
            Err(errno @ Errno::ACCESS) => return Self::without(hold, errno),
            Err(errno) => return Err(errno.into()),
        };
        match hold_open(own.as_fd(), hold) {
            Ok(held) => Ok(held.then_some(Self(Some(own)))),
            Err(errno @ (Errno::OPNOTSUPP | Errno::NOLCK | Errno::BADF)) => {
                Self::without(hold, errno)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// A plain write is atomic without a lock; a conditional one would only pretend.
    fn without(hold: Hold, reason: Errno) -> Result<Option<Self>> {
        match hold {
            Hold::Shared => Ok(Some(Self(None))),
            Hold::Exclusive => Err(Error::new(ErrorKind::Unsupported)
                .with_message("the directory cannot be locked, which a conditional write needs")
                .with_source(io::Error::from(reason))),
        }
    }
}

/// Tries for a moment to hold a directory until it is closed; `false` if others hold it all the while.
pub(super) fn hold_open(dir: BorrowedFd<'_>, hold: Hold) -> Result<bool, Errno> {
    let operation = match hold {
        Hold::Shared => FlockOperation::NonBlockingLockShared,
        Hold::Exclusive => FlockOperation::NonBlockingLockExclusive,
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
