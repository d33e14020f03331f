//! The content of streams, and sinks that count or hash it.

use bytes::Bytes;
use sha2::Digest as _;

/// The size of the pieces of written streams, and of the buffers of the direct loops.
pub const PIECE: usize = 256 * 1024;

/// A cycle of different pieces, so that a stream in the wrong order is detected.
#[derive(Clone)]
pub struct Pieces {
    distinct: [Bytes; 4],
    fresh: bool,
    given: u64,
    size: u64,
}

impl Pieces {
    pub fn of(size: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(9);
        let distinct = std::array::from_fn(|_| {
            let mut piece = vec![0; PIECE];
            random.fill(&mut piece);
            Bytes::from(piece)
        });
        Self { distinct, fresh: false, given: 0, size }
    }

    /// Allocates each piece, so that the memory shows how many pieces are kept.
    pub fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn digest(&self, algorithm: Algorithm) -> String {
        let mut sink = Sink::hashing(algorithm);
        self.clone().for_each(|piece| sink.take(&piece));
        sink.into_hex()
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let left = self.size - self.given;
        let turn = (self.given / PIECE as u64) as usize % self.distinct.len();
        let piece = self.distinct[turn].slice(..left.min(PIECE as u64) as usize);
        self.given += piece.len() as u64;
        let piece = if self.fresh { Bytes::copy_from_slice(&piece) } else { piece };
        (!piece.is_empty()).then_some(piece)
    }
}

#[derive(Clone, Copy)]
pub enum Algorithm {
    Sha256,
    Blake3,
}

/// The end of a stream.
pub enum Sink {
    /// Counts bytes without reading them.
    Count(u64),
    Sha256(sha2::Sha256),
    Blake3(Box<blake3::Hasher>),
}

impl Sink {
    pub fn hashing(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    pub fn take(&mut self, chunk: &[u8]) {
        match self {
            Self::Count(bytes) => *bytes += chunk.len() as u64,
            Self::Sha256(hasher) => hasher.update(chunk),
            Self::Blake3(hasher) => _ = hasher.update(chunk),
        }
    }

    /// Returns the digest, or the number of bytes.
    pub fn into_hex(self) -> String {
        match self {
            Self::Count(bytes) => format!("{bytes:x}"),
            Self::Sha256(hasher) => hex::encode(hasher.finalize()),
            Self::Blake3(hasher) => hasher.finalize().to_hex().to_string(),
        }
    }
}
