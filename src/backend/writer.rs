//! Writing a file by hand.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, StreamExt as _};
use tokio::io::AsyncWrite;

use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::stream::ByteStream;

/// The size of the pieces that the writer collects.
const PIECE: usize = 256 * 1024;

/// Writes a file piece by piece, from [`writer`](crate::AsyncFileBackendExt::writer).
///
/// Nothing is visible before [`commit`](Self::commit) returns. Dropping the writer leaves the old content, or no file. Neither a flush nor
/// a shutdown publishes anything.
///
/// The writer is a [streamed write](crate::AsyncFileBackend::stream_write_with) that takes its content from the calls: it works while it
/// is written to or committed, and in between it waits.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use tokio::io::AsyncWriteExt as _;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let files = f9::MemoryFileBackend::new();
/// let mut writer = files.writer("log.txt").await?;
/// writer.write_all(b"one\n").await?;
/// writer.write_all(b"two\n").await?;
/// assert!(!files.exists("log.txt").await?);
/// let info = writer.commit().await?;
/// assert_eq!(info.size, Some(8));
/// # Ok(())
/// # }
/// ```
pub struct FileWriter<'a> {
    /// The write, which takes its pieces from the slot; `None` after it has failed.
    write: Option<BoxFuture<'a, Result<FileInfo>>>,
    slot: Slot,
    /// What was written since the last piece.
    buffer: BytesMut,
}

impl<'a> FileWriter<'a> {
    /// Starts a write, and waits until it asks for the first piece.
    pub(super) async fn start(
        write: impl FnOnce(ByteStream<'a>) -> BoxFuture<'a, Result<FileInfo>>,
    ) -> Result<Self> {
        let slot = Slot::default();
        let pieces = slot.clone();
        let source = stream::poll_fn(move |context| pieces.poll_piece(context));
        let mut write = write(source.map(Ok).boxed());
        let started = poll_fn(|context| match write.poll_unpin(context) {
            Poll::Ready(Ok(_)) => Poll::Ready(Err(ended_early())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if slot.state().is_wanted => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        started.await?;
        Ok(Self { write: Some(write), slot, buffer: BytesMut::new() })
    }

    /// Publishes the file and returns its metadata.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](crate::AsyncFileBackend::stream_write_with). Nothing is published then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the old content, or the finished file.
    pub async fn commit(mut self) -> Result<FileInfo> {
        poll_fn(|context| self.poll_hand_over(context)).await?;
        self.slot.end();
        match self.write.take() {
            Some(write) => write.await,
            None => Err(failed_before()),
        }
    }

    /// Gives the collected piece to the write, once that has taken the piece before.
    fn poll_hand_over(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let is_free = self.slot.state().piece.is_none();
            if is_free {
                if self.buffer.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                self.slot.put(mem::take(&mut self.buffer).freeze());
            }
            let Some(write) = &mut self.write else { return Poll::Ready(Err(failed_before())) };
            let polled = write.poll_unpin(context);
            let failure = match polled {
                Poll::Ready(Err(error)) => error,
                Poll::Ready(Ok(_)) => ended_early(),
                Poll::Pending if self.slot.state().piece.is_some() => return Poll::Pending,
                Poll::Pending => continue,
            };
            self.write = None;
            return Poll::Ready(Err(failure));
        }
    }
}

impl AsyncWrite for FileWriter<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= PIECE {
            match self.poll_hand_over(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(handed) => handed?,
            }
        }
        if self.write.is_none() {
            return Poll::Ready(Err(failed_before().into()));
        }
        let taken = buffer.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&buffer[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_hand_over(context).map(|handed| Ok(handed?))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl fmt::Debug for FileWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileWriter").finish_non_exhaustive()
    }
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Internal).with_message("the write ended before its content")
}

fn failed_before() -> Error {
    Error::new(ErrorKind::InvalidOperation).with_message("the write has failed before")
}

/// The place where the writer leaves one piece for the write.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<SlotState>>);

#[derive(Default)]
struct SlotState {
    piece: Option<Bytes>,
    is_ended: bool,
    /// Whether the write has asked for a piece.
    is_wanted: bool,
    waker: Option<Waker>,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, piece: Bytes) {
        self.change(|state| state.piece = Some(piece));
    }

    fn end(&self) {
        self.change(|state| state.is_ended = true);
    }

    /// Changes the state and wakes the write.
    fn change(&self, change: impl FnOnce(&mut SlotState)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state();
        state.is_wanted = true;
        match state.piece.take() {
            Some(piece) => Poll::Ready(Some(piece)),
            None if state.is_ended => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
