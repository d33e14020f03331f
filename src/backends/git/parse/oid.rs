//! Object ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::fields::{text, unexpected};
use crate::core::error::{Error, Result};

/// An object id: 40 or 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::backends::git) struct Oid(String);

impl Oid {
    pub(in crate::backends::git) fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether this is the null id, which stands for no object.
    pub(in crate::backends::git) fn is_null(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'0')
    }

    /// Returns the null id of the same length.
    pub(in crate::backends::git) fn null(&self) -> Self {
        Self("0".repeat(self.0.len()))
    }
}

impl FromStr for Oid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_oid = matches!(text.len(), 40 | 64)
            && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if is_oid { Ok(Self(text.to_owned())) } else { Err(unexpected("an object id")) }
    }
}

impl TryFrom<String> for Oid {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(oid: Oid) -> Self {
        oid.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Parses one object id.
pub(in crate::backends::git) fn oid(output: &[u8]) -> Result<Oid> {
    text(output, "an object id")?.trim_end().parse()
}
