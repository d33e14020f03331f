//! The synchronous twin of every backend.
//!
//! [`Blocking`] gives any async backend, also one of another crate, the verbs of the contract as plain functions, under the names
//! they have there. [`LocalFileBackend`] and [`MemoryFileBackend`] are those of this crate; [`FileBackend`] is any, as
//! [`resolve_backend`] gives it.
//!
//! A call runs on the thread that makes it: a file operation costs no change of thread, and sources of a write may borrow from the
//! caller. What comes from a network is served by a [`Bridge`], of which there is one in the process unless told otherwise.
//!
//! # Inside async code
//!
//! A call never panics because of where it is made. Inside a task it does what it says, and keeps the thread from other tasks
//! meanwhile; so it must not wait for what only a task of the same current-thread runtime would do. Async code is better served
//! by the async backend, which [`backend`](Blocking::backend) gives.
//!
//! # Examples
//!
//! ```
//! use f9::blocking::MemoryFileBackend;
//! # fn main() -> f9::Result<()> {
//! let files = MemoryFileBackend::new()?;
//! files.create("notes/a.txt", "hello")?;
//! files.create_from_reader("notes/b.txt", std::io::Cursor::new("from any reader"))?;
//! assert_eq!(files.read_text("notes/a.txt")?, "hello");
//! assert_eq!(files.glob("**/*.txt")?, ["notes/a.txt", "notes/b.txt"]);
//! for entry in files.list("notes")? {
//!     println!("{}", entry?.path);
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

use crate::{AsyncFileBackend, Result};

mod bridge;
#[cfg(feature = "git")]
mod git;
mod held;
mod local;
mod memory;
#[cfg(feature = "openai")]
mod openai;
mod session;
mod streams;
mod uri;
mod verbs;

pub use bridge::Bridge;
#[cfg(feature = "git")]
pub use git::{ConflictVersions, GitSyncFileBackend};
pub use local::LocalFileBackend;
pub use memory::MemoryFileBackend;
#[cfg(feature = "openai")]
pub use openai::OpenAIVectorStoreFileBackend;
pub use session::SyncSession;
pub use streams::{ByteReader, Entries, TextChunks};
pub use uri::resolve_backend;

/// A backend with its verbs as plain functions. Clones share the backend.
///
/// # Examples
///
/// ```
/// use f9::AsyncFileBackend;
/// use f9::blocking::{Blocking, FileBackend};
/// use std::sync::Arc;
/// # fn main() -> f9::Result<()> {
/// let backend: Arc<dyn AsyncFileBackend> = Arc::new(f9::MemoryFileBackend::new());
/// let files: FileBackend = Blocking::from_backend(backend)?;
/// files.create("a.txt", "hello")?;
/// assert!(files.exists("a.txt")?);
/// # Ok(())
/// # }
/// ```
pub struct Blocking<B: ?Sized> {
    backend: Arc<B>,
    bridge: Bridge,
}

/// Any backend.
pub type FileBackend = Blocking<dyn AsyncFileBackend>;

impl<B: ?Sized> Blocking<B> {
    /// The facade of `backend`, over the bridge that the process shares.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`].
    pub fn from_backend(backend: Arc<B>) -> Result<Self> {
        Ok(Self::with_bridge(backend, Bridge::shared()?))
    }

    /// The facade of `backend`, over a bridge of the caller's.
    #[must_use]
    pub fn with_bridge(backend: Arc<B>, bridge: Bridge) -> Self {
        Self { backend, bridge }
    }

    /// The async backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }

    /// The bridge that calls wait on.
    #[must_use]
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }
}

impl<B: AsyncFileBackend> Blocking<B> {
    /// The same backend as one of any kind.
    #[must_use]
    pub fn erased(self) -> FileBackend {
        Blocking::with_bridge(self.backend, self.bridge)
    }
}

impl<B: ?Sized> Clone for Blocking<B> {
    fn clone(&self) -> Self {
        Self::with_bridge(Arc::clone(&self.backend), self.bridge.clone())
    }
}

impl<B: fmt::Debug + ?Sized> fmt::Debug for Blocking<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.backend).finish()
    }
}
