//! Turns streams into iterators and readers, and readers into iterators of chunks.

use std::io::{self, BufRead, Read};
use std::iter::FusedIterator;
use std::mem;

use bytes::{Buf as _, Bytes, BytesMut};

use super::Bridge;
use super::held::Held;
use crate::core::change::{Change, ChangeStream};
use crate::core::error::{Error, Result};
use crate::core::file_version::{FileVersion, VersionStream};
use crate::core::info::FileInfo;
use crate::core::path::FilePath;
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::core::stream::{ByteStream, InfoStream, PathStream, TextStream};

/// The content of a file, as an iterator of chunks and as a reader. Both may be mixed. Nothing follows an error.
///
/// If [`Read`] is in scope, `take`, `chain` and `by_ref` are ambiguous; write `Iterator::take(reader, 3)` or `Read::take(reader, 3)`.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead as _, Read as _};
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::MemoryFileBackend::new()?;
/// files.create("a.txt", "one\ntwo\nthree")?;
/// let mut reader = files.stream_read("a.txt")?;
/// let (mut line, mut bytes) = (String::new(), [0; 3]);
/// reader.read_line(&mut line)?;
/// reader.read_exact(&mut bytes)?;
/// assert_eq!((line.as_str(), &bytes), ("one\n", b"two"));
/// assert_eq!(reader.next().transpose()?, Some("\nthree".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ByteReader {
    chunks: Held<ByteStream<'static>>,
    /// The unread part of the last chunk.
    rest: Bytes,
}

impl ByteReader {
    pub(super) fn new(chunks: ByteStream<'static>, bridge: Bridge) -> Self {
        Self { chunks: Held::new(chunks, bridge), rest: Bytes::new() }
    }
}

impl Iterator for ByteReader {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            self.chunks.next_or_last()
        } else {
            Some(Ok(mem::take(&mut self.rest)))
        }
    }
}

impl FusedIterator for ByteReader {}

impl BufRead for ByteReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest.is_empty() {
            match self.next() {
                Some(chunk) => self.rest = chunk.map_err(into_io)?,
                None => break,
            }
        }
        Ok(&self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest.advance(amount.min(self.rest.len()));
    }
}

impl Read for ByteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

/// Reads from the buffer of `source`, which is filled only if there is something to read.
pub(super) fn read_buffered(source: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let read = source.fill_buf()?.read(buffer)?;
    source.consume(read);
    Ok(read)
}

/// Hides [`Interrupted`](io::ErrorKind::Interrupted), because the standard library continues to read after it. Nothing follows here, so
/// it would take the content so far for the whole file.
fn into_io(error: Error) -> io::Error {
    let error = io::Error::from(error);
    match error.kind() {
        io::ErrorKind::Interrupted => io::Error::other(Error::from(error)),
        _ => error,
    }
}

/// The entries of a directory, in byte order of their paths. An entry that cannot be represented is one error, and the others follow.
#[derive(Debug)]
pub struct Entries(Held<InfoStream<'static>>);

impl Entries {
    pub(super) fn new(entries: InfoStream<'static>, bridge: Bridge) -> Self {
        Self(Held::new(entries, bridge))
    }
}

impl Iterator for Entries {
    type Item = Result<FileInfo>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl FusedIterator for Entries {}

/// Defines an iterator of the items of a stream. Nothing follows an error.
macro_rules! iterator {
    ($(#[$doc:meta])* $iterator:ident($stream:ident) of $item:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $iterator(Held<$stream<'static>>);

        impl $iterator {
            pub(super) fn new(items: $stream<'static>, bridge: Bridge) -> Self {
                Self(Held::new(items, bridge))
            }
        }

        impl Iterator for $iterator {
            type Item = Result<$item>;

            fn next(&mut self) -> Option<Self::Item> {
                self.0.next_or_last()
            }
        }

        impl FusedIterator for $iterator {}
    };
}

iterator!(
    /// Paths in the order of a listing. Nothing follows an error.
    Paths(PathStream) of FilePath
);
iterator!(
    /// The versions of a file, the newest first. Nothing follows an error.
    Versions(VersionStream) of FileVersion
);
iterator!(
    /// The changes of a store. Waits for the next one. Nothing follows an error.
    Changes(ChangeStream) of Change
);
iterator!(
    /// The text of a file, in chunks that never end within a character. Nothing follows an error.
    TextChunks(TextStream) of String
);
/// The content of a reader, in chunks that are full except the last one.
pub(super) struct Chunks<R> {
    /// `None` after its end or an error.
    reader: Option<R>,
}

impl<R: Read> Chunks<R> {
    pub(super) fn of(reader: R) -> Self {
        let reader = Some(reader);
        Self { reader }
    }
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = BytesMut::zeroed(DEFAULT_CHUNK_SIZE);
        match fill(self.reader.as_mut()?, &mut chunk) {
            Ok(filled) => {
                if filled < chunk.len() {
                    self.reader = None;
                    chunk.truncate(filled);
                }
                (filled > 0).then(|| Ok(chunk.freeze()))
            }
            Err(error) => {
                self.reader = None;
                Some(Err(error))
            }
        }
    }
}

/// Reads until `buffer` is full or the reader ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct SlowReader(usize);

    impl Read for SlowReader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = buffer.len().min(self.0).min(1000);
            self.0 -= read;
            Ok(read)
        }
    }

    #[test]
    fn chunks_of_a_reader_are_full_except_the_last() {
        let sizes = |size| {
            let chunks = Chunks::of(SlowReader(size));
            chunks.map(|c| c.unwrap().len()).collect::<Vec<_>>()
        };
        const FULL: usize = DEFAULT_CHUNK_SIZE;
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(5), [5]);
        assert_eq!(sizes(2 * FULL), [FULL, FULL]);
        assert_eq!(sizes(FULL + 1), [FULL, 1]);
    }

    #[test]
    fn a_reader_that_returns_a_wrong_length_does_no_harm() {
        struct WrongLength;
        impl Read for WrongLength {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(if buffer.len() == DEFAULT_CHUNK_SIZE { 1 } else { usize::MAX })
            }
        }
        let chunk = Chunks::of(WrongLength).next().unwrap().unwrap();
        assert_eq!(chunk.len(), DEFAULT_CHUNK_SIZE);
    }

    #[test]
    fn a_reader_is_not_read_after_its_error() {
        struct Failing(bool);
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0, "read after an error");
                self.0 = true;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut chunks = Chunks::of(Failing(false));
        assert!(chunks.next().unwrap().is_err());
        assert!(chunks.next().is_none());
    }
}
