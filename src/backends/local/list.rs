//! Listings and glob searches.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _};

use super::{LocalFileBackend, Shared};
use crate::backend::glob_through_listing;
use crate::core::error::{Error, Result};
use crate::core::glob::GlobPattern;
use crate::core::info::FileInfo;
use crate::core::options::{GlobOptions, ListOptions};
use crate::core::path::FilePath;
use crate::core::selection::Selection;
use crate::core::stream::InfoStream;
use crate::sys::fs::{self, Batch, Walk};
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
    let start = move |shared: &Shared, path: &FilePath, _: &Cancelled| {
        let mut walk = Walk::start(&shared.root, path, options.depth, wanted)?;
        let first = walk.next_batch(BATCH.min(limit)).map(Batch::look_up).unwrap_or_default();
        // Fewer entries than names were found if some were deleted in between.
        let is_complete = walk.is_over() || first.len() >= limit;
        Ok((first, (!is_complete).then_some(walk)))
    };
    let (first, rest) = backend.run("list", prefix, start).await?;
    Ok(selection.apply(stream_of(first, rest, failing)))
}

/// Streams a listing. While one thread reads the names of the next entries, others look up the metadata of the entries before.
fn stream_of(
    first: Vec<Result<FileInfo>>,
    rest: Option<Walk>,
    failing: impl Fn(Error) -> Error + Send + 'static,
) -> InfoStream<'static> {
    let read_names = |mut walk: Walk| -> BoxFuture<'static, Result<(Walk, Option<Batch>)>> {
        Box::pin(pool::start(move |_| {
            let batch = walk.next_batch(BATCH);
            Ok((walk, batch))
        }))
    };
    let batches = stream::unfold(rest.map(read_names), move |reading| async move {
        match reading?.await {
            Ok((walk, batch)) => {
                let next = (!walk.is_over()).then(|| read_names(walk));
                Some((Ok(batch?), next))
            }
            // The runtime is shutting down.
            Err(error) => Some((Err(error), None)),
        }
    });
    let look_up = |batch: Result<Batch>| async {
        match batch {
            Ok(batch) => pool::start(move |_| Ok(batch.look_up())).await,
            Err(error) => Err(error),
        }
    };
    let rest = batches
        .map(look_up)
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
        let search = pool::run_cancellable(move |cancelled| {
            fs::glob(&shared.root, &parsed, options.kind, cancelled)
        });
        match search.await? {
            Some(found) => Ok(found),
            None => glob_through_listing(backend, pattern, options).await,
        }
    };
    found.await.map_err(|error| backend.shared.error_of("glob", error).with_subject(pattern))
}
