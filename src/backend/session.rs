//! The guard of a session.

use std::fmt;

use async_trait::async_trait;

use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::SessionGuard;

/// Ends a session on behalf of a backend. Dropping the handle must release the session and do nothing else.
#[async_trait]
pub trait SessionHandle: Send + Sync {
    /// Ends the session.
    ///
    /// # Errors
    ///
    /// Any failure of what the backend does at the end of a session, such as a push.
    async fn finish(self: Box<Self>) -> Result<()>;

    /// Returns the number of this holder, if the store counts them; see [`SyncSession::fence`].
    fn fence(&self) -> Option<u64> {
        None
    }
}

#[async_trait]
impl SessionHandle for SessionGuard {
    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Exclusive use of a store, from [`sync_session`](crate::AsyncFileBackendExt::sync_session) until [`finish`](Self::finish) or drop.
///
/// A session is for a sequence of operations that must not interleave with another such sequence; a single operation needs none. It
/// excludes other sessions on the same store, and not single operations. With
/// [`CrossProcessSessions`](crate::Capability::CrossProcessSessions) it excludes sessions of other processes too; the local backend
/// locks the file `.backend.lock` with `flock`, so it also excludes any other program that locks this file.
///
/// Sessions are re-entrant: the same Tokio task, or outside of tasks the same thread, may open a session within its own. Futures that
/// run concurrently in one task, as in `join!`, therefore share one session. A session ends with [`finish`](Self::finish), when its
/// guard is dropped, or with its process.
///
/// Waiting for a session needs a Tokio runtime with all drivers enabled (`enable_all`, as `#[tokio::main]` does); without a timer Tokio
/// panics.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::MemoryFileBackend::new();
/// let session = backend.sync_session().await?;
/// backend.create("a.txt", "one").await?;
/// backend.rename("a.txt", "b.txt").await?;
/// session.finish().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the session ends as soon as its guard is dropped"]
pub struct SyncSession(Box<dyn SessionHandle>);

impl SyncSession {
    /// Creates the guard of a session that `handle` ends.
    pub fn new(handle: impl SessionHandle + 'static) -> Self {
        Self(Box::new(handle))
    }

    /// Ends the session. Dropping the guard also releases the session, but skips the work of the backend at its end, such as a push.
    ///
    /// # Errors
    ///
    /// Any failure of that work.
    pub async fn finish(self) -> Result<()> {
        self.0.finish().await.map_err(|error| error.with_operation("finish the session"))
    }

    /// Returns the number of this holder, if the store counts them: it is higher than that of every holder before.
    ///
    /// A holder that was stopped for long may go on although another one has taken over. Put the number into what you write, and let the
    /// reader refuse a lower number than it has seen.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        self.0.fence()
    }

    /// Returns the error of a backend without sessions.
    pub(crate) fn unsupported() -> Error {
        Error::new(ErrorKind::Unsupported).with_operation("open a session")
    }
}

impl fmt::Debug for SyncSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSession").finish_non_exhaustive()
    }
}
