//! Reading content and metadata.

use bytes::Bytes;

use super::read_stream::ReadStream;
use super::{LocalFileBackend, Shared, check_not_root};
use crate::core::encoding::Encoding;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{EncodingMode, InfoOptions, ReadOptions};
use crate::core::path::FilePath;
use crate::core::stream::ByteStream;
use crate::sys::fs::{self, OpenFile};
use crate::sys::pool::{Cancelled, Wait};

pub(super) async fn read(
    backend: &LocalFileBackend,
    path: &str,
    options: ReadOptions,
) -> Result<Bytes> {
    let read = move |shared: &Shared, path: &FilePath, wait, _: &Cancelled| {
        check_not_root(path)?;
        options.chunk_size_or(shared.chunk_size)?;
        let file = open(shared, path, &options, wait)?;
        file.read(&options.resolve_range(file.stat.size())?, wait)
    };
    backend.run_inline("read", path, read, Bytes::len).await
}

pub(super) async fn stream_read(
    backend: &LocalFileBackend,
    path: &str,
    options: ReadOptions,
) -> Result<ByteStream<'static>> {
    let start = move |shared: &Shared, path: &FilePath, wait, _: &Cancelled| {
        check_not_root(path)?;
        let chunk_size = options.chunk_size_or(shared.chunk_size)?;
        let file = open(shared, path, &options, wait)?;
        let range = options.resolve_range(file.stat.size())?;
        ReadStream::start(file, range, chunk_size, wait)
    };
    let stream = backend.run_inline("read", path, start, ReadStream::first_len).await?;
    Ok(stream.into_stream(backend.failing("read", path)))
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

fn open(shared: &Shared, path: &FilePath, options: &ReadOptions, wait: Wait) -> Result<OpenFile> {
    let file = fs::open_file(&shared.root, path, wait)?;
    options.check_etag(Some(&file.stat.etag()))?;
    Ok(file)
}

fn look_up(
    shared: &Shared,
    path: &FilePath,
    options: &InfoOptions,
    wait: Wait,
    cancelled: &Cancelled,
) -> Result<FileInfo> {
    let stat = fs::look_up(&shared.root, path, options.links, wait)?;
    let needs_content = options.checksum.is_some() || options.encoding == EncodingMode::Detect;
    if !needs_content || !stat.is_file() {
        return Ok(stat.info(path.clone()));
    }
    wait.expect_disk()?;
    let file = fs::open_file(&shared.root, path, wait)?;
    let mut info = file.stat.info(path.clone());
    if options.encoding == EncodingMode::Detect {
        let (sample, complete) = file.sample(Encoding::SAMPLE_BYTES)?;
        info.encoding = Some(Encoding::detect(&sample, complete));
    }
    if let Some(algorithm) = options.checksum {
        info.checksum = Some(file.checksum(algorithm, cancelled)?);
    }
    Ok(info)
}
