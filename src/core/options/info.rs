//! Options for metadata.

use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::core::checksum::ChecksumAlgorithm;
use crate::core::error::Result;
use crate::core::precondition::Precondition;
use crate::core::version::{VersionId, refuse_version};

/// Whether [`info`](crate::AsyncFileBackend::info_with) follows a symbolic link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LinkMode {
    /// Returns the metadata of the link itself, even if it is dangling.
    Keep,
    /// Returns the metadata of its target, which must be below the root: of what a read would read.
    #[default]
    Follow,
}

/// Options of [`info`](crate::AsyncFileBackend::info_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct InfoOptions {
    /// Whether a symbolic link is followed.
    pub links: LinkMode,
    /// Also returns [`FileInfo::checksum`](crate::FileInfo::checksum). This reads the whole file unless the store knows the
    /// checksum.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Also returns [`FileInfo::encoding`](crate::FileInfo::encoding). This reads the start of the file.
    pub encoding: EncodingMode,
    /// What must hold for the file.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub condition: Precondition,
    /// The version to look up; the current one if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
}

/// Whether [`info`](crate::AsyncFileBackend::info_with) detects the [`Encoding`](crate::Encoding).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EncodingMode {
    /// Leaves the encoding unknown.
    #[default]
    Skip,
    /// Reads up to [`Encoding::SAMPLE_BYTES`](crate::Encoding::SAMPLE_BYTES).
    Detect,
}

setters!(InfoOptions {
    /// Sets whether a symbolic link is followed.
    with_links(links: LinkMode) => links;
    /// Asks for a checksum.
    with_checksum(checksum: ChecksumAlgorithm) => Some(checksum);
    /// Sets what must hold for the file.
    with_condition(condition: Precondition) => condition;
    /// Sets the version to look up.
    with_version(version: VersionId) => Some(version);
});

impl InfoOptions {
    /// Refuses a version, for backends that keep only the current one.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported) if a version is set.
    pub fn expect_current(&self) -> Result<()> {
        refuse_version(self.version.as_ref())
    }

    /// Asks for the encoding.
    #[must_use]
    pub fn with_encoding(mut self) -> Self {
        self.encoding = EncodingMode::Detect;
        self
    }
}
