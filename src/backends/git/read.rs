//! Reads content.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::options::ReadOptions;
use crate::core::path::FilePath;

impl Shared {
    pub(super) async fn read(self: &Arc<Self>, path: &str, options: ReadOptions) -> Result<Bytes> {
        if !options.condition.is_empty() || options.version.is_some() {
            return self.open_file(path, options).await?.bytes().await;
        }
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.read_with(path, options).await
        };
        read.await.map_err(CONTEXT.at("read", path))
    }

    pub(super) async fn open_file(
        self: &Arc<Self>,
        path: &str,
        mut options: ReadOptions,
    ) -> Result<FileContent> {
        let open = async {
            if let Some(version) = options.version.take() {
                return self.open_version(path, &version, &options).await;
            }
            // A condition compares the times of the history, which the tree does not know.
            let condition = mem::take(&mut options.condition);
            let guard = self.lock_for_read().await?;
            let mut content = self.tree.open_with(path, options).await?;
            drop(guard);
            self.set_times(&mut content.info, self.committed_times().await?.as_ref());
            condition.check_read(content.info.etag.as_ref(), content.info.modified_at)?;
            Ok(content)
        };
        open.await.map_err(CONTEXT.at("read", path))
    }

    pub(super) async fn checksum(
        self: &Arc<Self>,
        path: &str,
        algorithm: ChecksumAlgorithm,
    ) -> Result<Checksum> {
        let checksum = async {
            let _guard = self.lock_for_read().await?;
            self.tree.checksum(path, algorithm).await
        };
        checksum.await.map_err(CONTEXT.at("checksum", path))
    }

    pub(super) async fn checksum_many(
        self: &Arc<Self>,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, Checksum>> {
        let checksums = async {
            let _guard = self.lock_for_read().await?;
            self.tree.checksum_many(paths, algorithm).await
        };
        checksums.await.map_err(CONTEXT.operation("checksum"))
    }
}
