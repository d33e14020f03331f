//! Deleting files and directories.

use super::{LocalFileBackend, Shared};
use crate::core::error::Result;
use crate::core::options::{DeleteOptions, Depth};
use crate::sys::fs::{self, Attempt, files_of_deep_operation};
use crate::sys::pool::{Cancelled, FILES_PER_OPERATION};

pub(super) async fn delete(
    backend: &LocalFileBackend,
    path: &str,
    options: DeleteOptions,
) -> Result<()> {
    let deleted = async {
        let depth = options.depth;
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
        let files = match depth {
            Depth::All => files_of_deep_operation(),
            Depth::One => FILES_PER_OPERATION,
        };
        backend.retry_with_files(files, path, None, step).await
    };
    deleted.await.map_err(|error| backend.failing("delete", path)(error))
}
