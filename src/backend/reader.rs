//! Reading a file at any offset.

use std::fmt;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::StreamExt as _;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, ReadBuf};

use super::contract::AsyncFileBackend;
use super::provided;
use crate::core::content::FileContent;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::ReadOptions;
use crate::core::stream::ByteStream;

type Opening<'a> = BoxFuture<'a, Result<FileContent>>;

/// Reads one version of a file at any offset, from [`reader`](crate::AsyncFileBackendExt::reader).
///
/// The next chunk is read ahead where the store can do that. A seek to another place opens the file again there; if it was replaced in the
/// meantime, the read fails with [`PreconditionFailed`](ErrorKind::PreconditionFailed) instead of mixing two versions.
///
/// # Examples
///
/// ```
/// use std::io::SeekFrom;
///
/// use f9::prelude::*;
/// use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let files = f9::MemoryFileBackend::new();
/// files.create("a.txt", "hello world").await?;
/// let mut reader = files.reader("a.txt").await?;
/// reader.seek(SeekFrom::End(-5)).await?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!((reader.info().size, text.as_str()), (Some(11), "world"));
/// # Ok(())
/// # }
/// ```
pub struct FileReader<'a> {
    /// Opens the file with these options.
    open: Box<dyn Fn(ReadOptions) -> Opening<'a> + Send + 'a>,
    info: FileInfo,
    options: ReadOptions,
    /// The offset of the next byte.
    position: u64,
    /// The rest of the current chunk, which starts at the position.
    chunk: Bytes,
    source: Source<'a>,
}

/// Where the bytes after the chunk come from.
enum Source<'a> {
    /// From the position on, when they are needed.
    Closed,
    Opening(Opening<'a>),
    Open(ByteStream<'static>),
}

impl<'a> FileReader<'a> {
    /// Opens the file, whose range must not be set.
    pub(super) async fn start<B: AsyncFileBackend + ?Sized>(
        backend: &'a B,
        path: &'a str,
        mut options: ReadOptions,
    ) -> Result<Self> {
        if options.range.take().is_some() {
            let error = Error::new(ErrorKind::InvalidInput).with_operation("read");
            return Err(error.with_message("a reader reads the whole file; seek to a part of it"));
        }
        let FileContent { info, stream, .. } = backend.open_with(path, options.clone()).await?;
        options.condition = provided::pinned(backend, &info).unwrap_or_default();
        let open = Box::new(move |options| backend.open_with(path, options));
        let source = Source::Open(stream);
        Ok(Self { open, info, options, position: 0, chunk: Bytes::new(), source })
    }

    /// Returns the metadata of the version.
    #[must_use]
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    fn size(&self) -> u64 {
        self.info.size.unwrap_or_default()
    }

    /// Moves to an offset. Keeps the chunk if the offset is in it.
    fn move_to(&mut self, offset: u64) {
        let ahead = offset.checked_sub(self.position).and_then(|ahead| usize::try_from(ahead).ok());
        match ahead {
            Some(ahead) if ahead <= self.chunk.len() => self.chunk.advance(ahead),
            _ => {
                self.chunk = Bytes::new();
                self.source = Source::Closed;
            }
        }
        self.position = offset;
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while self.chunk.is_empty() && self.position < self.size() {
            match &mut self.source {
                Source::Closed => {
                    let options = self.options.clone().with_range(self.position..);
                    self.source = Source::Opening((self.open)(options));
                }
                Source::Opening(opening) => {
                    let opened = ready!(opening.poll_unpin(context));
                    self.source = Source::Closed;
                    let FileContent { info, stream, .. } = opened?;
                    if !info.is_same_version(&self.info) {
                        return Poll::Ready(Err(self.failing(ErrorKind::PreconditionFailed)));
                    }
                    self.source = Source::Open(stream);
                }
                Source::Open(stream) => match ready!(stream.poll_next_unpin(context)) {
                    Some(chunk) => self.chunk = chunk?,
                    None => {
                        self.source = Source::Closed;
                        return Poll::Ready(Err(self.failing(ErrorKind::UnexpectedEof)));
                    }
                },
            }
        }
        Poll::Ready(Ok(()))
    }

    fn failing(&self, kind: ErrorKind) -> Error {
        Error::new(kind).with_operation("read").with_path(self.info.path.as_str())
    }

    fn take(&mut self, amount: usize) {
        let amount = amount.min(self.chunk.len());
        self.chunk.advance(amount);
        self.position += amount as u64;
    }
}

impl AsyncBufRead for FileReader<'_> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let reader = self.get_mut();
        ready!(reader.poll_chunk(context))?;
        Poll::Ready(Ok(&reader.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().take(amount);
    }
}

impl AsyncRead for FileReader<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let reader = self.get_mut();
        if buffer.remaining() > 0 {
            ready!(reader.poll_chunk(context))?;
            let length = buffer.remaining().min(reader.chunk.len());
            buffer.put_slice(&reader.chunk[..length]);
            reader.take(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for FileReader<'_> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let reader = self.get_mut();
        let offset = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => reader.position.checked_add_signed(distance),
            SeekFrom::End(distance) => reader.size().checked_add_signed(distance),
        };
        let before_start =
            || io::Error::new(io::ErrorKind::InvalidInput, "a seek before the start");
        reader.move_to(offset.ok_or_else(before_start)?);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl fmt::Debug for FileReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader")
            .field("info", &self.info)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
