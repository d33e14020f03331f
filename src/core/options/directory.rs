//! Options for creating, listing and deleting directories.

use serde::{Deserialize, Serialize};

use super::setters::setters;

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
}

impl ListOptions {
    /// Lists all entries below the directory.
    #[must_use]
    pub fn recursive() -> Self {
        Self::default().with_depth(Depth::All)
    }
}

setters!(ListOptions {
    /// Sets how deep the listing goes.
    with_depth(depth: Depth) => depth;
});

/// Options of [`delete`](crate::AsyncFileBackend::delete_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// [`Depth::One`] deletes a file or an empty directory, [`Depth::All`] also a directory with its
    /// entries.
    pub depth: Depth,
}

impl DeleteOptions {
    /// Deletes a directory with all its entries.
    #[must_use]
    pub fn recursive() -> Self {
        Self::default().with_depth(Depth::All)
    }
}

setters!(DeleteOptions {
    /// Sets whether a directory is deleted with all its entries.
    with_depth(depth: Depth) => depth;
});
