//! The bounds of a store, and its name.

use serde::{Deserialize, Serialize};

use crate::core::metadata::MAX_USER_METADATA_BYTES;
use crate::core::path::{MAX_NAME_BYTES, MAX_PATH_BYTES};
use crate::core::token::token;

/// The bounds of a store. Beyond them a call fails before it changes anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// The longest path, in bytes.
    pub path_bytes: usize,
    /// The longest name in a path, in bytes.
    pub name_bytes: usize,
    /// The largest file, in bytes; `None` if the store itself has no bound.
    pub file_bytes: Option<u64>,
    /// The most [user metadata](crate::FileMetadata::user_metadata) of a file, in bytes; zero if the store keeps none.
    pub user_metadata_bytes: usize,
}

impl Default for Limits {
    /// The bounds of the grammar of paths and metadata.
    fn default() -> Self {
        Self {
            path_bytes: MAX_PATH_BYTES,
            name_bytes: MAX_NAME_BYTES,
            file_bytes: None,
            user_metadata_bytes: MAX_USER_METADATA_BYTES,
        }
    }
}

token!(
    /// The name of a store, which all handles of the same store share, also in other processes where the store can tell.
    ///
    /// It begins with the kind of store, such as `local:`, and holds no secret. Compare it for equality; its text has no other meaning.
    StoreIdentity
);
