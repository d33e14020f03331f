//! Deleting files and directories.

use super::{LocalFileBackend, Shared};
use crate::core::error::Result;
use crate::core::options::DeleteOptions;
use crate::sys::fs::{self, Attempt};
use crate::sys::pool::Cancelled;

pub(super) async fn delete(
    backend: &LocalFileBackend,
    path: &str,
    options: DeleteOptions,
) -> Result<()> {
    let deleted = async {
        let entry = backend.shared.root.parse_entry(path)?;
        let step = move |shared: &Shared, _: Option<()>, _: &Cancelled| {
            let removed = fs::remove(&shared.root, &entry, &options, shared.new_file.sync);
            match removed {
                Err(error) if !shared.root.is_removed() => {
                    options.ignore_missing(Err(error)).map(Attempt::Done)
                }
                removed => removed,
            }
        };
        backend.retry_while_busy(None, step).await
    };
    deleted.await.map_err(|error| backend.failing("delete", path)(error))
}
