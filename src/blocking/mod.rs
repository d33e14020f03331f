//! The synchronous twin of every backend.
//!
//! [`Blocking`] offers the verbs of the contract as plain functions with the same names, for any async backend, including those of
//! other crates. [`LocalFileBackend`] and [`MemoryFileBackend`] are aliases for the backends of this crate. [`FileBackend`] is any
//! backend; [`resolve_backend`] returns one. `LocalFileBackend::open` takes a [`LocalConfig`](crate::LocalConfig) or a builder.
//!
//! A call runs on the calling thread, so a file operation does not switch threads, and the source of a write may borrow from the
//! caller. A [`Bridge`] to a Tokio runtime serves timers and the network; the process shares one unless the caller passes another.
//!
//! A stream of content is an `Iterator`, a `Read` and a `BufRead`. A `reader` also seeks, and a `writer` is a `Write`.
//!
//! # Inside async code
//!
//! A call works on any thread and never panics because of the thread. Inside a task it blocks the thread for other tasks, so it must
//! not wait for something that only another task of the same current-thread runtime can do. In async code, prefer the async backend
//! that [`backend`](Blocking::backend) returns.
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

use crate::backend::AsyncFileBackend;
use crate::core::error::Result;

mod bridge;
mod content;
#[cfg(feature = "git")]
mod git;
mod handles;
mod held;
mod local;
mod memory;
#[cfg(feature = "object-store")]
mod object;
#[cfg(feature = "openai")]
mod openai;
mod session;
mod streams;
mod uri;
mod verbs;

pub use bridge::Bridge;
pub use content::{FileContent, OpenFile};
#[cfg(feature = "git")]
pub use git::{ConflictVersions, GitSyncFileBackend};
pub use handles::{FileReader, FileWriter};
pub use local::LocalFileBackend;
pub use memory::MemoryFileBackend;
#[cfg(feature = "object-store")]
pub use object::ObjectStoreFileBackend;
#[cfg(feature = "openai")]
pub use openai::OpenAIVectorStoreFileBackend;
pub use session::SyncSession;
pub use streams::{ByteReader, Changes, Entries, Paths, TextChunks, Versions};
pub use uri::resolve_backend;
pub use verbs::SyncVerbs;

/// A backend whose verbs are plain functions. Clones share the backend.
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

/// A backend of any type.
pub type FileBackend = Blocking<dyn AsyncFileBackend>;

impl<B: ?Sized> Blocking<B> {
    /// Wraps `backend`, with the bridge that the process shares.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`].
    pub fn from_backend(backend: Arc<B>) -> Result<Self> {
        Ok(Self::with_bridge(backend, Bridge::shared()?))
    }

    /// Wraps `backend`, with a bridge of the caller.
    #[must_use]
    pub fn with_bridge(backend: Arc<B>, bridge: Bridge) -> Self {
        Self { backend, bridge }
    }

    /// Returns the async backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }

    /// Returns the bridge that calls use to wait.
    #[must_use]
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }
}

impl<B: AsyncFileBackend> Blocking<B> {
    /// Converts into a backend of any type.
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
