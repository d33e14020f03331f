//! Renaming and copying.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};

use super::attributes::{Entry, check_path};
use super::body::Spool;
use super::remove::at_and_below;
use super::store::{Store, entry_at, file_at, info_of_entry};
use super::write::{not_of_the_path, writable};
use crate::tree::Move;
use crate::{
    CopyOptions, Error, ErrorKind, FileInfo, FilePath, ReadOptions, RenameOptions, Result,
    WriteMode, offload,
};

/// An entry, where it is, and where it goes.
struct Moving {
    from: FilePath,
    to: FilePath,
    entry: Entry,
}

impl Store {
    /// Moves what is at `from`: one change of attributes for each entry. It runs to its end, also when nobody waits for it any more.
    pub(super) async fn rename(
        self: &Arc<Self>,
        from: &str,
        to: &str,
        options: RenameOptions,
    ) -> Result<FileInfo> {
        let (from, to) = (FilePath::parse_entry(from)?, writable(to)?);
        self.index.fresh().await?;
        let store = Arc::clone(self);
        offload::to_the_end(async move {
            let _claim = store.turns.claim(vec![from.clone(), to.clone()]).await;
            store.index.fresh_for_writing().await?;
            match store.rename_known(&from, &to, &options.mode).await {
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && store.index.read(|entries| entries.found(&from).is_ok()) =>
                {
                    // Another process has removed or replaced some of it, and may have put something at `to`.
                    store.index.fresh_within(Duration::ZERO).await?;
                    store.rename_known(&from, &to, &options.mode).await
                }
                renamed => renamed,
            }
        })
        .await
    }

    /// Moves what is known to be at `from`.
    async fn rename_known(
        &self,
        from: &FilePath,
        to: &FilePath,
        mode: &WriteMode,
    ) -> Result<FileInfo> {
        let (step, replaced) = self.index.read(|entries| {
            let step = entries.check_rename(from, to, mode)?;
            Ok::<_, Error>((step, entry_at(entries, to).cloned()))
        })?;
        if step == Move::Nothing {
            return self.info(to);
        }
        if matches!(mode, WriteMode::IfMatch(_)) {
            self.expect_unchanged(replaced.as_ref()).await?;
        }
        self.discard_hidden(from, false).await?;
        match step {
            Move::File => self.rename_file(from, to, replaced.as_ref()).await?,
            _ => self.rename_directory(from, to).await?,
        }
        let is_there = |entry: &Entry| {
            let now = self.index.read(|entries| entry_at(entries, to).map(|now| now.id.clone()));
            now.as_ref() == Some(&entry.id)
        };
        if let Some(old) = replaced.filter(|old| !is_there(old)) {
            // What is at `to` now is the newer, whatever becomes of the old.
            self.tidy(to, &old.id).await;
        }
        self.info(to)
    }

    /// Copies a file: the service attaches a file to a vector store once, so the content is uploaded anew.
    pub(super) async fn copy(
        self: &Arc<Self>,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let (from, to) = (FilePath::parse_entry(from)?, writable(to)?);
        self.index.fresh().await?;
        let source = self.index.read(|entries| {
            let source = file_at(entries, &from)?;
            if from != to || options.mode != WriteMode::Overwrite {
                entries.check_write(&to, &options.mode)?;
            }
            Ok::<_, Error>(source)
        })?;
        if from == to && options.mode == WriteMode::Overwrite {
            return Ok(info_of_entry(from, &source));
        }
        let take = |content| Spool::of(content, self.config.encoding);
        let (_, spool) = self.take_content(&from, &ReadOptions::default(), take).await?;
        self.publish(to, spool.finish().await?, options.mode).await
    }

    async fn rename_file(
        &self,
        from: &FilePath,
        to: &FilePath,
        replaced: Option<&Entry>,
    ) -> Result<()> {
        let mut entry = self.index.read(|entries| file_at(entries, from))?;
        entry.generation = entry.generation.max(replaced.map_or(0, |old| old.generation));
        self.move_entry(&Moving { from: from.clone(), to: to.clone(), entry }).await
    }

    /// Moves each entry of a directory. When one cannot be moved, those that were are moved back.
    async fn rename_directory(&self, from: &FilePath, to: &FilePath) -> Result<()> {
        let (directories, files) = self.index.read(|entries| at_and_below(entries, from));
        let mut moves = Vec::new();
        for (path, entry) in directories.into_iter().chain(files) {
            let below = path.as_str().strip_prefix(from.as_str()).unwrap_or_default();
            let target = FilePath::found(format!("{to}{below}"));
            check_path(&target).map_err(|error| error.with_path(target.as_str()))?;
            moves.push(Moving { from: path, to: target, entry });
        }
        let failure = OnceLock::new();
        let steps = moves.into_iter().map(|step| {
            let failure = &failure;
            let moving = async move {
                // After a failure nothing more is begun.
                if failure.get().is_some() {
                    return None;
                }
                match self.move_entry(&step).await {
                    Ok(()) => Some(step),
                    Err(error) => {
                        // It may have been moved all the same, unless there is nothing to move.
                        let may_be_there = error.kind() != ErrorKind::NotFound;
                        // Of more than one, the first is told.
                        drop(failure.set(error));
                        may_be_there.then_some(step)
                    }
                }
            };
            moving.boxed()
        });
        let moved: Vec<_> = self.side_by_side(steps).collect().await;
        let Some(error) = failure.get().cloned() else { return Ok(()) };
        let moved = moved.into_iter().flatten();
        let back = moved.map(|step: Moving| {
            let mut entry = step.entry;
            entry.generation += 1;
            let back = Moving { from: step.to, to: step.from, entry };
            async move { self.move_entry(&back).await }.boxed()
        });
        let outcomes: Vec<_> = self.side_by_side(back).collect().await;
        match outcomes.iter().filter(|outcome| outcome.is_err()).count() {
            0 => Err(error),
            stuck => Err(Error::new(not_of_the_path(error.clone()).kind())
                .with_message(format!(
                    "{}; of what had been moved by then, {stuck} entries could not be moved back and may be at either place",
                    error.message().unwrap_or("an entry could not be moved")
                ))
                .with_source(error)),
        }
    }

    /// Makes the attributes of one entry tell its new path.
    async fn move_entry(&self, step: &Moving) -> Result<()> {
        let mut entry = step.entry.clone();
        entry.generation += 1;
        let attributes = entry.to_attributes_from(&step.from, &step.to)?;
        self.index.change(self.client.set_attributes(&entry.id, &attributes)).await?;
        self.index.rename(&step.from, &step.to, entry);
        Ok(())
    }
}
