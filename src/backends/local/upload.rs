//! Uploads that outlive a process.

use std::mem;
use std::sync::Arc;

use futures::TryStreamExt as _;

use super::write::{append, publish, stage};
use super::{LocalFileBackend, Shared};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::stream::ByteStream;
use crate::core::target::WriteTarget;
use crate::core::upload::ResumableUpload;
use crate::sys::fs::{StagedFile, UploadFile};
use crate::sys::pool::{self, Cancelled};

/// The number of bytes that are collected before a trip to the pool.
const BATCH: usize = 1024 * 1024;

pub(super) async fn begin(
    backend: &LocalFileBackend,
    path: &str,
    options: WriteOptions,
) -> Result<ResumableUpload> {
    let begun = async {
        let file = backend.shared.root.parse_entry(path)?;
        options.metadata.check()?;
        let shared = Arc::clone(&backend.shared);
        let create = move || {
            // Checks the target, and makes nothing that stays.
            let target = WriteTarget::from(&options);
            drop(stage(&shared, &file, &target, options.metadata.clone())?);
            let id = UploadFile::create(&shared.root, shared.new_file.sync)?;
            Ok(ResumableUpload::new(file, options, id))
        };
        pool::run(create).await
    };
    begun.await.map_err(|error| backend.failing("begin an upload of", path)(error))
}

pub(super) async fn resume(
    backend: &LocalFileBackend,
    upload: &ResumableUpload,
    mut data: ByteStream<'_>,
) -> Result<ResumableUpload> {
    let resumed = async {
        let (shared, state) = (Arc::clone(&backend.shared), upload.clone());
        let open = move || {
            let file = UploadFile::open(&shared.root, &state.id)?;
            file.rewind(state.offset)?;
            Ok(file)
        };
        let mut file = pool::run(open).await?;
        let (mut pieces, mut collected, mut offset) = (Vec::new(), 0, upload.offset);
        loop {
            let next = data.try_next().await;
            let is_over = !matches!(next, Ok(Some(_)));
            if let Ok(Some(piece)) = &next {
                collected += piece.len();
                offset += piece.len() as u64;
                upload.options.check_size_so_far(offset)?;
                pieces.push(piece.clone());
            }
            if is_over || collected >= BATCH {
                let (batch, sync) =
                    (mem::take(&mut pieces), is_over && backend.shared.new_file.sync);
                collected = 0;
                let write = move || {
                    file.append(&batch)?;
                    if sync {
                        file.sync()?;
                    }
                    Ok(file)
                };
                file = pool::run(write).await?;
            }
            if is_over {
                // What came before a failure is kept.
                next?;
                let mut state = upload.clone();
                state.offset = offset;
                return Ok(state);
            }
        }
    };
    resumed.await.map_err(|error| backend.failing("upload", &upload.path)(error))
}

pub(super) async fn state(
    backend: &LocalFileBackend,
    upload: &ResumableUpload,
) -> Result<ResumableUpload> {
    let (shared, mut state) = (Arc::clone(&backend.shared), upload.clone());
    let look_up = move || {
        state.offset = UploadFile::open(&shared.root, &state.id)?.size()?;
        Ok(state)
    };
    let state = pool::run(look_up).await;
    state.map_err(|error| backend.failing("upload", &upload.path)(error))
}

pub(super) async fn finish(
    backend: &LocalFileBackend,
    upload: &ResumableUpload,
) -> Result<FileInfo> {
    let finished = async {
        let path = backend.shared.root.parse_entry(&upload.path)?;
        let (options, id) = (upload.options.clone(), upload.id.clone());
        let target = WriteTarget::from(&options);
        let info = if options.mode == WriteMode::Append {
            let step = move |shared: &Shared, _: Option<()>, cancelled: &Cancelled| {
                let content = complete(shared, &id, &options, cancelled)?;
                let tail = |staged: &StagedFile| staged.append_file(content.file(), cancelled);
                append(shared, &path, tail, &options, cancelled)
            };
            backend.retry_while_busy(None, step).await?
        } else {
            let write = move |shared: &Shared,
                              path: &FilePath,
                              target: &WriteTarget,
                              cancelled: &Cancelled| {
                let content = complete(shared, &id, &options, cancelled)?;
                let staged = stage(shared, path, target, options.metadata.clone())?;
                staged.copy_file(content.file(), cancelled)?;
                Ok(staged)
            };
            publish(backend, path, target, write).await?
        };
        remove(backend, &upload.id).await?;
        Ok(info)
    };
    finished.await.map_err(|error| backend.failing("upload", &upload.path)(error))
}

/// Opens the content of an upload, which must be what the options say.
fn complete(
    shared: &Shared,
    id: &str,
    options: &WriteOptions,
    cancelled: &Cancelled,
) -> Result<UploadFile> {
    let content = UploadFile::open(&shared.root, id)?;
    options.check_size(content.size()?)?;
    if let Some(expected) = &options.checksum {
        content.expect(expected, cancelled)?;
    }
    Ok(content)
}

pub(super) async fn abandon(backend: &LocalFileBackend, upload: &ResumableUpload) -> Result<()> {
    let removed = remove(backend, &upload.id).await;
    removed.map_err(|error| backend.failing("upload", &upload.path)(error))
}

async fn remove(backend: &LocalFileBackend, id: &str) -> Result<()> {
    let (shared, id) = (Arc::clone(&backend.shared), id.to_owned());
    pool::run(move || UploadFile::remove(&shared.root, &id)).await
}
