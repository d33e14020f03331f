//! The streams of the contract as iterators and readers, and readers as iterators of chunks.

use std::io::{self, BufRead, Read};
use std::iter::FusedIterator;
use std::mem;

use bytes::{Buf as _, Bytes, BytesMut};

use super::Bridge;
use super::held::Held;
use crate::stream::{ByteStream, InfoStream, TextStream};
use crate::{DEFAULT_CHUNK_SIZE, Error, FileInfo, Result};

/// The content of a file, as an iterator of chunks and as a reader, which may be mixed. Nothing follows an error.
///
/// Where [`Read`] is in scope, `take`, `chain` and `by_ref` must say which they mean: `Iterator::take(reader, 3)`,
/// `Read::take(reader, 3)`.
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
    /// What the reader has not been asked for yet of the chunk that came last.
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
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// The standard library's loops read on after [`Interrupted`](io::ErrorKind::Interrupted). Here nothing follows, so they would
/// take what came so far for the whole file.
fn into_io(error: Error) -> io::Error {
    let error = io::Error::from(error);
    match error.kind() {
        io::ErrorKind::Interrupted => io::Error::other(Error::from(error)),
        _ => error,
    }
}

/// The entries of a directory in byte order of their paths. More may follow an error: one entry that cannot be represented does
/// not hide the others.
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

/// The text of a file, piece by piece, never splitting a character. Nothing follows an error.
#[derive(Debug)]
pub struct TextChunks(Held<TextStream<'static>>);

impl TextChunks {
    pub(super) fn new(text: TextStream<'static>, bridge: Bridge) -> Self {
        Self(Held::new(text, bridge))
    }
}

impl Iterator for TextChunks {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_or_last()
    }
}

impl FusedIterator for TextChunks {}

/// What a reader gives, in chunks that are full but for the last.
pub(super) struct Chunks<R> {
    /// `None` once its end or an error has been seen.
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

/// Reads until `buffer` is full or the reader at its end.
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

    struct Dribble(usize);

    impl Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = buffer.len().min(self.0).min(1000);
            self.0 -= read;
            Ok(read)
        }
    }

    #[test]
    fn chunks_of_a_reader_are_full_but_for_the_last() {
        let sizes = |size| {
            let chunks = Chunks::of(Dribble(size));
            chunks.map(|c| c.unwrap().len()).collect::<Vec<_>>()
        };
        const FULL: usize = DEFAULT_CHUNK_SIZE;
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(5), [5]);
        assert_eq!(sizes(2 * FULL), [FULL, FULL]);
        assert_eq!(sizes(FULL + 1), [FULL, 1]);
    }

    #[test]
    fn a_reader_that_lies_about_what_it_read_does_no_harm() {
        struct Liar;
        impl Read for Liar {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(if buffer.len() == DEFAULT_CHUNK_SIZE { 1 } else { usize::MAX })
            }
        }
        let chunk = Chunks::of(Liar).next().unwrap().unwrap();
        assert_eq!(chunk.len(), DEFAULT_CHUNK_SIZE);
    }

    #[test]
    fn a_reader_is_left_alone_after_its_error() {
        struct Failing(bool);
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0, "asked again");
                self.0 = true;
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut chunks = Chunks::of(Failing(false));
        assert!(chunks.next().unwrap().is_err());
        assert!(chunks.next().is_none());
    }
}
