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
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::core::error::Result;
use crate::sys::pool::{self, INLINE_LIMIT};

/// The size of the pieces that are sent. Framed, they are two thirds longer.
const PIECE_SIZE: usize = 128 * 1024;

/// Content that was taken in completely. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Checksum,
    /// The checksum of the other algorithm that was asked for.
    pub(crate) other_checksum: Option<Checksum>,
    /// Whether it is UTF-8 without NUL.
    pub(crate) is_text: bool,
    pub(super) storage: Storage,
}

#[derive(Clone, Debug)]
pub(super) enum Storage {
    Memory(Arc<[Bytes]>),
    File(Arc<AnonymousFile>),
}

impl Content {
    /// Takes in content that is in memory. `measure` has measured nothing yet.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](crate::ErrorKind::Cancelled) if the runtime shuts down.
    pub(crate) async fn in_memory(pieces: Vec<Bytes>, mut measure: Measure) -> Result<Self> {
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        let take_in = move || {
            measure.update(&pieces);
            measure.finish(size, Storage::Memory(pieces.into()))
        };
        if size <= INLINE_LIMIT as u64 { Ok(take_in()) } else { pool::run(|| Ok(take_in())).await }
    }

    /// Returns the encoding to write it with if `encoding` is configured.
    ///
    /// # Errors
    ///
    /// Those of [`BodyEncoding::choose`].
    pub(crate) fn encoding(&self, encoding: OpenAIEncoding) -> Result<BodyEncoding> {
        BodyEncoding::choose(encoding, self.is_text)
    }

    /// Returns the length of the body of an upload in bytes, which is never 0, and a stream of exactly that many bytes, from its
    /// start. An error ends the stream: one of reading, or [`Unsupported`](io::ErrorKind::Unsupported) for base64, which is read only.
    pub(crate) fn body(
        &self,
        encoding: BodyEncoding,
    ) -> (u64, BoxStream<'static, io::Result<Bytes>>) {
        let stream = match encoding {
            _ if self.size == 0 => stream::iter([Ok(Bytes::from_static(EMPTY_BODY))]).boxed(),
            BodyEncoding::Raw => self.pieces(),
            BodyEncoding::Framed => framed(self.pieces()),
            BodyEncoding::Base64 => stream::iter([Err(io::ErrorKind::Unsupported.into())]).boxed(),
        };
        (encoding.body_len(self.size), stream)
    }

    /// Returns the content in pieces of at most 128 KiB.
    pub(crate) fn pieces(&self) -> BoxStream<'static, io::Result<Bytes>> {
        match &self.storage {
            Storage::Memory(pieces) => {
                let pieces = pieces.to_vec();
                let pieces = pieces.into_iter().flat_map(|piece| {
                    let starts = (0..piece.len()).step_by(PIECE_SIZE);
                    starts.map(move |at| piece.slice(at..piece.len().min(at + PIECE_SIZE)))
                });
                stream::iter(pieces.map(Ok)).boxed()
            }
            Storage::File(file) => {
                let (file, size) = (Arc::clone(file), self.size);
                let pieces = stream::iter((0..size).step_by(PIECE_SIZE)).then(move |start| {
                    let left = usize::try_from(size - start).unwrap_or(usize::MAX);
                    let file = Arc::clone(&file);
                    pool::run(move || {
                        let mut piece = vec![0; left.min(PIECE_SIZE)];
                        file.file()?.read_exact_at(&mut piece, start)?;
                        Ok(Bytes::from(piece))
                    })
                });
                pieces.map_err(io::Error::from).boxed()
            }
        }
    }
}

fn framed(pieces: BoxStream<'static, io::Result<Bytes>>) -> BoxStream<'static, io::Result<Bytes>> {
    let mut encoder = Encoder::default();
    let pieces = pieces.map_ok(Some).chain(stream::iter([Ok(None)]));
    let lines = pieces.map_ok(move |piece| match piece {
        Some(piece) => encoder.push(&piece),
        None => encoder.finish(),
    });
    lines.try_filter(|lines| futures::future::ready(!lines.is_empty())).boxed()
}

/// The checksums and the text check of the content so far.
#[derive(Debug)]
pub(crate) struct Measure {
    hasher: Hasher,
    other_hasher: Option<Hasher>,
    pub(super) text: TextCheck,
}

impl Measure {
    /// Starts to measure. SHA-256 is computed in any case.
    pub(crate) fn new(algorithm: Option<ChecksumAlgorithm>) -> Self {
        let hasher = Hasher::new(ChecksumAlgorithm::Sha256);
        let other = algorithm.filter(|algorithm| *algorithm != ChecksumAlgorithm::Sha256);
        Self { hasher, other_hasher: other.map(Hasher::new), text: TextCheck::default() }
    }

    pub(super) fn update(&mut self, pieces: &[Bytes]) {
        for piece in pieces {
            self.hasher.update(piece);
            if let Some(hasher) = &mut self.other_hasher {
                hasher.update(piece);
            }
            self.text.push(piece);
        }
    }

    pub(super) fn finish(self, size: u64, storage: Storage) -> Content {
        let is_text = self.text.is_text();
        let (sha256, other_checksum) =
            (self.hasher.finish(), self.other_hasher.map(Hasher::finish));
        Content { size, sha256, other_checksum, is_text, storage }
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
