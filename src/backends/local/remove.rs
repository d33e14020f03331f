//! Deleting files and directories.

use super::{LocalFileBackend, Shared};
use crate::core::error::Result;
use crate::core::options::DeleteOptions;
use crate::sys::fs;
use crate::sys::pool::Cancelled;

pub(super) async fn delete(
    backend: &LocalFileBackend,
    path: &str,
    options: DeleteOptions,
) -> Result<()> {
    let deleted = async {
        let entry = backend.shared.root.parse_entry(path)?;
        let step = move |shared: &Shared, _: Option<()>, _: &Cancelled| {
            fs::remove(&shared.root, &entry, options.depth, shared.new_file.sync)
        };
        backend.retry_while_busy(None, step).await
    };
    deleted.await.map_err(|error| backend.failing("delete", path)(error))
}
