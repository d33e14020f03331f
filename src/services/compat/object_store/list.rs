//! Listings: objects and common prefixes.

use std::pin::pin;
use std::sync::Arc;

use futures::future;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::object::{listed, location_of};
use crate::backend::is_missing;
use crate::backend::{AsyncFileBackend, Capability};
use crate::core::info::FileInfo;
use crate::core::options::{Depth, ListOptions};
use crate::core::path::FilePath;
use crate::core::stream::InfoStream;

/// The number of directories that are searched for an object concurrently.
const CONCURRENT_SEARCHES: usize = 10;

/// Lists the objects below `prefix` whose locations come after `offset`, in byte order.
pub(super) fn objects(
    backend: &Arc<dyn AsyncFileBackend>,
    prefix: String,
    offset: Option<Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let (source, backend) = (Arc::clone(backend), Arc::clone(backend));
    let entries = async move { entries(&*source, &prefix, Depth::All).await };
    let is_wanted = move |entry: &crate::core::error::Result<FileInfo>| match (entry, &offset) {
        (Ok(info), Some(offset)) => info.path.as_str() > offset.as_ref(),
        _ => true,
    };
    stream::once(entries)
        .try_flatten()
        .filter(move |entry| future::ready(is_wanted(entry)))
        .filter_map(move |entry| {
            let backend = Arc::clone(&backend);
            async move { listed(&*backend, entry).await }
        })
        .boxed()
}

/// Lists the entries at `prefix`. The list is empty if there is no directory.
async fn entries(
    backend: &dyn AsyncFileBackend,
    prefix: &str,
    depth: Depth,
) -> crate::core::error::Result<InfoStream<'static>> {
    match backend.list_with(prefix, ListOptions::default().with_depth(depth)).await {
        Err(error) if is_missing(&error) => Ok(stream::empty().boxed()),
        entries => entries,
    }
}

/// Lists the objects directly below `prefix`, and the directories there that contain objects.
pub(super) async fn level(
    backend: &Arc<dyn AsyncFileBackend>,
    prefix: &Path,
) -> Result<ListResult> {
    let entries = stream::once(entries(&**backend, prefix.as_ref(), Depth::One)).try_flatten();
    let mut entries = pin!(entries);
    let (mut objects, mut directories) = (Vec::new(), Vec::new());
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(info) if info.is_dir() => directories.push(info.path),
            entry => objects.extend(listed(&**backend, entry).await.transpose()?),
        }
    }
    let may_be_empty = backend.capabilities().has(Capability::EmptyDirectories);
    let prefixes = stream::iter(directories).map(|directory| async move {
        let has_objects = !may_be_empty || contains_object(backend, &directory).await;
        has_objects.then(|| location_of(&directory)).transpose()
    });
    let prefixes = prefixes.buffered(CONCURRENT_SEARCHES);
    let common_prefixes = prefixes.try_filter_map(future::ok).try_collect().await?;
    Ok(ListResult { common_prefixes, objects, extensions: Default::default() })
}

/// Returns whether a directory contains an object. An entry that cannot be listed counts, because it may be one.
async fn contains_object(backend: &Arc<dyn AsyncFileBackend>, directory: &FilePath) -> bool {
    objects(backend, directory.to_string(), None).next().await.is_some()
}
