//! The keys of paths, and the paths of keys.

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::{FilePath, shortened};

/// Where the service keeps its own objects, below the root.
pub(super) const PRIVATE: &str = ".f9/";

/// The part of a bucket that a backend shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keys {
    /// Empty, or with a slash at its end.
    prefix: String,
}

/// What the key of an object means.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    File(FilePath),
    Directory(FilePath),
    /// A name of f9 itself.
    Hidden,
}

impl Keys {
    /// `prefix` is a path in the bucket.
    ///
    /// # Errors
    ///
    /// `InvalidPath`, `PathEscapesRoot`.
    pub(super) fn below(prefix: &str) -> Result<Self> {
        let mut canonical = String::new();
        for segment in prefix.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
            if segment == ".." {
                return Err(Error::new(ErrorKind::PathEscapesRoot).with_path(shortened(prefix)));
            }
            if segment.contains('\0') {
                return Err(Error::new(ErrorKind::InvalidPath).with_message("the prefix has a NUL"));
            }
            canonical.push_str(segment);
            canonical.push('/');
        }
        Ok(Self { prefix: canonical })
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the key of the file at a path.
    pub(super) fn file(&self, path: &FilePath) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Returns the key of the directory at a path, with which the keys of all its entries begin.
    pub(super) fn directory(&self, path: &FilePath) -> String {
        if path.is_root() { self.prefix.clone() } else { format!("{}{path}/", self.prefix) }
    }

    /// Returns the key of an object of f9 itself.
    pub(super) fn private(&self, name: &str) -> String {
        format!("{}{PRIVATE}{name}", self.prefix)
    }

    /// Returns a key without the prefix.
    pub(super) fn relative<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)
    }

    /// Returns what the key of an object or of a group means.
    ///
    /// # Errors
    ///
    /// `InvalidPath` for a key that no path has, such as `a//b`.
    pub(super) fn meaning(&self, key: &str, view: Option<&str>) -> Result<Meaning> {
        let text = self.relative(key).unwrap_or(key);
        let name = text.strip_suffix('/');
        match FilePath::parse_in_view(text, view) {
            Ok(path) if !path.is_root() && name == Some(path.as_str()) => {
                Ok(Meaning::Directory(path))
            }
            Ok(path) if !path.is_root() && path == text => Ok(Meaning::File(path)),
            Err(error) if error.kind() == ErrorKind::ReservedPath => Ok(Meaning::Hidden),
            _ => {
                let message = "the key is no path of f9";
                let error = Error::new(ErrorKind::InvalidPath).with_path(shortened(text));
                Err(error.with_message(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_path_below_the_prefix() {
        let keys = Keys::below("/tenants//7/").unwrap();
        assert_eq!(keys.prefix(), "tenants/7/");
        let path = FilePath::parse("a/b").unwrap();
        assert_eq!(keys.file(&path), "tenants/7/a/b");
        assert_eq!(keys.directory(&path), "tenants/7/a/b/");
        assert_eq!(keys.directory(&FilePath::root()), "tenants/7/");
        assert_eq!(keys.meaning("tenants/7/a/b", None).unwrap(), Meaning::File(path.clone()));
        assert_eq!(keys.meaning("tenants/7/a/b/", None).unwrap(), Meaning::Directory(path));
        assert_eq!(Keys::below("a/../b").unwrap_err().kind(), ErrorKind::PathEscapesRoot);
    }

    #[test]
    fn keys_that_no_path_has_are_errors() {
        let keys = Keys::default();
        let long = "n".repeat(300);
        for key in ["/a", "a//b", "a//", "//", "/", "", "a/./b", "../a", "a/..", ".", "a\0b", &long]
        {
            let error = keys.meaning(key, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidPath, "{key:?}");
        }
        for key in [".f9/x", ".f9/", ".backend.lock"] {
            assert_eq!(keys.meaning(key, None).unwrap(), Meaning::Hidden, "{key:?}");
        }
        let view = keys.meaning(".f9/svc/x", Some("svc")).unwrap();
        assert_eq!(view, Meaning::File(FilePath::accepted(".f9/svc/x")));
        assert_eq!(keys.meaning(".f9/other/x", Some("svc")).unwrap(), Meaning::Hidden);
    }
}
