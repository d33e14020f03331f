//! Buffers content on its way to the service, so that it can be measured once and sent repeatedly.
//!
//! A failed upload restarts from the beginning, and whether content is text is known only at its end. So content is kept until it
//! has been uploaded: a little in memory, more in an anonymous file that is deleted with its last handle.

use std::io::Write as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;

use super::BodyEncoding;
use super::content::{AnonymousFile, Content, Measure, Storage};
use crate::backends::openai::OpenAIEncoding;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::ByteStream;
use crate::sys::pool;

/// How much is kept in memory, and written to the file at a time.
const MAX_IN_MEMORY: usize = 1024 * 1024;

/// Pieces below this size are copied together, because the overhead per piece would exceed its bytes.
const SMALL_PIECE: usize = 4096;

/// Takes in streamed content.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    encoding: OpenAIEncoding,
    /// Pieces that are neither measured nor in the file yet.
    pieces: Vec<Bytes>,
    /// Small pieces, which follow the others.
    small_pieces: BytesMut,
    /// The bytes of both together.
    pending: usize,
    /// In bytes.
    pub(crate) size: u64,
    /// `None` only while a write is in progress.
    flushed: Option<Flushed>,
}

/// The part that was measured, and the file if there is one.
#[derive(Debug)]
struct Flushed {
    measure: Measure,
    file: Option<AnonymousFile>,
}

impl Spool {
    /// Creates a spool for content to be written with `encoding`. It fails as soon as the content cannot be written with it.
    /// `measure` has measured nothing yet.
    pub(crate) fn new(encoding: OpenAIEncoding, measure: Measure) -> Self {
        Self { encoding, flushed: Some(Flushed { measure, file: None }), ..Self::default() }
    }

    /// Takes in a whole stream.
    ///
    /// # Errors
    ///
    /// Those of the stream and of [`push`](Self::push).
    pub(crate) async fn read_all(
        mut content: ByteStream<'_>,
        encoding: OpenAIEncoding,
    ) -> Result<Self> {
        let mut spool = Self::new(encoding, Measure::new(None));
        while let Some(piece) = content.try_next().await? {
            spool.push(piece).await?;
        }
        Ok(spool)
    }

    /// Takes in the next piece. Only small pieces are copied. Writes one mebibyte at a time.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) once the body exceeds the service's limit, [`InvalidData`](ErrorKind::InvalidData) once
    /// the content is not text but has to be, and errors of writing. The spool is unusable afterwards.
    ///
    /// # Cancel safety
    ///
    /// After the future was dropped, the spool is unusable and every call fails.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<()> {
        self.size += piece.len() as u64;
        self.check()?;
        self.pending += piece.len();
        if piece.len() < SMALL_PIECE {
            self.small_pieces.extend_from_slice(&piece);
        } else {
            if !self.small_pieces.is_empty() {
                self.pieces.push(self.small_pieces.split().freeze());
            }
            self.pieces.push(piece);
        }
        if self.pending > MAX_IN_MEMORY {
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
        if self.flushed.as_ref().is_some_and(|flushed| flushed.file.is_some()) {
            self.write().await?;
        }
        let pieces = self.take_pending();
        let Flushed { measure, file } = self.flushed.take().ok_or_else(interrupted)?;
        let content = match file {
            Some(file) => measure.finish(self.size, Storage::File(Arc::new(file))),
            None => Content::in_memory(pieces, measure).await?,
        };
        content.encoding(self.encoding)?.check_size(content.size)?;
        Ok(content)
    }

    /// Checks that the content can still be written, as far as it is known.
    fn check(&self) -> Result<()> {
        let flushed = self.flushed.as_ref().ok_or_else(interrupted)?;
        let may_be_text = !flushed.measure.text.has_failed();
        BodyEncoding::choose(self.encoding, may_be_text)?.check_size(self.size)
    }

    fn take_pending(&mut self) -> Vec<Bytes> {
        let mut pieces = std::mem::take(&mut self.pieces);
        if !self.small_pieces.is_empty() {
            pieces.push(self.small_pieces.split().freeze());
        }
        self.pending = 0;
        pieces
    }

    /// Measures the pending pieces and writes them to the file, in one task of the pool.
    async fn write(&mut self) -> Result<()> {
        let pieces = self.take_pending();
        let Flushed { mut measure, file } = self.flushed.take().ok_or_else(interrupted)?;
        let written = pool::run(move || {
            let file = file.map_or_else(AnonymousFile::create, Ok)?;
            for piece in &pieces {
                file.file()?.write_all(piece)?;
            }
            measure.update(&pieces);
            Ok(Flushed { measure, file: Some(file) })
        });
        self.flushed = Some(written.await?);
        Ok(())
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled).with_message("the content was not read completely")
}

#[cfg(test)]
mod tests;
