//! One async contract for files wherever they live.
//!
//! f9 reads and writes files through one trait, [`AsyncFileBackend`], whatever keeps them: a folder, memory, a git repository that
//! syncs with its remote, an OpenAI vector store, and in time an object store. Every write is all-or-nothing, every path is confined
//! to its root, and every promise is a test that runs over every backend.
//!
//! # Files in a folder
//!
//! ```
//! use f9::prelude::*;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> f9::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes");
//! let notes = f9::LocalFileBackend::new(path).await?;
//! notes.create("2026/plan.md", "# Plan").await?;
//! notes.update_with("2026/plan.md", "\n- ship".into(), f9::UpdateOptions::append()).await?;
//! assert_eq!(notes.read_text("2026/plan.md").await?, "# Plan\n- ship");
//! assert_eq!(notes.glob("**/*.md").await?, ["2026/plan.md"]);
//! notes.delete("2026/plan.md").await?;
//! # Ok(())
//! # }
//! ```
//!
//! A short verb does the plain thing; its `_with` twin takes options. [`LocalFileBackend`] tells what is promised about links,
//! crashes and power loss.
//!
//! # Without async
//!
//! [`blocking`] has the same names. It works on any thread, also within async code:
//!
//! ```
//! # #[cfg(feature = "blocking")] {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes");
//! let notes = f9::blocking::LocalFileBackend::new(path)?;
//! notes.create("a.txt", "hello")?;
//! assert_eq!(notes.read("a.txt")?, "hello");
//! # }
//! # Ok::<(), f9::Error>(())
//! ```
//!
//! # Changing a file that others change too
//!
//! An [`Etag`] names the content that was seen; [`WriteMode::IfMatch`] writes only while it is still there:
//!
//! ```
//! use f9::prelude::*;
//! use f9::{CreateOptions, ErrorKind};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> f9::Result<()> {
//! let backend = f9::MemoryFileBackend::new();
//! let seen = backend.create("counter", "1").await?.etag.unwrap();
//! backend.update("counter", "7").await?; // somebody else
//! let late = backend.create_with("counter", "2".into(), CreateOptions::if_match(seen)).await;
//! assert_eq!(late.unwrap_err().kind(), ErrorKind::PreconditionFailed);
//! # Ok(())
//! # }
//! ```
//!
//! For a sequence of operations there are sessions, [`AsyncFileBackendExt::sync_session`].
//!
//! # Large files
//!
//! [`AsyncFileBackendExt::stream_read`] and [`AsyncFileBackendExt::stream_write`] need the same memory whatever the size, and
//! go to and from `AsyncRead` and `AsyncWrite`, see [`stream`].
//!
//! # Choosing the store at run time
//!
//! [`resolve_backend`] opens a backend by URI as `Arc<dyn AsyncFileBackend>`; [`register_backend`] adds a scheme;
//! [`VaultRegistry`] keeps named backends.
//!
//! # Errors
//!
//! [`Error::kind`] tells what happened in the words of [`std::io::ErrorKind`]; the text names the operation and the path. For
//! code that speaks `std::io::Result` there is [`CompatibleFileBackend`]; [`compat`] also holds what turns a backend into an
//! `object_store::ObjectStore`.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `blocking` (default) | `f9::blocking`, the synchronous twin |
//! | `object-store` | `f9::compat::object_store`, any backend as an `object_store::ObjectStore` |
//! | `testing` | `f9::testing`, the conformance suite for backends of your own; with `openai` also a simulator of the service |
//! | `git` (default) | `f9::GitSyncFileBackend`, a working tree of git that syncs with a remote |
//! | `openai` | `f9::OpenAIVectorStoreFileBackend`, files in an OpenAI vector store |
//! | `full` | all of these |

mod backend;
mod backends;
#[cfg(feature = "blocking")]
pub mod blocking;
mod checksum;
pub mod compat;
mod error;
mod fs;
mod glob;
mod info;
mod lock;
mod offload;
mod options;
mod path;
#[cfg(feature = "openai")]
mod retry;
#[cfg(any(feature = "git", feature = "openai"))]
mod seconds;
mod secret;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod tree;
mod uri;
mod vault;

#[doc(no_inline)]
pub use async_trait::async_trait;
pub use backend::{
    AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend, Capabilities, Capability,
    ConflictKind, ConflictStatus, SessionHandle, SyncConflict, SyncSession,
};
#[cfg(feature = "git")]
pub use backends::git::{ConflictVersions, GitConfig, GitSyncFileBackend, GitTimeouts, Revision};
pub use backends::local::{Durability, LocalFileBackend, LocalFileBackendBuilder};
pub use backends::memory::MemoryFileBackend;
#[cfg(feature = "openai")]
pub use backends::openai::{
    IndexingStatus, OpenAIChunking, OpenAIConfig, OpenAIEncoding, OpenAIRates, OpenAIReadMode,
    OpenAITimeouts, OpenAIVectorStoreFileBackend, RepairReport, SearchHit, SearchOptions,
};
#[doc(no_inline)]
pub use bytes::Bytes;
pub use checksum::{Checksum, ChecksumAlgorithm, Hasher};
pub use compat::CompatibleFileBackend;
pub use error::{Error, ErrorKind, Result};
pub use glob::GlobPattern;
pub use info::{Encoding, Etag, FileInfo, FileType};
pub use options::{
    ByteRange, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Depth, DirMode,
    EncodingMode, GlobKind, GlobOptions, InfoOptions, LinkMode, ListOptions, ReadOptions,
    RenameOptions, SessionOptions, UpdateMode, UpdateOptions, WriteMode, WriteOptions,
};
pub use path::{FilePath, MAX_NAME_BYTES, MAX_PATH_BYTES, is_reserved_name};
pub use secret::{Secret, SecretSource};
pub use stream::{ByteStream, DEFAULT_CHUNK_SIZE, InfoStream, TextStream};
pub use uri::{
    BackendFactory, BackendUri, Parameters, parse_uri, register_backend, resolve_backend,
};
pub use vault::{
    VaultContext, VaultRegistry, active_vault, get_vault, get_vault_options, list_vaults,
    register_vault, unregister_vault, vault_context, vault_exists, with_vault,
};

/// The traits that bring the verbs into scope.
pub mod prelude {
    pub use crate::{AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend};
}

/// The examples of the README compile and do what they say.
#[cfg(all(
    doctest,
    feature = "blocking",
    feature = "git",
    feature = "object-store",
    feature = "openai",
    feature = "testing"
))]
#[doc = include_str!("../README.md")]
struct Readme;
