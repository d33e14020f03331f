//! Reading content and metadata.

use bytes::Bytes;

use super::MemoryFileBackend;
use super::error::CONTEXT;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::encoding::Encoding;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{EncodingMode, InfoOptions, ReadOptions};
use crate::core::path::FilePath;
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::sys::pool;

pub(super) fn read(
    backend: &MemoryFileBackend,
    path: &str,
    options: &ReadOptions,
) -> Result<Bytes> {
    let read = || {
        let file = FilePath::parse_entry(path)?;
        options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        backend.tree().read(&file, options)
    };
    read().map_err(CONTEXT.at("read", path))
}

pub(super) async fn info(
    backend: &MemoryFileBackend,
    path: &str,
    options: InfoOptions,
) -> Result<FileInfo> {
    let failing = CONTEXT.at("get info of", path);
    let look_up = || {
        let path = FilePath::parse(path)?;
        let tree = backend.tree();
        let info = tree.info(&path)?;
        // Under the same lock, so that size, etag and checksum belong to the same content.
        let content = info.is_file().then(|| tree.read(&path, &ReadOptions::default()));
        Ok((info, content.transpose()?))
    };
    let (mut info, content) = look_up().map_err(&failing)?;
    let Some(content) = content else { return Ok(info) };
    if options.encoding == EncodingMode::Detect {
        let sample = &content[..content.len().min(Encoding::SAMPLE_BYTES)];
        info.encoding = Some(Encoding::detect(sample, sample.len() == content.len()));
    }
    if let Some(algorithm) = options.checksum {
        info.checksum = Some(hash(algorithm, content).await.map_err(failing)?);
    }
    Ok(info)
}

pub(super) async fn checksum(
    backend: &MemoryFileBackend,
    path: &str,
    algorithm: ChecksumAlgorithm,
) -> Result<Checksum> {
    let read = FilePath::parse_entry(path)
        .and_then(|file| backend.tree().read(&file, &ReadOptions::default()));
    let content = read.map_err(CONTEXT.at("checksum", path))?;
    hash(algorithm, content).await.map_err(CONTEXT.at("checksum", path))
}

/// Hashes in the pool, because this keeps a core busy.
async fn hash(algorithm: ChecksumAlgorithm, content: Bytes) -> Result<Checksum> {
    pool::run(move || Ok(Checksum::of(algorithm, &content))).await
}
