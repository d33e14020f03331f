//! The content of a file with its metadata.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Blocking, Bridge, ByteReader};
use crate::backend::AsyncFileBackend;
use crate::core::content;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::ReadOptions;

/// The verb `open`, in a trait because the backends have a constructor of that name. [`f9::prelude`](crate::prelude) brings it into scope.
pub trait OpenFile {
    /// Opens a file: its metadata and its content. See [`open`](crate::AsyncFileBackendExt::open).
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](AsyncFileBackend::open_with).
    fn open(&self, path: &str) -> Result<FileContent>;
}

impl<B: AsyncFileBackend + ?Sized> OpenFile for Blocking<B> {
    fn open(&self, path: &str) -> Result<FileContent> {
        self.open_with(path, ReadOptions::default())
    }
}

/// The metadata and the content of one version of a file, from [`open`](OpenFile::open).
///
/// # Examples
///
/// ```
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::MemoryFileBackend::new()?;
/// files.create("a.txt", "hello world")?;
/// let content = files.open_with("a.txt", f9::ReadOptions::range(6..))?;
/// assert_eq!((content.info.size, content.range.clone()), (Some(11), 6..11));
/// assert_eq!(content.bytes()?, "world");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct FileContent {
    /// The metadata of the whole file. Its size is known.
    pub info: FileInfo,
    /// The offsets of the content in the file.
    pub range: Range<u64>,
    /// The content, as an iterator of chunks and as a reader.
    pub stream: ByteReader,
}

impl FileContent {
    pub(super) fn new(content: content::FileContent, bridge: Bridge) -> Self {
        let content::FileContent { info, range, stream } = content;
        Self { info, range, stream: ByteReader::new(stream, bridge) }
    }

    /// Collects the content. A single chunk is not copied.
    ///
    /// # Errors
    ///
    /// A failure half-way.
    pub fn bytes(mut self) -> Result<Bytes> {
        let first = self.stream.next().transpose()?.unwrap_or_default();
        let Some(second) = self.stream.next().transpose()? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        for chunk in self.stream {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.freeze())
    }
}
