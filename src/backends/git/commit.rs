//! Commits what has changed in the working tree.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::error::may_be_collected;
use super::hidden::in_real_directory;
use super::locks::Operation;
use super::objects::empty_tree;
use super::parse::{Change, Oid};
use super::shared::Shared;
use crate::core::error::Result;
use crate::core::etag::Etag;
use crate::core::path::FilePath;
use crate::sys::pool;

/// How often a commit is tried if its objects disappear before the branch points to them.
const COMMIT_ATTEMPTS: usize = 3;

impl Shared {
    /// Commits everything that differs from the last commit, and the files in `forced` even if git ignores them. Without a message, the commit
    /// has one that describes the changes. Returns whether anything differed.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it runs to its end even if the future is dropped.
    pub(super) async fn commit(
        self: &Arc<Self>,
        operation: &Operation,
        message: Option<&str>,
        forced: Vec<FilePath>,
    ) -> Result<bool> {
        let (shared, operation) = (Arc::clone(self), operation.clone());
        let message = message.map(str::to_owned);
        let run = async move { shared.commit_here(&operation, message, forced).await };
        pool::spawn_to_completion(run).await
    }

    async fn commit_here(
        &self,
        operation: &Operation,
        message: Option<String>,
        mut forced: Vec<FilePath>,
    ) -> Result<bool> {
        let repository = &self.repository;
        // Read before anything is staged, so that a commit made with git in the meantime is never undone.
        let head = repository.head().await?;
        let snapshot = self.pending_paths.snapshot().await?;
        let written = self.pending_paths.paths_to_force(&snapshot).await?;
        let work_tree = repository.work_tree.clone();
        // Git knows no path that leads through a symbolic link.
        let real = pool::run(move || {
            Ok(written.iter().filter_map(|path| in_real_directory(&work_tree, path)).collect())
        });
        forced.extend::<Vec<FilePath>>(real.await?);
        repository.unhide(operation, snapshot.paths()).await?;
        repository.stage(operation, &forced).await?;
        let mut attempts = 1;
        let differs = loop {
            match self.commit_index(operation, head.clone(), message.clone()).await {
                Err(error) if attempts < COMMIT_ATTEMPTS && may_be_collected(&error) => {
                    attempts += 1;
                }
                differs => break differs?,
            }
        };
        if snapshot.has_recorded() {
            let _guard = repository.locks.tree.write(repository.lock_timeout).await?;
            self.pending_paths.remove_record(&snapshot).await?;
            self.pending_paths.remove_committed(&snapshot);
        } else {
            self.pending_paths.remove_committed(&snapshot);
        }
        Ok(differs)
    }

    /// Commits the index if it differs from `head`.
    async fn commit_index(
        &self,
        operation: &Operation,
        head: Option<Oid>,
        message: Option<String>,
    ) -> Result<bool> {
        let repository = &self.repository;
        let staged = repository.index_etag().await?;
        let is_unchanged = |committed: &(Oid, Etag)| {
            (Some(&committed.0), Some(&committed.1)) == (head.as_ref(), staged.as_ref())
        };
        if self.committed().as_ref().is_some_and(is_unchanged) {
            return Ok(false);
        }
        let tree = repository.write_tree(operation).await?;
        let committed = match &head {
            Some(head) => repository.tree_of(head).await?,
            None => empty_tree(&tree).parse()?,
        };
        let mut new_head = head.clone();
        if tree != committed {
            let parents: Vec<&Oid> = head.iter().collect();
            let message = match message {
                Some(message) => message,
                None => described(&repository.changes_between(committed.as_str(), &tree).await?),
            };
            let commit = repository.commit_tree(&tree, &parents, &message).await?;
            repository.move_branch(operation, head.as_ref(), &commit).await?;
            if let Some(head) = &head {
                repository.keep_without_submodules(head, &commit).await;
            }
            new_head = Some(commit);
        }
        // Read again, because writing the tree also updates the index.
        *self.committed() = new_head.clone().zip(repository.index_etag().await?);
        Ok(new_head != head)
    }

    fn committed(&self) -> MutexGuard<'_, Option<(Oid, Etag)>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Describes changes, for the message of their commit.
fn described(changes: &[Change]) -> String {
    let is_added = |change: &Change| change.old_mode == 0;
    let is_deleted = |change: &Change| change.new_mode == 0;
    let verb = if changes.iter().all(is_added) {
        "Add"
    } else if changes.iter().all(is_deleted) {
        "Delete"
    } else {
        "Update"
    };
    match changes {
        // A line break would divide the message.
        [change] => format!("{verb} {}", change.path.to_text().replace(char::is_control, " ")),
        changes => format!("{verb} {} files", changes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::git::parse::{FILE, RawPath};

    fn change(old_mode: u32, path: &str, new_mode: u32) -> Change {
        let oid: Oid = "1".repeat(40).parse().unwrap();
        let path = RawPath(path.as_bytes().to_vec());
        Change { old_mode, new_mode, old: oid.clone(), new: oid, path }
    }

    #[test]
    fn a_message_says_what_changed() {
        let (added, deleted) = (change(0, "a", FILE), change(FILE, "d/b", 0));
        let updated = change(FILE, "a\nb", FILE);
        assert_eq!(described(std::slice::from_ref(&added)), "Add a");
        assert_eq!(described(std::slice::from_ref(&deleted)), "Delete d/b");
        assert_eq!(described(std::slice::from_ref(&updated)), "Update a b");
        assert_eq!(described(&[added.clone(), added.clone()]), "Add 2 files");
        assert_eq!(described(&[deleted.clone(), deleted.clone()]), "Delete 2 files");
        assert_eq!(described(&[added, deleted, updated]), "Update 3 files");
    }
}
