//! Creating, replacing, appending to and copying files.

use std::sync::Arc;

use bytes::Bytes;

use super::write_stream::{WriteStream, write_all};
use super::{LocalFileBackend, Shared, check_not_root};
use crate::core::checksum::Checksum;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, LinkMode, ReadOptions, UpdateMode, UpdateOptions,
    WriteMode, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::ByteStream;
use crate::sys::fs::{self, Attempt, StagedFile, Stat};
use crate::sys::pool::{self, Cancelled, Wait};

pub(super) async fn create(
    backend: &LocalFileBackend,
    path: &str,
    data: Bytes,
    options: CreateOptions,
) -> Result<FileInfo> {
    let created = async {
        let file = backend.shared.root.parse_entry(path)?;
        let CreateOptions { mode, checksum } = options;
        let write = move |shared: &Shared, path: &FilePath, mode: &WriteMode, _: &Cancelled| {
            let staged = stage(shared, path, mode)?;
            if let Some(expected) = &checksum {
                expected.expect(&Checksum::of(expected.algorithm(), &data))?;
            }
            staged.append(&data)?;
            Ok(staged)
        };
        publish(backend, file, mode, write).await
    };
    created.await.map_err(|error| backend.failing("create", path)(error))
}

pub(super) async fn stream_write(
    backend: &LocalFileBackend,
    path: &str,
    mut data: ByteStream<'_>,
    options: WriteOptions,
) -> Result<FileInfo> {
    /// A streamed file before it is published.
    enum State {
        /// The last pieces are not written yet.
        Written(Box<(WriteStream, Vec<Bytes>)>),
        Complete(StagedFile),
    }

    let written = async {
        let file = backend.shared.root.parse_entry(path)?;
        let (shared, path, mode) =
            (Arc::clone(&backend.shared), file.clone(), options.mode.clone());
        let staged = pool::run(move || stage(&shared, &path, &mode)).await?;
        let stream = WriteStream::new(staged, &options);
        let written = write_all(stream, &mut data, &options).await?;
        let step = move |shared: &Shared, state: Option<State>, _: &Cancelled| {
            let staged = match state {
                Some(State::Written(written)) => {
                    let (stream, last) = *written;
                    stream.finish(&last, options.checksum.as_ref())?
                }
                Some(State::Complete(staged)) => staged,
                None => return Err(ErrorKind::Internal.into()),
            };
            Ok(match staged.commit(&shared.root, &file, &options.mode)? {
                Attempt::Done(stat) => Attempt::Done(stat.info(file.clone())),
                Attempt::Busy(staged) => Attempt::Busy(State::Complete(staged)),
            })
        };
        backend.retry_while_busy(Some(State::Written(Box::new(written))), step).await
    };
    written.await.map_err(|error| backend.failing("write", path)(error))
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

pub(super) async fn update(
    backend: &LocalFileBackend,
    path: &str,
    data: Bytes,
    options: UpdateOptions,
) -> Result<FileInfo> {
    let updated = async {
        let file = backend.shared.root.parse_entry(path)?;
        if options.mode == UpdateMode::Append {
            let step = move |shared: &Shared, _, cancelled: &Cancelled| {
                let appended = append(shared, &file, &data, &options, cancelled)?;
                Ok(appended.map(|stat| stat.info(file.clone())))
            };
            return backend.retry_while_busy(None, step).await;
        }
        let mode = options.if_match.clone().map_or(WriteMode::Overwrite, WriteMode::IfMatch);
        let write = move |shared: &Shared, path: &FilePath, mode: &WriteMode, _: &Cancelled| {
            let old = fs::look_up(&shared.root, path, LinkMode::Follow, Wait::Disk)?;
            check_update(&old, &options)?;
            let staged = stage(shared, path, mode)?.replacing();
            staged.append(&data)?;
            Ok(staged)
        };
        publish(backend, file, mode, write).await
    };
    updated.await.map_err(|error| backend.failing("update", path)(error))
}

pub(super) async fn copy(
    backend: &LocalFileBackend,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let copied = async {
        let (source, target) = backend.parse_two(from, to)?;
        if source == target && options.mode == WriteMode::Overwrite {
            let shared = Arc::clone(&backend.shared);
            let open = move || fs::open_file(&shared.root, &source, Wait::Disk);
            return Ok(pool::run(open).await?.stat.info(target));
        }
        let write =
            move |shared: &Shared, target: &FilePath, mode: &WriteMode, cancelled: &Cancelled| {
                let file = fs::open_file(&shared.root, &source, Wait::Disk)?;
                let settings = file.settings_of_copy(shared.new_file);
                let staged = StagedFile::begin(&shared.root, target, mode, settings)?;
                file.copy_to(&staged, cancelled)?;
                Ok(staged)
            };
        publish(backend, target, options.mode, write).await
    };
    copied.await.map_err(|error| backend.failing("copy", from)(error.between(from, to)))
}

fn stage(shared: &Shared, path: &FilePath, mode: &WriteMode) -> Result<StagedFile> {
    StagedFile::begin(&shared.root, path, mode, shared.new_file)
}

/// Writes a file with `write`, and publishes it at `path`.
async fn publish(
    backend: &LocalFileBackend,
    path: FilePath,
    mode: WriteMode,
    write: impl Fn(&Shared, &FilePath, &WriteMode, &Cancelled) -> Result<StagedFile>
    + Send
    + Sync
    + 'static,
) -> Result<FileInfo> {
    let step = move |shared: &Shared, staged: Option<StagedFile>, cancelled: &Cancelled| {
        let staged = staged.map_or_else(|| write(shared, &path, &mode, cancelled), Ok)?;
        let committed = staged.commit(&shared.root, &path, &mode)?;
        Ok(committed.map(|stat| stat.info(path.clone())))
    };
    backend.retry_while_busy(None, step).await
}

/// Writes the old content and then `data` to a new file, and replaces the old one. [`Attempt::Busy`] if the old file changes in the
/// meantime or another process has locked the directory.
fn append(
    shared: &Shared,
    path: &FilePath,
    data: &[u8],
    options: &UpdateOptions,
    cancelled: &Cancelled,
) -> Result<Attempt<Stat, ()>> {
    let old = fs::open_file(&shared.root, path, Wait::Disk)?;
    check_update(&old.stat, options)?;
    let mode = WriteMode::IfMatch(old.stat.etag());
    let staged = match stage(shared, path, &mode) {
        Err(error) if is_overtaken(&error, options) => return Ok(Attempt::Busy(())),
        staged => staged?,
    };
    old.copy_to(&staged, cancelled)?;
    staged.append(data)?;
    match staged.commit(&shared.root, path, &mode) {
        Ok(Attempt::Done(stat)) => Ok(Attempt::Done(stat)),
        Ok(Attempt::Busy(_)) => Ok(Attempt::Busy(())),
        Err(error) if is_overtaken(&error, options) => Ok(Attempt::Busy(())),
        Err(error) => Err(error),
    }
}

/// Whether another writer changed the file first. This is only an error for a caller that set an etag.
fn is_overtaken(error: &Error, options: &UpdateOptions) -> bool {
    error.kind() == ErrorKind::PreconditionFailed && options.if_match.is_none()
}

fn check_update(old: &Stat, options: &UpdateOptions) -> Result<()> {
    old.expect_file()?;
    let expected = ReadOptions { if_match: options.if_match.clone(), ..ReadOptions::default() };
    expected.check_etag(Some(&old.etag()))
}
