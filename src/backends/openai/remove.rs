//! Deletes entries: first the attachment, then the file.

use std::sync::OnceLock;

use futures::{FutureExt as _, StreamExt as _, future};

use super::attributes::corrupted;
use super::list::{Located, at_and_below};
use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::DeleteOptions;
use crate::core::path::FilePath;
use crate::sys::pool;

impl Store {
    /// Deletes `path`. Runs to its end even if the caller is dropped.
    pub(super) async fn delete(&self, path: &str, options: &DeleteOptions) -> Result<()> {
        let (path, options) = (FilePath::parse_entry(path)?, options.clone());
        self.index.refresh().await?;
        let store = self.clone();
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![path.clone()]).await;
            store.index.refresh_for_writing().await?;
            if store.delete_cached(&path, &options).await? {
                return Ok(());
            }
            // Another process removed some of it and may have put something else in its place.
            let refreshed = store.index.refresh_now().await;
            // Perhaps it was this process: a repeated request finds nothing.
            refreshed.map_err(Error::with_unknown_outcome)?;
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
        let left = OnceLock::new();
        // Entries of directories go last, so that no file is left without its parent after a failure.
        let existed = self.remove_entries(files, &left).await?;
        let existed = self.remove_entries(directories, &left).await? && existed;
        // No entry is left, so another deletion would find nothing. A repair removes the uploads.
        left.into_inner().map_or(Ok(existed), |error| Err(error.with_applied()))
    }

    /// Removes entries with bounded concurrency and returns whether all existed. Starts no removal after a failure. `left` gets the error of
    /// the first file that could not be deleted after it was detached.
    ///
    /// # Errors
    ///
    /// Those of the service, and `Corrupted`, before any removal, if an entry has no id.
    async fn remove_entries(&self, entries: Vec<Located>, left: &OnceLock<Error>) -> Result<bool> {
        if let Some((path, entry)) = entries.iter().find(|(_, entry)| entry.id.is_empty()) {
            return Err(corrupted(&entry.id).with_path(path.as_str()));
        }
        let failure = OnceLock::new();
        let removals = entries.into_iter().map(|(path, entry)| {
            let failure = &failure;
            let removed = async move {
                if failure.get().is_some() {
                    return true;
                }
                // In this order, because the vector store keeps traces of a file that is deleted first.
                let detached = self.index.detach(&path, &entry.id).await;
                let failing = |error: Error| error.with_path(path.as_str());
                match detached.map_err(failing) {
                    Ok(existed) => {
                        let deleted = self.client.delete_file(&entry.id).await;
                        // Only the first error is reported.
                        deleted.map_err(failing).unwrap_or_else(|error| drop(left.set(error)));
                        existed
                    }
                    Err(error) => {
                        drop(failure.set(error));
                        true
                    }
                }
            };
            removed.boxed()
        });
        let removals = self.concurrently(removals);
        let existed = removals.fold(true, |all, existed| future::ready(all && existed)).await;
        failure.into_inner().map_or(Ok(existed), Err)
    }
}
