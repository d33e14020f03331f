//! Etags.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An opaque token that changes whenever the content of a file may have changed.
///
/// Compare it for equality, or pass it to [`WriteMode::IfMatch`](crate::WriteMode::IfMatch). Its text has no other meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Etag(String);

impl Etag {
    /// Creates an etag with the given text, as a store reports it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Etag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Etag {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Etag {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Etag {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conversion_keeps_the_text() {
        let etag = Etag::new("a-1");
        assert_eq!([Etag::from("a-1"), Etag::from("a-1".to_owned())], [etag.clone(), etag.clone()]);
        assert_eq!("a-1".parse(), Ok(etag.clone()));
        assert_eq!((etag.as_ref(), etag.to_string()), ("a-1", "a-1".to_owned()));
        assert_eq!(serde_json::to_string(&etag).unwrap(), "\"a-1\"");
    }
}
