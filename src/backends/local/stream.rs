//! Content that comes and goes piece by piece: one piece is read ahead, or written behind, while the caller is busy with another.

use std::mem;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, Either, select};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::sync::Notify;

use crate::fs::{Batch, Buffers, Draft, OpenFile, Walk};
use crate::offload::{self, Wait};
use crate::stream::{ByteStream, InfoStream};
use crate::{Checksum, Error, FileInfo, Hasher, Result, WriteOptions};

/// How much of a source is gathered before it is written: a trip to the pool costs as much as writing some 100 KiB, and waking its
/// thread as much again. It begins with less and doubles, so that a short source is written while the rest of it arrives.
const FIRST_WRITE: usize = 256 * 1024;
const LARGEST_WRITE: usize = 2 * 1024 * 1024;

/// How many entries of a listing are looked up in one trip to the pool.
const ENTRIES_AHEAD: usize = 1024;

/// How many such trips are under way at a time.
const BATCHES_AT_A_TIME: usize = 3;

/// A part of an open file that is read chunk by chunk.
///
/// A chunk that the kernel has cached is copied when it is asked for. Once the disk had to be waited for, all further chunks are read in
/// the pool, each while the caller is busy with the one before: an attempt would have the kernel read ahead on the caller's thread, which
/// may wait for room in the disk's queue.
pub(super) struct Reader {
    file: Arc<OpenFile>,
    rest: Range<u64>,
    chunk_size: usize,
    buffers: Buffers,
    /// The first chunk, read when the file was opened.
    first: Option<Bytes>,
    ahead: Option<BoxFuture<'static, Result<Bytes>>>,
    /// Whether the disk had to be waited for.
    cold: bool,
}

impl Reader {
    /// Begins with the first chunk of `range`.
    pub(super) fn begin(
        file: OpenFile,
        range: Range<u64>,
        chunk_size: usize,
        wait: Wait,
    ) -> Result<Self> {
        let length = range.end - range.start;
        let size = usize::try_from(length).map_or(chunk_size, |length| length.min(chunk_size));
        let mut reader = Self {
            file: Arc::new(file),
            rest: range,
            chunk_size: size,
            buffers: Buffers::new(size),
            first: None,
            ahead: None,
            cold: wait == Wait::Disk,
        };
        if let Some(range) = reader.next_range() {
            reader.first = Some(reader.file.chunk(&range, &reader.buffers, wait)?);
        }
        Ok(reader)
    }

