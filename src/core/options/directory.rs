//! Options for creating, listing and deleting directories.

use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::core::error::{ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::precondition::Precondition;

/// How deep below a directory an operation works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Depth {
    /// The entries of the directory itself.
    #[default]
    One,
    /// All entries below it.
    All,
}

/// What [`create_dir`](crate::AsyncFileBackend::create_dir_with) does with an existing directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DirMode {
    /// Fails with [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
    #[default]
    Create,
    /// Succeeds and leaves the directory unchanged.
    Overwrite,
}

/// Options of [`create_dir`](crate::AsyncFileBackend::create_dir_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateDirOptions {
    /// What happens with an existing directory.
    pub mode: DirMode,
}

impl CreateDirOptions {
    /// Succeeds if the directory already exists.
    #[must_use]
    pub fn overwrite() -> Self {
        Self::default().with_mode(DirMode::Overwrite)
    }
}

setters!(CreateDirOptions {
    /// Sets what happens with an existing directory.
    with_mode(mode: DirMode) => mode;
});

/// Options of [`list`](crate::AsyncFileBackend::list_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ListOptions {
    /// How deep the listing goes.
    pub depth: Depth,
    /// Where the listing starts: after this key, which need not exist. The key of a directory is its path and a slash, that of any other
    /// entry its path; [`after`](Self::after) makes one. Keys are relative to the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_after: Option<String>,
    /// The number of entries to return; all if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// A [`GlobPattern`](crate::GlobPattern) that the paths of returned entries match. It is relative to the root and does not make the
    /// listing deeper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl ListOptions {
    /// Continues a listing after an entry of it.
    #[must_use]
    pub fn after(self, entry: &FileInfo) -> Self {
        let slash = if entry.is_dir() { "/" } else { "" };
        self.with_start_after(format!("{}{slash}", entry.path))
    }

    /// Starts the listing after this key: a path, with a slash at the end if it is that of a directory.
    #[must_use]
    pub fn with_start_after(mut self, key: impl Into<String>) -> Self {
        self.start_after = Some(key.into());
        self
    }

    /// Returns only entries whose paths match a pattern.
    #[must_use]
    pub fn with_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Lists all entries below the directory.
    #[must_use]
    pub fn recursive() -> Self {
        Self::default().with_depth(Depth::All)
    }
}

setters!(ListOptions {
    /// Sets how deep the listing goes.
    with_depth(depth: Depth) => depth;
    /// Sets the number of entries to return.
    with_limit(limit: usize) => Some(limit);
});

/// What [`delete`](crate::AsyncFileBackend::delete_with) does if nothing exists at the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MissingMode {
    /// Fails with [`NotFound`](crate::ErrorKind::NotFound).
    #[default]
    Fail,
    /// Succeeds.
    Ignore,
}

/// Options of [`delete`](crate::AsyncFileBackend::delete_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// [`Depth::One`] deletes a file or an empty directory, [`Depth::All`] also a directory with its
    /// entries.
    pub depth: Depth,
    /// What happens if nothing exists at the path.
    pub missing: MissingMode,
    /// What must hold for the file. A directory has no etag and only matches [`Etags::Any`](crate::Etags::Any).
    #[serde(skip_serializing_if = "Precondition::is_empty")]
    pub condition: Precondition,
}

impl DeleteOptions {
    /// Deletes a directory with all its entries.
    #[must_use]
    pub fn recursive() -> Self {
        Self::default().with_depth(Depth::All)
    }
}

impl DeleteOptions {
    /// Succeeds if nothing exists at the path.
    #[must_use]
    pub fn missing_ok() -> Self {
        Self::default().with_missing_ok()
    }

    /// Deletes the file only if it has this etag.
    #[must_use]
    pub fn if_match(etag: Etag) -> Self {
        Self::default().with_condition(Precondition::if_match(etag))
    }

    /// Turns [`NotFound`](ErrorKind::NotFound) into success if the options ignore a missing entry. For backends.
    ///
    /// # Errors
    ///
    /// Any other error.
    pub fn ignore_missing(&self, deleted: Result<()>) -> Result<()> {
        match deleted {
            Err(error)
                if self.missing == MissingMode::Ignore
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(())
            }
            deleted => deleted,
        }
    }

    /// Succeeds if nothing exists at the path.
    #[must_use]
    pub fn with_missing_ok(mut self) -> Self {
        self.missing = MissingMode::Ignore;
        self
    }
}

setters!(DeleteOptions {
    /// Sets what must hold for the file.
    with_condition(condition: Precondition) => condition;
    /// Sets whether a directory is deleted with all its entries.
    with_depth(depth: Depth) => depth;
});
