//! Content on its way to the service: taken in once, measured, and given out as often as it takes.
//!
//! A call that failed is repeated from the beginning, and a file of lines with checksums cannot be told from one of text before all of it
//! is there. So content is kept until it has arrived: a little in memory, more in a file that has no name and goes with its last handle.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::encoding::TextCheck;
use super::frame::Encoder;
use super::{BodyEncoding, EMPTY_BODY};
use crate::offload::{self, MOST_ON_THE_SPOT};
use crate::stream::ByteStream;
use crate::{ChecksumAlgorithm, Error, ErrorKind, Hasher, OpenAIEncoding, Result};

/// How much is kept in memory, and is taken to the file at a time.
const MOST_IN_MEMORY: usize = 1024 * 1024;

/// Pieces below this are gathered: each for itself would take more for its bookkeeping than for its bytes.
const SMALL: usize = 4096;

/// How much is given out at a time. Framed, it is two thirds more.
const PIECE: usize = 128 * 1024;

/// Takes content in, piece by piece.
#[derive(Debug)]
pub(crate) struct Spool {
    encoding: OpenAIEncoding,
    /// What has not been measured yet, and stands in no file.
    pieces: Vec<Bytes>,
    /// Small pieces, which come after the others.
    gathered: BytesMut,
    /// How many bytes those are together.
    pending: usize,
    size: u64,
    /// `None` only while it is away to be written.
    written: Option<Written>,
}

/// What has been measured, and how far it went to a file.
#[derive(Debug, Default)]
struct Written {
    measure: Measure,
    file: Option<Unnamed>,
}

/// What is found out of content on its way.
#[derive(Debug)]
struct Measure {
    hasher: Hasher,
    text: TextCheck,
}

impl Default for Measure {
    fn default() -> Self {
        Self { hasher: Hasher::new(ChecksumAlgorithm::Sha256), text: TextCheck::default() }
    }
}

impl Measure {
    fn update(&mut self, pieces: &[Bytes]) {
        for piece in pieces {
            self.hasher.update(piece);
            self.text.push(piece);
        }
    }

    fn finish(self, size: u64, kept: Kept) -> Content {
        let is_text = self.text.is_text();
        Content { size, sha256: self.hasher.finish().into_hex(), is_text, kept }
    }
}

/// A file without a name. Its blocks are freed where that may take its time.
#[derive(Debug)]
struct Unnamed(Option<File>);

impl Unnamed {
    fn create() -> io::Result<Self> {
        tempfile::tempfile().map(|file| Self(Some(file)))
    }

    fn file(&self) -> io::Result<&File> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            offload::discard(file);
        }
    }
}

impl Spool {
    /// A spool for content that is to be written in this way: it tells as soon as it is known that it cannot be.
    pub(crate) fn new(encoding: OpenAIEncoding) -> Self {
        Self {
            encoding,
            pieces: Vec::new(),
            gathered: BytesMut::new(),
            pending: 0,
            size: 0,
            written: Some(Written::default()),
        }
    }

    /// Takes content in whole.
    ///
    /// # Errors
    ///
    /// Those of the content, and of [`push`](Self::push).
    pub(crate) async fn of(mut content: ByteStream<'_>, encoding: OpenAIEncoding) -> Result<Self> {
        let mut spool = Self::new(encoding);
        while let Some(piece) = content.try_next().await? {
            spool.push(piece).await?;
        }
        Ok(spool)
    }

    /// Takes the next piece. It is not copied, unless it is small; and a megabyte is written at a time.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) once the body would be longer than the service accepts, [`InvalidData`](ErrorKind::InvalidData)
    /// once the content is found not to be the text that it must be, and those of writing. The spool is of no use after that.
    ///
    /// # Cancel safety
    ///
    /// After the future was dropped the spool is of no use, and tells so.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<()> {
        self.size += piece.len() as u64;
        self.check()?;
        self.pending += piece.len();
        if piece.len() < SMALL {
            self.gathered.extend_from_slice(&piece);
        } else {
            if !self.gathered.is_empty() {
                self.pieces.push(self.gathered.split().freeze());
            }
            self.pieces.push(piece);
        }
        if self.pending > MOST_IN_MEMORY {
            self.write().await?;
            self.check()?;
        }
        Ok(())
    }

    /// Ends the content.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push).
    pub(crate) async fn finish(mut self) -> Result<Content> {
        if self.written.as_ref().is_some_and(|written| written.file.is_some()) {
            self.write().await?;
        }
        let pieces = self.take_pending();
        let Written { mut measure, file } = self.written.take().ok_or_else(interrupted)?;
        let content = match file {
            Some(file) => measure.finish(self.size, Kept::File(Arc::new(file))),
            None => {
                let size = self.size;
                measured(size, move || {
                    measure.update(&pieces);
                    measure.finish(size, Kept::Memory(pieces.into()))
                })
                .await?
            }
        };
        content.encoding(self.encoding)?.check_size(content.size)?;
        Ok(content)
    }

    /// Checks that the content can still be written, as far as it is known.
    fn check(&self) -> Result<()> {
        let written = self.written.as_ref().ok_or_else(interrupted)?;
        let may_be_text = !written.measure.text.has_failed();
        BodyEncoding::choose(self.encoding, may_be_text)?.check_size(self.size)
    }

    fn take_pending(&mut self) -> Vec<Bytes> {
        let mut pieces = std::mem::take(&mut self.pieces);
        if !self.gathered.is_empty() {
            pieces.push(self.gathered.split().freeze());
        }
        self.pending = 0;
        pieces
    }

    /// Measures what has come and takes it to the file, with one trip to the pool.
    async fn write(&mut self) -> Result<()> {
        let pieces = self.take_pending();
        let Written { mut measure, file } = self.written.take().ok_or_else(interrupted)?;
        let written = offload::run(move || {
            let file = file.map_or_else(Unnamed::create, Ok)?;
            for piece in &pieces {
                file.file()?.write_all(piece)?;
            }
            measure.update(&pieces);
            Ok(Written { measure, file: Some(file) })
        });
        self.written = Some(written.await?);
        Ok(())
    }
}

