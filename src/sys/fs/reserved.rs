//! The names that are hidden below a root.

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::{FilePath, is_reserved_name, shortened};

/// The reserved names of a root: those of f9, and those of the code that opened the root.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reserved {
    extra: Option<fn(&str) -> bool>,
    /// Whether the names of deleted files are hidden that are still open.
    hides_deleted: bool,
}

impl Reserved {
    /// Also reserves the names for which `is_reserved` returns true.
    #[cfg(any(test, feature = "git"))]
    pub(crate) fn also(is_reserved: fn(&str) -> bool) -> Self {
        Self { extra: Some(is_reserved), hides_deleted: false }
    }

    /// Also hides the files that are deleted while they are open. FUSE keeps them in their directory until they are closed.
    pub(super) fn hiding_deleted(self) -> Self {
        Self { hides_deleted: true, ..self }
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
        self.extra.is_some_and(|is_reserved| is_reserved(name))
            || self.hides_deleted && is_deleted(name)
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

/// Whether FUSE has given this name to an open file that was deleted.
fn is_deleted(name: &str) -> bool {
    let digits = name.strip_prefix(".fuse_hidden").unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_files_that_are_open_are_hidden_on_fuse_only() {
        let name = ".fuse_hidden000015d7000001b0";
        assert!(!Reserved::default().contains(name));
        let fuse = Reserved::default().hiding_deleted();
        assert!(fuse.contains(name) && fuse.contains_bytes(name.as_bytes()));
        for other in [".fuse_hidden", ".fuse_hidden000015d7000001bx", "fuse_hidden000015d7000001b0"]
        {
            assert!(!fuse.contains(other), "{other}");
        }
        let both = Reserved::also(|name| name == "own").hiding_deleted();
        assert!(both.contains("own") && both.contains(name));
    }
}
