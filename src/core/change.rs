//! Changes of a store.

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::core::error::Result;
use crate::core::path::FilePath;

/// A change of a store, from [`watch`](crate::AsyncFileBackendExt::watch).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// A file, a directory or a link appeared at this path. If a directory was moved here with its content, each entry below it is
    /// reported too.
    Created(FilePath),
    /// The content or the metadata of the entry changed.
    Modified(FilePath),
    /// The entry is gone. If it was a directory, everything below it is gone too.
    Removed(FilePath),
    /// The entry moved within what is watched, with everything below it.
    Renamed {
        /// The old path.
        from: FilePath,
        /// The new path.
        to: FilePath,
    },
    /// Changes below this directory were missed. List it again.
    Rescan(FilePath),
}

impl Change {
    /// Returns the path that the change is about; the new one of a rename.
    #[must_use]
    pub fn path(&self) -> &FilePath {
        match self {
            Self::Created(path)
            | Self::Modified(path)
            | Self::Removed(path)
            | Self::Rescan(path) => path,
            Self::Renamed { to, .. } => to,
        }
    }
}

/// The changes of a store as they happen. An error is the last item.
pub type ChangeStream<'a> = BoxStream<'a, Result<Change>>;
