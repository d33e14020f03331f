//! Deletes entries: first the attachment, then the file.

use std::sync::Arc;

use futures::{FutureExt as _, TryStreamExt as _, future};

use super::list::{Located, at_and_below};
use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::DeleteOptions;
use crate::core::path::FilePath;
use crate::sys::pool;

impl Store {
    /// Deletes `path`. Runs to its end even if the caller is dropped.
    pub(super) async fn delete(
        self: &Arc<Self>,
        path: &str,
        options: &DeleteOptions,
    ) -> Result<()> {
        let (path, options) = (FilePath::parse_entry(path)?, options.clone());
        self.index.refresh().await?;
        let store = Arc::clone(self);
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![path.clone()]).await;
            store.index.refresh_for_writing().await?;
            if store.delete_cached(&path, &options).await? {
                return Ok(());
            }
            // Another process removed some of it and may have put something else in its place.
            store.index.refresh_now().await?;
            match store.delete_cached(&path, &options).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                deleted => deleted.map(drop),
            }
        })
        .await
    }

    /// Deletes the cached entries at `path` and returns whether all of them existed.
    async fn delete_cached(&self, path: &FilePath, options: &DeleteOptions) -> Result<bool> {
        let (directories, files) = self.index.read(|entries| {
            entries.check_delete(path, options)?;
            Ok::<_, Error>(at_and_below(entries, path))
        })?;
        if !options.condition.is_empty() {
            self.check_unchanged(files.first().map(|(_, entry)| entry)).await?;
        }
        self.remove_hidden(path, true).await?;
        // Entries of directories go last, so that no file is left without its parent after a failure.
        let existed = self.remove_entries(files).await?;
        Ok(self.remove_entries(directories).await? && existed)
    }

    /// Removes entries with bounded concurrency and returns whether all existed. Starts no removal after a failure.
    async fn remove_entries(&self, entries: Vec<Located>) -> Result<bool> {
        let removal = |(path, entry): Located| {
            let removed = async move {
                let removed = self.remove_entry(&path, &entry.id).await;
                removed.map_err(|error| error.with_path(path.as_str()))
            };
            removed.boxed()
        };
        let removals = self.concurrently(entries.into_iter().map(removal));
        removals.try_fold(true, |all, existed| future::ready(Ok(all && existed))).await
    }
}
