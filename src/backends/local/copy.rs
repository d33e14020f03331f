//! Copying files, within a root and from other stores.

use std::any::Any;
use std::sync::Arc;

use super::run::long_permit;
use super::write::publish;
use super::{LocalFileBackend, Shared};
use crate::backend::{AsyncFileBackend, copy_through_this_process};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{CopyOptions, WriteMode};
use crate::core::path::FilePath;
use crate::core::target::{Existing, WriteTarget};
use crate::sys::fs::{self, StagedFile};
use crate::sys::pool::{self, Cancelled, Wait};

pub(super) async fn copy(
    backend: &LocalFileBackend,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let copied = async {
        let (source, target) = backend.parse_two(from, to)?;
        if source == target && options.mode != WriteMode::Create {
            return look_up_copy(backend, source, options).await;
        }
        copy_between(backend, Arc::clone(&backend.shared), source, target, options).await
    };
    copied.await.map_err(|error| backend.failing("copy", from)(error.between(from, to)))
}

pub(super) async fn copy_from(
    backend: &LocalFileBackend,
    source: &dyn AsyncFileBackend,
    from: &str,
    to: &str,
    options: CopyOptions,
) -> Result<FileInfo> {
    let Some(other) = as_local(source) else {
        return copy_through_this_process(backend, source, from, to, options).await;
    };
    let copied = async {
        let (source, target) =
            (other.shared.root.parse_entry(from)?, backend.shared.root.parse_entry(to)?);
        if source == target && other.shared.identity == backend.shared.identity {
            return copy(backend, from, to, options).await;
        }
        copy_between(backend, Arc::clone(&other.shared), source, target, options).await
    };
    copied.await.map_err(|error| backend.failing("copy", from)(error.between(from, to)))
}

/// Returns the local backend that `source` is or points to.
fn as_local(source: &dyn AsyncFileBackend) -> Option<&LocalFileBackend> {
    let any: &dyn Any = source;
    any.downcast_ref::<LocalFileBackend>()
        .or_else(|| any.downcast_ref::<Arc<LocalFileBackend>>().map(|local| &**local))
        .or_else(|| as_local(&**any.downcast_ref::<Arc<dyn AsyncFileBackend>>()?))
}

/// Copies a file of the root of `source` to this root. The kernel copies the content or shares its blocks.
async fn copy_between(
    backend: &LocalFileBackend,
    source: Arc<Shared>,
    from: FilePath,
    to: FilePath,
    options: CopyOptions,
) -> Result<FileInfo> {
    let wanted = WriteTarget::from(&options);
    wanted.expect_no_append()?;
    options.expect_current()?;
    // The content may be large.
    let permit = long_permit().await;
    let write =
        move |shared: &Shared, to: &FilePath, wanted: &WriteTarget, cancelled: &Cancelled| {
            let _permit = &permit;
            let file = fs::open_file(&source.root, &from, Wait::Disk)?;
            file.stat.check_change(&options.source)?;
            let settings = file.settings_of_copy(shared.new_file)?;
            let mut metadata = file.metadata_of_copy()?;
            if !shared.root.keeps_metadata() {
                metadata.content_type = None;
                metadata.user_metadata.clear();
            }
            let staged = StagedFile::begin(&shared.root, to, wanted, settings, metadata)?;
            file.copy_to(&staged, cancelled)?;
            Ok(staged)
        };
    publish(backend, to, wanted, write).await
}

/// Checks a copy of a file onto itself, which changes nothing.
async fn look_up_copy(
    backend: &LocalFileBackend,
    path: FilePath,
    options: CopyOptions,
) -> Result<FileInfo> {
    let shared = Arc::clone(&backend.shared);
    let look_up = move || {
        let wanted = WriteTarget::from(&options);
        wanted.expect_no_append()?;
        options.expect_current()?;
        let info = fs::open_file(&shared.root, &path, Wait::Disk)?.info(path)?;
        options.source.check_change(info.etag.as_ref(), info.modified_at)?;
        wanted.check(Existing::File(&info))?;
        Ok(info)
    };
    pool::run(look_up).await
}
