//! Renames and copies.

use std::sync::OnceLock;

use futures::{FutureExt as _, StreamExt as _};

use super::attributes::Entry;
use super::body::Spool;
use super::error::not_of_the_path;
use super::list::{at_and_below, entry_at, file_at, info_at, info_of_entry};
use super::store::Store;
use super::write::writable;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::options::{CopyOptions, ReadOptions, RenameOptions};
use crate::core::path::FilePath;
use crate::core::target::WriteTarget;
use crate::core::tree::Move;
use crate::sys::pool;

/// An entry to move.
struct EntryMove {
    from: FilePath,
    to: FilePath,
    entry: Entry,
    /// Its generation after the move.
    generation: u64,
}

impl Store {
    /// Renames `from`: one request per entry. Runs to its end even if the caller is dropped.
    pub(super) async fn rename(
        &self,
        from: &str,
        to: &str,
        options: RenameOptions,
    ) -> Result<FileInfo> {
        let (from, to) = (FilePath::parse_entry(from)?, writable(to)?);
        self.index.refresh().await?;
        let store = self.clone();
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![from.clone(), to.clone()]).await;
            store.index.refresh_for_writing().await?;
            match store.rename_cached(&from, &to, &options).await {
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && store.index.read(|entries| entries.found(&from).is_ok()) =>
                {
                    // Another process removed or replaced some of it and may have put something at `to`.
                    store.index.refresh_now().await?;
                    store.rename_cached(&from, &to, &options).await
                }
                renamed => renamed,
            }
        })
        .await
    }

    /// Renames the cached entries at `from`.
    async fn rename_cached(
        &self,
        from: &FilePath,
        to: &FilePath,
        options: &RenameOptions,
    ) -> Result<FileInfo> {
        let target = WriteTarget::from(options);
        let (action, moved, replaced) = self.index.read(|entries| {
            let action = entries.check_rename(from, to, &options.source, &target)?;
            let entry = |path| entry_at(entries, path).cloned();
            Ok::<_, Error>((action, entry(from), entry(to)))
        })?;
        if action == Move::Nothing {
            return self.index.read(|entries| info_at(entries, to));
        }
        if target.is_conditional() {
            self.check_unchanged(replaced.as_ref()).await?;
        }
        if !options.source.is_empty() {
            self.check_unchanged(moved.as_ref()).await?;
        }
        self.remove_hidden(from, false).await?;
        match action {
            Move::File => {
                let entry = self.index.read(|entries| file_at(entries, from))?;
                let replaced = replaced.as_ref().map_or(0, |old| old.generation);
                let generation = entry.generation.max(replaced).saturating_add(1);
                let (from, to) = (from.clone(), to.clone());
                self.move_entry(&EntryMove { from, to, entry, generation }).await?;
            }
            _ => self.rename_directory(from, to).await?,
        }
        let is_there = |old: &Entry| {
            self.index.read(|entries| entry_at(entries, to).is_some_and(|now| now.id == old.id))
        };
        if let Some(old) = replaced.filter(|old| !is_there(old)) {
            // The entry at `to` is newer, even if the old one cannot be removed.
            self.remove_old_version(to, &old.id).await;
        }
        self.index.read(|entries| info_at(entries, to)).map_err(Error::with_applied)
    }

    /// Copies a file. A file can be attached to a vector store only once, so the content is uploaded again.
    pub(super) async fn copy(
        &self,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let (from, to) = (FilePath::parse_entry(from)?, writable(to)?);
        let target = WriteTarget::from(&options);
        target.expect_no_append()?;
        options.expect_current()?;
        self.index.refresh().await?;
        let source = self.index.read(|entries| {
            let source = file_at(entries, &from)?;
            entries.check_condition(&from, &options.source)?;
            entries.check_write(&to, &target)?;
            Ok::<_, Error>(source)
        })?;
        if from == to {
            return Ok(info_of_entry(from, &source));
        }
        let mut read = ReadOptions::default();
        if !options.source.is_empty() {
            read = read.with_if_match(Etag::new(&*source.id));
        }
        let take = |content| Spool::read_all(content, self.config.encoding);
        let (_, spool) = self.with_content(&from, &read, take).await?;
        self.publish(to, spool.finish().await?, target).await
    }

    /// Moves each entry of a directory. After a failure, moves back the entries that were moved.
    async fn rename_directory(&self, from: &FilePath, to: &FilePath) -> Result<()> {
        let (directories, files) = self.index.read(|entries| at_and_below(entries, from));
        let mut moves = Vec::new();
        for (path, entry) in directories.into_iter().chain(files) {
            let below = path.as_str().strip_prefix(from.as_str()).unwrap_or_default();
            let target = FilePath::found(format!("{to}{below}"));
            // Nothing moves if an entry cannot: its path may be too long, or it may be corrupted.
            entry.to_attributes(&target).map_err(|error| error.with_path(target.as_str()))?;
            let generation = entry.generation.saturating_add(1);
            moves.push(EntryMove { from: path, to: target, entry, generation });
        }
        let failure = OnceLock::new();
        let moves = moves.into_iter().map(|step| {
            let failure = &failure;
            let attempt = async move {
                // Start nothing after a failure.
                if failure.get().is_some() {
                    return None;
                }
                match self.move_entry(&step).await {
                    Ok(()) => Some(step),
                    Err(error) => {
                        // It may have been moved despite the error, unless it does not exist or was moved back.
                        let may_be_there = match error.kind() {
                            ErrorKind::NotFound => false,
                            ErrorKind::IntegrityMismatch => error.has_unknown_outcome(),
                            _ => true,
                        };
                        // Only the first error is reported.
                        drop(failure.set(error));
                        may_be_there.then_some(step)
                    }
                }
            };
            attempt.boxed()
        });
        let moved: Vec<_> = self.concurrently(moves).collect().await;
        let Some(error) = failure.get().cloned() else { return Ok(()) };
        let rollback = moved.into_iter().flatten().map(|step: EntryMove| {
            let entry = Entry { generation: step.generation, ..step.entry };
            let generation = step.generation.saturating_add(1);
            let step = EntryMove { from: step.to, to: step.from, entry, generation };
            async move { self.move_entry(&step).await }.boxed()
        });
        let outcomes: Vec<_> = self.concurrently(rollback).collect().await;
        match outcomes.iter().filter(|outcome| outcome.is_err()).count() {
            0 => Err(error.without_unknown_outcome()),
            stuck => Err(Error::new(not_of_the_path(error.clone()).kind())
                .with_message(format!(
                    "{}; {stuck} of the entries moved before could not be moved back and may be at either path",
                    error.message().unwrap_or("an entry could not be moved")
                ))
                .with_unknown_outcome()
                .with_source(error)),
        }
    }

    /// Writes the new path into the attributes of one entry.
    async fn move_entry(&self, step: &EntryMove) -> Result<()> {
        let entry = Entry { generation: step.generation, ..step.entry.clone() };
        // After a failure, no listing from before the restoration is used.
        let moved = self.set_entry((&step.from, &step.entry), (&step.to, &entry));
        self.index.change(moved).await?;
        self.index.rename(&step.from, &step.to, entry);
        Ok(())
    }
}
