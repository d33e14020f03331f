//! What is written in the cases, and the sources it comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use tokio::sync::oneshot;

use crate::stream::ByteStream;
use crate::{Error, Result};

/// `size` bytes in which no two blocks of a power of two are alike for long.
pub(super) fn bytes(size: usize) -> Bytes {
    (0_u8..251).cycle().take(size).collect()
}

/// A content that tells who wrote it, and is long enough to be torn.
pub(super) fn signed(writer: usize, size: usize) -> Bytes {
    format!("{writer:08}|").into_bytes().into_iter().cycle().take(size).collect()
}

/// A source that gives these pieces at once.
pub(super) fn source(pieces: impl IntoIterator<Item = Bytes>) -> ByteStream<'static> {
    let pieces: Vec<Result<Bytes>> = pieces.into_iter().map(Ok).collect();
    stream::iter(pieces).boxed()
}

/// A source that gives these pieces and then fails.
pub(super) fn failing_source(
    pieces: impl IntoIterator<Item = Bytes>,
    error: Error,
) -> ByteStream<'static> {
    source(pieces).chain(stream::iter([Err(error)])).boxed()
}

/// A source that makes its reader wait once before each piece and before its end, where it sets `ended`.
pub(super) fn halting_source(
    pieces: impl IntoIterator<Item = Bytes>,
    ended: &Arc<AtomicBool>,
) -> ByteStream<'static> {
    let ended = Arc::clone(ended);
    let end = stream::once(async move {
        tokio::task::yield_now().await;
        ended.store(true, Ordering::SeqCst);
    });
    let pieces = source(pieces).then(async |piece| {
        tokio::task::yield_now().await;
        piece
    });
    // The end gives no piece: it only makes the reader wait before it sees that there are no more.
    pieces.chain(end.filter_map(async |()| None)).boxed()
}

/// The other side of a [`gated`] source.
pub(super) struct Gate {
    reached: Arc<AtomicBool>,
    open: oneshot::Sender<()>,
}

impl Gate {
    /// Waits until the reader of the source stands before the gate.
    pub(super) async fn reached(&self) {
        // A wake-up from the reader's own thread might wait behind a call that keeps that thread.
        while !self.reached.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn open(self) {
        self.open.send(()).unwrap();
    }
}

/// A source that gives `before`, then nothing until the gate is opened, then `after`.
pub(super) fn gated(before: Bytes, after: Bytes) -> (ByteStream<'static>, Gate) {
    let reached = Arc::new(AtomicBool::new(false));
    let (open, opened) = oneshot::channel();
    let gate = Gate { reached: Arc::clone(&reached), open };
    let rest = stream::once(async move {
        reached.store(true, Ordering::SeqCst);
        opened.await.unwrap();
        Ok(after)
    });
    (source([before]).chain(rest).boxed(), gate)
}
