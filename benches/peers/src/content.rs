//! What is written, and what becomes of what is read.

use bytes::Bytes;

/// The size of the pieces that streams are written from, and of the buffer of the bare loops.
pub const PIECE: usize = 256 * 1024;

/// Some pieces that differ, in turn, so that a stream out of order is noticed.
#[derive(Clone)]
pub struct Pieces {
    distinct: [Bytes; 4],
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
        Self { distinct, given: 0, size }
    }

    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let left = self.size - self.given;
        let turn = (self.given / PIECE as u64) as usize % self.distinct.len();
        let piece = self.distinct[turn].slice(..left.min(PIECE as u64) as usize);
        self.given += piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    }
}

/// Counts what a stream gives; while warming up it also takes the digest, to compare it.
#[derive(Default)]
pub struct Sink {
    pub bytes: u64,
    digest: Option<blake3::Hasher>,
}

impl Sink {
    pub fn digesting() -> Self {
        Self { bytes: 0, digest: Some(blake3::Hasher::new()) }
    }

    pub fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(chunk);
        }
    }

    pub fn digest(&self) -> Option<blake3::Hash> {
        self.digest.as_ref().map(blake3::Hasher::finalize)
    }
}