    /// How much was read to begin with.
    pub(super) fn begun(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len)
    }

    pub(super) fn into_stream(
        self,
        failing: impl Fn(Error) -> Error + Send + 'static,
    ) -> ByteStream<'static> {
        let chunks = stream::try_unfold(self, async |mut reader| {
            Ok(reader.next().await?.map(|chunk| (chunk, reader)))
        });
        chunks.map_err(failing).boxed()
    }

    /// Takes the next chunk off the rest.
    fn next_range(&mut self) -> Option<Range<u64>> {
        let start = self.rest.start;
        self.rest.start = self.rest.end.min(start.saturating_add(self.chunk_size as u64));
        (start < self.rest.start).then_some(start..self.rest.start)
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let reading = match self.ahead.take() {
            Some(reading) => reading,
            None => {
                let Some(range) = self.next_range() else {
                    return Ok(None);
                };
                if !self.cold {
                    let cached = || self.file.chunk(&range, &self.buffers, Wait::Never);
                    if let Some(chunk) = offload::attempt(cached, Bytes::len).await {
                        return chunk.map(Some);
                    }
                    self.cold = true;
                }
                self.start(range)
            }
        };
        let chunk = reading.await?;
        self.ahead = self.next_range().map(|range| self.start(range));
        Ok(Some(chunk))
    }

    fn start(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes>> {
        let (file, buffers) = (Arc::clone(&self.file), self.buffers.clone());
        Box::pin(offload::start(move |_| file.chunk(&range, &buffers, Wait::Disk)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It was deleted or replaced meanwhile, so the last one to close it frees its blocks.
        if self.file.has_lost_its_name() {
            offload::discard(Arc::clone(&self.file));
        }
    }
}

/// The first entries of a listing, and the rest of it.
pub(super) fn begin_list(mut walk: Walk) -> (Vec<Result<FileInfo>>, Option<Walk>) {
    let first = walk.next_batch(ENTRIES_AHEAD).map(Batch::look_up);
    let rest = (!walk.is_over()).then_some(walk);
    (first.unwrap_or_default(), rest)
}

/// Streams the rest of a listing: while one thread finds the names of the next entries, others look up what they are.
pub(super) fn list(
    first: Vec<Result<FileInfo>>,
    rest: Option<Walk>,
    failing: impl Fn(Error) -> Error + Send + 'static,
) -> InfoStream<'static> {
    let names = |mut walk: Walk| -> BoxFuture<'static, Result<(Walk, Option<Batch>)>> {
        Box::pin(offload::start(move |_| {
            let batch = walk.next_batch(ENTRIES_AHEAD);
            Ok((walk, batch))
        }))
    };
    let batches = stream::unfold(rest.map(names), move |finding| async move {
        match finding?.await {
            Ok((walk, batch)) => {
                let more = (!walk.is_over()).then(|| names(walk));
                Some((Ok(batch?), more))
            }
            // The runtime is going away, and the walk with it.
            Err(error) => Some((Err(error), None)),
        }
    });
    let look_up = |batch: Result<Batch>| async {
        match batch {
            Ok(batch) => offload::start(move |_| Ok(batch.look_up())).await,
            Err(error) => Err(error),
        }
    };
    let rest = batches
        .map(look_up)
        .buffered(BATCHES_AT_A_TIME)
        .flat_map(|items| stream::iter(items.unwrap_or_else(|error| vec![Err(error)])));
    stream::iter(first).chain(rest).map(move |item| item.map_err(&failing)).boxed()
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

/// Where the next pieces are left for who is busy writing the last.
#[derive(Default)]
struct Handover {
    next: Mutex<Next>,
    taken: Notify,
}

#[derive(Default)]
enum Next {
    #[default]
    Nothing,
    Pieces(Vec<Bytes>),
    /// Nobody writes any more.
    Over,
}

impl Handover {
    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves pieces, unless there are some already, or nobody to take them: then they come back.
    fn leave(&self, pieces: Vec<Bytes>) -> Option<Vec<Bytes>> {
        let mut next = self.next();
        if matches!(*next, Next::Nothing) {
            *next = Next::Pieces(pieces);
            return None;
        }
        Some(pieces)
    }

    /// Takes what was left; if that is nothing, it is over.
    fn take(&self) -> Option<Vec<Bytes>> {
        let mut next = self.next();
        match mem::take(&mut *next) {
            Next::Pieces(pieces) => {
                self.taken.notify_one();
                Some(pieces)
            }
            Next::Nothing | Next::Over => {
                *next = Next::Over;
                None
            }
        }
    }
}

/// Where the writer is: with us, or at work in the pool, for as long as it finds something to write.
enum Hand {
    Free(Box<Writer>),
    Busy(BoxFuture<'static, Result<Writer>>, Arc<Handover>),
}

impl Hand {
    fn start(mut writer: Writer, mut pieces: Vec<Bytes>) -> Self {
        let handover = Arc::new(Handover::default());
        let left = Arc::clone(&handover);
        let writing = offload::start(move |cancelled| {
            loop {
                writer.write(&pieces)?;
                pieces = match left.take() {
                    Some(next) => next,
                    None => return Ok(writer),
                };
                cancelled.check()?;
            }
        });
        Self::Busy(Box::pin(writing), handover)
    }

    /// Has it write `pieces` next.
    async fn give(self, mut pieces: Vec<Bytes>) -> Result<Self> {
        let (mut writing, handover) = match self {
            Self::Free(writer) => return Ok(Self::start(*writer, pieces)),
            Self::Busy(writing, handover) => (writing, handover),
        };
        loop {
            pieces = match handover.leave(pieces) {
                None => return Ok(Self::Busy(writing, handover)),
                Some(pieces) => pieces,
            };
            let taken = pin!(handover.taken.notified());
            if let Either::Left((written, _)) = select(&mut writing, taken).await {
                return Ok(Self::start(written?, pieces));
            }
        }
    }

    async fn free(self) -> Result<Writer> {
        match self {
            Self::Free(writer) => Ok(*writer),
            Self::Busy(writing, _) => writing.await,
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
    let mut enough = FIRST_WRITE;
    while let Some(piece) = data.try_next().await? {
        given += piece.len() as u64;
        options.check_size_so_far(given)?;
        if piece.is_empty() {
            continue;
        }
        // Of tiny pieces, what holds them is the larger part.
        gathered += piece.len() + size_of::<Bytes>();
        pieces.push(piece);
        if gathered >= enough {
            enough = LARGEST_WRITE.min(2 * enough);
            hand = hand.give(mem::take(&mut pieces)).await?;
            gathered = 0;
        }
    }
    options.check_size(given)?;
    Ok((hand.free().await?, pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_any_more_comes_back() {
        let (handover, pieces) = (Handover::default(), || vec![Bytes::from_static(b"x")]);
        assert!(handover.leave(pieces()).is_none());
        assert_eq!(handover.leave(pieces()), Some(pieces()), "there are some already");
        assert_eq!(handover.take(), Some(pieces()));
        assert_eq!(handover.take(), None);
        assert_eq!(handover.leave(pieces()), Some(pieces()), "it is over");
        assert_eq!(handover.take(), None);
    }
}
