//! Creating, replacing and appending to files.

use std::sync::Arc;

use bytes::Bytes;

use super::open_files::{FILES_OF_WRITER, OpenFiles, Room};
use super::write_stream::{WriteStream, write_all};
use super::{LocalFileBackend, Shared, check_not_root};
use crate::core::checksum::Checksum;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::metadata::FileMetadata;
use crate::core::options::{CreateDirOptions, WriteMethod, WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, from_caller};
use crate::core::target::WriteTarget;
use crate::sys::fs::{self, Attempt, Naming, NewFile, StagedFile};
use crate::sys::pool::{self, Cancelled, FILES_PER_OPERATION, Wait};

pub(super) async fn write(
    backend: &LocalFileBackend,
    path: &str,
    data: Bytes,
    options: WriteOptions,
) -> Result<FileInfo> {
    let operation = options.mode.operation();
    let written = async {
        let file = start(backend, path, &options)?;
        options.check_size(data.len() as u64)?;
        let WriteOptions { checksum, metadata, .. } = options.clone();
        let check = move |data: &[u8]| match &checksum {
            Some(expected) => expected.expect(&Checksum::of(expected.algorithm(), data)),
            None => Ok(()),
        };
        if options.mode == WriteMode::Append {
            let step = move |shared: &Shared, written: Option<_>, cancelled: &Cancelled| {
                let tail = |staged: &StagedFile| {
                    check(&data)?;
                    staged.append(&data)
                };
                append(shared, &file, written.flatten(), tail, &options, cancelled)
            };
            return backend.retry_while_busy(path, step).await;
        }
        let in_place = options.method == WriteMethod::InPlace;
        let write = move |shared: &Shared, path: &FilePath, target: &WriteTarget, _: &Cancelled| {
            let settings = NewFile { naming: Naming::ForReplacement, in_place, ..shared.new_file };
            let metadata = metadata.clone();
            let staged = StagedFile::begin(&shared.root, path, target, settings, metadata)?;
            check(&data)?;
            staged.append(&data)?;
            Ok(staged)
        };
        publish(backend, file, WriteTarget::from(&options), write).await
    };
    written.await.map_err(|error| backend.failing(operation, path)(error))
}

pub(super) async fn stream_write(
    backend: &LocalFileBackend,
    path: &str,
    data: ByteStream<'_>,
    options: WriteOptions,
) -> Result<FileInfo> {
    /// A streamed file before it is published.
    enum State {
        /// The last pieces are not written yet.
        Streamed(Box<(WriteStream, Vec<Bytes>)>),
        /// For an append, with the file that has the old content too.
        Complete(Box<(StagedFile, Option<Written>)>),
    }

    let operation = options.mode.operation();
    let written = async {
        let file = start(backend, path, &options)?;
        let target = WriteTarget::from(&options);
        let is_append = options.mode == WriteMode::Append;
        let (shared, path, begun) = (Arc::clone(&backend.shared), file.clone(), target.clone());
        // The metadata of a file that is appended to are set when its old content is known.
        let metadata = if is_append { FileMetadata::default() } else { options.metadata.clone() };
        let room = OpenFiles::reserve(Room::Writing, FILES_OF_WRITER, &file).await?;
        let name = file.clone();
        let method = options.method;
        let staged = pool::run(move || stage(&shared, &path, &begun, method, metadata)).await?;
        let stream = WriteStream::new(staged, &options);
        let written = write_all(stream, &mut from_caller(data), &options).await?;
        let step = move |shared: &Shared, state: Option<State>, cancelled: &Cancelled| {
            let (staged, written) = match state {
                Some(State::Streamed(streamed)) => {
                    let (stream, last) = *streamed;
                    (stream.finish(&last, options.checksum.as_ref())?, None)
                }
                Some(State::Complete(complete)) => *complete,
                None => return Err(ErrorKind::Internal.into()),
            };
            let busy = |staged, written| State::Complete(Box::new((staged, written)));
            if is_append {
                let tail = |new: &StagedFile| new.append_file(staged.file(), cancelled);
                return Ok(match append(shared, &file, written, tail, &options, cancelled)? {
                    Attempt::Done(info) => Attempt::Done(info),
                    Attempt::Busy(written) => Attempt::Busy(busy(staged, written)),
                });
            }
            Ok(match staged.commit(&shared.root, &file, &target)? {
                Attempt::Done(info) => Attempt::Done(info),
                Attempt::Busy(staged) => Attempt::Busy(busy(staged, None)),
            })
        };
        let first = (State::Streamed(Box::new(written)), room);
        backend.retry_with_files(FILES_PER_OPERATION, &name, Some(first), step).await
    };
    written.await.map_err(|error| backend.failing(operation, path)(error))
}

