//! A value that must not be seen.

use std::env::VarError;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

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
        SecretSource::from_text(value).resolve()
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

/// A secret, or where it is kept: what a configuration holds until the backend opens.
///
/// In JSON it is a text: `env:NAME` is an environment variable, `file:/path` a file, anything else the secret itself. Its
/// `Debug` shows the place, and never the secret. Neither does the error for JSON of another type.
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
    /// The secret itself, also where it looks like the name of a place.
    Value(Secret),
    /// The environment variable of this name.
    Variable(String),
    /// The content of a file, without the line break at its end.
    File(PathBuf),
}

impl SecretSource {
    /// Tells `env:NAME` and `file:/path` from a secret itself.
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

    /// Gets the secret from where it is kept.
    ///
    /// Reads a file where it is called, like [`Secret::resolve`].
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the variable is not set or the file cannot be read; the error names it.
    pub fn resolve(&self) -> Result<Secret> {
        match self {
            Self::Value(secret) => Ok(secret.clone()),
            Self::Variable(name) => std::env::var(name).map(Secret).map_err(|error| {
                let reason = match error {
                    VarError::NotPresent => "is not set",
                    VarError::NotUnicode(_) => "holds no text",
                };
                Error::new(ErrorKind::InvalidInput)
                    .with_message(format!("the environment variable {name} {reason}"))
            }),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
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
    /// As [`from_text`](Self::from_text).
    fn from(text: &str) -> Self {
        Self::from_text(text)
    }
}

impl From<String> for SecretSource {
    /// As [`from_text`](Self::from_text).
    fn from(text: String) -> Self {
        Self::from_text(&text)
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asking for a text would put a number that stands there instead, as in `"password": 1234`, into the error.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self::from_text(&text)),
            _ => Err(de::Error::custom("a secret is a text: itself, `env:NAME` or `file:/path`")),
        }
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
    #[test]
    fn a_source_in_json_is_a_text_and_never_told() {
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
            assert!(error.contains("a secret is a text"), "{error}");
            assert!(!error.contains("8675309"), "{error}");
        }
    }

    #[test]
    fn a_value_is_not_taken_for_a_place() {
        let source = SecretSource::from(Secret::new("env:PATH"));
        assert_eq!(source.resolve().unwrap().expose(), "env:PATH");
    }
}
