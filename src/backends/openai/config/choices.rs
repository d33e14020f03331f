//! How content is written, read and split into chunks.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::{self, BorrowedStrDeserializer};

use crate::core::error::{Error, ErrorKind, Result};

/// The encoding of content in a vector store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpenAIEncoding {
    /// Text unchanged, everything else framed.
    #[default]
    Auto,
    /// Unchanged. Content that is not UTF-8 text, or that contains a NUL, is refused with
    /// [`InvalidData`](crate::ErrorKind::InvalidData).
    Raw,
    /// Numbered lines with checksums, which can be restored exactly even from the text that the service parsed. Takes two thirds
    /// more space, and search cannot find the file by its words.
    Framed,
}

/// Where content is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpenAIReadMode {
    /// From the uploaded file, or from the parsed text if the service forbids downloads, if the file is gone or if its download fails
    /// for good.
    #[default]
    Auto,
    /// From the uploaded file.
    FilesContent,
    /// From the text that the service parsed for search.
    VectorStoreText,
}

/// How the service splits files into chunks for search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum OpenAIChunking {
    /// The service's default: 800 tokens, of which 400 overlap.
    #[default]
    Auto,
    /// Chunks of a fixed size and overlap.
    Static {
        /// The size of a chunk in tokens: 100 to 4,096.
        max_chunk_size_tokens: u32,
        /// How many tokens two neighbours share: at most half a chunk.
        chunk_overlap_tokens: u32,
    },
}

impl OpenAIEncoding {
    /// The values that [`FromStr`] accepts, for error messages.
    pub(crate) const ACCEPTED: &'static str = "auto, raw or framed";
}

impl FromStr for OpenAIEncoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text, "an encoding", Self::ACCEPTED)
    }
}

impl OpenAIReadMode {
    /// The values that [`FromStr`] accepts, for error messages.
    pub(crate) const ACCEPTED: &'static str = "auto, files_content or vector_store_text";
}

impl FromStr for OpenAIReadMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text, "a way to read", Self::ACCEPTED)
    }
}

/// Parses a name as in JSON.
fn parse<'a, T: Deserialize<'a>>(name: &'a str, what: &str, accepted: &str) -> Result<T> {
    T::deserialize(BorrowedStrDeserializer::<value::Error>::new(name)).map_err(|_| {
        Error::new(ErrorKind::InvalidInput).with_message(format!("{what} is {accepted}"))
    })
}
