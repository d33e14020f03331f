//! The names that stay hidden below a root.

use crate::path::shortened;
use crate::{Error, ErrorKind, FilePath, Result, is_reserved_name};

/// Which names of a segment are reserved below one root: those of f9, and what whoever opened it keeps for himself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserved(Option<fn(&str) -> bool>);

impl Reserved {
    /// Reserves also the names that `also` tells.
    #[cfg(any(test, feature = "git"))]
    pub(crate) fn also(also: fn(&str) -> bool) -> Self {
        Self(Some(also))
    }

    /// Whether `name` is reserved.
    pub(super) fn holds(self, name: &str) -> bool {
        is_reserved_name(name) || self.holds_beyond(name)
    }

    /// Like [`holds`](Self::holds) for a name on disk. One that is not UTF-8 is nobody's.
    pub(super) fn holds_bytes(self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.holds(name))
    }

    /// Whether `name` is one that f9 itself would leave to everybody.
    pub(super) fn holds_beyond(self, name: &str) -> bool {
        self.0.is_some_and(|reserves| reserves(name))
    }

    /// Refuses a path in which such a name stands, as parsing does with those of f9. `text` is what the caller gave.
    pub(super) fn check(self, path: &FilePath, text: &str) -> Result<()> {
        match path.segments().find(|segment| self.holds_beyond(segment)) {
            None => Ok(()),
            Some(segment) => Err(Error::new(ErrorKind::ReservedPath)
                .with_path(shortened(text))
                .with_message(format!("`{segment}`"))),
        }
    }
}
