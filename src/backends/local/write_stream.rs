//! Writing a stream to a file, while the source produces the next pieces.

use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::{BoxFuture, Either, select};
use tokio::sync::Notify;

use crate::core::checksum::{Checksum, Hasher};
use crate::core::error::{ErrorKind, Result};
use crate::core::options::WriteOptions;
use crate::core::stream::ByteStream;
use crate::sys::fs::StagedFile;
use crate::sys::pool::{self, Cancelled};

/// The number of bytes that are collected before a write. A trip to the pool costs as much as writing about 100 KiB, and so does
/// waking its thread. The number doubles, so that the start of a short source is written while the rest arrives.
const FIRST_WRITE: usize = 256 * 1024;
const LARGEST_WRITE: usize = 2 * 1024 * 1024;

/// A file that is being written, with the checksum so far.
pub(super) struct WriteStream {
    /// `None` after the file was returned or discarded.
    staged: Option<StagedFile>,
    hasher: Option<Hasher>,
}

impl WriteStream {
    pub(super) fn new(staged: StagedFile, options: &WriteOptions) -> Self {
        let hasher = options.checksum.as_ref().map(|expected| Hasher::new(expected.algorithm()));
        Self { staged: Some(staged), hasher }
    }

    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        if let Some(staged) = &self.staged {
            staged.append_all(pieces)?;
        }
        if let Some(hasher) = &mut self.hasher {
            pieces.iter().for_each(|piece| hasher.update(piece));
        }
        Ok(())
    }

    /// Writes the last pieces, checks the checksum, and returns the file for publishing.
    pub(super) fn finish(
        mut self,
        last: &[Bytes],
        expected: Option<&Checksum>,
    ) -> Result<StagedFile> {
        self.write(last)?;
        if let (Some(expected), Some(hasher)) = (expected, self.hasher.take()) {
            expected.expect(&hasher.finish())?;
        }
        self.staged.take().ok_or_else(|| ErrorKind::Internal.into())
    }
}

impl Drop for WriteStream {
    fn drop(&mut self) {
        if let Some(staged) = self.staged.take() {
            pool::discard(staged.abandon());
        }
    }
}

/// A channel of one slot from the source to the writer in the pool.
///
/// The writer does not wait for the source, because that would keep a thread of the pool. It takes the next pieces if they are there,
/// and otherwise closes the slot and ends. Taking and closing must be one step. A Tokio channel does not have that, so pieces that are
/// sent during the close would be lost. With one trip to the pool per write instead, a fast source was a tenth slower
/// (`stream-write` in `benches/peers`).
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    taken: Notify,
}

#[derive(Default)]
enum SlotState {
    #[default]
    Empty,
    Full(Vec<Bytes>),
    Closed,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `pieces` into the slot. Returns them if it is full or closed.
    fn put(&self, pieces: Vec<Bytes>) -> Option<Vec<Bytes>> {
        let mut state = self.state();
        if matches!(*state, SlotState::Empty) {
            *state = SlotState::Full(pieces);
            return None;
        }
        Some(pieces)
    }

    /// Closes the slot, and returns the pieces in it.
    fn close(&self) -> Vec<Bytes> {
        match mem::replace(&mut *self.state(), SlotState::Closed) {
            SlotState::Full(pieces) => pieces,
            SlotState::Empty | SlotState::Closed => Vec::new(),
        }
    }

    /// Takes the pieces from the slot. If it is empty, closes it and returns `None`.
    fn take_or_close(&self) -> Option<Vec<Bytes>> {
        let mut state = self.state();
        match mem::take(&mut *state) {
            SlotState::Full(pieces) => {
                self.taken.notify_one();
                Some(pieces)
            }
            SlotState::Empty | SlotState::Closed => {
                *state = SlotState::Closed;
                None
            }
        }
    }
}

/// The writer: idle, or in the pool until its slot is empty.
enum Writer {
    Idle(Box<WriteStream>),
    Busy(BoxFuture<'static, Result<Written>>, Arc<Slot>),
}

/// A stream, and pieces that it did not write any more.
type Written = (WriteStream, Vec<Bytes>);

impl Writer {
    fn start(stream: WriteStream, pieces: Vec<Bytes>) -> Self {
        let slot = Arc::new(Slot::default());
        let next = Arc::clone(&slot);
        let writing =
            pool::start(move |cancelled| write_from_slot(stream, pieces, &next, cancelled));
        Self::Busy(Box::pin(writing), slot)
    }

