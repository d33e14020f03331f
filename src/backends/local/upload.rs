//! Uploads that outlive a process.

use std::mem;
use std::sync::Arc;

use futures::TryStreamExt as _;

use super::open_files::{FILES_OF_WRITER, OpenFiles, Room};
use super::write::{Written, append, stage};
use super::{LocalFileBackend, Shared};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{WriteMode, WriteOptions};
use crate::core::stream::{ByteStream, from_caller};
use crate::core::target::WriteTarget;
use crate::core::upload::ResumableUpload;
use crate::sys::fs::{Attempt, StagedFile, UploadFile};
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
        backend.shared.root.file_system().check(&options.metadata)?;
        let shared = Arc::clone(&backend.shared);
        let create = move || {
            // Checks the target, and makes nothing that stays.
            let target = WriteTarget::from(&options);
            drop(stage(&shared, &file, &target, options.method, options.metadata.clone())?);
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
    data: ByteStream<'_>,
) -> Result<ResumableUpload> {
    let mut data = from_caller(data);
    let resumed = async {
        let (shared, state) = (Arc::clone(&backend.shared), upload.clone());
        let open = move || {
            let file = UploadFile::open(&shared.root, &state.id)?;
            state.expect_offset(file.size()?)?;
            file.rewind(state.offset)?;
            Ok(file)
        };
        let _room = OpenFiles::reserve(Room::Writing, FILES_OF_WRITER, &upload.path).await?;
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
                let (batch, sync) = (mem::take(&mut pieces), backend.shared.new_file.sync);
                let start = upload.offset;
                collected = 0;
                let write = move || {
                    file.append(&batch)?;
                    if is_over {
                        file.keep_after(start, sync)?;
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
        state.offset = UploadFile::size_of(&shared.root, &state.id)?;
        Ok(state)
    };
    let state = pool::run(look_up).await;
    state.map_err(|error| backend.failing("upload", &upload.path)(error))
}

/// An upload that is being published. Its content stays locked until it is published and removed.
struct Finishing {
    content: UploadFile,
    written: Option<Written>,
}

pub(super) async fn finish(
    backend: &LocalFileBackend,
    upload: &ResumableUpload,
) -> Result<FileInfo> {
    let finished = async {
        let path = backend.shared.root.parse_entry(&upload.path)?;
        let name = &upload.path;
        let upload = upload.clone();
        let step = move |shared: &Shared, state: Option<Finishing>, cancelled: &Cancelled| {
            let Finishing { content, written } = match state {
                Some(state) => state,
                None => Finishing { content: complete(shared, &upload, cancelled)?, written: None },
            };
            let options = &upload.options;
            let attempt = if options.mode == WriteMode::Append {
                let tail = |staged: &StagedFile| staged.append_file(content.file(), cancelled);
                append(shared, &path, written, tail, options, cancelled)?
            } else {
                let target = WriteTarget::from(options);
                let written = match written {
                    Some(written) => written,
                    None => {
                        let staged = stage(
                            shared,
                            &path,
                            &target,
                            options.method,
                            options.metadata.clone(),
                        )?;
                        staged.copy_file(content.file(), cancelled)?;
                        Written { staged, target }
                    }
                };
                written.publish(shared, &path)?
            };
            Ok(match attempt {
                Attempt::Done(info) => {
                    content.remove(&shared.root, &upload.id)?;
                    Attempt::Done(info)
                }
                Attempt::Busy(written) => Attempt::Busy(Finishing { content, written }),
            })
        };
        backend.retry_while_busy(name, step).await
    };
    finished.await.map_err(|error| backend.failing("upload", &upload.path)(error))
}

/// Opens the content of an upload, which must be what its state and its options say.
fn complete(
    shared: &Shared,
    upload: &ResumableUpload,
    cancelled: &Cancelled,
) -> Result<UploadFile> {
    let content = UploadFile::open(&shared.root, &upload.id)?;
    upload.expect_end(content.size()?)?;
    upload.options.check_size(upload.offset)?;
    if let Some(expected) = &upload.options.checksum {
        content.expect(expected, cancelled)?;
    }
    Ok(content)
}

pub(super) async fn abandon(backend: &LocalFileBackend, upload: &ResumableUpload) -> Result<()> {
    let (shared, id) = (Arc::clone(&backend.shared), upload.id.clone());
    let removed = pool::run(move || UploadFile::abandon(&shared.root, &id)).await;
    removed.map_err(|error| backend.failing("upload", &upload.path)(error))
}
