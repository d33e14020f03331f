//! Paths as git prints them.

use std::borrow::Borrow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

use crate::core::error::{Error, Result};
use crate::core::path::is_reserved_name;

/// The length of a path that the kernel accepts, without the NUL at its end (`PATH_MAX`).
const PATH_MAX: usize = 4095;

/// A path in a repository: any bytes except NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(in crate::backends::git) struct RawPath(pub(in crate::backends::git) Vec<u8>);

impl AsRef<[u8]> for RawPath {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for RawPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl RawPath {
    /// Converts to text, with replacement characters for bytes that are not UTF-8.
    pub(in crate::backends::git) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// Reports whether the path has a segment that f9 reserves.
    pub(in crate::backends::git) fn is_own(&self) -> bool {
        let names = self.0.split(|&byte| byte == b'/');
        names.filter_map(|name| std::str::from_utf8(name).ok()).any(is_reserved_name)
    }

    /// Returns why the path does not fit into a file system with names of up to `name_max` bytes; `None` if it fits.
    pub(in crate::backends::git) fn excess(&self, name_max: usize) -> Option<String> {
        if self.0.len() > PATH_MAX {
            Some(format!("the path is longer than {PATH_MAX} bytes"))
        } else if self.0.split(|&byte| byte == b'/').any(|name| name.len() > name_max) {
            Some(format!("a name is longer than {name_max} bytes"))
        } else {
            None
        }
    }

    /// Returns the directories above the path, from the top.
    pub(in crate::backends::git) fn parents(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        slashes.map(|(at, _)| &self.0[..at])
    }

    /// Reports whether the path is in the directory `above`.
    pub(in crate::backends::git) fn is_below(&self, above: &Self) -> bool {
        self.0.strip_prefix(above.0.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
    }

    pub(in crate::backends::git) fn as_os(&self) -> &std::ffi::OsStr {
        std::os::unix::ffi::OsStrExt::from_bytes(&self.0)
    }
}

/// The characters that are encoded in the text form.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

impl From<RawPath> for String {
    fn from(path: RawPath) -> Self {
        percent_encode(&path.0, ENCODED).to_string()
    }
}

impl TryFrom<String> for RawPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Ok(Self(percent_decode_str(&text).collect()))
    }
}
