//! f9
use std as _;

mod backend;
mod backends;
mod checksum;
mod error;
mod glob;
mod info;
mod lock;
mod offload;
mod options;
mod path;
mod secret;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;

pub use backend::{
    AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend, Capabilities, Capability,
    ConflictStatus, SessionHandle, SyncConflict, SyncSession,
};
pub use backends::memory::MemoryFileBackend;
pub use checksum::{Checksum, ChecksumAlgorithm, Hasher};
pub use error::{Error, ErrorKind, Result};
pub use glob::GlobPattern;
pub use info::{Encoding, Etag, FileInfo, FileType};
pub use options::*;
pub use path::{FilePath, MAX_NAME_BYTES, MAX_PATH_BYTES, is_reserved_name};
pub use secret::Secret;
pub use stream::{ByteStream, DEFAULT_CHUNK_SIZE, InfoStream, TextStream};

/// The traits that bring the verbs into scope.
pub mod prelude {
    pub use crate::{AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend};
}
