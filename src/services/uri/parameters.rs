//! Reads the parameters of a URI and rejects the rest.

use std::str::FromStr;

use super::BackendUri;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::secret::Secret;
use crate::sys::pool;

/// Reads the parameters of a URI one by one; [`finish`](Self::finish) rejects those that were not read.
///
/// The parameters that a handler reads are the known ones, so it needs no separate list. Every error names the parameter and the
/// accepted values, and never shows a value.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let uri = f9::parse_uri("cloud://bucket?retries=3&pasword=s3cret")?;
/// let mut parameters = uri.parameters();
/// let retries = parameters.parse::<u32>("retries", "a number")?.unwrap_or(5);
/// let verify = parameters.bool("verify")?.unwrap_or(true);
/// let password = parameters.secret("password").await?;
/// assert_eq!((retries, verify, password), (3, true, None));
///
/// let error = parameters.finish().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`cloud://bucket`: invalid URI: unknown parameter `pasword`; expected one of retries, verify, password"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Parameters<'a> {
    uri: &'a BackendUri,
    known: Vec<String>,
}

impl BackendUri {
    /// Returns a reader of the parameters.
    #[must_use]
    pub fn parameters(&self) -> Parameters<'_> {
        Parameters::new(self)
    }
}

impl<'a> Parameters<'a> {
    pub(super) fn new(uri: &'a BackendUri) -> Self {
        Self { uri, known: Vec::new() }
    }

    /// Reads any text. All methods return `None` if the URI does not have the parameter.
    pub fn text(&mut self, name: &str) -> Option<&'a str> {
        if !self.known.iter().any(|known| known == name) {
            self.known.push(name.to_owned());
        }
        self.uri.parameter(name)
    }

    /// Reads `true`, `false`, `1` or `0`.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri) for anything else.
    pub fn bool(&mut self, name: &str) -> Result<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(self.invalid(name, "true, false, 1 or 0")),
        }
    }

    /// Reads a value of type `T`. The error says that the parameter must be `expected`, such as "a number of seconds".
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri) for a value that does not parse. The error of the parser is dropped because it may show
    /// the value.
    pub fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>> {
        let parsed = self.text(name).map(str::parse).transpose();
        parsed.map_err(|_| self.invalid(name, expected))
    }

    /// Reads a secret, either the value itself or its place: `env:NAME`, `file:/path`. See [`Secret::resolve`].
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri) if the variable is not set or the file cannot be read.
    pub async fn secret(&mut self, name: &str) -> Result<Option<Secret>> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        let owned = value.to_owned();
        // Reading the file may block: it may be on a network file system or a FIFO.
        let resolved = pool::run(move || Secret::resolve(&owned)).await;
        resolved.map(Some).map_err(|error| {
            if error.kind() != ErrorKind::InvalidInput {
                return error;
            }
            let points = value.starts_with("env:") || value.starts_with("file:");
            let place = if points { value } else { "the URI" };
            let reason = format!("cannot read the parameter `{name}` from {place}");
            self.uri.invalid(reason).with_source(error)
        })
    }

    /// Rejects all parameters that were not read.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri), which names the first of them and lists the known parameters.
    pub fn finish(self) -> Result<()> {
        let is_known = |name: &str| self.known.iter().any(|known| known == name);
        let Some((unknown, _)) = self.uri.iter_parameters().find(|(name, _)| !is_known(name))
        else {
            return Ok(());
        };
        let known = match self.known.as_slice() {
            [] => "this scheme has no parameters".to_owned(),
            known => format!("expected one of {}", known.join(", ")),
        };
        // If the URI cannot be split reliably, the name may be part of a password.
        let unknown = if self.uri.is_hidden() {
            "unknown parameter".to_owned()
        } else {
            format!("unknown parameter `{unknown}`")
        };
        // Without the values: redaction would miss the value of a misspelled `pasword`.
        Err(Error::new(ErrorKind::InvalidUri)
            .with_subject(self.uri.shown_without_parameters())
            .with_message(format!("{unknown}; {known}")))
    }

    fn invalid(&self, name: &str, expected: &str) -> Error {
        self.uri.invalid(format!("the parameter `{name}` must be {expected}"))
    }
}
