//! Parsing of a [`FilePath`].

use std::path::Path;
use std::str::FromStr;

use super::{
    FilePath, MAX_NAME_BYTES, MAX_PATH_BYTES, PRIVATE_DIRECTORY, UPLOADS_DIRECTORY,
    is_reserved_name, shortened,
};
use crate::core::error::{Error, ErrorKind, Result};

impl FilePath {
    /// Parses `text` into the canonical form.
    ///
    /// # Errors
    ///
    /// [`PathEscapesRoot`](ErrorKind::PathEscapesRoot) for a `..` segment, [`InvalidPath`](ErrorKind::InvalidPath) for a NUL byte,
    /// a name over [`MAX_NAME_BYTES`] or a path over [`MAX_PATH_BYTES`], [`ReservedPath`](ErrorKind::ReservedPath) for a
    /// [reserved name](crate::is_reserved_name). The error contains the text as given, or the start of a long text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut canonical = String::with_capacity(text.len());
        for segment in segments(text) {
            check_segment(segment).map_err(|error| error.with_path(shortened(text)))?;
            if !canonical.is_empty() {
                canonical.push('/');
            }
            canonical.push_str(segment);
        }
        if canonical.len() > MAX_PATH_BYTES {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_path(shortened(text))
                .with_message(format!(
                    "the path has {} bytes, at most {MAX_PATH_BYTES} are allowed",
                    canonical.len()
                )));
        }
        Ok(Self(canonical))
    }

    /// Like [`parse`](Self::parse), but refuses the root, for verbs that need an entry below it.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and [`InvalidPath`](ErrorKind::InvalidPath) for the root.
    pub fn parse_entry(text: &str) -> Result<Self> {
        let path = Self::parse(text)?;
        path.expect_entry(text)?;
        Ok(path)
    }

    /// Refuses the root. `text` is the path as the caller gave it.
    pub(crate) fn expect_entry(&self, text: &str) -> Result<()> {
        if self.is_root() {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_path(shortened(text))
                .with_message("the root itself is not accepted here"));
        }
        Ok(())
    }

    /// Parses a path of a [private view](crate::AsyncFileBackend::private_view): besides the paths of users those below `.f9/<view>`.
    pub(crate) fn parse_in_view(text: &str, view: Option<&str>) -> Result<Self> {
        let mut segments = segments(text);
        let is_private =
            view.is_some() && segments.next() == Some(PRIVATE_DIRECTORY) && segments.next() == view;
        if !is_private {
            return Self::parse(text);
        }
        let rest = Self::parse(&segments.collect::<Vec<_>>().join("/"))?;
        let slash = if rest.is_root() { "" } else { "/" };
        Ok(Self(format!("{PRIVATE_DIRECTORY}/{}{slash}{rest}", view.unwrap_or_default())))
    }

    /// Returns the canonical form of a path that a store has accepted. Which paths a store accepts depends on its view.
    pub(crate) fn accepted(text: &str) -> Self {
        Self(segments(text).collect::<Vec<_>>().join("/"))
    }

    /// Checks the name of a private view.
    ///
    /// # Errors
    ///
    /// `InvalidPath` if it is not one name; `ReservedPath` if f9 itself uses the directory.
    pub(crate) fn check_view(name: &str) -> Result<()> {
        let is_name =
            matches!(Self::parse_entry(name), Ok(path) if path == name && !name.contains('/'));
        let error = if !is_name {
            Error::new(ErrorKind::InvalidPath).with_message("not a single name")
        } else if name == UPLOADS_DIRECTORY {
            Error::new(ErrorKind::ReservedPath).with_message("f9 keeps uploads there")
        } else {
            return Ok(());
        };
        Err(error.with_operation("open a private view").with_path(shortened(name)))
    }

    /// Returns the path of `relative` below this path.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse).
    ///
    /// # Examples
    ///
    /// ```
    /// let notes = f9::FilePath::parse("notes")?;
    /// assert_eq!(notes.join("2026/a.txt")?, "notes/2026/a.txt");
    /// # Ok::<(), f9::Error>(())
    /// ```
    pub fn join(&self, relative: &str) -> Result<Self> {
        Self::parse(&format!("{}/{relative}", self.0))
    }
}

/// Returns the segments of a path as a caller gives it.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|segment| !segment.is_empty() && *segment != ".")
}

fn check_segment(segment: &str) -> Result<()> {
    if segment == ".." {
        return Err(Error::new(ErrorKind::PathEscapesRoot).with_message("`..` is not accepted"));
    }
    if segment.len() > MAX_NAME_BYTES {
        return Err(Error::new(ErrorKind::InvalidPath).with_message(format!(
            "a name has {} bytes, at most {MAX_NAME_BYTES} are allowed",
            segment.len()
        )));
    }
    if segment.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidPath).with_message("the path contains a NUL byte"));
    }
    if is_reserved_name(segment) {
        return Err(Error::new(ErrorKind::ReservedPath).with_message(format!("`{segment}`")));
    }
    Ok(())
}

impl FromStr for FilePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<&Path> for FilePath {
    type Error = Error;

    /// Returns the path, which must be UTF-8: `files.read(&FilePath::try_from(path)?)`.
    fn try_from(path: &Path) -> Result<Self> {
        let text = path.to_str().ok_or_else(|| {
            Error::new(ErrorKind::InvalidPath)
                .with_path(path.to_string_lossy())
                .with_message("the path is not UTF-8")
        })?;
        Self::parse(text)
    }
}

impl TryFrom<String> for FilePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}
