//! Reads content.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::Result;
use crate::core::options::ReadOptions;
use crate::core::path::FilePath;
use crate::core::stream::ByteStream;

impl Shared {
    pub(super) async fn read(self: &Arc<Self>, path: &str, options: ReadOptions) -> Result<Bytes> {
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.read_with(path, options).await
        };
        read.await.map_err(CONTEXT.at("read", path))
    }

    pub(super) async fn stream_read(
        self: &Arc<Self>,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.stream_read_with(path, options).await
        };
        read.await.map_err(CONTEXT.at("read", path))
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
