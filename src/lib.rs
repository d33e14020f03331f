//! One async contract for files, whatever store they live in.
//!
//! f9 reads and writes files through one trait, [`AsyncFileBackend`]. The files live in a directory, in memory, in a git repository that
//! syncs with its remote, or in an OpenAI vector store. Every write is all-or-nothing, every path is confined to its root, and every
//! promise is a test that runs over every backend.
//!
//! # Files in a directory
//!
//! ```
//! use f9::prelude::*;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> f9::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("notes");
//! let notes = f9::LocalFileBackend::new(path).await?;
//! notes.create("2026/plan.md", "# Plan").await?;
//! notes.update_with("2026/plan.md", "\n- ship", f9::UpdateOptions::append()).await?;
//! assert_eq!(notes.read_text("2026/plan.md").await?, "# Plan\n- ship");
//! assert_eq!(notes.glob("**/*.md").await?, ["2026/plan.md"]);
//! notes.delete("2026/plan.md").await?;
//! # Ok(())
//! # }
//! ```
//!
//! A short verb has defaults; its `_with` twin takes options. [`AsyncFileBackendExt`] has the verbs that callers use,
//! [`AsyncFileBackend`] documents their promises and their cost, and [`LocalFileBackend`] says what holds for links, crashes and power
//! loss.
//!
//! # Without async
//!
//! [`blocking`] has the same names. It works on every thread, also inside async code:
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
//! # Concurrent writers
//!
//! An [`Etag`] names one version of a file. [`WriteMode::IfMatch`] writes only while the file still has that etag:
//!
//! ```
//! use f9::prelude::*;
//! use f9::{CreateOptions, ErrorKind};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> f9::Result<()> {
//! let backend = f9::MemoryFileBackend::new();
//! let etag = backend.create("counter", "1").await?.etag.unwrap();
//! backend.update("counter", "7").await?; // by another writer
//! let late = backend.create_with("counter", "2", CreateOptions::if_match(etag)).await;
//! assert_eq!(late.unwrap_err().kind(), ErrorKind::PreconditionFailed);
//! # Ok(())
//! # }
//! ```
//!
//! A [`SyncSession`] excludes other sessions for a sequence of operations.
//!
//! Reads, look-ups, deletions, copies and renames take a [`Precondition`]: etags and times, with the meaning they have in HTTP.
//!
//! # Large files
//!
//! [`AsyncFileBackendExt::stream_read`] and [`AsyncFileBackendExt::stream_write`] need the same memory whatever the size of the file.
//! [`stream`] converts between streams and `AsyncRead`. [`AsyncFileBackendExt::open`] also returns the metadata,
//! [`AsyncFileBackendExt::reader`] seeks, and [`AsyncFileBackendExt::writer`] takes content piece by piece.
//!
//! # Choosing the store at run time
//!
//! [`resolve_backend`] opens a backend by URI as `Arc<dyn AsyncFileBackend>`, [`register_backend`] adds a scheme, and
//! [`VaultRegistry`] keeps named backends:
//!
//! ```
//! use std::sync::Arc;
//!
//! use f9::ErrorKind;
//! use f9::prelude::*;
//!
//! async fn greeting(files: Arc<dyn AsyncFileBackend>, user: &str) -> f9::Result<String> {
//!     match files.read_text(&format!("{user}/greeting.txt")).await {
//!         Err(error) if error.kind() == ErrorKind::NotFound => Ok("hello".to_owned()),
//!         result => result,
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> f9::Result<()> {
//! let files = f9::resolve_backend("memory://greetings").await?;
//! files.create("anna/greeting.txt", "good morning").await?;
//! assert_eq!(greeting(Arc::clone(&files), "anna").await?, "good morning");
//! assert_eq!(greeting(files, "ben").await?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Errors
//!
//! [`Error::kind`] classifies a failure with the names of [`std::io::ErrorKind`]; the text names the operation and the path.
//! [`CompatibleFileBackend`] is for code that uses `std::io::Result`. [`compat`] also turns a backend into an
//! `object_store::ObjectStore`.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `blocking` (default) | `f9::blocking`, the synchronous twin |
//! | `git` (default) | `f9::GitSyncFileBackend`, a git working tree that syncs with a remote |
//! | `openai` | `f9::OpenAIVectorStoreFileBackend`, files in an OpenAI vector store |
//! | `object-store` | `f9::ObjectStoreFileBackend`, files in S3; `f9::compat::object_store`, any backend as an `object_store::ObjectStore` |
//! | `testing` | `f9::testing`, the conformance suite for your own backends; with `openai` and `object-store` also simulators of the services |
//! | `full` | all of these |
//!
//! # Layers
//!
//! A file imports only from its own layer and the layers before it. `tests/source/layers.rs` checks that, and that no files import each
//! other in a circle.
//!
//! | layer | folder | holds | imports |
//! | --- | --- | --- | --- |
//! | 0, vocabulary | `src/core/` | errors, paths, metadata, etags, checksums, options, streams, secrets, globs, trees | nothing |
//! | 1, system | `src/sys/` | the threads for file operations, locks, the confined file system | `core` |
//! | 1, network | `src/net/` | retries, rate limits, percent-encoding | `core`, `sys` |
//! | 2, contract | `src/backend/` | the traits, capabilities, sessions, the table of verbs | `core`, `sys`, `net` |
//! | 3, backends | `src/backends/<name>/` | `local`, `memory`, `git`, `openai`, `object`; the same file names in each | 0 to 2, never each other; `git` uses `local` |
//! | 4, services | `src/services/` | `uri`, `vault`, `compat` | 0 to 2; the URI factory also the backends |
//! | 5, faces | `src/blocking/` | the synchronous twin | 0 to 4 |
//! | – | `src/testing/` | the conformance suite and the simulators of OpenAI and S3 | all |

mod backend;
mod backends;
#[cfg(feature = "blocking")]
pub mod blocking;
mod core;
mod net;
mod services;
mod sys;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::core::change::{Change, ChangeStream};
pub use self::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
pub use self::core::content::FileContent;
pub use self::core::encoding::Encoding;
pub use self::core::error::{Error, ErrorKind, Result};
pub use self::core::etag::Etag;
pub use self::core::file_version::{FileVersion, VersionStream};
pub use self::core::glob::GlobPattern;
pub use self::core::info::{FileInfo, FileType};
pub use self::core::metadata::{FileMetadata, MAX_USER_METADATA_BYTES};
pub use self::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Depth, DirMode,
    EncodingMode, GlobKind, GlobOptions, InfoChanges, InfoOptions, LinkMode, ListOptions,
    MissingMode, PullOptions, PushOptions, ReadOptions, RenameOptions, SessionOptions, SyncOptions,
    UpdateMode, UpdateOptions, VersionOptions, WatchOptions, WriteMethod, WriteMode, WriteOptions,
};
pub use self::core::path::{FilePath, MAX_NAME_BYTES, MAX_PATH_BYTES, is_reserved_name};
pub use self::core::precondition::{Etags, Precondition};
pub use self::core::presign::{PresignOperation, PresignedRequest};
pub use self::core::progress::{Progress, ProgressReporter};
pub use self::core::secret::{Secret, SecretSource};
pub use self::core::stream;
pub use self::core::stream::{ByteStream, DEFAULT_CHUNK_SIZE, InfoStream, PathStream, TextStream};
pub use self::core::upload::ResumableUpload;
pub use self::core::version::VersionId;
#[doc(no_inline)]
pub use async_trait::async_trait;
pub use backend::{
    AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend, Capabilities, Capability,
    ConflictKind, ConflictStatus, FileReader, FileWriter, Limits, SessionHandle, StoreIdentity,
    SyncConflict, SyncReport, SyncSession,
};
#[cfg(feature = "git")]
pub use backends::git::{
    ConflictVersions, GitConfig, GitSyncFileBackend, GitTimeouts, LeftOut, OnUnreachable, Revision,
};
pub use backends::local::{Durability, LocalConfig, LocalFileBackend, LocalFileBackendBuilder};
pub use backends::memory::{MemoryConfig, MemoryFileBackend};
#[cfg(feature = "object-store")]
pub use backends::object::{
    Conditions, ObjectStoreFileBackend, ObjectStoreOptions, ObjectStoreRepair, ObjectStoreTimeouts,
    S3Config,
};
#[cfg(feature = "openai")]
pub use backends::openai::{
    IndexingStatus, OpenAIChunking, OpenAIConfig, OpenAIEncoding, OpenAIRates, OpenAIReadMode,
    OpenAITimeouts, OpenAIVectorStoreFileBackend, RepairReport, SearchHit, SearchOptions,
};
#[doc(no_inline)]
pub use bytes::Bytes;
pub use services::compat::CompatibleFileBackend;
pub use services::uri::{
    BackendFactory, BackendUri, Parameters, parse_uri, register_backend, resolve_backend,
};
pub use services::vault::{VaultContext, VaultRegistry};
pub use services::{compat, vault};

/// The traits that bring the verbs into scope.
pub mod prelude {
    #[cfg(feature = "blocking")]
    pub use crate::blocking::OpenFile as _;
    pub use crate::{AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend};
}

#[doc = include_str!("coming_from_python.md")]
pub mod coming_from_python {}

/// Compiles and runs the examples of the README.
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