/// Does `work` on so many bytes where it holds nobody up.
async fn measured<T: Send + 'static>(
    size: u64,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    if size <= MOST_ON_THE_SPOT as u64 { Ok(work()) } else { offload::run(|| Ok(work())).await }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled).with_message("the content was not taken in to its end")
}

/// Content that has come in whole. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// In bytes.
    pub(crate) size: u64,
    /// The checksum in lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// Whether it is UTF-8 without NUL.
    pub(crate) is_text: bool,
    kept: Kept,
}

#[derive(Clone, Debug)]
enum Kept {
    Memory(Arc<[Bytes]>),
    File(Arc<Unnamed>),
}

/// What is sent for a content.
pub(crate) struct Body {
    /// In bytes; never 0.
    pub(crate) length: u64,
    /// So many bytes, or an error as the last item.
    pub(crate) stream: BoxStream<'static, io::Result<Bytes>>,
}

impl Content {
    /// Takes content that is at hand.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](ErrorKind::Cancelled) if the runtime shuts down.
    pub(crate) async fn from_bytes(bytes: Bytes) -> Result<Self> {
        let size = bytes.len() as u64;
        measured(size, move || {
            let (mut measure, pieces) = (Measure::default(), [bytes]);
            measure.update(&pieces);
            measure.finish(size, Kept::Memory(pieces.into()))
        })
        .await
    }

    /// How it is written where `encoding` is asked for.
    ///
    /// # Errors
    ///
    /// Those of [`BodyEncoding::choose`].
    pub(crate) fn encoding(&self, encoding: OpenAIEncoding) -> Result<BodyEncoding> {
        BodyEncoding::choose(encoding, self.is_text)
    }

    /// The body of an upload, from its beginning, each time it is called.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) for a body that the service does not accept, and [`Unsupported`](ErrorKind::Unsupported) for
    /// base64, which is only read.
    pub(crate) fn body(&self, encoding: BodyEncoding) -> Result<Body> {
        encoding.check_size(self.size)?;
        let stream = match encoding {
            _ if self.size == 0 => once(Bytes::from_static(EMPTY_BODY)),
            BodyEncoding::Raw => self.pieces(),
            BodyEncoding::Framed => framed(self.pieces()),
            BodyEncoding::Base64 => return Err(ErrorKind::Unsupported.into()),
        };
        Ok(Body { length: encoding.body_len(self.size), stream })
    }

    /// The content in pieces of at most 128 KiB.
    fn pieces(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match &self.kept {
            Kept::Memory(pieces) => {
                let (pieces, mut next) = (Arc::clone(pieces), 0);
                let piece = move || {
                    let piece = pieces.get(next).cloned();
                    next += 1;
                    piece
                };
                stream::iter(std::iter::from_fn(piece).flat_map(cut).map(Ok)).boxed()
            }
            Kept::File(file) => {
                let (file, size) = (Arc::clone(file), self.size);
                stream::try_unfold(0, move |offset| read(Arc::clone(&file), offset, size)).boxed()
            }
        }
    }
}

/// Cuts a piece into those that are given out.
fn cut(mut piece: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let next = piece.split_to(piece.len().min(PIECE));
        (!next.is_empty()).then_some(next)
    })
}

/// The piece at `offset`, and where the next begins.
async fn read(file: Arc<Unnamed>, offset: u64, size: u64) -> io::Result<Option<(Bytes, u64)>> {
    let end = size.min(offset + PIECE as u64);
    let Ok(length @ 1..) = usize::try_from(end - offset) else { return Ok(None) };
    let read = offload::run(move || {
        let mut piece = vec![0; length];
        file.file()?.read_exact_at(&mut piece, offset)?;
        Ok(Bytes::from(piece))
    });
    Ok(Some((read.await?, end)))
}

fn framed(pieces: BoxStream<'static, io::Result<Bytes>>) -> BoxStream<'static, io::Result<Bytes>> {
    let lines = stream::try_unfold(Some((pieces, Encoder::default())), |encoding| async move {
        let Some((mut pieces, mut encoder)) = encoding else { return Ok(None) };
        Ok(Some(match pieces.try_next().await? {
            Some(piece) => (encoder.push(&piece), Some((pieces, encoder))),
            None => (encoder.finish(), None),
        }))
    });
    lines.try_filter(|lines| futures::future::ready(!lines.is_empty())).boxed()
}

fn once(bytes: Bytes) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(bytes)]).boxed()
}

#[cfg(test)]
mod tests;
