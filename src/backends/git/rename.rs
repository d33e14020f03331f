//! Renames files and directories.

use std::sync::Arc;

use super::error::failing_pair;
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::RenameOptions;

impl Shared {
    pub(super) async fn rename(
        self: &Arc<Self>,
        from: &str,
        to: &str,
        options: RenameOptions,
    ) -> Result<FileInfo> {
        let rename = async {
            self.refuse_submodule(from, true).await?;
            let guard = self.lock_for_write(to).await?;
            let info = self.tree.rename_with(from, to, options).await?;
            self.finish_write(&info, guard).await?;
            self.push_after_write("Rename", &format!("{from} to {to}")).await?;
            Ok(info)
        };
        rename.await.map_err(failing_pair("rename", from, to))
    }
}
