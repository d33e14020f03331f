//! Reading content and metadata.

use bytes::Bytes;

use super::MemoryFileBackend;
use super::error::CONTEXT;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::encoding::Encoding;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{EncodingMode, InfoOptions, ReadOptions};
use crate::core::stream::{DEFAULT_CHUNK_SIZE, chunked};
use crate::sys::pool;

pub(super) fn open(
    backend: &MemoryFileBackend,
    path: &str,
    options: &ReadOptions,
) -> Result<FileContent> {
    let open = || {
        let file = backend.parse_entry(path)?;
        let chunk_size = options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        let (info, content) = backend.tree().open_version(&file, options.version.as_ref())?;
        options.check(&info)?;
        let range = options.resolve_range(content.len() as u64)?;
        let offset = |at| usize::try_from(at).map_err(|_| Error::new(ErrorKind::InvalidRange));
        let part = content.slice(offset(range.start)?..offset(range.end)?);
        Ok(FileContent::new(info, range, chunked(part, chunk_size)))
    };
    open().map_err(CONTEXT.at("read", path))
}

pub(super) async fn info(
    backend: &MemoryFileBackend,
    path: &str,
    options: InfoOptions,
) -> Result<FileInfo> {
    let failing = CONTEXT.at("get info of", path);
    let look_up = || {
        let path = backend.parse(path)?;
        let tree = backend.tree();
        // Under the same lock, so that size, etag and checksum belong to the same content.
        let (info, content) = match &options.version {
            None => {
                let info = tree.info(&path)?;
                let content = info.is_file().then(|| tree.open(&path)).transpose()?;
                (info, content.map(|(_, content)| content))
            }
            version => {
                let (info, content) = tree.open_version(&path, version.as_ref())?;
                (info, Some(content))
            }
        };
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        Ok((info, content))
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
    let read = backend.parse_entry(path).and_then(|file| Ok(backend.tree().open(&file)?.1));
    let content = read.map_err(CONTEXT.at("checksum", path))?;
    hash(algorithm, content).await.map_err(CONTEXT.at("checksum", path))
}

/// Hashes in the pool, because this keeps a core busy.
async fn hash(algorithm: ChecksumAlgorithm, content: Bytes) -> Result<Checksum> {
    pool::run(move || Ok(Checksum::of(algorithm, &content))).await
}
