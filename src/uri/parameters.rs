//! Reading parameters so that none is overlooked.

use std::str::FromStr;

use super::BackendUri;
use crate::{Error, ErrorKind, Result, Secret, offload};

/// Reads the parameters of a URI one by one; [`finish`](Self::finish) refuses those that were not read.
///
/// What is read is what is known: a handler cannot forget a parameter in a list of its own. Every error names the parameter and
/// what it accepts, and never a value.
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
///     "`cloud://bucket`: invalid URI: unknown parameter `pasword`; known are retries, verify, password"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Parameters<'a> {
    uri: &'a BackendUri,
    known: Vec<String>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(uri: &'a BackendUri) -> Self {
        Self { uri, known: Vec::new() }
    }

    /// Reads any text. `None` here and in the other methods if the URI has no such parameter.
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

    /// Reads whatever parses; `accepted` says in the error what would, as in "a number of seconds".
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri) for a value that does not parse. The parser's own error is left out: it may
    /// repeat the value.
    pub fn parse<T: FromStr>(&mut self, name: &str, accepted: &str) -> Result<Option<T>> {
        let parsed = self.text(name).map(str::parse).transpose();
        parsed.map_err(|_| self.invalid(name, accepted))
    }

    /// Reads a secret, or what points to one: `env:NAME`, `file:/path`. See [`Secret::resolve`].
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri) if the variable is not set or the file cannot be read.
    pub async fn secret(&mut self, name: &str) -> Result<Option<Secret>> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        let owned = value.to_owned();
        // The file may be slow to answer: it may stand on a network, or be a FIFO.
        let resolved = offload::run(move || Secret::resolve(&owned)).await;
        resolved.map(Some).map_err(|error| {
            let points = value.starts_with("env:") || value.starts_with("file:");
            let place = if points { value } else { "the URI" };
            let reason = format!("the parameter `{name}` cannot be read from {place}");
            self.uri.invalid(reason).with_source(error)
        })
    }

    /// Refuses the parameters that none of the other methods has been asked for.
    ///
    /// # Errors
    ///
    /// [`InvalidUri`](ErrorKind::InvalidUri) naming the first of them and listing those that are known.
    pub fn finish(self) -> Result<()> {
        let is_known = |name: &str| self.known.iter().any(|known| known == name);
        let Some((unknown, _)) = self.uri.iter_parameters().find(|(name, _)| !is_known(name))
        else {
            return Ok(());
        };
        let known = match self.known.as_slice() {
            [] => "this scheme has none".to_owned(),
            known => format!("known are {}", known.join(", ")),
        };
        // Where the parts cannot be told apart, the name may be a part of a password.
        let unknown = if self.uri.is_hidden() {
            "unknown parameter".to_owned()
        } else {
            format!("unknown parameter `{unknown}`")
        };
        // Without the values: that of a misspelt `pasword` would be shown.
        Err(Error::new(ErrorKind::InvalidUri)
            .with_path(self.uri.shown_without_parameters())
            .with_message(format!("{unknown}; {known}")))
    }

    fn invalid(&self, name: &str, accepted: &str) -> Error {
        self.uri.invalid(format!("the parameter `{name}` accepts {accepted}"))
    }
}
