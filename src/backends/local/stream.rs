//! Content that comes and goes piece by piece: one piece is read ahead, or written behind, while the caller is busy with another.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::fs::{Draft, OpenFile, Walk};
use crate::offload;
use crate::stream::{ByteStream, InfoStream};
use crate::{Checksum, Error, FileInfo, Hasher, Result, WriteOptions};

/// How much of a source is gathered before it is written: a trip to the pool costs as much as writing some 100 KiB.
const WRITE_BEHIND: usize = 1024 * 1024;

/// How many entries of a listing are looked up in one trip to the pool.
const ENTRIES_AHEAD: usize = 256;

/// Streams `range` of an open file, whose first chunk has been read already.
pub(super) fn read(
    file: OpenFile,
    range: Range<u64>,
    first: Bytes,
    chunk_size: usize,
    failing: impl Fn(Error) -> Error + Send + 'static,
) -> ByteStream<'static> {
    let file = Arc::new(file);
    let ahead = move |at: u64| -> Option<BoxFuture<'static, Result<Bytes>>> {
        let chunk = at..range.end.min(at.saturating_add(chunk_size as u64));
        let file = Arc::clone(&file);
        let read = (!chunk.is_empty()).then(|| offload::start(move |_| file.read(&chunk)));
        read.map(|read| Box::pin(read) as Pin<Box<_>>)
    };
    let at = range.start + first.len() as u64;
    let rest = stream::try_unfold((at, ahead(at)), move |(at, reading)| {
        let ahead = ahead.clone();
        async move {
            let Some(reading) = reading else {
                return Ok(None);
            };
            let chunk = reading.await?;
            let at = at + chunk.len() as u64;
            Ok(Some((chunk, (at, ahead(at)))))
        }
    });
    let first = stream::iter((!first.is_empty()).then_some(Ok(first)));
    first.chain(rest).map_err(failing).boxed()
}

/// Streams a listing.
pub(super) fn list(
    walk: Walk,
    first: Vec<Result<FileInfo>>,
    failing: impl Fn(Error) -> Error + Send + 'static,
) -> InfoStream<'static> {
    type Page = (Walk, Vec<Result<FileInfo>>);
    let ahead = |mut walk: Walk| -> BoxFuture<'static, Result<Page>> {
        Box::pin(offload::start(move |_| {
            let items = walk.next_items(ENTRIES_AHEAD);
            Ok((walk, items))
        }))
    };
    let rest = stream::unfold(Some(ahead(walk)), move |reading| async move {
        let items = match reading?.await {
            Ok((_, items)) if items.is_empty() => return None,
            Ok((walk, items)) => (items, Some(ahead(walk))),
            // The runtime is going away, and the walk with it.
            Err(error) => (vec![Err(error)], None),
        };
        Some((stream::iter(items.0), items.1))
    });
    stream::iter(first).chain(rest.flatten()).map(move |item| item.map_err(&failing)).boxed()
}

/// The first entries of a listing.
pub(super) fn first_entries(walk: &mut Walk) -> Vec<Result<FileInfo>> {
    walk.next_items(ENTRIES_AHEAD)
}

/// A file being written, with the checksum so far.
pub(super) struct Writer {
    /// `None` only once the file has been handed on or given up.
    draft: Option<Draft>,
    hasher: Option<Hasher>,
}

impl Writer {
    pub(super) fn new(draft: Draft, options: &WriteOptions) -> Self {
        let hasher = options.checksum.as_ref().map(|expected| Hasher::new(expected.algorithm()));
        Self { draft: Some(draft), hasher }
    }

    fn write(&mut self, pieces: &[Bytes]) -> Result<()> {
        if let Some(draft) = &self.draft {
            draft.append_all(pieces)?;
        }
        if let Some(hasher) = &mut self.hasher {
            pieces.iter().for_each(|piece| hasher.update(piece));
        }
        Ok(())
    }

    /// Writes the last pieces and gives the file for publishing, if it has the checksum it should have.
    pub(super) fn finish(mut self, last: &[Bytes], expected: Option<&Checksum>) -> Result<Draft> {
        self.write(last)?;
        if let (Some(expected), Some(hasher)) = (expected, self.hasher.take()) {
            expected.expect(&hasher.finish())?;
        }
        self.draft.take().ok_or_else(|| crate::ErrorKind::Internal.into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            offload::discard(draft.abandon());
        }
    }
}

/// Where the writer is: with us, or at work in the pool.
enum Hand {
    Free(Box<Writer>),
    Busy(BoxFuture<'static, Result<Writer>>),
}

impl Hand {
    async fn free(self) -> Result<Writer> {
        match self {
            Self::Free(writer) => Ok(*writer),
            Self::Busy(writing) => writing.await,
        }
    }
}

/// Writes all that `data` gives but for the last pieces, which come back with the writer.
pub(super) async fn write(
    writer: Writer,
    data: &mut ByteStream<'_>,
    options: &WriteOptions,
) -> Result<(Writer, Vec<Bytes>)> {
    let mut hand = Hand::Free(Box::new(writer));
    let (mut given, mut pieces, mut gathered) = (0, Vec::new(), 0);
    while let Some(piece) = data.try_next().await? {
        given += piece.len() as u64;
        options.check_size_so_far(given)?;
        if piece.is_empty() {
            continue;
        }
        // Of tiny pieces, what holds them is the larger part.
        gathered += piece.len() + size_of::<Bytes>();
        pieces.push(piece);
        if gathered >= WRITE_BEHIND {
            let mut writer = hand.free().await?;
            let full = std::mem::take(&mut pieces);
            gathered = 0;
            let writing = offload::start(move |_| writer.write(&full).map(|()| writer));
            hand = Hand::Busy(Box::pin(writing));
        }
    }
    options.check_size(given)?;
    Ok((hand.free().await?, pieces))
}
