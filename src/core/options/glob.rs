//! Options for glob searches.

use serde::{Deserialize, Serialize};

use super::setters::setters;

/// Which kinds of entries [`glob`](crate::AsyncFileBackend::glob_with) returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GlobKind {
    /// Entries of any type.
    #[default]
    Any,
    /// All entries except directories.
    Files,
    /// Only directories.
    Directories,
}

impl GlobKind {
    /// Whether an entry of this kind may be a directory (`is_dir`), or anything else (`!is_dir`).
    #[must_use]
    pub fn accepts(self, is_dir: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Files => !is_dir,
            Self::Directories => is_dir,
        }
    }
}

/// Options of [`glob`](crate::AsyncFileBackend::glob_with).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GlobOptions {
    /// Which kinds of entries are returned.
    pub kind: GlobKind,
}

impl GlobOptions {
    /// Returns all matching entries except directories.
    #[must_use]
    pub fn files() -> Self {
        Self::default().with_kind(GlobKind::Files)
    }

    /// Returns only directories.
    #[must_use]
    pub fn directories() -> Self {
        Self::default().with_kind(GlobKind::Directories)
    }
}

setters!(GlobOptions {
    /// Sets which kinds of entries are returned.
    with_kind(kind: GlobKind) => kind;
});
