//! Options for creating and changing files.

use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::core::checksum::Checksum;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;

/// Implements the setters of options whose `mode` is a [`WriteMode`].
macro_rules! replacing {
    ($options:ident) => {
        impl $options {
            /// Replaces an existing file.
            #[must_use]
            pub fn overwrite() -> Self {
                Self::default().with_mode(WriteMode::Overwrite)
            }

            /// Replaces the file only if it has this etag.
            #[must_use]
            pub fn if_match(etag: Etag) -> Self {
                Self::default().with_mode(WriteMode::IfMatch(etag))
            }

            /// Sets what happens with an existing file.
            #[must_use]
            pub fn with_mode(mut self, mode: WriteMode) -> Self {
                self.mode = mode;
                self
            }
        }
    };
}

pub(super) use replacing;

/// What a write does with an existing file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WriteMode {
    /// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists). Of several writers at the same time, exactly one succeeds.
    #[default]
    Create,
    /// Replaces the file, or creates it if it does not exist.
    Overwrite,
    /// Replaces the file only if it has this etag, and otherwise fails with
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    IfMatch(Etag),
}

/// How an update changes the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UpdateMode {
    /// Replaces the whole content.
    #[default]
    Replace,
    /// Appends to the content. Concurrent appends never interleave.
    Append,
}

/// Options of [`create`](crate::AsyncFileBackendExt::create_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateOptions {
    /// What happens with an existing file.
    pub mode: WriteMode,
    /// The checksum that the content must have. With another, the write fails with
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch).
    pub checksum: Option<Checksum>,
}

replacing!(CreateOptions);

setters!(CreateOptions {
    /// Sets the checksum that the content must have.
    with_checksum(checksum: Checksum) => Some(checksum);
});

/// Options of [`stream_write`](crate::AsyncFileBackend::stream_write_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WriteOptions {
    /// What happens with an existing file.
    pub mode: WriteMode,
    /// The size of the content in bytes. With another, the write fails with [`LengthMismatch`](ErrorKind::LengthMismatch).
    pub size: Option<u64>,
    /// The checksum that the content must have. With another, the write fails with
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch).
    pub checksum: Option<Checksum>,
}

replacing!(WriteOptions);

setters!(WriteOptions {
    /// Sets the size that the content must have, in bytes.
    with_size(size: u64) => Some(size);
    /// Sets the checksum that the content must have.
    with_checksum(checksum: Checksum) => Some(checksum);
});

impl WriteOptions {
    /// Checks the number of bytes that the source gave in total.
    ///
    /// # Errors
    ///
    /// [`LengthMismatch`](ErrorKind::LengthMismatch) if a different size was declared.
    pub fn check_size(&self, given: u64) -> Result<()> {
        match self.size {
            Some(declared) if declared != given => Err(Error::new(ErrorKind::LengthMismatch)
                .with_message(format!("{declared} bytes were declared, {given} were given"))),
            _ => Ok(()),
        }
    }

    /// Checks the number of bytes that the source gave so far, so that an endless source is stopped.
    ///
    /// # Errors
    ///
    /// [`LengthMismatch`](ErrorKind::LengthMismatch) if a smaller size was declared.
    pub fn check_size_so_far(&self, given: u64) -> Result<()> {
        if self.size.is_some_and(|declared| given > declared) {
            self.check_size(given)
        } else {
            Ok(())
        }
    }
}

impl From<CreateOptions> for WriteOptions {
    fn from(options: CreateOptions) -> Self {
        Self { mode: options.mode, checksum: options.checksum, ..Self::default() }
    }
}

/// Options of [`update`](crate::AsyncFileBackendExt::update_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct UpdateOptions {
    /// Whether the content is replaced or appended to.
    pub mode: UpdateMode,
    /// The etag that the file must have. If it has another, the update fails with
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    pub if_match: Option<Etag>,
}

impl UpdateOptions {
    /// Appends to the file.
    #[must_use]
    pub fn append() -> Self {
        Self::default().with_mode(UpdateMode::Append)
    }

    /// Replaces the content only if the file has this etag.
    #[must_use]
    pub fn if_match(etag: Etag) -> Self {
        Self::default().with_if_match(etag)
    }
}

setters!(UpdateOptions {
    /// Sets whether the content is replaced or appended to.
    with_mode(mode: UpdateMode) => mode;
    /// Sets the etag that the file must have.
    with_if_match(if_match: Etag) => Some(if_match);
});
