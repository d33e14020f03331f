//! Lists directories and finds files.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::error::Result;
use crate::core::options::{GlobOptions, ListOptions};
use crate::core::path::FilePath;
use crate::core::stream::InfoStream;

/// The number of entries that a listing reads while it holds the lock of the tree, so that no pull changes the tree between them.
const SNAPSHOT_ENTRIES: usize = 16 * 1024;

impl Shared {
    pub(super) async fn list(
        self: &Arc<Self>,
        prefix: &str,
        options: ListOptions,
    ) -> Result<InfoStream<'static>> {
        let list = async {
            let guard = self.lock_for_read().await?;
            let mut entries = self.tree.list_with(prefix, options).await?;
            let first: Vec<_> = entries.by_ref().take(SNAPSHOT_ENTRIES).collect().await;
            drop(guard);
            let committed = self.committed_times().await?;
            let shared = Arc::clone(self);
            let entries = stream::iter(first).chain(entries).map(move |entry| {
                entry.map(|mut info| {
                    shared.set_times(&mut info, committed.as_ref());
                    info
                })
            });
            Ok(entries.boxed())
        };
        list.await.map_err(CONTEXT.at("list", prefix))
    }

    pub(super) async fn glob(
        self: &Arc<Self>,
        pattern: &str,
        options: GlobOptions,
    ) -> Result<Vec<FilePath>> {
        let glob = async {
            let _guard = self.lock_for_read().await?;
            self.tree.glob_with(pattern, options).await
        };
        glob.await.map_err(CONTEXT.about("glob", pattern))
    }
}
