//! Creating and replacing files.

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::MemoryFileBackend;
use super::error::CONTEXT;
use crate::core::checksum::Checksum;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{CreateOptions, WriteOptions};
use crate::core::path::FilePath;
use crate::core::stream::ByteStream;

pub(super) fn create(
    backend: &MemoryFileBackend,
    path: &str,
    data: Bytes,
    options: &CreateOptions,
) -> Result<FileInfo> {
    let create = || {
        let path = FilePath::parse_entry(path)?;
        backend.tree().check_write(&path, &options.mode)?;
        check(options.checksum.as_ref(), &data)?;
        backend.tree().write(&path, data, &options.mode)
    };
    create().map_err(CONTEXT.at("create", path))
}

pub(super) async fn stream_write(
    backend: &MemoryFileBackend,
    path: &str,
    mut data: ByteStream<'_>,
    options: WriteOptions,
) -> Result<FileInfo> {
    let written = async {
        let file = FilePath::parse_entry(path)?;
        backend.tree().check_write(&file, &options.mode)?;
        let mut content = Vec::new();
        while let Some(chunk) = data.try_next().await? {
            content.extend_from_slice(&chunk);
            options.check_size_so_far(content.len() as u64)?;
        }
        options.check_size(content.len() as u64)?;
        check(options.checksum.as_ref(), &content)?;
        backend.tree().write(&file, content.into(), &options.mode)
    };
    written.await.map_err(CONTEXT.at("write", path))
}

fn check(expected: Option<&Checksum>, content: &[u8]) -> Result<()> {
    match expected {
        Some(expected) => expected.expect(&Checksum::of(expected.algorithm(), content)),
        None => Ok(()),
    }
}