    /// Writes `pieces` after the ones before. Waits while the slot is full.
    async fn write(self, mut pieces: Vec<Bytes>) -> Result<Self> {
        let (mut writing, slot) = match self {
            Self::Idle(stream) => return Ok(Self::start(*stream, pieces)),
            Self::Busy(writing, slot) => (writing, slot),
        };
        loop {
            pieces = match slot.put(pieces) {
                None => return Ok(Self::Busy(writing, slot)),
                Some(pieces) => pieces,
            };
            let taken = pin!(slot.taken.notified());
            if let Either::Left((written, _)) = select(&mut writing, taken).await {
                let (stream, mut left) = written?;
                left.append(&mut pieces);
                return Ok(Self::start(stream, left));
            }
        }
    }

    /// Waits until everything is written.
    async fn finish(self) -> Result<Written> {
        match self {
            Self::Idle(stream) => Ok((*stream, Vec::new())),
            Self::Busy(writing, _) => writing.await,
        }
    }
}

/// Writes `pieces`, and those of the slot while there are any and nobody else waits for the thread.
fn write_from_slot(
    mut stream: WriteStream,
    mut pieces: Vec<Bytes>,
    slot: &Slot,
    cancelled: &Cancelled,
) -> Result<Written> {
    loop {
        stream.write(&pieces)?;
        // A source that is faster than the disk would keep the thread from others.
        if pool::is_busy() {
            return Ok((stream, slot.close()));
        }
        pieces = match slot.take_or_close() {
            Some(pieces) => pieces,
            None => return Ok((stream, Vec::new())),
        };
        cancelled.check()?;
    }
}

/// Writes all pieces of `data` except for the last ones, which it returns.
pub(super) async fn write_all(
    stream: WriteStream,
    data: &mut ByteStream<'_>,
    options: &WriteOptions,
) -> Result<(WriteStream, Vec<Bytes>)> {
    let mut writer = Writer::Idle(Box::new(stream));
    let (mut given, mut pieces, mut collected) = (0, Vec::new(), 0);
    let mut limit = FIRST_WRITE;
    while let Some(piece) = data.try_next().await? {
        given += piece.len() as u64;
        options.check_size_so_far(given)?;
        if piece.is_empty() {
            continue;
        }
        // A tiny piece is smaller than its handle.
        collected += piece.len() + size_of::<Bytes>();
        pieces.push(piece);
        if collected >= limit {
            limit = LARGEST_WRITE.min(2 * limit);
            writer = writer.write(mem::take(&mut pieces)).await?;
            collected = 0;
        }
    }
    options.check_size(given)?;
    let (stream, mut last) = writer.finish().await?;
    last.append(&mut pieces);
    Ok((stream, last))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::tests::ran_alone;
    use super::*;
    use crate::sys::pool::max_open_files;

    #[test]
    fn a_full_or_closed_slot_returns_the_pieces() {
        let (slot, pieces) = (Slot::default(), || vec![Bytes::from_static(b"x")]);
        assert!(slot.put(pieces()).is_none());
        assert_eq!(slot.put(pieces()), Some(pieces()), "the slot is full");
        assert_eq!(slot.take_or_close(), Some(pieces()));
        assert_eq!(slot.take_or_close(), None);
        assert_eq!(slot.put(pieces()), Some(pieces()), "the slot is closed");
        assert_eq!(slot.take_or_close(), None);
        let full = Slot::default();
        assert!(full.put(pieces()).is_none());
        assert_eq!((full.close(), full.close()), (pieces(), Vec::new()));
        assert_eq!(full.put(pieces()), Some(pieces()), "the slot is closed");
    }
    #[tokio::test]
    async fn a_writer_gives_its_thread_back_while_an_operation_waits_for_one() {
        let test = "a_writer_gives_its_thread_back_while_an_operation_waits_for_one";
        if ran_alone(&format!("backends::local::write_stream::tests::{test}")) {
            return;
        }
        let (begun, has_begun) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let running = pool::start(move |_| {
            begun.send(()).unwrap();
            wait.recv().unwrap_err();
            Ok(())
        });
        has_begun.recv().unwrap();
        // It opens as many files as all operations together may have open, so it waits until nothing else runs.
        let waiting = pool::start_with_files(max_open_files() / 2, |_| Ok(()));
        let (slot, pieces) = (Slot::default(), |text| vec![Bytes::from_static(text)]);
        assert!(slot.put(pieces(b"second")).is_none());
        let stream = WriteStream { staged: None, hasher: None };
        let (_, left) =
            write_from_slot(stream, pieces(b"first"), &slot, &Cancelled::default()).unwrap();
        drop(go);
        assert_eq!(left, pieces(b"second"));
        assert_eq!(slot.put(pieces(b"third")), Some(pieces(b"third")), "the slot is closed");
        running.await.unwrap();
        waiting.await.unwrap();
    }
}
