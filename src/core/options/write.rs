//! Options for creating and changing files.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::core::checksum::Checksum;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::metadata::FileMetadata;
use crate::core::precondition::Precondition;

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

/// Implements the setters of options whose `metadata` is a [`FileMetadata`].
macro_rules! describing {
    ($options:ident) => {
        impl $options {
            /// Sets the content type, such as `text/plain; charset=utf-8`.
            #[must_use]
            pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
                self.metadata.content_type = Some(content_type.into());
                self
            }

            /// Adds a pair to the user metadata.
            #[must_use]
            pub fn with_user_metadata(
                mut self,
                key: impl Into<String>,
                value: impl Into<String>,
            ) -> Self {
                self.metadata.user_metadata.insert(key.into(), value.into());
                self
            }

            /// Sets the modification time of the file.
            #[must_use]
            pub fn with_modified_at(mut self, modified_at: SystemTime) -> Self {
                self.metadata.modified_at = Some(modified_at);
                self
            }

            /// Sets the POSIX permission bits of the file.
            #[must_use]
            pub fn with_permissions(mut self, permissions: u32) -> Self {
                self.metadata.permissions = Some(permissions);
                self
            }

            /// Sets all metadata.
            #[must_use]
            pub fn with_metadata(mut self, metadata: FileMetadata) -> Self {
                self.metadata = metadata;
                self
            }
        }
    };
}

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
    /// Replaces the file, and fails with [`NotFound`](ErrorKind::NotFound) if it does not exist.
    Replace,
    /// Replaces the file only if it has this etag, and otherwise fails with
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    IfMatch(Etag),
    /// Appends to the file, and fails with [`NotFound`](ErrorKind::NotFound) if it does not exist. Concurrent appends never interleave. Not
    /// for copies and renames.
    Append,
}

impl WriteMode {
    /// Returns the name of the operation in errors.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Overwrite => "write",
            Self::Replace | Self::IfMatch(_) => "update",
            Self::Append => "append to",
        }
    }
}

/// How a write changes an existing file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WriteMethod {
    /// A new file takes its name in one step. This is the default.
    #[default]
    Replace,
    /// The content is written into the file. For a file that cannot be replaced because it is a mount point, as containers have for single
    /// files, and for one whose hard links must have the new content too.
    ///
    /// This is not atomic. Readers may see a mix of the old and the new content, and a crash in between leaves one. The content is taken as
    /// a whole and checked before the first byte is written, so that a source that fails changes nothing. Conditions hold as always among
    /// the writers of f9. A file that does not exist is created as always.
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) on a store without [`InPlace`](crate::Capability::InPlace).
    InPlace,
}

impl WriteMethod {
    fn is_replace(&self) -> bool {
        *self == Self::Replace
    }
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

/// Options of [`create`](crate::AsyncFileBackendExt::create_with). By default nothing may exist at the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateOptions {
    /// What happens with an existing file.
    pub mode: WriteMode,
    /// The size of the content in bytes. With another, the write fails with [`LengthMismatch`](ErrorKind::LengthMismatch).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The checksum that the content must have. With another, the write fails with
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch).
    pub checksum: Option<Checksum>,
    /// What the write sets besides the content.
    #[serde(skip_serializing_if = "FileMetadata::is_empty")]
    pub metadata: FileMetadata,
}

replacing!(CreateOptions);
describing!(CreateOptions);

setters!(CreateOptions {
    /// Sets the size that the content must have, in bytes.
    with_size(size: u64) => Some(size);
    /// Sets the checksum that the content must have.
    with_checksum(checksum: Checksum) => Some(checksum);
});

