//! Secrets, and the places where they are kept.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::core::error::{Error, ErrorKind, Result};

/// A password or key.
///
/// `Debug` and `Display` do not show it. It is erased from memory on drop. Comparing two secrets of the same length takes the
/// same time whether they are equal or not.
///
/// # Examples
///
/// ```
/// let secret = f9::Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Reads a secret from its place: `env:NAME` is an environment variable and `file:/path` a file, without the line break at its
    /// end. Any other text is the secret itself.
    ///
    /// This blocks while it reads the file.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the variable is not set or the file cannot be read. The error names the
    /// variable or the file and never contains a value.
    pub fn resolve(value: &str) -> Result<Self> {
        SecretSource::from_text(value).resolve()
    }

    /// Returns the value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
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

/// A secret or the place where it is kept. A configuration holds this until the backend opens.
///
/// In JSON it is a text: `env:NAME` is an environment variable, `file:/path` a file, and any other text the secret itself.
/// `Debug` shows the place but not the secret. The error for JSON of another type does not show the value either.
///
/// # Examples
///
/// ```
/// use f9::{Secret, SecretSource};
/// assert_eq!(SecretSource::from_text("env:TOKEN"), SecretSource::Variable("TOKEN".into()));
/// assert_eq!(SecretSource::from("hunter2"), Secret::new("hunter2").into());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The secret itself, even if it looks like a place.
    Value(Secret),
    /// The name of an environment variable.
    Variable(String),
    /// A file with the secret. The line break at its end is removed.
    File(PathBuf),
}

impl SecretSource {
    /// Reads `env:NAME` and `file:/path` as places, and any other text as the secret itself.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        if let Some(name) = text.strip_prefix("env:") {
            Self::Variable(name.to_owned())
        } else if let Some(path) = text.strip_prefix("file:") {
            Self::File(path.into())
        } else {
            Self::Value(Secret::new(text))
        }
    }

    /// Reads the secret from its place.
    ///
    /// This blocks while it reads a file.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the variable is not set or the file cannot be read. The error names the
    /// variable or the file.
    pub fn resolve(&self) -> Result<Secret> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::Variable(name) => std::env::var(name).map(Secret).map_err(|error| {
                let reason = match error {
                    VarError::NotPresent => "is not set",
                    VarError::NotUnicode(_) => "is not UTF-8",
                };
                Error::new(ErrorKind::InvalidInput)
                    .with_message(format!("the environment variable {name} {reason}"))
            }),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
                    Error::new(ErrorKind::InvalidInput)
                        .with_message(format!("the secret file {} cannot be read", path.display()))
                        .with_source(error)
                })?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
            }
        }
    }
}

impl From<Secret> for SecretSource {
    fn from(secret: Secret) -> Self {
        Self::Value(secret)
    }
}

impl From<&str> for SecretSource {
    /// Calls [`from_text`](Self::from_text).
    fn from(text: &str) -> Self {
        Self::from_text(text)
    }
}

impl From<String> for SecretSource {
    /// Calls [`from_text`](Self::from_text).
    fn from(text: String) -> Self {
        Self::from_text(&Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The error of `String::deserialize` would show a value of another type, such as the number in `"password": 1234`.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(text.into()),
            _ => Err(de::Error::custom(
                "a secret must be a text: `env:NAME`, `file:/path` or the secret itself",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_a_variable_or_a_file() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(Secret::resolve("env:PATH").unwrap().expose(), path);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "s3cret\n").unwrap();
        let uri = format!("file:{}", file.path().display());
        assert_eq!(Secret::resolve(&uri).unwrap().expose(), "s3cret");
        assert_eq!(Secret::resolve("plain").unwrap(), Secret::new("plain"));
    }

    #[test]
    fn the_error_names_the_missing_variable_or_file() {
        let error = Secret::resolve("env:F9_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("F9_NO_SUCH_VARIABLE"));
        let error = Secret::resolve("file:/nonexistent/key").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/key"));
    }

    #[test]
    fn a_source_in_json_is_a_text_and_is_never_shown() {
        for (json, source) in [
            (r#""hunter2""#, SecretSource::Value(Secret::new("hunter2"))),
            (r#""""#, SecretSource::Value(Secret::new(""))),
            (r#""ENV:A""#, SecretSource::Value(Secret::new("ENV:A"))),
            (r#""env:A""#, SecretSource::Variable("A".to_owned())),
            (r#""file:/a/b""#, SecretSource::File("/a/b".into())),
        ] {
            assert_eq!(serde_json::from_str::<SecretSource>(json).unwrap(), source);
            assert!(!format!("{source:?}").contains("hunter2"));
        }
        for json in ["8675309", "[8675309]", "{\"a\": 8675309}", "true", "8675309.5"] {
            let error = serde_json::from_str::<SecretSource>(json).unwrap_err().to_string();
            assert!(error.contains("a secret must be a text"), "{error}");
            assert!(!error.contains("8675309"), "{error}");
        }
    }

    #[test]
    fn secrets_are_equal_if_their_values_are() {
        assert_eq!(Secret::new("hunter2"), Secret::new("hunter2"));
        for other in ["", "hunter", "hunter3", "hunter22"] {
            assert_ne!(Secret::new("hunter2"), Secret::new(other));
        }
    }

    #[test]
    fn a_value_is_not_read_as_a_place() {
        let source = SecretSource::from(Secret::new("env:PATH"));
        assert_eq!(source.resolve().unwrap().expose(), "env:PATH");
    }
}
