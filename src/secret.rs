//! A value that must not be seen.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// A password or key: its `Debug` and `Display` never show it.
///
/// # Examples
///
/// ```
/// let secret = f9::Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value` from being shown.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Takes the value itself, or what it points to: `env:NAME` is an environment variable, `file:/path` a file, whose
    /// trailing line break is dropped.
    ///
    /// Reads the file where it is called; call it where a little blocking is allowed, such as while opening a backend.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the variable is not set or the file cannot be read; the error names the
    /// variable or the file, never a value.
    pub fn resolve(value: &str) -> Result<Self> {
        if let Some(name) = value.strip_prefix("env:") {
            return std::env::var(name).map(Self).map_err(|_| {
                Error::new(ErrorKind::InvalidInput)
                    .with_message(format!("the environment variable {name} holds no text"))
            });
        }
        if let Some(path) = value.strip_prefix("file:") {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::new(ErrorKind::InvalidInput)
                    .with_message(format!("the secret file {path} cannot be read"))
                    .with_source(error)
            })?;
            return Ok(Self::new(text.trim_end_matches(['\r', '\n'])));
        }
        Ok(Self::new(value))
    }

    /// The value, for handing it to whom it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_stand_elsewhere() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(Secret::resolve("env:PATH").unwrap().expose(), path);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "s3cret\n").unwrap();
        let uri = format!("file:{}", file.path().display());
        assert_eq!(Secret::resolve(&uri).unwrap().expose(), "s3cret");
        assert_eq!(Secret::resolve("plain").unwrap(), Secret::new("plain"));
    }

    #[test]
    fn a_missing_place_is_named() {
        let error = Secret::resolve("env:F9_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("F9_NO_SUCH_VARIABLE"));
        let error = Secret::resolve("file:/nonexistent/key").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/key"));
    }
}
