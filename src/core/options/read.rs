//! Options for reads.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::range::ByteRange;
use super::setters::setters;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::precondition::Precondition;
use crate::core::version::{VersionId, refuse_version};

/// Options of [`open`](crate::AsyncFileBackend::open_with), [`read`](crate::AsyncFileBackend::read_with) and
/// [`stream_read`](crate::AsyncFileBackend::stream_read_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ReadOptions {
    /// The part to read; the whole file if `None`.
    pub range: Option<ByteRange>,
    /// The size of the chunks of a stream in bytes; the default of the backend if `None`. Zero is refused.
    pub chunk_size: Option<usize>,
    /// What must hold for the file.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub condition: Precondition,
    /// The version to read; the current one if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
}

impl ReadOptions {
    /// Reads a part of the file.
    #[must_use]
    pub fn range(range: impl Into<ByteRange>) -> Self {
        Self::default().with_range(range)
    }

    /// Reads the file only if it has this etag.
    #[must_use]
    pub fn if_match(etag: Etag) -> Self {
        Self::default().with_if_match(etag)
    }

    /// Sets the part to read.
    #[must_use]
    pub fn with_range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// Returns the offsets to read in a file of `size` bytes.
    ///
    /// # Errors
    ///
    /// Those of [`ByteRange::resolve`].
    pub fn resolve_range(&self, size: u64) -> Result<Range<u64>> {
        self.range.as_ref().map_or(Ok(0..size), |range| range.resolve(size))
    }

    /// Returns the requested chunk size, or `default`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for zero.
    pub fn chunk_size_or(&self, default: usize) -> Result<usize> {
        match self.chunk_size.unwrap_or(default) {
            0 => Err(Error::new(ErrorKind::InvalidInput)
                .with_message("the chunk size must be greater than zero")),
            size => Ok(size),
        }
    }

    /// Sets the etag that the file must have.
    #[must_use]
    pub fn with_if_match(self, etag: Etag) -> Self {
        self.with_condition(Precondition::if_match(etag))
    }

    /// Refuses a version, for backends that keep only the current one.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if a version is set.
    pub fn expect_current(&self) -> Result<()> {
        refuse_version(self.version.as_ref())
    }

    /// Checks the condition against the file.
    ///
    /// # Errors
    ///
    /// Those of [`Precondition::check_read`].
    pub fn check(&self, info: &FileInfo) -> Result<()> {
        self.condition.check_read(info.etag.as_ref(), info.modified_at)
    }
}

setters!(ReadOptions {
    /// Sets the size of the chunks of a stream, in bytes.
    with_chunk_size(chunk_size: usize) => Some(chunk_size);
    /// Sets what must hold for the file.
    with_condition(condition: Precondition) => condition;
    /// Sets the version to read.
    with_version(version: VersionId) => Some(version);
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_of_zero_is_refused() {
        let options = ReadOptions::default().with_chunk_size(0);
        assert_eq!(options.chunk_size_or(10).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(ReadOptions::default().chunk_size_or(10).unwrap(), 10);
    }
}
