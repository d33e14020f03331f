//! Listings: objects only, whatever directories there are.

use std::pin::pin;
use std::sync::Arc;

use futures::future;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::object::{listed, location_of};
use crate::backend::is_no_directory;
use crate::stream::InfoStream;
use crate::{AsyncFileBackend, Capability, Depth, FileInfo, FilePath, ListOptions};

/// How many directories are searched for an object at a time.
const SEARCHES_AT_A_TIME: usize = 10;

/// The objects below `prefix` whose location comes after `offset`, in byte order.
pub(super) fn objects(
    backend: &Arc<dyn AsyncFileBackend>,
    prefix: String,
    offset: Option<Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let (source, backend) = (Arc::clone(backend), Arc::clone(backend));
    let entries = async move { entries(&*source, &prefix, Depth::All).await };
    let is_wanted = move |entry: &crate::Result<FileInfo>| match (entry, &offset) {
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

/// What is listed at `prefix`: nothing, where there is no directory.
async fn entries(
    backend: &dyn AsyncFileBackend,
    prefix: &str,
    depth: Depth,
) -> crate::Result<InfoStream<'static>> {
    match backend.list_with(prefix, ListOptions::default().with_depth(depth)).await {
        Err(error) if is_no_directory(&error) => Ok(stream::empty().boxed()),
        entries => entries,
    }
}

/// The objects right below `prefix`, and the directories there that hold any.
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
    let holding = stream::iter(directories).map(|directory| async move {
        let holds = !may_be_empty || holds_object(backend, &directory).await;
        holds.then(|| location_of(&directory)).transpose()
    });
    let holding = holding.buffered(SEARCHES_AT_A_TIME);
    let common_prefixes = holding.try_filter_map(future::ok).try_collect().await?;
    Ok(ListResult { common_prefixes, objects, extensions: Default::default() })
}

/// Whether anything below a directory is listed. What cannot be listed counts: it may be an object.
async fn holds_object(backend: &Arc<dyn AsyncFileBackend>, directory: &FilePath) -> bool {
    objects(backend, directory.to_string(), None).next().await.is_some()
}