/// Options of [`write`](crate::AsyncFileBackendExt::write_with) and
/// [`stream_write`](crate::AsyncFileBackend::stream_write_with). By default an existing file is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WriteOptions {
    /// What happens with an existing file.
    pub mode: WriteMode,
    /// How an existing file is changed.
    #[serde(skip_serializing_if = "WriteMethod::is_replace")]
    pub method: WriteMethod,
    /// What must hold for an existing file.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub condition: Precondition,
    /// The size of the content in bytes. With another, the write fails with [`LengthMismatch`](ErrorKind::LengthMismatch).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The checksum that the content must have. With another, the write fails with
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch). For an append, that of the appended content.
    pub checksum: Option<Checksum>,
    /// What the write sets besides the content.
    #[serde(skip_serializing_if = "FileMetadata::is_empty")]
    pub metadata: FileMetadata,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            mode: WriteMode::Overwrite,
            method: WriteMethod::Replace,
            condition: Precondition::default(),
            size: None,
            checksum: None,
            metadata: FileMetadata::default(),
        }
    }
}

impl WriteOptions {
    /// Creates a new file.
    #[must_use]
    pub fn create() -> Self {
        Self::default().with_mode(WriteMode::Create)
    }

    /// Replaces an existing file.
    #[must_use]
    pub fn replace() -> Self {
        Self::default().with_mode(WriteMode::Replace)
    }

    /// Appends to an existing file.
    #[must_use]
    pub fn append() -> Self {
        Self::default().with_mode(WriteMode::Append)
    }

    /// Writes an existing file [in place](WriteMethod::InPlace), which is not atomic.
    #[must_use]
    pub fn in_place() -> Self {
        Self::default().with_method(WriteMethod::InPlace)
    }
}

replacing!(WriteOptions);
describing!(WriteOptions);

setters!(WriteOptions {
    /// Sets how an existing file is changed.
    with_method(method: WriteMethod) => method;
    /// Sets what must hold for an existing file.
    with_condition(condition: Precondition) => condition;
    /// Sets the size that the content must have, in bytes.
    with_size(size: u64) => Some(size);
    /// Sets the checksum that the content must have.
    with_checksum(checksum: Checksum) => Some(checksum);
});

impl WriteOptions {
    /// Refuses a write in place, for backends that always replace files.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub fn expect_replace(&self) -> Result<()> {
        if self.method.is_replace() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported)
            .with_message("it replaces files and writes none in place"))
    }

    /// Checks the number of bytes that the source gave in total.
    ///
    /// # Errors
    ///
    /// [`LengthMismatch`](ErrorKind::LengthMismatch) if a different size was declared.
    pub fn check_size(&self, given: u64) -> Result<()> {
        match self.size {
            Some(declared) if declared != given => Err(Error::new(ErrorKind::LengthMismatch)
                .with_message(format!("{declared} bytes declared, {given} given"))),
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
        let CreateOptions { mode, size, checksum, metadata } = options;
        Self { mode, size, checksum, metadata, ..Self::default() }
    }
}

/// Options of [`update`](crate::AsyncFileBackendExt::update_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct UpdateOptions {
    /// Whether the content is replaced or appended to.
    pub mode: UpdateMode,
    /// What must hold for the file.
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub condition: Precondition,
    /// What the update sets besides the content.
    #[serde(skip_serializing_if = "FileMetadata::is_empty")]
    pub metadata: FileMetadata,
}

describing!(UpdateOptions);

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

    /// Sets the etag that the file must have.
    #[must_use]
    pub fn with_if_match(self, etag: Etag) -> Self {
        self.with_condition(Precondition::if_match(etag))
    }
}

impl From<UpdateOptions> for WriteOptions {
    fn from(options: UpdateOptions) -> Self {
        let UpdateOptions { mode, condition, metadata } = options;
        let mode = match mode {
            UpdateMode::Replace => WriteMode::Replace,
            UpdateMode::Append => WriteMode::Append,
        };
        Self { mode, condition, metadata, ..Self::default() }
    }
}

setters!(UpdateOptions {
    /// Sets whether the content is replaced or appended to.
    with_mode(mode: UpdateMode) => mode;
    /// Sets what must hold for the file.
    with_condition(condition: Precondition) => condition;
});
