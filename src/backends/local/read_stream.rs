//! Streaming the content of a file, with one chunk read ahead.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::open_files::OpenFiles;
use crate::core::error::{Error, Result};
use crate::core::stream::ByteStream;
use crate::sys::fs::{Buffers, OpenFile};
use crate::sys::pool::{self, Wait};

/// A part of an open file that is read in chunks.
///
/// A cached chunk is copied on the calling thread when the caller asks for it. After the first chunk that is not cached, all further
/// chunks are read in the pool, each while the caller processes the one before. Another inline attempt would start the kernel's
/// read-ahead on the calling thread, which may wait for space in the queue of the disk.
pub(super) struct ReadStream {
    file: Arc<OpenFile>,
    _room: OpenFiles,
    rest: Range<u64>,
    chunk_size: usize,
    buffers: Buffers,
    /// The first chunk, which was read during the open.
    first: Option<Bytes>,
    /// The next chunk, which is being read in the pool.
    ahead: Option<BoxFuture<'static, Result<Bytes>>>,
    /// Whether a chunk was not cached.
    is_cold: bool,
}

impl ReadStream {
    /// Reads the first chunk of `range`.
    pub(super) fn start(
        file: OpenFile,
        room: OpenFiles,
        range: Range<u64>,
        chunk_size: usize,
        wait: Wait,
    ) -> Result<Self> {
        let length = range.end - range.start;
        let size = usize::try_from(length).map_or(chunk_size, |length| length.min(chunk_size));
        let mut stream = Self {
            file: Arc::new(file),
            _room: room,
            rest: range,
            chunk_size: size,
            buffers: Buffers::new(size),
            first: None,
            ahead: None,
            is_cold: wait == Wait::Disk,
        };
        if let Some(range) = stream.next_range() {
            stream.first = Some(stream.file.chunk(&range, &stream.buffers, wait)?);
        }
        Ok(stream)
    }

    /// Returns the size of the first chunk.
    pub(super) fn first_len(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len)
    }

    pub(super) fn into_stream(
        self,
        failing: impl Fn(Error) -> Error + Send + 'static,
    ) -> ByteStream<'static> {
        let chunks = stream::try_unfold(self, async |mut stream| {
            Ok(stream.next().await?.map(|chunk| (chunk, stream)))
        });
        chunks.map_err(failing).boxed()
    }

    /// Removes the range of the next chunk from the rest.
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
                if !self.is_cold {
                    let cached = || self.file.chunk(&range, &self.buffers, Wait::Never);
                    if let Some(chunk) = pool::inline_if_ready(cached, Bytes::len).await {
                        return chunk.map(Some);
                    }
                    self.is_cold = true;
                }
                self.read_in_pool(range)
            }
        };
        let chunk = reading.await?;
        self.ahead = self.next_range().map(|range| self.read_in_pool(range));
        Ok(Some(chunk))
    }

    fn read_in_pool(&self, range: Range<u64>) -> BoxFuture<'static, Result<Bytes>> {
        let (file, buffers) = (Arc::clone(&self.file), self.buffers.clone());
        Box::pin(pool::start(move |_| file.chunk(&range, &buffers, Wait::Disk)))
    }
}

impl Drop for ReadStream {
    fn drop(&mut self) {
        // If the file was deleted or replaced, closing the last handle frees its blocks, which may take long.
        if self.file.is_unlinked() {
            pool::discard(Arc::clone(&self.file));
        }
    }
}
