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
    /// then names the files, which keep their local content until each is accepted or resolved.
    async fn pull(&self) -> Result<()>;

    /// Pulls, then pushes.
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
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no conflict at `path`.
    async fn conflict_accept_local(&self, path: &str) -> Result<()>;

    /// Settles the conflict at `path` in favour of the remote's file.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no conflict at `path`.
    async fn conflict_accept_remote(&self, path: &str) -> Result<()>;

    /// Settles the conflict at `path` with content of the caller's.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is no conflict at `path`.
    async fn conflict_resolve(&self, path: &str, data: Bytes) -> Result<()>;
}

/// A file in which local and remote changes contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SyncConflict {
    /// Where the file is, or was.
    pub path: FilePath,
    /// What the two sides did.
    pub status: ConflictStatus,
}

/// What the two sides of a conflict did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictStatus {
    /// Both changed the file.
    BothModified,
    /// Both added a file here.
    BothAdded,
    /// The file was deleted here and changed at the remote.
    DeletedLocally,
    /// The file was changed here and deleted at the remote.
    DeletedRemotely,
    /// Both moved or deleted it, in ways that cannot be brought together.
    Moved,
    /// One side made it a file and the other a directory, or of another kind.
    TypeChanged,
}
