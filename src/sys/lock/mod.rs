//! Locks whose waiters do not keep a thread: the session lock within this process, and the file lock and the line among processes.

mod file;
#[cfg(feature = "git")]
mod line;
mod mode;
#[cfg(any(feature = "object-store", feature = "openai"))]
mod path_locks;
mod semaphore;
mod session;
mod time_left;

pub(crate) use file::lock_file;
#[cfg(feature = "git")]
pub(crate) use line::{Place, Waited};
pub(crate) use mode::LockMode;
#[cfg(any(feature = "object-store", feature = "openai"))]
pub(crate) use path_locks::PathLocks;
pub(crate) use semaphore::{Permit, Semaphore};
pub(crate) use session::{SessionGuard, SessionLock};
pub(crate) use time_left::TimeLeft;
