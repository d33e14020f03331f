//! Versions of files.

use std::time::SystemTime;

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::version::VersionId;

/// One version of a file, from [`list_versions`](crate::AsyncFileBackendExt::list_versions).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileVersion {
    /// The name of the version. [`ReadOptions::version`](crate::ReadOptions::version) reads it.
    pub id: VersionId,
    /// When the version was made.
    #[serde(default, with = "crate::core::rfc3339")]
    pub created_at: Option<SystemTime>,
    /// The metadata of the file in this version; `None` if the version is a deletion.
    pub info: Option<FileInfo>,
    /// Whether this is the current version.
    pub is_current: bool,
    /// Who made it, if the store knows.
    pub author: Option<String>,
    /// Why it was made, if the store knows, such as the message of a commit.
    pub message: Option<String>,
}

impl FileVersion {
    /// Creates a version with all other fields empty; a backend then sets the fields that it knows.
    #[must_use]
    pub fn new(id: VersionId, info: Option<FileInfo>) -> Self {
        Self { id, created_at: None, info, is_current: false, author: None, message: None }
    }
}

/// The versions of a file, the newest first.
pub type VersionStream<'a> = BoxStream<'a, Result<FileVersion>>;
