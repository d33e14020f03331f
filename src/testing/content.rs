//! The contents that cases write, and the streams they write them from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use tokio::sync::oneshot;

use crate::core::error::{Error, Result};
use crate::core::stream::ByteStream;

/// Returns `size` bytes with a period of 251, so that blocks of a power of two differ.
pub(super) fn bytes(size: usize) -> Bytes {
    (0_u8..251).cycle().take(size).collect()
}

/// Returns `size` bytes that repeat the number of their writer, so that a torn write shows.
pub(super) fn signed(writer: usize, size: usize) -> Bytes {
    format!("{writer:08}|").into_bytes().into_iter().cycle().take(size).collect()
}

/// Returns a stream of these chunks.
pub(super) fn source(chunks: impl IntoIterator<Item = Bytes>) -> ByteStream<'static> {
    let chunks: Vec<Result<Bytes>> = chunks.into_iter().map(Ok).collect();
    stream::iter(chunks).boxed()
}

/// Returns a stream of these chunks that then fails with `error`.
pub(super) fn failing_source(
    chunks: impl IntoIterator<Item = Bytes>,
    error: Error,
) -> ByteStream<'static> {
    source(chunks).chain(stream::iter([Err(error)])).boxed()
}

/// Returns a stream that is pending once before each chunk and once before its end, and then sets `ended`.
pub(super) fn yielding_source(
    chunks: impl IntoIterator<Item = Bytes>,
    ended: &Arc<AtomicBool>,
) -> ByteStream<'static> {
    let ended = Arc::clone(ended);
    let end = stream::once(async move {
        tokio::task::yield_now().await;
        ended.store(true, Ordering::SeqCst);
    });
    let chunks = source(chunks).then(async |chunk| {
        tokio::task::yield_now().await;
        chunk
    });
    // `end` yields no chunk. It only delays the end of the stream.
    chunks.chain(end.filter_map(async |()| None)).boxed()
}

/// The handle of a [`gated`] stream.
pub(super) struct Gate {
    reached: Arc<AtomicBool>,
    open: oneshot::Sender<()>,
}

impl Gate {
    /// Waits until the reader has the first chunk and asks for the next.
    pub(super) async fn reached(&self) {
        // A notification could be delayed: its task may be queued behind a call that blocks the reader's thread.
        while !self.reached.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) fn open(self) {
        self.open.send(()).unwrap();
    }
}

/// Returns a stream of `before` and `after`, where `after` waits until the gate is opened.
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
