//! Uploads that outlive a process.

use serde::{Deserialize, Serialize};

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::WriteOptions;

/// The state of an upload that is made in several calls, from [`begin_upload`](crate::AsyncFileBackend::begin_upload).
///
/// Keep it, as JSON for example, to continue in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResumableUpload {
    /// The path of the file. A store checks it when the upload begins and when it is finished.
    pub path: String,
    /// The options of the write.
    pub options: WriteOptions,
    /// How the store names the upload.
    pub id: String,
    /// The number of bytes that the store has.
    pub offset: u64,
    /// The parts that the store has, where it counts parts.
    pub parts: Vec<String>,
}

impl ResumableUpload {
    /// Creates the state of an upload that has no content yet. For backends.
    #[must_use]
    pub fn new(path: impl Into<String>, options: WriteOptions, id: impl Into<String>) -> Self {
        Self { path: path.into(), options, id: id.into(), offset: 0, parts: Vec::new() }
    }

    /// Checks that the store has at least what this state says. For backends, before they add content at the offset.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput).
    pub fn expect_offset(&self, size: u64) -> Result<()> {
        if size >= self.offset {
            return Ok(());
        }
        let message = format!("the upload has {size} bytes, less than {}", self.offset);
        Err(Error::new(ErrorKind::InvalidInput).with_message(message))
    }

    /// Checks that the store has what this state says, and no more. For backends, before they publish an upload.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput).
    pub fn expect_end(&self, size: u64) -> Result<()> {
        if size == self.offset {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
            "the upload has {size} bytes, not {}; `upload_state` returns its state",
            self.offset
        )))
    }
}
