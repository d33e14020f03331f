//! Reading content and metadata.

use std::ops::Range;

use bytes::Bytes;

use super::open_files::{OpenFiles, Room};
use super::read_stream::ReadStream;
use super::{LocalFileBackend, Shared, check_not_root};
use crate::core::content::FileContent;
use crate::core::encoding::Encoding;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{ByteRange, EncodingMode, InfoOptions, ReadOptions};
use crate::core::path::FilePath;
use crate::core::stream::{chunked, single};
use crate::sys::fs::{self, OpenFile};
use crate::sys::pool::{Cancelled, INLINE_LIMIT, Wait};

pub(super) async fn read(
    backend: &LocalFileBackend,
    path: &str,
    options: ReadOptions,
) -> Result<Bytes> {
    let read = move |shared: &Shared, path: &FilePath, wait, cancelled: &Cancelled| {
        check_not_root(path)?;
        options.expect_current()?;
        options.chunk_size_or(shared.chunk_size)?;
        let file = open_file(shared, path, &options, wait)?;
        if let Some(content) = file.untold(wait, cancelled)? {
            return Ok(slice(&content, &options.resolve_range(content.len() as u64)?));
        }
        file.read(&options.resolve_range(file.stat.size())?, wait)
    };
    backend.run_inline("read", path, read, Bytes::len).await
}

/// Reads each range with a call of its own: on a local disk, this is faster than reading the gaps between them.
pub(super) async fn read_ranges(
    backend: &LocalFileBackend,
    path: &str,
    ranges: &[ByteRange],
    options: ReadOptions,
) -> Result<Vec<Bytes>> {
    let ranges = ranges.to_vec();
    let read = move |shared: &Shared, path: &FilePath, wait, cancelled: &Cancelled| {
        check_not_root(path)?;
        if options.range.is_some() {
            let message = "the options have a range beside the list of ranges";
            return Err(Error::new(ErrorKind::InvalidInput).with_message(message));
        }
        options.expect_current()?;
        options.chunk_size_or(shared.chunk_size)?;
        let file = open_file(shared, path, &options, wait)?;
        let untold = file.untold(wait, cancelled)?;
        let size = untold.as_ref().map_or(file.stat.size(), |content| content.len() as u64);
        let resolved =
            ranges.iter().map(|range| range.resolve(size)).collect::<Result<Vec<_>>>()?;
        if let Some(content) = untold {
            return Ok(resolved.iter().map(|range| slice(&content, range)).collect());
        }
        let total = resolved.iter().map(|range| range.end - range.start).sum::<u64>();
        if total > INLINE_LIMIT as u64 {
            wait.expect_disk()?;
        }
        file.read_each(&resolved, wait, cancelled)
    };
    let copied = |parts: &Vec<Bytes>| parts.iter().map(Bytes::len).sum();
    backend.run_inline("read", path, read, copied).await
}

/// Returns a range within `content`.
fn slice(content: &Bytes, range: &Range<u64>) -> Bytes {
    let offset = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
    content.slice(offset(range.start)..offset(range.end))
}

/// A file that was opened.
struct Opened {
    info: FileInfo,
    range: Range<u64>,
    content: Content,
}

/// The content of a file: all of it if it fits into a chunk.
enum Content {
    Whole(Bytes),
    /// The content of a file that does not tell its size, and the size of its chunks.
    Pieces(Bytes, usize),
    Stream(ReadStream),
}

