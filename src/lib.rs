//! f9
use std as _;

mod backend;
mod backends;
mod checksum;
mod compat;
mod error;
mod fs;
mod glob;
mod info;
mod lock;
mod offload;
mod options;
mod path;
mod secret;
pub mod stream;
mod uri;
mod vault;

pub use backend::{
    AsyncFileBackend, AsyncFileBackendExt, AsyncSyncFileBackend, Capabilities, Capability,
    ConflictStatus, SessionHandle, SyncConflict, SyncSession,
};
pub use backends::local::{Durability, LocalFileBackend, LocalFileBackendBuilder};
pub use backends::memory::MemoryFileBackend;
pub use checksum::{Checksum, ChecksumAlgorithm, Hasher};
pub use compat::CompatibleFileBackend;
pub use error::{Error, ErrorKind, Result};
pub use glob::GlobPattern;
pub use info::{Encoding, Etag, FileInfo, FileType};
pub use options::*;
pub use path::{FilePath, MAX_NAME_BYTES, MAX_PATH_BYTES, is_reserved_name};
pub use secret::Secret;
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
