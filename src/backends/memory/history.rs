//! The versions of files.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::content::Content;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::core::version::VersionId;

/// All versions of all paths, if the store keeps them.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The versions of each path, the oldest first. `None` if the store keeps only the current content.
    paths: Option<BTreeMap<FilePath, Vec<Version>>>,
    /// The number of all versions, which makes their ids unique.
    count: u64,
}

/// One version of a file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: VersionId,
    pub(super) created_at: SystemTime,
    /// `None` for a deletion.
    pub(super) content: Option<Content>,
}

impl History {
    /// Creates the history of a store that keeps versions.
    pub(super) fn kept() -> Self {
        Self { paths: Some(BTreeMap::new()), count: 0 }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.paths.is_some()
    }

    /// Adds a version of the file at `path`: its new content, or a deletion.
    pub(super) fn add(&mut self, path: &FilePath, content: Option<&Content>) {
        let Some(paths) = &mut self.paths else { return };
        self.count += 1;
        let version = Version {
            id: VersionId::new(format!("{:x}", self.count)),
            created_at: SystemTime::now(),
            content: content.cloned(),
        };
        paths.entry(path.clone()).or_default().push(version);
    }

    /// Returns the id of the current version.
    pub(super) fn current(&self, path: &str) -> Option<&VersionId> {
        self.of(path).last().map(|version| &version.id)
    }

    /// Returns the versions of a path, the oldest first; empty if there never was a file.
    pub(super) fn of(&self, path: &str) -> &[Version] {
        self.paths.as_ref().and_then(|paths| paths.get(path)).map_or(&[], Vec::as_slice)
    }

    /// Returns the content of a version.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the store keeps no versions; [`NotFound`](ErrorKind::NotFound) for an unknown version and
    /// for a deletion.
    pub(super) fn content(&self, path: &FilePath, id: &VersionId) -> Result<&Content> {
        let not_found = |message| Error::new(ErrorKind::NotFound).with_message(message);
        self.check()?;
        let version = self.of(path).iter().find(|version| version.id == *id);
        let version = version.ok_or_else(|| not_found("it has no such version"))?;
        version.content.as_ref().ok_or_else(|| not_found("this version is a deletion"))
    }

    /// Checks that the store keeps versions.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub(super) fn check(&self) -> Result<()> {
        if self.is_kept() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Unsupported);
        Err(error.with_message("it keeps only the current version of a file"))
    }
}