pub(super) async fn open(
    backend: &LocalFileBackend,
    path: &str,
    options: ReadOptions,
) -> Result<FileContent> {
    let wanted = options.clone();
    let try_open = move |shared: &Shared, path: &FilePath, wait, cancelled: &Cancelled| {
        let room = || OpenFiles::try_reserve(Room::Reading, 1, path);
        open_content(shared, path, &wanted, wait, cancelled, room)
    };
    let copied = |opened: &Option<Opened>| match opened.as_ref().map(|opened| &opened.content) {
        Some(Content::Whole(content) | Content::Pieces(content, _)) => content.len(),
        Some(Content::Stream(stream)) => stream.first_len(),
        None => 0,
    };
    let opened = match backend.run_inline("read", path, try_open, copied).await? {
        Some(opened) => opened,
        None => {
            let room = OpenFiles::reserve(Room::Reading, 1, path).await;
            let room = room.map_err(|error| backend.failing("read", path)(error))?;
            let open = move |shared: &Shared, path: &FilePath, cancelled: &Cancelled| {
                let room = || Some(room);
                let opened = open_content(shared, path, &options, Wait::Disk, cancelled, room)?;
                opened.ok_or_else(|| ErrorKind::Internal.into())
            };
            backend.run("read", path, open).await?
        }
    };
    let Opened { info, range, content } = opened;
    let stream = match content {
        Content::Whole(content) => single(content),
        Content::Pieces(content, chunk_size) => chunked(content, chunk_size),
        Content::Stream(stream) => stream.into_stream(backend.failing("read", path)),
    };
    Ok(FileContent::new(info, range, stream))
}

/// Opens a file; `None` if it has to stay open and `room` returns none for it.
fn open_content(
    shared: &Shared,
    path: &FilePath,
    options: &ReadOptions,
    wait: Wait,
    cancelled: &Cancelled,
    room: impl FnOnce() -> Option<OpenFiles>,
) -> Result<Option<Opened>> {
    check_not_root(path)?;
    options.expect_current()?;
    let chunk_size = options.chunk_size_or(shared.chunk_size)?;
    let file = open_file(shared, path, options, wait)?;
    let mut info = file.info(path.clone())?;
    if let Some(content) = file.untold(wait, cancelled)? {
        info.size = Some(content.len() as u64);
        let range = options.resolve_range(content.len() as u64)?;
        let content = Content::Pieces(slice(&content, &range), chunk_size);
        return Ok(Some(Opened { info, range, content }));
    }
    let range = options.resolve_range(file.stat.size())?;
    let content = if range.end - range.start <= chunk_size as u64 {
        Content::Whole(file.read(&range, wait)?)
    } else {
        let Some(room) = room() else { return Ok(None) };
        Content::Stream(ReadStream::start(file, room, range.clone(), chunk_size, wait)?)
    };
    Ok(Some(Opened { info, range, content }))
}

pub(super) async fn info(
    backend: &LocalFileBackend,
    path: &str,
    options: InfoOptions,
) -> Result<FileInfo> {
    let info = move |shared: &Shared, path: &FilePath, wait, cancelled: &Cancelled| {
        look_up(shared, path, &options, wait, cancelled)
    };
    backend.run_inline("get info of", path, info, |_| 0).await
}

fn open_file(
    shared: &Shared,
    path: &FilePath,
    options: &ReadOptions,
    wait: Wait,
) -> Result<OpenFile> {
    let file = fs::open_file(&shared.root, path, wait)?;
    file.stat.check_read(&options.condition)?;
    Ok(file)
}

fn look_up(
    shared: &Shared,
    path: &FilePath,
    options: &InfoOptions,
    wait: Wait,
    cancelled: &Cancelled,
) -> Result<FileInfo> {
    options.expect_current()?;
    let info = fs::look_up(&shared.root, path, options, wait)?;
    let needs_content = options.checksum.is_some() || options.encoding == EncodingMode::Detect;
    if !needs_content || !info.is_file() {
        return Ok(info);
    }
    wait.expect_disk()?;
    let file = fs::open_file(&shared.root, path, wait)?;
    file.stat.check_read(&options.condition)?;
    let mut info = file.info(path.clone())?;
    if options.encoding == EncodingMode::Detect {
        let (sample, complete) = file.sample(Encoding::SAMPLE_BYTES, cancelled)?;
        info.encoding = Some(Encoding::detect(&sample, complete));
    }
    if let Some(algorithm) = options.checksum {
        info.checksum = Some(file.checksum(algorithm, cancelled)?);
    }
    Ok(info)
}
