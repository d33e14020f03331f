//! Reporting changes as they happen.

use futures::stream::StreamExt as _;

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::change::ChangeStream;
use crate::core::error::Result;
use crate::core::options::WatchOptions;

impl Shared {
    /// Watches the working tree. A pull or a checkout changes files there, so every change of the branch that changes files is reported.
    pub(super) async fn watch(
        &self,
        prefix: &str,
        options: WatchOptions,
    ) -> Result<ChangeStream<'static>> {
        let failing = CONTEXT.at("watch", prefix);
        let watch = async {
            let _guard = self.lock_tree().await?;
            self.tree.watch_with(prefix, options).await
        };
        let changes = watch.await.map_err(failing)?;
        // An error of the stream names its path already.
        Ok(changes.map(|change| change.map_err(CONTEXT.operation("watch"))).boxed())
    }
}
