//! Listings and glob searches.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::stream::{self, StreamExt as _};

use super::open_files::{OpenFiles, Room};
use super::{LocalFileBackend, Shared};
use crate::backend::glob_through_listing;
use crate::core::error::{Error, Result};
use crate::core::glob::GlobPattern;
use crate::core::info::FileInfo;
use crate::core::options::{GlobOptions, ListOptions};
use crate::core::path::FilePath;
use crate::core::selection::Selection;
use crate::core::stream::InfoStream;
use crate::sys::fs::{self, Batch, Walk, files_of_deep_operation};
use crate::sys::pool::{self, Cancelled};

/// The number of entries that one trip to the pool looks up.
const BATCH: usize = 1024;

/// The number of concurrent trips.
const CONCURRENT_BATCHES: usize = 3;

pub(super) async fn list(
    backend: &LocalFileBackend,
    prefix: &str,
    options: ListOptions,
) -> Result<InfoStream<'static>> {
    let failing = backend.failing("list", prefix);
    let selection = Selection::of(&options).map_err(&failing)?;
    let (wanted, limit) = (selection.clone(), selection.limit.unwrap_or(usize::MAX));
    let list = |room: Option<OpenFiles>| {
        let wanted = wanted.clone();
        let start = move |shared: &Shared, path: &FilePath, _: &Cancelled| {
            let mut walk = Walk::start(&shared.root, path, options.depth, wanted)?;
            let first = walk.next_batch(BATCH.min(limit)).map(Batch::look_up).unwrap_or_default();
            // Fewer entries than names were found if some were deleted in between.
            if walk.is_over() || first.len() >= limit {
                return Ok(Some((first, None)));
            }
            // Without room, the directory is closed here, because the caller may ask for the result late.
            let room = room.or_else(|| OpenFiles::try_reserve(Room::Reading, 1, path));
            Ok(room.map(|room| (first, Some((walk, room)))))
        };
        backend.run_with_files(Walk::files(), "list", prefix, start)
    };
    let (first, rest) = match list(None).await? {
        Some(listed) => listed,
        // The listing starts again when it is its turn.
        None => {
            let room = OpenFiles::reserve(Room::Reading, 1, prefix).await.map_err(&failing)?;
            list(Some(room)).await?.unwrap_or_default()
        }
    };
    Ok(selection.apply(stream_of(first, rest, failing)))
}

/// A listing between two batches.
type Rest = (Walk, OpenFiles);

/// The metadata of a batch, which are being looked up.
type LookUp = BoxFuture<'static, Result<Vec<Result<FileInfo>>>>;

/// Reads the names of the next entries, and starts to look up their metadata.
fn read_names((mut walk, room): Rest) -> BoxFuture<'static, Result<(Rest, Option<LookUp>)>> {
    Box::pin(pool::start_with_files(Walk::files(), move |_| {
        let batch = walk.next_batch(BATCH).map(look_up);
        Ok(((walk, room), batch))
    }))
}

/// Starts to look up `batch`, which has directories open. The stream may not be polled for long, so it does not start this.
fn look_up(batch: Batch) -> LookUp {
    // While others wait for a thread, no second one is needed here.
    if pool::is_busy() {
        return Box::pin(ready(Ok(batch.look_up())));
    }
    Box::pin(pool::continue_with(batch.files(), move |_| Ok(batch.look_up())))
}

/// Streams a listing. While one thread reads the names of the next entries, others look up the metadata of the entries before.
fn stream_of(
    first: Vec<Result<FileInfo>>,
    rest: Option<Rest>,
    failing: impl Fn(Error) -> Error + Send + 'static,
) -> InfoStream<'static> {
    let batches = stream::unfold(rest.map(read_names), move |reading| async move {
        match reading?.await {
            Ok((rest, batch)) => {
                let next = (!rest.0.is_over()).then(|| read_names(rest));
                Some((batch?, next))
            }
            Err(error) => {
                let failed: LookUp = Box::pin(async { Err(error) });
                Some((failed, None))
            }
        }
    });
    let rest = batches
        .buffered(CONCURRENT_BATCHES)
        .flat_map(|items| stream::iter(items.unwrap_or_else(|error| vec![Err(error)])));
    stream::iter(first).chain(rest).map(move |item| item.map_err(&failing)).boxed()
}

pub(super) async fn glob(
    backend: &LocalFileBackend,
    pattern: &str,
    options: GlobOptions,
) -> Result<Vec<FilePath>> {
    let found = async {
        let (shared, parsed) = (Arc::clone(&backend.shared), GlobPattern::parse(pattern)?);
        // The search from the root does not enter the private directory.
        if shared.root.is_private(&parsed.base().0) {
            return glob_through_listing(backend, pattern, options).await;
        }
        let search = pool::run_with_files(files_of_deep_operation(), move |cancelled| {
            fs::glob(&shared.root, &parsed, options.kind, cancelled)
        });
        match search.await? {
            Some(found) => Ok(found),
            None => glob_through_listing(backend, pattern, options).await,
        }
    };
    found.await.map_err(|error| backend.shared.error_of("glob", error).with_subject(pattern))
}
