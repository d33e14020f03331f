//! Writes, updates and copies files, and creates directories.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, UpdateOptions, WriteOptions,
};
use crate::core::stream::ByteStream;

impl Shared {
    pub(super) async fn create(
        self: &Arc<Self>,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        let create = async { self.tree.create_bytes(path, data, options).await };
        self.write_with(create, path, "Create", path).await.map_err(CONTEXT.at("create", path))
    }

    pub(super) async fn update(
        self: &Arc<Self>,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        let update = async { self.tree.update_bytes(path, data, options).await };
        self.write_with(update, path, "Update", path).await.map_err(CONTEXT.at("update", path))
    }

    pub(super) async fn stream_write(
        self: &Arc<Self>,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let write = async {
            drop(self.lock_for_write(path).await?);
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
            let info = self.tree.stream_write_with(path, data.chain(end).boxed(), options).await?;
            self.pending_paths.add(&info).await?;
            drop(guard);
            self.push_after_write("Write", path).await?;
            Ok(info)
        };
        write.await.map_err(CONTEXT.at("write", path))
    }

    pub(super) async fn copy(
        self: &Arc<Self>,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let copy = async { self.tree.copy_with(from, to, options).await };
        let both = format!("{from} to {to}");
        self.write_with(copy, to, "Copy", &both).await.map_err(CONTEXT.between("copy", from, to))
    }

    /// Creates a directory. Git does not store directories, so there is nothing to push.
    pub(super) async fn create_dir(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let create = async {
            let _guard = self.lock_for_write(path).await?;
            self.tree.create_dir_with(path, options).await
        };
        create.await.map_err(CONTEXT.at("create directory", path))
    }

    /// Runs `write`, which writes to `target`, while no checkout changes the tree. The next commit includes the file even if git ignores
    /// it; if pushes are automatic, `verb` and `what` describe it.
    pub(super) async fn write_with(
        self: &Arc<Self>,
        write: impl Future<Output = Result<FileInfo>> + Send,
        target: &str,
        verb: &str,
        what: &str,
    ) -> Result<FileInfo> {
        let guard = self.lock_for_write(target).await?;
        let info = write.await?;
        self.pending_paths.add(&info).await?;
        drop(guard);
        self.push_after_write(verb, what).await?;
        Ok(info)
    }
}
