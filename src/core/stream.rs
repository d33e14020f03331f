//! Streams of content and of listings, and their conversions from and to readers and text.
//!
//! A [`ByteStream`] is a `Stream` of `Result<Bytes>`; an error is its last item. `tokio_util::io::StreamReader` reads one, and
//! `tokio_util::io::ReaderStream` makes one.

use std::borrow::Cow;
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
use std::collections::VecDeque;
use std::error::Error as StdError;
use std::future;
use std::io;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
use crate::core::encoding::Encoding;
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
use crate::core::error::ErrorContext;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::path::FilePath;

/// The default size of the chunks of a stream: 256 KiB.
pub const DEFAULT_CHUNK_SIZE: usize = 256 * 1024;

/// The limit of the buffer for a caller that asks for large chunks.
const MAX_BUFFER: usize = 16 * 1024 * 1024;

/// The number of chunks that a source may give before others run. It is that of the task budget of Tokio, which only Tokio's tasks have.
const READY_IN_A_ROW: usize = 128;

/// The content of a file in chunks. No item follows an error.
pub type ByteStream<'a> = BoxStream<'a, Result<Bytes>>;

/// The entries of a directory in byte order of their paths. Unlike in a [`ByteStream`], items may follow an error, so that one
/// entry with an invalid name does not hide the others.
pub type InfoStream<'a> = BoxStream<'a, Result<FileInfo>>;

/// Paths in the order of listings. An error is the last item.
pub type PathStream<'a> = BoxStream<'a, Result<FilePath>>;

/// The text of a file in chunks. No item follows an error.
pub type TextStream<'a> = BoxStream<'a, Result<String>>;

/// A chunk of a stream that is written: bytes, text, or a [`Result`] of them with any error, such as those of the body of an HTTP request
/// (in axum, `body.into_data_stream()`).
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use futures::stream;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::MemoryFileBackend::new();
/// let lines = ["one", "two"].map(|line| format!("{line}\n"));
/// backend.stream_write("a.txt", stream::iter(lines)).await?;
/// assert_eq!(backend.read("a.txt").await?, "one\ntwo\n");
/// # Ok(())
/// # }
/// ```
pub trait IntoChunk {
    /// Converts the chunk. A `&str` and a `&[u8]` are copied.
    ///
    /// # Errors
    ///
    /// The error in place of the chunk.
    fn into_chunk(self) -> Result<Bytes>;
}

macro_rules! into_chunk {
    ($($chunk:ty => $convert:expr;)*) => {
        $(
            impl IntoChunk for $chunk {
                fn into_chunk(self) -> Result<Bytes> {
                    Ok($convert(self))
                }
            }
        )*
    };
}

into_chunk! {
    Bytes => Bytes::from;
    Vec<u8> => Bytes::from;
    String => Bytes::from;
    &[u8] => Bytes::copy_from_slice;
    &str => |text: &str| Bytes::copy_from_slice(text.as_bytes());
    &String => |text: &String| Bytes::copy_from_slice(text.as_bytes());
    Cow<'_, str> => |text: Cow<'_, str>| Bytes::from(text.into_owned());
}

impl<T: IntoChunk, E: Into<Box<dyn StdError + Send + Sync>>> IntoChunk for Result<T, E> {
    fn into_chunk(self) -> Result<Bytes> {
        self.map_err(|error| error_of(error.into())).and_then(IntoChunk::into_chunk)
    }
}

/// Converts the error of a source. An error of f9 or of the system keeps its kind.
fn error_of(error: Box<dyn StdError + Send + Sync>) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(own) => return *own,
        Err(other) => other,
    };
    match error.downcast::<io::Error>() {
        Ok(system) => (*system).into(),
        Err(other) => io::Error::other(other).into(),
    }
}

/// Turns a stream of text or bytes into a [`ByteStream`], for the verbs that take one.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use futures::stream;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::MemoryFileBackend::new();
/// backend.write("log.txt", "one\n").await?;
/// let lines = f9::stream::from_chunks(stream::iter(["two\n", "three\n"]));
/// backend.stream_write_with("log.txt", lines, f9::WriteOptions::append()).await?;
/// assert_eq!(backend.read("log.txt").await?, "one\ntwo\nthree\n");
/// # Ok(())
/// # }
/// ```
pub fn from_chunks<'a, S>(chunks: S) -> ByteStream<'a>
where
    S: Stream<Item: IntoChunk> + Send + 'a,
{
    chunks.map(IntoChunk::into_chunk).boxed()
}

