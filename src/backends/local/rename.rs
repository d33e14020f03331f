//! Renaming files and directories.

use super::{LocalFileBackend, Shared};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::RenameOptions;
use crate::sys::fs;
use crate::sys::pool::Cancelled;

pub(super) async fn rename(
    backend: &LocalFileBackend,
    from: &str,
    to: &str,
    options: RenameOptions,
) -> Result<FileInfo> {
    let renamed = async {
        let (source, target) = backend.parse_two(from, to)?;
        let step = move |shared: &Shared, _: Option<()>, _: &Cancelled| {
            let sync = shared.new_file.sync;
            fs::rename(&shared.root, &source, &target, &options, sync)
        };
        backend.retry_while_busy(from, step).await
    };
    renamed.await.map_err(|error| backend.failing("rename", from)(error.between(from, to)))
}
