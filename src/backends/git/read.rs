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
use crate::core::error::{ErrorKind, Result};
use crate::core::options::{ByteRange, InfoOptions, ReadOptions};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, in_context};

/// Whether the working tree can answer alone, which costs no look at the history: the tree has neither versions nor times of commits.
pub(super) fn is_of_tree(options: &ReadOptions) -> bool {
    options.version.is_none() && !options.condition.has_times()
}

impl Shared {
    pub(super) async fn read(self: &Arc<Self>, path: &str, options: ReadOptions) -> Result<Bytes> {
        if !is_of_tree(&options) {
            return self.open_file(path, options).await?.bytes().await;
        }
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.read_with(path, options).await
        };
        read.await.map_err(CONTEXT.at("read", path))
    }

    pub(super) async fn stream(
        self: &Arc<Self>,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        if !is_of_tree(&options) {
            return Ok(self.open_file(path, options).await?.stream);
        }
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.stream_read_with(path, options).await
        };
        let content = read.await.map_err(CONTEXT.at("read", path))?;
        Ok(in_context(content, CONTEXT, "read", path))
    }

    /// Reads ranges of a file in the working tree.
    pub(super) async fn read_ranges(
        self: &Arc<Self>,
        path: &str,
        ranges: &[ByteRange],
        options: ReadOptions,
    ) -> Result<Vec<Bytes>> {
        let read = async {
            let _guard = self.lock_for_read().await?;
            self.tree.read_ranges_with(path, ranges, options).await
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
            let timed = options.condition.has_times().then(|| mem::take(&mut options.condition));
            let guard = self.lock_for_read().await?;
            let opened = self.tree.open_with(path, options).await;
            drop(guard);
            if let (Some(condition), Err(error)) = (&timed, &opened)
                && error.kind() == ErrorKind::InvalidRange
            {
                // The condition comes before the range.
                let wanted = InfoOptions::default().with_condition(condition.clone());
                self.info(path, wanted).await?;
            }
            let mut content = opened?;
            self.set_times(&mut content.info, self.committed_times().await?.as_ref());
            if let Some(condition) = timed {
                condition.check_read(content.info.etag.as_ref(), content.info.modified_at)?;
            }
            Ok(content)
        };
        let mut content = open.await.map_err(CONTEXT.at("read", path))?;
        content.stream = in_context(content.stream, CONTEXT, "read", path);
        Ok(content)
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
