//! Content to be uploaded, in memory or in an anonymous file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use super::encoding::TextCheck;
use super::frame::Encoder;
use super::{BodyEncoding, EMPTY_BODY};
use crate::backends::openai::OpenAIEncoding;
use crate::core::checksum::{ChecksumAlgorithm, Hasher};
use crate::core::error::{ErrorKind, Result};
use crate::sys::pool::{self, INLINE_LIMIT};

/// The size of the pieces that are sent. Framed, they are two thirds longer.
const PIECE_SIZE: usize = 128 * 1024;

/// Content that was taken in completely. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// In bytes.
    pub(crate) size: u64,
    /// The checksum in lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// Whether it is UTF-8 without NUL.
    pub(crate) is_text: bool,
    pub(super) storage: Storage,
}

#[derive(Clone, Debug)]
pub(super) enum Storage {
    Memory(Arc<[Bytes]>),
    File(Arc<AnonymousFile>),
}

/// The body of an upload.
pub(crate) struct Body {
    /// In bytes; never 0.
    pub(crate) length: u64,
    /// Exactly that many bytes, or an error as the last item.
    pub(crate) stream: BoxStream<'static, io::Result<Bytes>>,
}

impl Content {
    /// Takes in content that is in memory.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](ErrorKind::Cancelled) if the runtime shuts down.
    pub(crate) async fn from_bytes(bytes: Bytes) -> Result<Self> {
        let size = bytes.len() as u64;
        inline_or_pool(size, move || {
            let (mut measure, pieces) = (Measure::default(), [bytes]);
            measure.update(&pieces);
            measure.finish(size, Storage::Memory(pieces.into()))
        })
        .await
    }

    /// Returns the encoding to write it with if `encoding` is configured.
    ///
    /// # Errors
    ///
    /// Those of [`BodyEncoding::choose`].
    pub(crate) fn encoding(&self, encoding: OpenAIEncoding) -> Result<BodyEncoding> {
        BodyEncoding::choose(encoding, self.is_text)
    }

    /// Returns the body of an upload, from its start.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if the service does not accept the body, and [`Unsupported`](ErrorKind::Unsupported) for
    /// base64, which is read only.
    pub(crate) fn body(&self, encoding: BodyEncoding) -> Result<Body> {
        encoding.check_size(self.size)?;
        let stream = match encoding {
            _ if self.size == 0 => single_piece(Bytes::from_static(EMPTY_BODY)),
            BodyEncoding::Raw => self.pieces(),
            BodyEncoding::Framed => framed(self.pieces()),
            BodyEncoding::Base64 => return Err(ErrorKind::Unsupported.into()),
        };
        Ok(Body { length: encoding.body_len(self.size), stream })
    }

    /// Returns the content in pieces of at most 128 KiB.
    pub(crate) fn pieces(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match &self.storage {
            Storage::Memory(pieces) => {
                let (pieces, mut next) = (Arc::clone(pieces), 0);
                let piece = move || {
                    let piece = pieces.get(next).cloned();
                    next += 1;
                    piece
                };
                stream::iter(std::iter::from_fn(piece).flat_map(split).map(Ok)).boxed()
            }
            Storage::File(file) => {
                let (file, size) = (Arc::clone(file), self.size);
                stream::try_unfold(0, move |offset| read(Arc::clone(&file), offset, size)).boxed()
            }
        }
    }
}

/// Splits a piece into pieces of the size that is sent.
fn split(mut piece: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let next = piece.split_to(piece.len().min(PIECE_SIZE));
        (!next.is_empty()).then_some(next)
    })
}

/// Returns the piece at `offset`, and where the next starts.
async fn read(
    file: Arc<AnonymousFile>,
    offset: u64,
    size: u64,
) -> io::Result<Option<(Bytes, u64)>> {
    let end = size.min(offset + PIECE_SIZE as u64);
    let Ok(length @ 1..) = usize::try_from(end - offset) else { return Ok(None) };
    let read = pool::run(move || {
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

fn single_piece(bytes: Bytes) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(bytes)]).boxed()
}

/// The checksum and the text check of the content so far.
#[derive(Debug)]
pub(super) struct Measure {
    hasher: Hasher,
    text: TextCheck,
}

impl Default for Measure {
    fn default() -> Self {
        Self { hasher: Hasher::new(ChecksumAlgorithm::Sha256), text: TextCheck::default() }
    }
}

impl Measure {
    pub(super) fn update(&mut self, pieces: &[Bytes]) {
        for piece in pieces {
            self.hasher.update(piece);
            self.text.push(piece);
        }
    }

    /// Whether the content so far is not text.
    pub(super) fn is_binary(&self) -> bool {
        self.text.has_failed()
    }

    pub(super) fn finish(self, size: u64, storage: Storage) -> Content {
        let is_text = self.text.is_text();
        Content { size, sha256: self.hasher.finish().into_hex(), is_text, storage }
    }
}

/// A file without a name. The pool frees its blocks, which may take long.
#[derive(Debug)]
pub(super) struct AnonymousFile(Option<File>);

impl AnonymousFile {
    pub(super) fn create() -> io::Result<Self> {
        tempfile::tempfile().map(|file| Self(Some(file)))
    }

    pub(super) fn file(&self) -> io::Result<&File> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for AnonymousFile {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            pool::discard(file);
        }
    }
}

/// Runs `work` on `size` bytes inline if they are few, else in the pool.
pub(super) async fn inline_or_pool<T: Send + 'static>(
    size: u64,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    if size <= INLINE_LIMIT as u64 { Ok(work()) } else { pool::run(|| Ok(work())).await }
}
