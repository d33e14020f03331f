//! The contract of a backend that keeps a copy of a remote and syncs with it.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{AsyncFileBackend, FilePath, Result};

/// A backend whose files also live at a remote, with changes on either side brought together on request.
///
/// Within a [session](AsyncFileBackend::sync_session_with), automatic pulls and pushes are batched: one pull when it begins, one
/// push when it is finished.
#[async_trait]
pub trait AsyncSyncFileBackend: AsyncFileBackend {
    /// Publishes all local changes, described by `message`. Does nothing where there is nothing to publish.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the remote has changes that contradict; what keeps the remote from being
    /// reached. Local changes are kept in any case.
    async fn push(&self, message: &str) -> Result<()>;

    /// Brings in all changes of the remote.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if local changes contradict them; [`conflict_report`](Self::conflict_report)
    /// then names the files, which keep their local content until all are accepted or resolved and the next [`push`](Self::push),
    /// [`pull`](Self::pull) or [`sync`](Self::sync) concludes the merge.
    async fn pull(&self) -> Result<()>;

    /// Pulls, then pushes. `message` describes the local changes.
    ///
    /// # Errors
    ///
    /// Those of [`pull`](Self::pull) and [`push`](Self::push).
    async fn sync(&self, message: &str) -> Result<()> {
        self.pull().await?;
        self.push(message).await
    }

    /// The files in which local and remote changes contradict each other, in byte order.
    ///
    /// # Errors
    ///
    /// What keeps the state from being read.
    async fn conflict_report(&self) -> Result<Vec<SyncConflict>>;

    /// Settles the conflict at `path` in favour of the local file.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`.
    async fn conflict_accept_local(&self, path: &str) -> Result<()>;

    /// Settles the conflict at `path` in favour of the remote's file.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`.
    async fn conflict_accept_remote(&self, path: &str) -> Result<()>;

    /// Settles the conflict at `path` with content of the caller's.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`.
    async fn conflict_resolve(&self, path: &str, data: Bytes) -> Result<()>;
}

/// A file in which local and remote changes contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncConflict {
    /// Where the file is, or was.
    pub path: FilePath,
    /// What the two sides did at this path.
    pub status: ConflictStatus,
    /// Why that cannot be brought together.
    pub kind: ConflictKind,
}

impl SyncConflict {
    /// The conflict at `path`.
    #[must_use]
    pub const fn new(path: FilePath, status: ConflictStatus, kind: ConflictKind) -> Self {
        Self { path, status, kind }
    }
}

/// What the two sides of a conflict did at its path, as `git status` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictStatus {
    /// Both changed what is there: `UU`.
    BothModified,
    /// Both put something there: `AA`.
    BothAdded,
    /// Nothing is left there, as each moved it to another place: `DD`.
    BothDeleted,
    /// Put there locally alone: `AU`.
    AddedLocally,
    /// Put there by the remote alone: `UA`.
    AddedRemotely,
    /// Deleted locally, changed by the remote: `DU`.
    DeletedLocally,
    /// Changed locally, deleted by the remote: `UD`.
    DeletedRemotely,
}

impl ConflictStatus {
    /// The two letters of `git status`, the local side first.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BothModified => "UU",
            Self::BothAdded => "AA",
            Self::BothDeleted => "DD",
            Self::AddedLocally => "AU",
            Self::AddedRemotely => "UA",
            Self::DeletedLocally => "DU",
            Self::DeletedRemotely => "UD",
        }
    }
}

/// Why the two sides of a conflict cannot be brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictKind {
    /// The same part of a text was changed in two ways.
    Content,
    /// Content without lines to be brought together.
    Binary,
    /// A symbolic link leads to two places.
    Symlink,
    /// A submodule stands at two commits.
    Submodule,
    /// A file's permissions were changed in two ways.
    Mode,
    /// Changed on one side, deleted on the other.
    ModifyDelete,
    /// Moved to two places or, as far as the store tells it apart, two files to one place.
    Rename,
    /// Moved on one side, deleted on the other.
    RenameDelete,
    /// A file on one side, a directory on the other.
    DirectoryFile,
    /// A file, a symbolic link or a submodule on one side, another of these on the other.
    Type,
}
