//! Looks up metadata, with the times of the history.

use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use super::error::CONTEXT;
use super::history::Times;
use super::shared::Shared;
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::core::error::{ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{InfoOptions, LinkMode};
use crate::core::path::FilePath;
use crate::core::precondition::Precondition;

/// The times of the history, and the limit of their validity.
pub(super) struct CommittedTimes {
    times: Arc<Times>,
    /// When the index was written. A file that was modified later has its own times.
    indexed_at: SystemTime,
}

impl Shared {
    pub(super) async fn info(
        self: &Arc<Self>,
        path: &str,
        mut options: InfoOptions,
    ) -> Result<FileInfo> {
        let info = async {
            if let Some(version) = options.version.take() {
                return self.info_of_version(path, &version, &options).await;
            }
            let condition = mem::take(&mut options.condition);
            let info = self.look_up(path, options).await?;
            condition.check_read(info.etag.as_ref(), info.modified_at)?;
            Ok(info)
        };
        info.await.map_err(CONTEXT.at("get info of", path))
    }

    async fn look_up(self: &Arc<Self>, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let guard = self.lock_for_read().await?;
        let mut info = self.tree.info_with(path, options).await?;
        drop(guard);
        self.set_times(&mut info, self.committed_times().await?.as_ref());
        Ok(info)
    }

    pub(super) async fn exists(self: &Arc<Self>, path: &str) -> Result<bool> {
        let exists = async {
            let _guard = self.lock_for_read().await?;
            self.tree.exists(path).await
        };
        exists.await.map_err(CONTEXT.at("get info of", path))
    }

    /// Replaces a condition on the times of the history, which the tree does not know, by one on the etag.
    pub(super) async fn condition_for_tree(
        self: &Arc<Self>,
        path: &FilePath,
        condition: Precondition,
    ) -> Result<Precondition> {
        if !condition.has_times() {
            return Ok(condition);
        }
        let info = match self.look_up(path, InfoOptions::default().with_links(LinkMode::Keep)).await
        {
            // The tree reports that nothing is there.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(condition),
            info => info?,
        };
        condition.check_change(info.etag.as_ref(), info.modified_at)?;
        Ok(info.etag.map_or_else(Precondition::default, Precondition::if_match))
    }

    /// Returns the times of the history; `None` if they are turned off or there is no commit.
    pub(super) async fn committed_times(&self) -> Result<Option<CommittedTimes>> {
        let Some(history) = &self.history else { return Ok(None) };
        let Some(head) = self.repository.head().await? else { return Ok(None) };
        let times = history.times(&self.repository.git, &head).await?;
        let index = self.repository.files.info("index").await;
        let indexed_at = index.ok().and_then(|index| index.modified_at);
        Ok(indexed_at.map(|indexed_at| CommittedTimes { times, indexed_at }))
    }

    /// Replaces the file's own times by those of the history, unless the file was changed after the last commit.
    pub(super) fn set_times(&self, info: &mut FileInfo, committed: Option<&CommittedTimes>) {
        let Some(committed) = committed else { return };
        let is_newer = info.modified_at.is_none_or(|modified| modified > committed.indexed_at);
        if is_newer || self.pending_paths.contains(&info.path) {
            return;
        }
        let times = if info.is_dir() {
            committed.times.of_directory(&info.path)
        } else {
            committed.times.of_file(&info.path)
        };
        if let Some(times) = times {
            info.created_at = Some(times.created);
            info.modified_at = Some(times.modified);
        }
    }
}
