//! Options for copies and renames.

use serde::{Deserialize, Serialize};

use super::write::{WriteMode, replacing};
use crate::core::etag::Etag;

/// Options of [`copy`](crate::AsyncFileBackend::copy_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CopyOptions {
    /// What happens with an existing file at the destination.
    pub mode: WriteMode,
}

replacing!(CopyOptions);

/// Options of [`rename`](crate::AsyncFileBackend::rename_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RenameOptions {
    /// What happens with an existing entry at the destination.
    pub mode: WriteMode,
}

replacing!(RenameOptions);
