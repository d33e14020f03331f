//! A parsed URI.

use std::fmt;

use super::redact;
use crate::core::error::{Error, ErrorKind};

/// A parsed URI of a backend: `scheme://authority/path?name=value&…`, or `user@host:path?…`, which has the scheme `git+ssh`.
///
/// `Display` and `Debug` show the URI as it was written, with `***` in place of passwords, tokens and the values of parameters whose
/// names suggest a secret. The accessors return unredacted values, which handlers need to open the backend.
///
/// The path and the parameters are percent-decoded ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986)); a `+` is a plus sign. A
/// literal `#`, `%` or control character must be percent-encoded. NUL is rejected in any form.
///
/// # Examples
///
/// ```
/// # fn main() -> f9::Result<()> {
/// let uri: f9::BackendUri = "git+https://me:s3cret@host/my%20repo@main?path=docs".parse()?;
/// assert_eq!(uri.scheme(), "git+https");
/// assert_eq!(uri.authority(), "me:s3cret@host");
/// assert_eq!(uri.path(), "/my repo@main");
/// assert_eq!(uri.parameter("path"), Some("docs"));
/// assert_eq!(uri.to_string(), "git+https://me:***@host/my%20repo@main?path=docs");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BackendUri {
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) raw_path: String,
    pub(super) location: String,
    pub(super) parameters: Vec<(String, String)>,
    /// The URI as it was written, with its secrets redacted.
    pub(super) shown: String,
}

impl BackendUri {
    /// Returns the part before `://`, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the part between `//` and the next `/`, as it was written. It may be empty, and it may contain a password.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the part after the authority, percent-decoded. It is empty or starts with `/`; with `:` in `user@host:path`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the part after the authority, as it was written, so that `@` differs from `%40`.
    #[must_use]
    pub fn raw_path(&self) -> &str {
        &self.raw_path
    }

    /// Returns the authority and the path together, percent-decoded, for schemes whose authority is not a host.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Returns the value of a parameter, percent-decoded. It may be a secret.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns all parameters, percent-decoded, in the order of the URI. The values may be secrets.
    pub fn iter_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let parameters = self.parameters.iter();
        parameters.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the error of a handler that rejects this URI. It shows the URI redacted; `reason` must not contain a secret.
    ///
    /// # Examples
    ///
    /// ```
    /// let uri = f9::parse_uri("ftp://?password=s3cret").unwrap();
    /// let error = uri.invalid("a host is required").with_operation("resolve");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "cannot resolve `ftp://?password=***`: invalid URI: a host is required"
    /// );
    /// ```
    #[must_use]
    pub fn invalid(&self, reason: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidUri).with_subject(&self.shown).with_message(reason.into())
    }

    /// Returns whether only the scheme of the URI may be shown.
    pub(super) fn is_hidden(&self) -> bool {
        self.shown == redact::all_but_scheme(&self.scheme)
    }

    /// Returns the redacted URI without its parameters, for errors about a parameter that may be a secret with a misspelled name.
    pub(super) fn shown_without_parameters(&self) -> &str {
        let shown = self.shown.split_once('?');
        shown.map_or(&self.shown, |(before, _)| before)
    }
}

impl fmt::Display for BackendUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for BackendUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackendUri").field(&self.shown).finish()
    }
}
