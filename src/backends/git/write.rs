//! Writes, updates and copies files, and creates directories.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::error::CONTEXT;
use super::metadata::check_metadata;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::error::{Error, Result};
use crate::core::info::FileInfo;
use crate::core::options::{CopyOptions, CreateDirOptions, WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, from_caller};

impl Shared {
    pub(super) async fn write(
        self: &Arc<Self>,
        path: &str,
        data: Bytes,
        mut options: WriteOptions,
    ) -> Result<FileInfo> {
        let (operation, verb) = (options.mode.operation(), verb_of(&options.mode));
        let write = async {
            let file = self.check_write(path, &mut options).await?;
            let write = async { self.tree.write_bytes(path, data, options).await };
            self.write_with(write, &file, verb, path).await
        };
        write.await.map_err(CONTEXT.at(operation, path))
    }

    /// Returns the path of a write that the options allow, and makes their condition one that the tree can check.
    async fn check_write(
        self: &Arc<Self>,
        path: &str,
        options: &mut WriteOptions,
    ) -> Result<FilePath> {
        let file = self.tree.parse_entry(path)?;
        check_metadata(&options.metadata)?;
        options.expect_replace()?;
        let condition = mem::take(&mut options.condition);
        options.condition = self.condition_for_tree(&file, condition).await?;
        Ok(file)
    }

    pub(super) async fn stream_write(
        self: &Arc<Self>,
        path: &str,
        data: ByteStream<'_>,
        mut options: WriteOptions,
    ) -> Result<FileInfo> {
        let (operation, verb) = (options.mode.operation(), verb_of(&options.mode));
        let write = async {
            let file = self.check_write(path, &mut options).await?;
            drop(self.lock_for_write(&file).await?);
            // The tree is locked when the source ends, so that a slow source does not block checkouts.
            let guard = Mutex::new(None);
            let lock = async {
                match self.lock_tree().await {
                    Ok(locked) => {
                        *guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(locked);
                        None
                    }
                    Err(error) => Some(Err(error)),
                }
            };
            let end = stream::once(lock).filter_map(std::future::ready);
            let data = from_caller(data).chain(end).boxed();
            let written = self.tree.stream_write_with(path, data, options).await;
            let info = written.map_err(Error::into_error_of_source)?;
            self.note_written(&info).await?;
            drop(guard);
            self.push_after_write(verb, path).await?;
            Ok(info)
        };
        write.await.map_err(CONTEXT.at(operation, path))
    }

    pub(super) async fn copy(
        self: &Arc<Self>,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let copy = async {
            let (file, copied) = self.tree.parse_two(from, to)?;
            let source = self.condition_for_tree(&file, options.source).await?;
            let target = self.condition_for_tree(&copied, options.target).await?;
            let options = CopyOptions { source, target, ..options };
            let copy = async { self.tree.copy_with(from, to, options).await };
            self.write_with(copy, &copied, "Copy", &format!("{from} to {to}")).await
        };
        copy.await.map_err(CONTEXT.between("copy", from, to))
    }

    /// Creates a directory. Git does not store directories, so there is nothing to push.
    pub(super) async fn create_dir(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let create = async {
            let _guard = self.lock_for_write(&self.tree.parse_entry(path)?).await?;
            self.tree.create_dir_with(path, options).await
        };
        create.await.map_err(CONTEXT.at("create directory", path))
    }

    /// Runs `write`, which writes to `target`, while no checkout changes the tree. The next commit includes the file even if git ignores
    /// it; if pushes are automatic, `verb` and `what` describe it.
    pub(super) async fn write_with(
        self: &Arc<Self>,
        write: impl Future<Output = Result<FileInfo>> + Send,
        target: &FilePath,
        verb: &str,
        what: &str,
    ) -> Result<FileInfo> {
        let guard = self.lock_for_write(target).await?;
        let info = write.await?;
        self.note_written(&info).await?;
        drop(guard);
        self.push_after_write(verb, what).await?;
        Ok(info)
    }

    /// Notes a file that was written for the next commit.
    async fn note_written(&self, info: &FileInfo) -> Result<()> {
        self.pending_paths.add(&[info], self.may_hide().await).await.map_err(Error::with_applied)
    }

    /// Notes paths that were removed for the next commit.
    pub(super) async fn note_removed(&self, paths: &[&FilePath]) -> Result<()> {
        let noted = self.pending_paths.add_removed(paths, self.may_hide().await).await;
        noted.map_err(Error::with_applied)
    }

    /// Reports whether git may not look at some files. A damaged index is an error of the next commit.
    pub(super) async fn may_hide(&self) -> bool {
        self.repository.may_hide().await.unwrap_or(true)
    }
}

/// Returns the verb for the message of a commit.
pub(super) fn verb_of(mode: &WriteMode) -> &'static str {
    match mode {
        WriteMode::Create => "Create",
        WriteMode::Overwrite => "Write",
        WriteMode::Replace | WriteMode::IfMatch(_) | WriteMode::Append => "Update",
    }
}
