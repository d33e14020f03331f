//! Creating and replacing files.

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::MemoryFileBackend;
use super::error::CONTEXT;
use crate::core::checksum::Checksum;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::WriteOptions;
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, from_caller};
use crate::core::target::WriteTarget;

pub(super) fn write(
    backend: &MemoryFileBackend,
    path: &str,
    data: Bytes,
    options: &WriteOptions,
) -> Result<FileInfo> {
    let write = || {
        let (file, target) = start(backend, path, options)?;
        options.check_size(data.len() as u64)?;
        check(options.checksum.as_ref(), &data)?;
        backend.tree().write(&file, data, &target, &options.metadata)
    };
    write().map_err(CONTEXT.at(options.mode.operation(), path))
}

pub(super) async fn stream_write(
    backend: &MemoryFileBackend,
    path: &str,
    data: ByteStream<'_>,
    options: WriteOptions,
) -> Result<FileInfo> {
    let mut data = from_caller(data);
    let written = async {
        let (file, target) = start(backend, path, &options)?;
        let mut content = Vec::new();
        while let Some(chunk) = data.try_next().await? {
            content.extend_from_slice(&chunk);
            options.check_size_so_far(content.len() as u64)?;
        }
        options.check_size(content.len() as u64)?;
        check(options.checksum.as_ref(), &content)?;
        backend.tree().write(&file, content.into(), &target, &options.metadata)
    };
    written.await.map_err(CONTEXT.at(options.mode.operation(), path))
}

/// Checks everything that can be checked before there is content.
pub(super) fn start(
    backend: &MemoryFileBackend,
    path: &str,
    options: &WriteOptions,
) -> Result<(FilePath, WriteTarget)> {
    let file = backend.parse_entry(path)?;
    options.metadata.check()?;
    options.expect_replace()?;
    let target = WriteTarget::from(options);
    backend.tree().check_write(&file, &target)?;
    Ok((file, target))
}

fn check(expected: Option<&Checksum>, content: &[u8]) -> Result<()> {
    match expected {
        Some(expected) => expected.expect(&Checksum::of(expected.algorithm(), content)),
        None => Ok(()),
    }
}
