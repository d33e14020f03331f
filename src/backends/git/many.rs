//! Writes and deletes many files: the tree is locked once for many of them, and an automatic push publishes all.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::error::CONTEXT;
use super::metadata::check_metadata;
use super::shared::Shared;
use super::write::verb_of;
use crate::backend::{AsyncFileBackend as _, check_options_of_many, distinct};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{DeleteOptions, WriteOptions};
use crate::core::precondition::Precondition;

/// The number of files that are written under one lock. A call that is dropped leaves at most this many that the next commit does not know.
const BATCH: usize = 64;

impl Shared {
    pub(super) async fn write_many(
        self: &Arc<Self>,
        files: Vec<(String, Bytes)>,
        options: WriteOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        let (operation, verb) = (options.mode.operation(), verb_of(&options.mode));
        let failing = CONTEXT.operation(operation);
        check_options_of_many(&options).map_err(failing)?;
        let names: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let (mut checks, mut allowed) = (Vec::with_capacity(files.len()), Vec::new());
        let paths = distinct(names.iter().map(String::as_str));
        for (path, (name, data)) in paths.zip(files) {
            let check = async {
                let path = self.tree.parse_entry(path?)?;
                check_metadata(&options.metadata)?;
                options.expect_replace()?;
                self.refuse_submodule(&path, false).await?;
                self.condition_for_tree(&path, options.condition.clone()).await
            };
            checks.push(check.await.map(|condition| allowed.push((name, data, condition))));
        }
        let (mut written, mut added) = (Vec::with_capacity(allowed.len()), Ok(()));
        while !allowed.is_empty() && added.is_ok() {
            let rest = allowed.split_off(allowed.len().min(BATCH));
            let batch = mem::replace(&mut allowed, rest);
            match self.write_batch(batch, &options).await {
                Ok((infos, pending)) => {
                    written.extend(infos);
                    added = pending;
                }
                Err(error) if written.is_empty() => return Err(failing(error)),
                Err(error) => added = Err(error),
            }
        }
        // No more files are written after a failure that concerns all of them.
        if let Err(error) = &added {
            written.resize_with(checks.iter().flatten().count(), || Err(error.clone()));
        }
        let published = match (added, changed(&names, &checks, &written)) {
            (Ok(()), Some(what)) => self.push_after_write(verb, &what).await,
            (added, _) => added,
        };
        Ok(in_order(operation, &names, checks, written, &published))
    }

    /// Writes files under one lock of the tree, and notes them for the next commit. Returns a result for each, and that of the note.
    async fn write_batch(
        self: &Arc<Self>,
        files: Vec<(String, Bytes, Precondition)>,
        options: &WriteOptions,
    ) -> Result<(Vec<Result<FileInfo>>, Result<()>)> {
        let guard = self.lock_tree().await?;
        let mut written = Vec::with_capacity(files.len());
        if options.condition.has_times() {
            // Each file has an etag of its own as its condition now.
            for (name, data, condition) in files {
                let options = options.clone().with_condition(condition);
                written.push(self.tree.write_bytes(&name, data, options).await);
            }
        } else {
            let files = files.into_iter().map(|(name, data, _)| (name, data)).collect();
            written = self.tree.write_many_with(files, options.clone()).await?;
        }
        let infos: Vec<&FileInfo> = written.iter().flatten().collect();
        let added = self.pending_paths.add(&infos, self.may_hide().await).await;
        drop(guard);
        Ok((written, added))
    }

    pub(super) async fn delete_many(
        self: &Arc<Self>,
        paths: &[&str],
        options: DeleteOptions,
    ) -> Result<Vec<Result<()>>> {
        let (mut checks, mut allowed) = (Vec::with_capacity(paths.len()), Vec::new());
        let mut entries = Vec::new();
        for &path in paths {
            let check = async {
                let entry = self.tree.parse_entry(path)?;
                self.refuse_submodule(&entry, true).await?;
                let condition = self.condition_for_tree(&entry, options.condition.clone()).await?;
                Ok((entry, condition))
            };
            checks.push(check.await.map(|(entry, condition)| {
                entries.push(entry);
                allowed.push((path, condition));
            }));
        }
        let delete = async {
            let _guard = self.lock_tree().await?;
            let mut deleted = Vec::with_capacity(allowed.len());
            if options.condition.has_times() {
                for (path, condition) in allowed {
                    let options = options.clone().with_condition(condition);
                    deleted.push(self.tree.delete_with(path, options).await);
                }
            } else {
                let paths: Vec<&str> = allowed.into_iter().map(|(path, _)| path).collect();
                deleted = self.tree.delete_many_with(&paths, options).await?;
            }
            let removed = entries.iter().zip(&deleted).filter(|(_, deleted)| deleted.is_ok());
            let removed: Vec<_> = removed.map(|(entry, _)| entry).collect();
            self.note_removed(&removed).await?;
            Ok(deleted)
        };
        let deleted = delete.await.map_err(CONTEXT.operation("delete"))?;
        let published = match changed(paths, &checks, &deleted) {
            Some(what) => self.push_after_write("Delete", &what).await,
            None => Ok(()),
        };
        Ok(in_order("delete", paths, checks, deleted, &published))
    }
}

/// Returns what the message of a commit says about the changes of one call; `None` if nothing has changed.
fn changed<T>(
    names: &[impl AsRef<str>],
    checks: &[Result<()>],
    changes: &[Result<T>],
) -> Option<String> {
    let passed = names.iter().zip(checks).filter(|(_, check)| check.is_ok());
    let changed = passed.zip(changes).filter(|(_, change)| change.is_ok());
    let mut changed = changed.map(|((name, _), _)| name.as_ref());
    let first = changed.next()?;
    match changed.count() {
        0 => Some(first.to_owned()),
        others => Some(format!("{} files", others + 1)),
    }
}

/// Returns the results in the order of `names`: `checks` are those of all files, and `changes` those of the files that passed. If the
/// changes could not be published, each of them has that error, as a single one would.
fn in_order<T>(
    operation: &'static str,
    names: &[impl AsRef<str>],
    checks: Vec<Result<()>>,
    changes: Vec<Result<T>>,
    published: &Result<()>,
) -> Vec<Result<T>> {
    let mut changes = changes.into_iter();
    let results = names.iter().zip(checks).map(|(name, check)| {
        let result = check.and_then(|()| {
            let change = changes.next().unwrap_or_else(|| Err(ErrorKind::Internal.into()))?;
            published.clone().map(|()| change).map_err(Error::with_applied)
        });
        result.map_err(CONTEXT.at(operation, name.as_ref()))
    });
    results.collect()
}
