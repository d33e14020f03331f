//! The content of a file with its metadata.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use tokio::io::AsyncBufRead;

use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::stream::{ByteStream, collect, into_reader};

/// The metadata and the content of one version of a file, from [`open`](crate::AsyncFileBackendExt::open).
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use f9::ReadOptions;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let files = f9::MemoryFileBackend::new();
/// files.create("a.txt", "hello world").await?;
/// let content = files.open_with("a.txt", ReadOptions::range(6..)).await?;
/// assert_eq!((content.info.size, content.range.clone()), (Some(11), 6..11));
/// assert_eq!(content.bytes().await?, "world");
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub struct FileContent {
    /// The metadata of the whole file. Its size is known.
    pub info: FileInfo,
    /// The offsets of the content in the file.
    pub range: Range<u64>,
    /// The content, in chunks. A failure half-way is its last item.
    pub stream: ByteStream<'static>,
}

impl FileContent {
    /// Creates it from its parts. A backend sets [`FileInfo::size`].
    #[must_use]
    pub fn new(info: FileInfo, range: Range<u64>, stream: ByteStream<'static>) -> Self {
        Self { info, range, stream }
    }

    /// Collects the content.
    ///
    /// # Errors
    ///
    /// A failure half-way.
    pub async fn bytes(self) -> Result<Bytes> {
        collect(self.stream).await
    }

    /// Turns the content into a reader.
    #[must_use]
    pub fn into_reader(self) -> impl AsyncBufRead + Send + Unpin + 'static {
        into_reader(self.stream)
    }
}

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileContent")
            .field("info", &self.info)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}
