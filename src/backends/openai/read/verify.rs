//! Verification of content while it is read.

use std::borrow::Cow;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::backends::openai::attributes::FileMeta;
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::ByteStream;

/// Compares streamed content with its metadata.
#[derive(Clone)]
pub(super) struct Verifier {
    size: u64,
    left: u64,
    /// `None` if the checksum is unknown.
    pub(super) expected: Option<Checksum>,
    hasher: Hasher,
}

impl Verifier {
    pub(super) fn new(meta: &FileMeta) -> Self {
        let hasher = Hasher::new(ChecksumAlgorithm::Sha256);
        Self { size: meta.size, left: meta.size, expected: meta.checksum(), hasher }
    }

    fn push(&mut self, piece: &[u8]) -> Result<()> {
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or_else(|| {
            mismatch(format!("the content has more than the expected {} bytes", self.size))
        })?;
        if self.expected.is_some() {
            self.hasher.update(piece);
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if self.left > 0 {
            return Err(mismatch(format!("{} of {} bytes are missing", self.left, self.size)));
        }
        self.expected.map_or(Ok(()), |expected| expected.expect(&self.hasher.finish()))
    }

    pub(super) fn check_all(mut self, content: &[u8]) -> Result<()> {
        self.push(content)?;
        self.finish()
    }
}

pub(super) fn mismatch(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::IntegrityMismatch).with_message(message)
}

/// Holds back the last piece until the whole content is verified.
pub(super) fn verified(content: ByteStream<'static>, meta: &FileMeta) -> ByteStream<'static> {
    let state = (content, Some(Verifier::new(meta)), None::<Bytes>);
    let pieces = stream::try_unfold(state, async |(mut content, mut verifier, mut held)| {
        loop {
            let Some(current) = &mut verifier else { return Ok(None) };
            match content.try_next().await? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    current.push(&piece)?;
                    if let Some(before) = held.replace(piece) {
                        return Ok(Some((before, (content, verifier, held))));
                    }
                }
                None => {
                    if let Some(verifier) = verifier.take() {
                        verifier.finish()?;
                    }
                    return Ok(held.take().map(|last| (last, (content, None, None))));
                }
            }
        }
    });
    pieces.boxed()
}