/// Turns the content of `reader` into a stream of chunks of at most `chunk_size` bytes, and at most 16 MiB.
///
/// With a chunk size of zero, the only item is [`InvalidInput`](ErrorKind::InvalidInput).
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let source: &[u8] = b"from any AsyncRead";
/// let stream = f9::stream::from_reader(source, f9::DEFAULT_CHUNK_SIZE);
/// let backend = f9::MemoryFileBackend::new();
/// backend.stream_write("a.txt", stream).await?;
/// # Ok(())
/// # }
/// ```
pub fn from_reader<'a>(reader: impl AsyncRead + Send + 'a, chunk_size: usize) -> ByteStream<'a> {
    if chunk_size == 0 {
        let error = Error::new(ErrorKind::InvalidInput)
            .with_message("the chunk size must be greater than zero");
        return stream::once(future::ready(Err(error))).boxed();
    }
    let capacity = chunk_size.min(MAX_BUFFER);
    ReaderStream::with_capacity(reader, capacity).map_err(Error::from).boxed()
}

/// Turns a stream into a reader. The reader returns an error of the stream as an [`io::Error`](std::io::Error) of the nearest
/// kind.
#[must_use]
pub fn into_reader<'a>(stream: ByteStream<'a>) -> impl AsyncBufRead + Send + Unpin + 'a {
    StreamReader::new(stream)
}

/// Prepares the content that a caller of [`stream_write_with`](crate::AsyncFileBackend::stream_write_with) gives. For backends.
///
/// Its error becomes [`SourceFailed`](ErrorKind::SourceFailed). If it is always ready, it lets other tasks run from time to time, so that a
/// write of endless content can be cancelled.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use futures::{StreamExt as _, stream};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let data = stream::iter([Err(std::io::Error::other("disk on fire").into())]).boxed();
/// let error = f9::stream::from_caller(data).next().await.unwrap().unwrap_err();
/// assert_eq!(error.kind(), f9::ErrorKind::SourceFailed);
/// assert_eq!(error.to_string(), "the source of the content failed: disk on fire");
/// # }
/// ```
pub fn from_caller(data: ByteStream<'_>) -> ByteStream<'_> {
    let mut data = data.map_err(Error::of_source);
    let mut in_a_row = 0;
    let given = stream::poll_fn(move |cx| {
        if in_a_row == READY_IN_A_ROW {
            in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = data.poll_next_unpin(cx);
        in_a_row = if next.is_ready() { in_a_row + 1 } else { 0 };
        next
    });
    given.boxed()
}

/// Returns `content` as a stream of one chunk, or of none if it is empty.
pub(crate) fn single(content: Bytes) -> ByteStream<'static> {
    stream::iter((!content.is_empty()).then_some(Ok(content))).boxed()
}

/// Returns `content` as a stream of chunks of `chunk_size` bytes, without copying.
pub(crate) fn chunked(content: Bytes, chunk_size: usize) -> ByteStream<'static> {
    let chunks = stream::unfold(content, move |mut rest| {
        let chunk = rest.split_to(chunk_size.min(rest.len()));
        future::ready((!chunk.is_empty()).then_some((Ok(chunk), rest)))
    });
    chunks.boxed()
}

/// Adds an operation on a path to the errors of a stream.
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
pub(crate) fn in_context(
    content: ByteStream<'static>,
    context: ErrorContext,
    operation: &'static str,
    path: &str,
) -> ByteStream<'static> {
    let path = path.to_owned();
    content.map_err(move |error| context.at(operation, &path)(error)).boxed()
}

