//! The names of versions.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::core::error::{Error, ErrorKind, Result};

/// The name of one version of a file, as the store reports it. Its text has no other meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(String);

impl VersionId {
    /// Creates the name of a version, as a store reports it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for VersionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for VersionId {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for VersionId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for VersionId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

/// Refuses a version, for stores that keep only the current one.
pub(crate) fn refuse_version(version: Option<&VersionId>) -> Result<()> {
    if version.is_some() {
        let error = Error::new(ErrorKind::Unsupported);
        return Err(error.with_message("it keeps only the current version of a file"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conversion_keeps_the_text() {
        let id = VersionId::new("v-1");
        assert_eq!(
            [VersionId::from("v-1"), VersionId::from("v-1".to_owned())],
            [id.clone(), id.clone()]
        );
        assert_eq!("v-1".parse(), Ok(id.clone()));
        assert_eq!((id.as_ref(), id.to_string()), ("v-1", "v-1".to_owned()));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"v-1\"");
    }
}
