//! Buffers that are used again: the pages of a fresh one have to be handed out and zeroed by the kernel first, which takes longer than
//! to copy cached content into it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use crate::{Error, ErrorKind, Result};

/// How many idle buffers are kept: for the chunk in use, the one read ahead, and one on the way back.
const KEPT: usize = 3;

type Idle = Mutex<Vec<Box<[u8]>>>;

/// Buffers of one size, each of which comes back when the last piece of what was read into it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    idle: Arc<Idle>,
    size: usize,
}

impl Buffers {
    pub(crate) fn new(size: usize) -> Self {
        Self { idle: Arc::default(), size }
    }

    /// Has `fill` fill the first `length` bytes of a buffer, which become a chunk.
    ///
    /// # Errors
    ///
    /// Those of `fill`, and [`TooLarge`](ErrorKind::TooLarge) if there is not so much memory.
    pub(crate) fn filled(
        &self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Bytes> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = idle.map_or_else(|| zeroed(self.size), Ok)?;
        let mut buffer = Buffer { memory, filled: length, home: Arc::downgrade(&self.idle) };
        fill(&mut buffer.memory[..length])?;
        Ok(Bytes::from_owner(buffer))
    }
}

/// Memory of `size` bytes, all zero.
fn zeroed(size: usize) -> Result<Box<[u8]>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(size).map_err(|_| too_large())?;
    memory.resize(size, 0);
    Ok(memory.into())
}

pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge).with_message("it does not fit into memory")
}

/// A buffer that is lent out.
struct Buffer {
    memory: Box<[u8]>,
    filled: usize,
    /// Gone once nobody reads into buffers any more: a chunk that is kept for long keeps no other memory.
    home: Weak<Idle>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(home) = self.home.upgrade() else {
            return;
        };
        let mut idle = home.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffers: &Buffers, text: &str) -> Bytes {
        let fill = |space: &mut [u8]| {
            space.copy_from_slice(text.as_bytes());
            Ok(())
        };
        buffers.filled(text.len(), fill).unwrap()
    }

    #[test]
    fn a_buffer_is_used_again_once_nobody_holds_its_content() {
        let buffers = Buffers::new(8);
        let first = fill(&buffers, "one");
        let part = first.slice(1..);
        let second = fill(&buffers, "second");
        assert_ne!(first.as_ptr(), second.as_ptr());
        let place = first.as_ptr();
        drop(first);
        assert_ne!(fill(&buffers, "other").as_ptr(), place);
        assert_eq!((&part[..], &second[..]), (&b"ne"[..], &b"second"[..]));
        drop(part);
        assert_eq!(fill(&buffers, "again").as_ptr(), place);
    }

    #[test]
    fn a_chunk_that_outlives_its_stream_keeps_no_other_buffers() {
        let buffers = Buffers::new(8);
        let kept = fill(&buffers, "kept");
        drop(fill(&buffers, "idle"));
        let idle = Arc::downgrade(&buffers.idle);
        drop(buffers);
        assert!(idle.upgrade().is_none());
        assert_eq!(kept, "kept");
    }

    #[test]
    fn few_buffers_are_kept_idle() {
        let buffers = Buffers::new(8);
        drop((0..9).map(|_| fill(&buffers, "x")).collect::<Vec<_>>());
        assert_eq!(buffers.idle.lock().unwrap().len(), KEPT);
    }
}
