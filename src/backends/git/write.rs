//! Writes, updates and copies files, and creates directories.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::error::{failing, failing_pair};
use super::locks::TreeReadGuard;
use super::shared::Shared;
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
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
        let create = async {
            let guard = self.lock_for_write(path).await?;
            let info = self.tree.create_with(path, data, options).await?;
            self.finish_write(&info, guard).await?;
            self.push_after_write("Create", path).await?;
            Ok(info)
        };
        create.await.map_err(failing("create", path))
    }

    pub(super) async fn update(
        self: &Arc<Self>,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        let update = async {
            let guard = self.lock_for_write(path).await?;
            let info = self.tree.update_with(path, data, options).await?;
            self.finish_write(&info, guard).await?;
            self.push_after_write("Update", path).await?;
            Ok(info)
        };
        update.await.map_err(failing("update", path))
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
        write.await.map_err(failing("write", path))
    }

    pub(super) async fn copy(
        self: &Arc<Self>,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let copy = async {
            let guard = self.lock_for_write(to).await?;
            let info = self.tree.copy_with(from, to, options).await?;
            self.finish_write(&info, guard).await?;
            self.push_after_write("Copy", &format!("{from} to {to}")).await?;
            Ok(info)
        };
        copy.await.map_err(failing_pair("copy", from, to))
    }

    /// Creates a directory. Git does not store directories, so there is nothing to push.
    pub(super) async fn create_dir(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let create = async {
            let _guard = self.lock_for_write(path).await?;
            self.tree.create_dir_with(path, options).await
        };
        create.await.map_err(failing("create directory", path))
    }

    /// Ends a write: the next commit includes the file even if git ignores it.
    pub(super) async fn finish_write(&self, info: &FileInfo, guard: TreeReadGuard) -> Result<()> {
        self.pending_paths.add(info).await?;
        drop(guard);
        Ok(())
    }
}
