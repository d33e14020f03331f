//! The guard of a session, for the facade.

use super::Bridge;
use super::held::Held;
use crate::core::error::Result;

/// Exclusive use of a store, until [`finish`](Self::finish) or drop; the twin of [`f9::SyncSession`](crate::SyncSession).
///
/// The same thread, or inside async code the same task, may open a session within its own.
///
/// # Examples
///
/// ```
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::MemoryFileBackend::new()?;
/// let session = files.sync_session()?;
/// files.create("a.txt", "one")?;
/// files.rename("a.txt", "b.txt")?;
/// session.finish()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the session ends as soon as its guard is dropped"]
#[derive(Debug)]
pub struct SyncSession(Held<crate::backend::SyncSession>);

impl SyncSession {
    pub(super) fn new(session: crate::backend::SyncSession, bridge: Bridge) -> Self {
        Self(Held::new(session, bridge))
    }

    /// Ends the session. See [`finish`](crate::SyncSession::finish).
    ///
    /// # Errors
    ///
    /// Those of the async method.
    pub fn finish(mut self) -> Result<()> {
        match self.0.take() {
            Some(session) => self.0.bridge().wait(session.finish()),
            None => Ok(()),
        }
    }
}
