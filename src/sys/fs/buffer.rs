//! A pool of read buffers. The kernel has to map and zero the pages of a new buffer, which takes longer than copying cached
//! content into it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

use crate::core::error::{Error, ErrorKind, Result};

/// The number of idle buffers that are kept: one for the current chunk, one for the next, and one that is being returned.
const MAX_IDLE: usize = 3;

type Idle = Mutex<Vec<Box<[u8]>>>;

/// Buffers of one size. A buffer returns to the pool when the last slice of its content is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Buffers {
    idle: Arc<Idle>,
    size: usize,
}

impl Buffers {
    pub(crate) fn new(size: usize) -> Self {
        Self { idle: Arc::default(), size }
    }

    /// Calls `fill` with the first `length` bytes of a buffer, and returns them as a chunk.
    ///
    /// # Errors
    ///
    /// Those of `fill`, and [`TooLarge`](ErrorKind::TooLarge) if there is not enough memory.
    pub(crate) fn filled(
        &self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Bytes> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = idle.map_or_else(|| zeroed(self.size), Ok)?;
        let mut buffer = Buffer { memory, filled: length, pool: Arc::downgrade(&self.idle) };
        fill(&mut buffer.memory[..length])?;
        Ok(Bytes::from_owner(buffer))
    }
}

/// Returns `size` bytes of zeroed memory.
fn zeroed(size: usize) -> Result<Box<[u8]>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(size).map_err(|_| too_large())?;
    memory.resize(size, 0);
    Ok(memory.into())
}

pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge).with_message("the content does not fit into memory")
}

/// A buffer in use.
struct Buffer {
    memory: Box<[u8]>,
    filled: usize,
    /// A weak reference, so that a chunk that outlives the stream does not keep the idle buffers.
    pool: Weak<Idle>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let mut idle = pool.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
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
    fn a_buffer_is_used_again_after_its_content_is_dropped() {
        let buffers = Buffers::new(8);
        let first = fill(&buffers, "one");
        let part = first.slice(1..);
        let second = fill(&buffers, "second");
        assert_ne!(first.as_ptr(), second.as_ptr());
        let address = first.as_ptr();
        drop(first);
        assert_ne!(fill(&buffers, "other").as_ptr(), address);
        assert_eq!((&part[..], &second[..]), (&b"ne"[..], &b"second"[..]));
        drop(part);
        assert_eq!(fill(&buffers, "again").as_ptr(), address);
    }

    #[test]
    fn a_chunk_that_outlives_its_stream_does_not_keep_other_buffers() {
        let buffers = Buffers::new(8);
        let kept = fill(&buffers, "kept");
        drop(fill(&buffers, "idle"));
        let idle = Arc::downgrade(&buffers.idle);
        drop(buffers);
        assert!(idle.upgrade().is_none());
        assert_eq!(kept, "kept");
    }

    #[test]
    fn the_number_of_idle_buffers_is_limited() {
        let buffers = Buffers::new(8);
        drop((0..9).map(|_| fill(&buffers, "x")).collect::<Vec<_>>());
        assert_eq!(buffers.idle.lock().unwrap().len(), MAX_IDLE);
    }
}
