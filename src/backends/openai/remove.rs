//! Deleting: the attachment goes first, then the file.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, TryStreamExt as _, future};

use super::attributes::Entry;
use super::index::Entries;
use super::store::Store;
use crate::tree::{Node, dir_key, path_of};
use crate::{Depth, Error, ErrorKind, FilePath, Result, offload};

/// An entry and its path.
pub(super) type At = (FilePath, Entry);

impl Store {
    /// Deletes what is at `path`. It runs to its end, also when nobody waits for it any more.
    pub(super) async fn delete(self: &Arc<Self>, path: &str, depth: Depth) -> Result<()> {
        let path = FilePath::parse_entry(path)?;
        self.index.fresh().await?;
        let store = Arc::clone(self);
        offload::to_the_end(async move {
            let _claim = store.turns.claim(vec![path.clone()]).await;
            store.index.fresh_for_writing().await?;
            if store.delete_known(&path, depth).await? {
                return Ok(());
            }
            // Another process has removed some of it, and may have put something else in its place.
            store.index.fresh_within(Duration::ZERO).await?;
            match store.delete_known(&path, depth).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                deleted => deleted.map(drop),
            }
        })
        .await
    }

    /// Deletes what is known to be at `path`, and tells whether all of it was there.
    async fn delete_known(&self, path: &FilePath, depth: Depth) -> Result<bool> {
        let (directories, files) = self.index.read(|entries| {
            entries.check_delete(path, depth)?;
            Ok::<_, Error>(at_and_below(entries, path))
        })?;
        self.discard_hidden(path, true).await?;
        // What stands for a directory goes last: whatever fails, no file is left in a place that is not there.
        let were_there = self.discard_all(files).await?;
        Ok(self.discard_all(directories).await? && were_there)
    }

    /// Removes many entries, some at a time, and tells whether all were there. After a failure nothing more is begun.
    async fn discard_all(&self, entries: Vec<At>) -> Result<bool> {
        let removal = |(path, entry): At| {
            let removed = async move {
                let removed = self.discard(&path, &entry.id).await;
                removed.map_err(|error| error.with_path(path.as_str()))
            };
            removed.boxed()
        };
        let removals = self.side_by_side(entries.into_iter().map(removal));
        removals.try_fold(true, |all, was_there| future::ready(Ok(all && was_there))).await
    }
}

/// The entries at `path` and below it: those that stand for directories, and the files.
pub(super) fn at_and_below(entries: &Entries, path: &FilePath) -> (Vec<At>, Vec<At>) {
    let keys = entries.below(path).into_iter().chain([dir_key(path), path.to_string()]);
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    for key in keys {
        match entries.at(&key) {
            Some(Node::File(entry)) => files.push((path_of(&key), entry.clone())),
            Some(Node::Directory(Some(entry))) => directories.push((path_of(&key), entry.clone())),
            Some(Node::Directory(None)) | None => {}
        }
    }
    (directories, files)
}