/// Checks what needs no look at the disk.
fn start(backend: &LocalFileBackend, path: &str, options: &WriteOptions) -> Result<FilePath> {
    let file = backend.shared.root.parse_entry(path)?;
    options.metadata.check()?;
    backend.shared.root.file_system().check(&options.metadata)?;
    Ok(file)
}

pub(super) async fn create_dir(
    backend: &LocalFileBackend,
    path: &str,
    options: CreateDirOptions,
) -> Result<()> {
    let create = move |shared: &Shared, path: &FilePath, _: &Cancelled| {
        check_not_root(path)?;
        fs::create_dir(&shared.root, path, options.mode, shared.new_file.sync)
    };
    backend.run("create directory", path, create).await
}

pub(super) fn stage(
    shared: &Shared,
    path: &FilePath,
    target: &WriteTarget,
    method: WriteMethod,
    metadata: FileMetadata,
) -> Result<StagedFile> {
    let settings = NewFile { in_place: method == WriteMethod::InPlace, ..shared.new_file };
    StagedFile::begin(&shared.root, path, target, settings, metadata)
}

/// Writes a file with `write`, and publishes it at `path`.
pub(super) async fn publish(
    backend: &LocalFileBackend,
    path: FilePath,
    target: WriteTarget,
    write: impl Fn(&Shared, &FilePath, &WriteTarget, &Cancelled) -> Result<StagedFile>
    + Send
    + Sync
    + 'static,
) -> Result<FileInfo> {
    let name = path.clone();
    let step = move |shared: &Shared, staged: Option<StagedFile>, cancelled: &Cancelled| {
        let write = || write(shared, &path, &target, cancelled);
        staged.map_or_else(write, Ok)?.commit(&shared.root, &path, &target)
    };
    backend.retry_while_busy(&name, step).await
}

/// A complete file, and what it may replace. It is kept while another process has locked the directory.
pub(super) struct Written {
    pub(super) staged: StagedFile,
    pub(super) target: WriteTarget,
}

impl Written {
    /// Publishes the file. [`Attempt::Busy`] if another process has locked the directory.
    pub(super) fn publish(
        self,
        shared: &Shared,
        path: &FilePath,
    ) -> Result<Attempt<FileInfo, Option<Self>>> {
        let Self { staged, target } = self;
        Ok(match staged.commit(&shared.root, path, &target)? {
            Attempt::Done(info) => Attempt::Done(info),
            Attempt::Busy(staged) => Attempt::Busy(Some(Self { staged, target })),
        })
    }
}

/// Replaces the file at `path` by one with the old content and then the content of `tail`, which is `written` if it is complete.
/// [`Attempt::Busy`] if the old file changes in the meantime or another process has locked the directory.
pub(super) fn append(
    shared: &Shared,
    path: &FilePath,
    written: Option<Written>,
    tail: impl Fn(&StagedFile) -> Result<()>,
    options: &WriteOptions,
    cancelled: &Cancelled,
) -> Result<Attempt<FileInfo, Option<Written>>> {
    let write = || write_appended(shared, path, tail, options, cancelled);
    let written = written.map_or_else(write, Ok);
    match written.and_then(|written| written.publish(shared, path)) {
        Err(error) if is_overtaken(&error, options) => Ok(Attempt::Busy(None)),
        published => published,
    }
}

/// Writes the old content and then the content of `tail` to a new file.
fn write_appended(
    shared: &Shared,
    path: &FilePath,
    tail: impl Fn(&StagedFile) -> Result<()>,
    options: &WriteOptions,
    cancelled: &Cancelled,
) -> Result<Written> {
    let old = fs::open_file(&shared.root, path, Wait::Disk)?;
    old.stat.check_change(&options.condition)?;
    let kept = old.info(path.clone())?;
    let mut metadata = options.metadata.clone();
    metadata.content_type = metadata.content_type.or(kept.content_type);
    if metadata.user_metadata.is_empty() {
        metadata.user_metadata = kept.user_metadata;
    }
    let target = WriteTarget::from(WriteMode::IfMatch(old.stat.etag()));
    let staged = stage(shared, path, &target, options.method, metadata)?;
    old.copy_to(&staged, cancelled)?;
    tail(&staged)?;
    Ok(Written { staged, target })
}

/// Whether another writer changed the file first. This is only an error for a caller that set a condition.
fn is_overtaken(error: &Error, options: &WriteOptions) -> bool {
    error.kind() == ErrorKind::PreconditionFailed && options.condition.is_empty()
}
