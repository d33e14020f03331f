//! Changing metadata, and symbolic links.

use super::{LocalFileBackend, Shared, check_not_root};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::InfoChanges;
use crate::core::path::FilePath;
use crate::sys::fs;
use crate::sys::pool::Cancelled;

pub(super) async fn set_info(
    backend: &LocalFileBackend,
    path: &str,
    changes: InfoChanges,
) -> Result<FileInfo> {
    let changed = async {
        let entry = backend.shared.root.parse_entry(path)?;
        changes.check()?;
        let step = move |shared: &Shared, _: Option<()>, _: &Cancelled| {
            fs::set_info(&shared.root, &entry, &changes, shared.new_file.sync)
        };
        backend.retry_while_busy(path, step).await
    };
    changed.await.map_err(|error| backend.failing("set info of", path)(error))
}

pub(super) async fn create_link(
    backend: &LocalFileBackend,
    path: &str,
    target: &str,
) -> Result<FileInfo> {
    let target = target.to_owned();
    let create = move |shared: &Shared, path: &FilePath, _: &Cancelled| {
        check_not_root(path)?;
        fs::create_link(&shared.root, path, &target, shared.new_file.sync)
    };
    backend.run("create link", path, create).await
}

pub(super) async fn read_link(backend: &LocalFileBackend, path: &str) -> Result<String> {
    let read = |shared: &Shared, path: &FilePath, _: &Cancelled| {
        check_not_root(path)?;
        fs::read_link(&shared.root, path)
    };
    backend.run("read link", path, read).await
}
