//! The guard of exclusive use.

use std::fmt;

use async_trait::async_trait;

use crate::{Error, ErrorKind, Result};

/// What a backend does when a session ends. Dropping the handle must release the session, and do nothing else.
#[async_trait]
pub trait SessionHandle: Send + Sync {
    /// Ends the session, and reports what could not be done at its end.
    ///
    /// # Errors
    ///
    /// What the backend does at the end of a session and could not.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// Exclusive use of a store, from [`sync_session`](crate::AsyncFileBackend::sync_session_with) until
/// [`finish`](Self::finish) or drop.
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
    /// The guard of a session that `handle` ends.
    pub fn new(handle: impl SessionHandle + 'static) -> Self {
        Self(Box::new(handle))
    }

    /// Ends the session and reports what could not be done at its end. Dropping the guard releases the session too, but
    /// does nothing else.
    ///
    /// # Errors
    ///
    /// What the backend does at the end of a session and could not.
    pub async fn finish(self) -> Result<()> {
        self.0.finish().await.map_err(|error| error.with_operation("finish the session"))
    }

    /// The error of a backend whose store has no sessions.
    pub(crate) fn unsupported() -> Error {
        Error::new(ErrorKind::Unsupported).with_operation("open a session")
    }
}

impl fmt::Debug for SyncSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSession").finish_non_exhaustive()
    }
}
