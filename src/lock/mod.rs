//! Locks that are waited for without keeping a thread: the session lock, and the file lock it holds for other processes.

mod file;
mod session;

pub(crate) use file::{Hold, lock_file};
#[cfg(feature = "git")]
pub(crate) use session::SessionGuard;
pub(crate) use session::{SessionLock, TimeLeft};
