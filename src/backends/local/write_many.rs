//! Writing many files.
//!
//! Without syncs, each file is written and published before the next one. With them, the files of a batch are written, then their
//! content is synced together, then they are published, and then their directories are synced together. So nothing is visible before
//! its content is on stable storage, and the disk is waited for twice for each batch.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::many::{by_parent, parts};
use super::write::write;
use super::{LocalFileBackend, Shared};
use crate::backend::{check_options_of_many, distinct, write_each};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{WriteMethod, WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::target::WriteTarget;
use crate::sys::fs::{self, Attempt, Naming, NewFile, OpenDir, Published, StagedFile};
use crate::sys::pool::{self, Cancelled, FILES_PER_OPERATION, cores, max_open_files, parallel_map};

/// The number of files that one thread writes in one directory before it takes other ones.
const PART: usize = 64;

/// Returns how many descriptors the files and directories of a batch keep open. A process may usually have 1,024 open files.
fn descriptors() -> usize {
    (max_open_files() / 4).clamp(16, 512)
}

/// The files of one call.
struct Files {
    /// The valid paths with their numbers, sorted by parent.
    paths: Vec<(usize, FilePath)>,
    data: Vec<Bytes>,
    options: WriteOptions,
    target: WriteTarget,
    settings: NewFile,
}

/// What became of a file. One that is busy is written again.
type Written = Attempt<Result<FileInfo>, ()>;

pub(super) async fn write_many(
    backend: &LocalFileBackend,
    files: Vec<(String, Bytes)>,
    options: WriteOptions,
) -> Result<Vec<Result<FileInfo>>> {
    let operation = options.mode.operation();
    check_options_of_many(&options).map_err(|error| backend.shared.error_of(operation, error))?;
    // An append may have to start again, so it is made as a single one.
    if options.mode == WriteMode::Append {
        return write_each(backend, files, options).await;
    }
    let root = &backend.shared.root;
    let parsed = distinct(files.iter().map(|(path, _)| &**path)).map(|path| {
        options.metadata.check()?;
        root.file_system().check(&options.metadata)?;
        root.parse_entry(path?)
    });
    let mut paths = Vec::with_capacity(files.len());
    let mut results: Vec<Option<Result<FileInfo>>> = Vec::with_capacity(files.len());
    for (number, path) in parsed.enumerate() {
        results.push(path.map(|path| paths.push((number, path))).err().map(Err));
    }
    by_parent(&mut paths);
    let (names, data): (Vec<String>, Vec<Bytes>) = files.into_iter().unzip();
    let sync = backend.shared.new_file.sync;
    let naming = if sync { Naming::Early } else { Naming::ForReplacement };
    let in_place = options.method == WriteMethod::InPlace;
    let settings = NewFile { sync: false, naming, in_place, ..backend.shared.new_file };
    let target = WriteTarget::from(&options);
    let files = Files { paths, data, options: options.clone(), target, settings };
    let shared = Arc::clone(&backend.shared);
    let descriptors = if sync { descriptors() } else { FILES_PER_OPERATION * cores() };
    let written = pool::run_with_files(descriptors, move |cancelled| {
        shared.root.expect_present()?;
        files.write(&shared, &mut results, cancelled).map(|busy| (results, busy))
    });
    let (mut results, busy) =
        written.await.map_err(|error| backend.shared.error_of(operation, error))?;
    for (number, data) in busy {
        results[number] = Some(write(backend, &names[number], data, options.clone()).await);
    }
    let results = names.iter().zip(results).map(|(path, result)| {
        let result = result.unwrap_or_else(|| Err(ErrorKind::Internal.into()));
        result.map_err(|error| backend.failing(operation, path)(error))
    });
    Ok(results.collect())
}

impl Files {
    /// Writes all files and sets their results. Returns those that need another attempt.
    fn write(
        &self,
        shared: &Shared,
        results: &mut [Option<Result<FileInfo>>],
        cancelled: &Cancelled,
    ) -> Result<Vec<(usize, Bytes)>> {
        let mut busy = Vec::new();
        let mut set = |at: usize, written| {
            let Some((number, _)) = self.paths.get(at) else { return };
            match written {
                Attempt::Done(result) => results[*number] = Some(result),
                Attempt::Busy(()) => busy.push((*number, self.data[*number].clone())),
            }
        };
        if self.settings.naming == Naming::Early {
            let mut next = 0;
            while next < self.paths.len() {
                let batch = self.batch(next);
                next = batch.end;
                for (at, written) in batch.clone().zip(self.write_synced(shared, batch, cancelled)?)
                {
                    set(at, written);
                }
            }
            return Ok(busy);
        }
        let publish = |at: usize, staged: StagedFile| {
            let (_, path) = &self.paths[at];
            staged.commit(&shared.root, path, &self.target)
        };
        let written =
            self.each(shared, 0..self.paths.len(), cancelled, |at, staged| {
                match staged.and_then(|staged| publish(at, staged)) {
                    Ok(Attempt::Done(info)) => Attempt::Done(Ok(info)),
                    Ok(Attempt::Busy(_)) => Attempt::Busy(()),
                    Err(error) => Attempt::Done(Err(error)),
                }
            })?;
        written.into_iter().enumerate().for_each(|(at, written)| set(at, written));
        Ok(busy)
    }

    /// Returns the files from `start` on that are synced together.
    fn batch(&self, start: usize) -> Range<usize> {
        let (mut dirs, mut end, most) = (BTreeSet::new(), start, descriptors());
        for (_, path) in &self.paths[start..] {
            dirs.extend(path.match_indices('/').map(|(slash, _)| &path[..slash]));
            // Each file with its parent, and all directories that may be new.
            if 2 * (end + 1 - start) + dirs.len() > most && end > start {
                break;
            }
            end += 1;
        }
        start..end
    }

    /// Stages the files in `range` and calls `then` with each.
    fn each<T: Send>(
        &self,
        shared: &Shared,
        range: Range<usize>,
        cancelled: &Cancelled,
        then: impl Fn(usize, Result<StagedFile>) -> T + Sync,
    ) -> Result<Vec<T>> {
        let parts = parts(&self.paths[range.clone()], PART);
        let stage_part = |_: &mut (), part: usize| {
            let mut dir = None;
            let mut done = Vec::with_capacity(parts[part].len());
            for at in parts[part].clone() {
                cancelled.check()?;
                let at = range.start + at;
                let staged = self.stage(shared, at, dir.as_ref());
                if let (Ok(staged), None) = (&staged, &dir) {
                    dir = staged.directory();
                }
                done.push(then(at, staged));
            }
            Ok::<_, Error>(done)
        };
        Ok(parallel_map(parts.len(), || (), stage_part)?.into_iter().flatten().collect())
    }

    /// Writes a file to its temporary file.
    fn stage(&self, shared: &Shared, at: usize, dir: Option<&OpenDir>) -> Result<StagedFile> {
        let (number, path) = &self.paths[at];
        let metadata = self.options.metadata.clone();
        let (target, settings) = (&self.target, self.settings);
        let staged = StagedFile::begin_in(&shared.root, dir, path, target, settings, metadata)?;
        staged.append(&self.data[*number])?;
        staged.set_times()?;
        Ok(staged)
    }

    /// Writes the files of a batch, with two syncs in all.
    fn write_synced(
        &self,
        shared: &Shared,
        batch: Range<usize>,
        cancelled: &Cancelled,
    ) -> Result<Vec<Written>> {
        let staged = self.each(shared, batch.clone(), cancelled, |_, staged| staged)?;
        let complete: Vec<&StagedFile> = staged.iter().flatten().collect();
        let mut synced = fs::sync_data(&complete).into_iter();
        let ready = staged.into_iter().map(|staged| {
            let staged = staged?;
            synced.next().unwrap_or(Ok(())).map(|()| staged)
        });
        // Files are published in order, so that a parent that fails is created and removed by one thread.
        let mut outcomes = Vec::with_capacity(batch.len());
        for (at, staged) in batch.zip(ready) {
            cancelled.check()?;
            let (_, path) = &self.paths[at];
            let publish = |staged: StagedFile| staged.commit_open(&shared.root, path, &self.target);
            outcomes.push(staged.and_then(publish));
        }
        let published = outcomes.iter().filter_map(|outcome| match outcome {
            Ok(Attempt::Done(published)) => Some(published),
            _ => None,
        });
        let published: Vec<&Published> = published.collect();
        let mut synced = fs::sync_names(&published).into_iter();
        let finish = |outcome| match outcome {
            Ok(Attempt::Done(Published { info, .. })) => {
                Attempt::Done(synced.next().unwrap_or(Ok(())).map(|()| info))
            }
            Ok(Attempt::Busy(_)) => Attempt::Busy(()),
            Err(error) => Attempt::Done(Err(error)),
        };
        Ok(outcomes.into_iter().map(finish).collect())
    }
}
