//! Options for copies and renames.

use serde::{Deserialize, Serialize};

use super::setters::setters;
use super::write::{WriteMode, replacing};
use crate::core::error::Result;
use crate::core::etag::Etag;
use crate::core::precondition::Precondition;
use crate::core::version::{VersionId, refuse_version};

/// Options of [`copy`](crate::AsyncFileBackend::copy_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CopyOptions {
    /// What happens with an existing file at the destination.
    pub mode: WriteMode,
    /// What must hold for the source.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub source: Precondition,
    /// What must hold for an existing file at the destination.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub target: Precondition,
    /// The version of the source to copy; the current one if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
}

impl CopyOptions {
    /// Refuses a version, for backends that keep only the current one.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if a version is set.
    pub fn expect_current(&self) -> Result<()> {
        refuse_version(self.version.as_ref())
    }

    /// Sets the version of the source to copy.
    #[must_use]
    pub fn with_version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }
}

replacing!(CopyOptions);

setters!(CopyOptions {
    /// Sets what must hold for the source.
    with_source(source: Precondition) => source;
    /// Sets what must hold for what exists at the destination.
    with_target(target: Precondition) => target;
});

/// Options of [`rename`](crate::AsyncFileBackend::rename_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RenameOptions {
    /// What happens with an existing entry at the destination.
    pub mode: WriteMode,
    /// What must hold for the source. A directory has no etag and only matches [`Etags::Any`](crate::Etags::Any).
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub source: Precondition,
    /// What must hold for an existing entry at the destination.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub target: Precondition,
}

replacing!(RenameOptions);

setters!(RenameOptions {
    /// Sets what must hold for the source.
    with_source(source: Precondition) => source;
    /// Sets what must hold for what exists at the destination.
    with_target(target: Precondition) => target;
});