/// Returns the same content in chunks of exactly `chunk_size` bytes, except for the last chunk. Larger pieces are cut without
/// copying.
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
pub(crate) fn rechunked(pieces: ByteStream<'static>, chunk_size: usize) -> ByteStream<'static> {
    let state = (pieces, VecDeque::<Bytes>::new(), 0, false);
    let chunks =
        stream::try_unfold(state, move |(mut pieces, mut held, mut size, mut ended)| async move {
            while size < chunk_size && !ended {
                match pieces.try_next().await? {
                    Some(piece) => {
                        size += piece.len();
                        held.push_back(piece);
                    }
                    None => ended = true,
                }
            }
            let chunk = take_front(&mut held, chunk_size.min(size));
            size -= chunk.len();
            Ok((!chunk.is_empty()).then_some((chunk, (pieces, held, size, ended))))
        });
    chunks.boxed()
}

/// Takes the first `size` bytes, which must exist. Copies only if they are in several pieces.
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
fn take_front(held: &mut VecDeque<Bytes>, size: usize) -> Bytes {
    let mut taken = BytesMut::new();
    while let Some(mut piece) = held.pop_front() {
        let part = piece.split_to(piece.len().min(size - taken.len()));
        if !piece.is_empty() {
            held.push_front(piece);
        }
        if taken.is_empty() && part.len() == size {
            return part;
        }
        taken.extend_from_slice(&part);
        if taken.len() == size {
            break;
        }
    }
    taken.freeze()
}

/// Collects a stream. A single chunk is returned without copying.
pub(crate) async fn collect(mut stream: ByteStream<'_>) -> Result<Bytes> {
    let Some(first) = stream.try_next().await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = stream.try_next().await? else {
        return Ok(first);
    };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while let Some(chunk) = stream.try_next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// Returns the checksum of content, if `algorithm` is given, and its first [`SAMPLE_BYTES`](Encoding::SAMPLE_BYTES).
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
pub(crate) async fn checksum_and_sample(
    mut content: ByteStream<'_>,
    algorithm: Option<ChecksumAlgorithm>,
) -> Result<(Option<Checksum>, Vec<u8>)> {
    let (mut hasher, mut sample) = (algorithm.map(Hasher::new), Vec::new());
    while let Some(piece) = content.try_next().await? {
        let left = Encoding::SAMPLE_BYTES - sample.len();
        sample.extend_from_slice(&piece[..left.min(piece.len())]);
        match &mut hasher {
            Some(hasher) => hasher.update(&piece),
            None if sample.len() == Encoding::SAMPLE_BYTES => break,
            None => {}
        }
    }
    Ok((hasher.map(Hasher::finish), sample))
}

/// Decodes UTF-8 and never splits a character; see [`AsyncFileBackendExt::stream_read_text`].
///
/// [`AsyncFileBackendExt::stream_read_text`]: crate::AsyncFileBackendExt::stream_read_text
pub(crate) fn decode(bytes: ByteStream<'_>) -> TextStream<'_> {
    let decoder = Decoder { bytes: Some(bytes), partial: Vec::new(), offset: 0 };
    stream::try_unfold(decoder, |mut decoder| async move {
        Ok(decoder.next().await?.map(|text| (text, decoder)))
    })
    .boxed()
}

struct Decoder<'a> {
    /// `None` after the end of the stream.
    bytes: Option<ByteStream<'a>>,
    /// The first bytes of an incomplete character; at most three.
    partial: Vec<u8>,
    /// The offset of `partial` in the file.
    offset: u64,
}

impl Decoder<'_> {
    async fn next(&mut self) -> Result<Option<String>> {
        while let Some(stream) = &mut self.bytes {
            let Some(chunk) = stream.try_next().await? else {
                self.bytes = None;
                break;
            };
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(&chunk);
            let text = self.take_characters(bytes)?;
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        if self.partial.is_empty() { Ok(None) } else { Err(invalid_utf8(self.offset)) }
    }

    fn take_characters(&mut self, mut bytes: Vec<u8>) -> Result<String> {
        if let Err(error) = std::str::from_utf8(&bytes) {
            let valid = error.valid_up_to();
            if error.error_len().is_some() {
                return Err(invalid_utf8(self.offset + valid as u64));
            }
            self.partial = bytes.split_off(valid);
        }
        self.offset += bytes.len() as u64;
        String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Internal))
    }
}

/// Converts the whole content of a file into text.
pub(crate) fn into_text(bytes: Bytes) -> Result<String> {
    String::from_utf8(bytes.into())
        .map_err(|error| invalid_utf8(error.utf8_error().valid_up_to() as u64))
}

