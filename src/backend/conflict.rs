//! The description of a conflict between local and remote changes.

use serde::{Deserialize, Serialize};

use crate::core::path::FilePath;

/// A file in which local and remote changes contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncConflict {
    /// The path of the file; it may have been deleted.
    pub path: FilePath,
    /// The change on each side.
    pub status: ConflictStatus,
    /// The reason why the changes cannot be merged.
    pub kind: ConflictKind,
}

impl SyncConflict {
    /// Creates the description of the conflict at `path`.
    #[must_use]
    pub const fn new(path: FilePath, status: ConflictStatus, kind: ConflictKind) -> Self {
        Self { path, status, kind }
    }
}

/// The change on each side of a conflict, as in `git status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictStatus {
    /// Both sides changed the file: `UU`.
    BothModified,
    /// Both sides added the file: `AA`.
    BothAdded,
    /// Both sides moved the file away: `DD`.
    BothDeleted,
    /// Added locally only: `AU`.
    AddedLocally,
    /// Added by the remote only: `UA`.
    AddedRemotely,
    /// Deleted locally, changed by the remote: `DU`.
    DeletedLocally,
    /// Changed locally, deleted by the remote: `UD`.
    DeletedRemotely,
}

impl ConflictStatus {
    /// Returns the two letters of `git status`, the local side first.
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

/// The reason why the two sides of a conflict cannot be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConflictKind {
    /// Both sides changed the same lines of a text.
    Content,
    /// Both sides changed a file that is not text.
    Binary,
    /// Both sides changed the target of a symbolic link.
    Symlink,
    /// Both sides changed the commit of a submodule.
    Submodule,
    /// Both sides changed the permissions of a file.
    Mode,
    /// Changed on one side, deleted on the other.
    ModifyDelete,
    /// Both sides moved the file to different paths, or moved different files to one path, if the store can detect that.
    Rename,
    /// Moved on one side, deleted on the other.
    RenameDelete,
    /// A file on one side, a directory on the other.
    DirectoryFile,
    /// Different types on the two sides: a file, a symbolic link, a submodule.
    Type,
}
