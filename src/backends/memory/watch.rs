//! Reporting changes as they happen.

use futures::stream::{self, StreamExt as _};

use super::MemoryFileBackend;
use super::error::CONTEXT;
use crate::core::change::ChangeStream;
use crate::core::error::{ErrorKind, Result};
use crate::core::options::WatchOptions;

pub(super) fn watch(
    backend: &MemoryFileBackend,
    prefix: &str,
    options: &WatchOptions,
) -> Result<ChangeStream<'static>> {
    let start = || {
        let directory = backend.parse(prefix)?;
        let mut tree = backend.tree();
        if !tree.info(&directory)?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(tree.watchers.start(directory, options))
    };
    let watcher = start().map_err(CONTEXT.at("watch", prefix))?;
    let changes = stream::unfold(watcher, |watcher| async {
        let change = watcher.next().await?;
        Some((Ok(change), watcher))
    });
    Ok(changes.boxed())
}
