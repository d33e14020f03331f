//! Uploads that outlive a process.

use serde::{Deserialize, Serialize};

use crate::core::options::WriteOptions;
use crate::core::path::FilePath;

/// The state of an upload that is made in several calls, from [`begin_upload`](crate::AsyncFileBackend::begin_upload).
///
/// Keep it, as JSON for example, to continue in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResumableUpload {
    /// The path of the file.
    pub path: FilePath,
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
    pub fn new(path: FilePath, options: WriteOptions, id: impl Into<String>) -> Self {
        Self { path, options, id: id.into(), offset: 0, parts: Vec::new() }
    }
}
