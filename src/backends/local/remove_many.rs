//! Deleting many files.

use std::ops::Range;
use std::sync::Arc;

use super::many::{by_parent, parts};
use super::{LocalFileBackend, Shared};
use crate::core::error::{Error, Result};
use crate::core::options::{DeleteOptions, Depth};
use crate::core::path::FilePath;
use crate::sys::fs::{self, Attempt, RemovedFrom, files_of_deep_operation};
use crate::sys::pool::{self, Cancelled, FILES_PER_OPERATION, cores, parallel_map};

/// The number of files that one thread deletes in one directory before it takes other ones.
const PART: usize = 128;

/// The same if each directory is synced, which should happen once.
const SYNCED_PART: usize = 16 * 1024;

pub(super) async fn delete_many(
    backend: &LocalFileBackend,
    paths: &[&str],
    options: DeleteOptions,
) -> Result<Vec<Result<()>>> {
    let parsed: Vec<_> = paths.iter().map(|path| backend.shared.root.parse_entry(path)).collect();
    let (shared, wanted) = (Arc::clone(&backend.shared), options.clone());
    let files = match options.depth {
        Depth::One => FILES_PER_OPERATION,
        Depth::All => files_of_deep_operation(),
    };
    let deleted = pool::run_with_files(files * cores(), move |cancelled| {
        shared.root.expect_present()?;
        delete_all(&shared, parsed, &wanted, cancelled)
    });
    let deleted = deleted.await.map_err(|error| backend.shared.error_of("delete", error))?;
    let mut results = Vec::with_capacity(paths.len());
    for (path, deleted) in paths.iter().zip(deleted) {
        results.push(match deleted {
            Some(deleted) => deleted.map_err(backend.failing("delete", path)),
            // Another process has locked the directory.
            None => super::remove::delete(backend, path, options.clone()).await,
        });
    }
    Ok(results)
}

/// Deletes all entries. Returns `None` for those that need another attempt.
fn delete_all(
    shared: &Shared,
    paths: Vec<Result<FilePath>>,
    options: &DeleteOptions,
    cancelled: &Cancelled,
) -> Result<Vec<Option<Result<()>>>> {
    let mut results: Vec<_> = Vec::with_capacity(paths.len());
    let mut valid = Vec::with_capacity(paths.len());
    for (number, path) in paths.into_iter().enumerate() {
        results.push(path.map(|path| valid.push((number, path))).err().map(Err));
    }
    by_parent(&mut valid);
    let sync = shared.new_file.sync;
    let parts = parts(&valid, if sync { SYNCED_PART } else { PART });
    let delete = |_: &mut (), part: usize| {
        cancelled.check()?;
        Ok::<_, Error>(delete_part(shared, &valid, parts[part].clone(), options))
    };
    let deleted = parallel_map(parts.len(), || (), delete)?;
    for (part, deleted) in parts.iter().zip(deleted) {
        for ((number, _), deleted) in valid[part.clone()].iter().zip(deleted) {
            results[*number] = deleted;
        }
    }
    Ok(results)
}

/// Deletes entries of one directory.
fn delete_part(
    shared: &Shared,
    valid: &[(usize, FilePath)],
    part: Range<usize>,
    options: &DeleteOptions,
) -> Vec<Option<Result<()>>> {
    let paths: Vec<&FilePath> = valid[part].iter().map(|(_, path)| path).collect();
    let parent = paths.first().and_then(|path| path.parent()).unwrap_or_default();
    // A condition is checked for each entry.
    let plain: &[&FilePath] = if options.condition.is_empty() { &paths } else { &[] };
    let removed = RemovedFrom::delete(&shared.root, &parent, plain);
    let synced = if shared.new_file.sync { removed.sync() } else { Ok(()) };
    let delete_one =
        |path: &FilePath| fs::remove(&shared.root, path, options, shared.new_file.sync);
    let finish = |(path, removed): (&&FilePath, Option<Result<()>>)| {
        let deleted = match removed {
            Some(Ok(())) => synced.clone(),
            Some(Err(error)) => Err(error),
            None => match delete_one(path) {
                Ok(Attempt::Done(())) => Ok(()),
                Ok(Attempt::Busy(())) => return None,
                Err(error) => Err(error),
            },
        };
        let is_gone = deleted.is_err() && shared.root.is_removed();
        Some(if is_gone { deleted } else { options.ignore_missing(deleted) })
    };
    let left = std::iter::repeat_with(|| None);
    paths.iter().zip(removed.results.into_iter().chain(left)).map(finish).collect()
}
