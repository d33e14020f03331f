//! Renames files and directories.

use std::sync::Arc;

use super::error::CONTEXT;
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
            let (entry, renamed) = self.tree.parse_two(from, to)?;
            self.refuse_submodule(&entry, true).await?;
            let source = self.condition_for_tree(&entry, options.source).await?;
            let target = self.condition_for_tree(&renamed, options.target).await?;
            let options = RenameOptions { source, target, ..options };
            let rename = async {
                let info = self.tree.rename_with(from, to, options).await?;
                self.note_removed(&[&entry]).await?;
                Ok(info)
            };
            self.write_with(rename, &renamed, "Rename", &format!("{from} to {to}")).await
        };
        rename.await.map_err(CONTEXT.between("rename", from, to))
    }
}
