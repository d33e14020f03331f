//! The blocking git backend.

use std::sync::Arc;

use bytes::Bytes;

use super::{Blocking, Bridge, ByteReader};
use crate::backends::git::{GitConfig, Revision};
use crate::core::error::Result;

/// Files in a git working tree; the twin of [`f9::GitSyncFileBackend`](crate::GitSyncFileBackend).
///
/// # Examples
///
/// ```no_run
/// use f9::GitConfig;
/// use f9::blocking::GitSyncFileBackend;
///
/// # fn main() -> f9::Result<()> {
/// let notes = GitSyncFileBackend::open(GitConfig::new("git@example.com:me/notes.git", "notes"))?;
/// notes.pull()?;
/// notes.create("today.md", "# Today")?;
/// notes.push("Add today's note")?;
/// # Ok(())
/// # }
/// ```
pub type GitSyncFileBackend = Blocking<crate::backends::git::GitSyncFileBackend>;

/// The versions of a file in conflict; the twin of [`f9::ConflictVersions`](crate::ConflictVersions).
#[derive(Debug)]
pub struct ConflictVersions {
    /// The common ancestor.
    pub base: Option<ByteReader>,
    /// The committed local version.
    pub local: Option<ByteReader>,
    /// The version of the remote.
    pub remote: Option<ByteReader>,
}

#[expect(clippy::missing_errors_doc, reason = "they are those of the linked async method")]
impl GitSyncFileBackend {
    /// Opens a working tree. See [`open`](crate::GitSyncFileBackend::open).
    pub fn open(config: GitConfig) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let backend =
            bridge.wait(async { crate::backends::git::GitSyncFileBackend::open(config).await })?;
        Ok(Self::with_bridge(Arc::new(backend), bridge))
    }

    /// Returns the directory of the working tree.
    #[must_use]
    pub fn root(&self) -> &std::path::Path {
        self.backend().root()
    }

    /// Returns the branch.
    #[must_use]
    pub fn branch(&self) -> &str {
        self.backend().branch()
    }

    /// Returns the number of started processes. See [`processes_started`](crate::GitSyncFileBackend::processes_started).
    #[must_use]
    pub fn processes_started(&self) -> u64 {
        self.backend().processes_started()
    }

    /// Returns when the remote last answered. See [`last_contact`](crate::GitSyncFileBackend::last_contact).
    pub fn last_contact(&self) -> Result<Option<std::time::SystemTime>> {
        self.bridge().wait(self.backend().last_contact())
    }

    /// Returns the files that the working tree cannot hold. See [`left_out`](crate::GitSyncFileBackend::left_out).
    pub fn left_out(&self) -> Result<Vec<crate::LeftOut>> {
        self.bridge().wait(self.backend().left_out())
    }

    /// Returns the commits that touched `path`. See [`log`](crate::GitSyncFileBackend::log).
    pub fn log(&self, path: &str, limit: Option<usize>) -> Result<Vec<Revision>> {
        self.bridge().wait(self.backend().log(path, limit))
    }

    /// Reads the file at `path` in a commit. See [`read_at`](crate::GitSyncFileBackend::read_at).
    pub fn read_at(&self, path: &str, revision: &str) -> Result<Bytes> {
        self.bridge().wait(self.backend().read_at(path, revision))
    }

    /// Returns the versions of the file in conflict at `path`. See [`conflict_versions`](crate::GitSyncFileBackend::conflict_versions).
    pub fn conflict_versions(&self, path: &str) -> Result<ConflictVersions> {
        let versions = self.bridge().wait(self.backend().conflict_versions(path))?;
        let reader = |stream| ByteReader::new(stream, self.bridge().clone());
        Ok(ConflictVersions {
            base: versions.base.map(reader),
            local: versions.local.map(reader),
            remote: versions.remote.map(reader),
        })
    }
}
