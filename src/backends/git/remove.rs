//! Deletes files and directories.

use std::mem;
use std::sync::Arc;

use super::error::CONTEXT;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::error::Result;
use crate::core::options::DeleteOptions;

impl Shared {
    pub(super) async fn delete(
        self: &Arc<Self>,
        path: &str,
        mut options: DeleteOptions,
    ) -> Result<()> {
        let condition = mem::take(&mut options.condition);
        let delete = async {
            let entry = self.tree.parse_entry(path)?;
            self.refuse_submodule(&entry, true).await?;
            options.condition = self.condition_for_tree(&entry, condition).await?;
            let guard = self.lock_tree().await?;
            self.tree.delete_with(path, options).await?;
            self.note_removed(&[&entry]).await?;
            drop(guard);
            self.push_after_write("Delete", path).await
        };
        delete.await.map_err(CONTEXT.at("delete", path))
    }
}
