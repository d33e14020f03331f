//! Conversions and comparisons between a [`FilePath`] and text.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use super::FilePath;

impl Deref for FilePath {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for FilePath {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<Path> for FilePath {
    fn as_ref(&self) -> &Path {
        Path::new(self.as_str())
    }
}

impl Borrow<str> for FilePath {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.0
    }
}

macro_rules! equals {
    ($($text:ty),*) => {
        $(
            impl PartialEq<$text> for FilePath {
                fn eq(&self, other: &$text) -> bool {
                    *self.as_str() == **other
                }
            }

            impl PartialEq<FilePath> for $text {
                fn eq(&self, other: &FilePath) -> bool {
                    **self == *other.as_str()
                }
            }
        )*
    };
}

equals!(&str, String);

impl PartialEq<str> for FilePath {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<FilePath> for str {
    fn eq(&self, other: &FilePath) -> bool {
        self == other.as_str()
    }
}
