//! From the text of a URI to an open backend.
//!
//! [`BackendUri`] takes a URI apart and never shows what is secret in it; [`Parameters`] reads what stands after the `?`; a
//! [`BackendFactory`] knows which handler opens which scheme. Only `factory` and the handlers it registers know any backend.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

mod factory;
mod file;
#[cfg(feature = "git")]
mod git;
#[cfg(feature = "openai")]
mod openai;
mod parameters;
mod parse;
mod redact;

pub use factory::{BackendFactory, parse_uri, register_backend, resolve_backend};
pub use parameters::Parameters;

/// A URI that names a backend, taken apart: `scheme://authority/path?name=value&…`.
///
/// `Display` and `Debug` give the URI as it was written, with `***` in place of passwords, tokens and the values of parameters
/// whose name sounds like one. What the accessors return is not redacted: it is for opening the backend.
///
/// The path and the parameters are percent-decoded ([RFC 3986](https://www.rfc-editor.org/rfc/rfc3986)); a `+` is a plus
/// sign. A literal `#`, `%` or control character must be percent-encoded; NUL is not accepted in any form.
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
    scheme: String,
    authority: String,
    path: String,
    raw_path: String,
    location: String,
    parameters: Vec<(String, String)>,
    /// The URI as it was written, but for its secrets.
    shown: String,
}

impl BackendUri {
    /// What stands before `://`, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between `//` and the next `/`, as it was written. May be empty, and may hold a password.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What follows the authority, percent-decoded: empty, or with a `/` in front.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows the authority, as it was written: here an `@` is not an `%40`.
    #[must_use]
    pub fn raw_path(&self) -> &str {
        &self.raw_path
    }

    /// The authority and the path together, percent-decoded, for a scheme whose authority is no host.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The value of a parameter, percent-decoded. May be a secret.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A reader of the parameters that refuses those it is not asked for.
    #[must_use]
    pub fn parameters(&self) -> Parameters<'_> {
        Parameters::new(self)
    }

    /// Every parameter, percent-decoded, in the order of the URI. The values may be secrets.
    pub fn iter_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let parameters = self.parameters.iter();
        parameters.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The error of a handler that cannot make sense of this URI, naming it without its secrets. `reason` must hold none either.
    ///
    /// # Examples
    ///
    /// ```
    /// let uri = f9::parse_uri("ftp://?password=s3cret").unwrap();
    /// let error = uri.invalid("a host is needed").with_operation("resolve");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "cannot resolve `ftp://?password=***`: invalid URI: a host is needed"
    /// );
    /// ```
    #[must_use]
    pub fn invalid(&self, reason: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidUri).with_path(&self.shown).with_message(reason.into())
    }

    /// Whether nothing of the URI but its scheme may be shown.
    fn is_hidden(&self) -> bool {
        self.shown == redact::all_but_scheme(&self.scheme)
    }

    /// The URI without its parameters, for an error about one that may be a secret under a misspelt name.
    fn shown_without_parameters(&self) -> &str {
        let shown = self.shown.split_once('?');
        shown.map_or(&self.shown, |(before, _)| before)
    }
}

impl FromStr for BackendUri {
    type Err = Error;

    /// Takes a URI apart; any scheme will do.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri). The error does not repeat the text, which may hold secrets in places where none
    /// are expected; at most it names the scheme.
    fn from_str(text: &str) -> Result<Self> {
        parse::parse(text).map_err(|error| error.with_operation("parse"))
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

#[cfg(test)]
mod tests;
