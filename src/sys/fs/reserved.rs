//! The names that are hidden below a root.

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::{FilePath, is_reserved_name, shortened};

/// The reserved names of a root: those of f9, and those of the code that opened the root.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserved(Option<fn(&str) -> bool>);

impl Reserved {
    /// Also reserves the names for which `is_reserved` returns true.
    #[cfg(any(test, feature = "git"))]
    pub(crate) fn also(is_reserved: fn(&str) -> bool) -> Self {
        Self(Some(is_reserved))
    }

    /// Whether `name` is reserved.
    pub(super) fn contains(self, name: &str) -> bool {
        is_reserved_name(name) || self.contains_extra(name)
    }

    /// Like [`contains`](Self::contains) for a name on disk. A name that is not UTF-8 is not reserved.
    pub(super) fn contains_bytes(self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.contains(name))
    }

    /// Whether `name` is reserved by the code that opened the root.
    pub(super) fn contains_extra(self, name: &str) -> bool {
        self.0.is_some_and(|is_reserved| is_reserved(name))
    }

    /// Refuses a path with a name that the code that opened the root has reserved. `text` is the path as the caller gave it.
    pub(super) fn check(self, path: &FilePath, text: &str) -> Result<()> {
        match path.segments().find(|segment| self.contains_extra(segment)) {
            None => Ok(()),
            Some(segment) => Err(Error::new(ErrorKind::ReservedPath)
                .with_path(shortened(text))
                .with_message(format!("`{segment}`"))),
        }
    }
}