fn invalid_utf8(offset: u64) -> Error {
    Error::new(ErrorKind::InvalidData).with_message(format!("not UTF-8 at byte {offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(chunks: &[&'static [u8]]) -> Result<Vec<String>> {
        let chunks: Vec<Result<Bytes>> = chunks.iter().map(|c| Ok(Bytes::from_static(c))).collect();
        decode(stream::iter(chunks).boxed()).try_collect().await
    }

    #[tokio::test]
    async fn a_chunk_may_be_a_result_with_any_error() {
        #[derive(Debug, thiserror::Error)]
        #[error("the peer is gone")]
        struct Gone;
        async fn failed<E: Into<Box<dyn StdError + Send + Sync>> + Send>(error: E) -> Error {
            let chunks = stream::iter([Err::<Bytes, E>(error)].into_iter().collect::<Vec<_>>());
            from_chunks(chunks).try_next().await.unwrap_err()
        }
        let other = failed(Gone).await;
        assert_eq!(other.kind(), ErrorKind::Io);
        assert_eq!(StdError::source(&other).unwrap().to_string(), "the peer is gone");
        let system = failed(io::Error::from(io::ErrorKind::TimedOut)).await;
        assert_eq!(system.kind(), ErrorKind::Timeout);
        let own = failed(Error::new(ErrorKind::TooLarge)).await;
        assert_eq!(own.kind(), ErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn a_character_is_never_split() {
        let euro = "a€b".as_bytes();
        for cut in 0..=euro.len() {
            let (left, right) = euro.split_at(cut);
            let parts = text(&[left, right]).await.unwrap();
            assert_eq!(parts.concat(), "a€b");
            assert!(parts.iter().all(|part| !part.is_empty()));
        }
        let singles: Vec<&[u8]> = euro.chunks(1).collect();
        assert_eq!(text(&singles).await.unwrap(), ["a", "€", "b"]);
    }

    #[tokio::test]
    async fn invalid_text_is_reported_with_its_offset() {
        for (chunks, offset) in [
            (&[b"ab\xff".as_slice()][..], 2),
            (&[b"ab", b"c\xffd"], 3),
            (&[b"ab\xe2\x82"], 2),
            (&[b"ab\xe2", b"\x82"], 2),
            (&[b"ab\xe2", b"xy"], 2),
        ] {
            let error = text(chunks).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().ends_with(&format!("at byte {offset}")), "{error}");
        }
    }

    #[tokio::test]
    async fn any_chunk_size_of_a_reader_except_zero_is_accepted() {
        let chunks = |size| from_reader(&b"abc"[..], size).map_ok(|chunk| chunk.len());
        assert_eq!(chunks(2).try_collect::<Vec<_>>().await.unwrap(), [2, 1]);
        assert_eq!(chunks(usize::MAX).try_collect::<Vec<_>>().await.unwrap(), [3]);
        let refused = chunks(0).collect::<Vec<_>>().await;
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].as_ref().unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[cfg(feature = "openai")]
    #[tokio::test]
    async fn pieces_of_any_size_become_chunks_of_one_size() {
        let content: Bytes = (0..100_u8).collect();
        for sizes in [&[100][..], &[1; 100], &[0, 3, 0, 0, 50, 7, 40], &[99, 1], &[0]] {
            let mut rest = content.slice(..sizes.iter().sum::<usize>());
            let whole = rest.clone();
            let pieces: Vec<_> = sizes.iter().map(|&size| Ok(rest.split_to(size))).collect();
            for chunk_size in [1, 2, 7, 50, 99, 100, 101, usize::MAX] {
                let pieces = stream::iter(pieces.clone()).boxed();
                let chunks: Vec<Bytes> = rechunked(pieces, chunk_size).try_collect().await.unwrap();
                assert_eq!(chunks.concat(), whole);
                let expected: Vec<usize> = whole.chunks(chunk_size).map(<[u8]>::len).collect();
                assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[tokio::test]
    async fn all_chunks_but_the_last_are_full_and_none_is_empty() {
        for (size, expected) in [(0, vec![]), (3, vec![3]), (4, vec![4]), (9, vec![4, 4, 1])] {
            let stream = chunked(Bytes::from(vec![7; size]), 4);
            let sizes: Vec<usize> = stream.map_ok(|c| c.len()).try_collect().await.unwrap();
            assert_eq!(sizes, expected);
        }
    }
}
