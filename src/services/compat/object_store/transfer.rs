//! Copies and renames, and which of the two paths an error belongs to.

use object_store::path::Path;
use object_store::{Error as StoreError, Result};

use super::error::{failed, not_read, unsupported};
use super::object::look_up;
use crate::backend::AsyncFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::core::info::FileType;
use crate::core::options::{CopyOptions, InfoOptions, LinkMode, RenameOptions, WriteMode};

pub(super) async fn copy(
    backend: &dyn AsyncFileBackend,
    from: &Path,
    to: &Path,
    mode: WriteMode,
) -> Result<()> {
    let options = CopyOptions::default().with_mode(mode);
    match backend.copy_with(from.as_ref(), to.as_ref(), options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(not_transferred(backend, error, from, to).await),
    }
}

pub(super) async fn rename(
    backend: &dyn AsyncFileBackend,
    from: &Path,
    to: &Path,
    mode: WriteMode,
) -> Result<()> {
    // The backend would move a directory with its content, and a link, which may then lead elsewhere.
    let keep = InfoOptions::default().with_links(LinkMode::Keep);
    let found = backend.info_with(from.as_ref(), keep).await;
    match found.map_err(|error| not_read(error, from))?.file_type {
        FileType::File => {}
        FileType::Symlink => {
            return Err(unsupported(
                "rename",
                from,
                "it is a symbolic link; copy and delete it instead",
            ));
        }
        FileType::Directory => return Err(not_renamed(ErrorKind::IsADirectory, from, to)),
        FileType::Other => return Err(not_renamed(ErrorKind::NotAFile, from, to)),
    }
    let options = RenameOptions::default().with_mode(mode);
    match backend.rename_with(from.as_ref(), to.as_ref(), options).await {
        Ok(_) => Ok(()),
        Err(error) => Err(not_transferred(backend, error, from, to).await),
    }
}

/// Returns the error of a rename of anything but an object.
fn not_renamed(kind: ErrorKind, from: &Path, to: &Path) -> StoreError {
    not_read(Error::new(kind).with_operation("rename").with_target(to.as_ref()), from)
}

/// Converts the error of a copy or rename, which may belong to either path.
async fn not_transferred(
    backend: &dyn AsyncFileBackend,
    error: Error,
    from: &Path,
    to: &Path,
) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound => failed(error, from.as_ref()),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::NotAFile => {
            match look_up(backend, from, InfoOptions::default()).await {
                Err(StoreError::NotFound { .. }) => not_read(error, from),
                _ => failed(error, to.as_ref()),
            }
        }
        _ => not_written(backend, error, to).await,
    }
}

/// Converts the error of a write to `location`. A directory there is not an existing object: a caller that creates missing objects and
/// reads existing ones would otherwise loop.
pub(super) async fn not_written(
    backend: &dyn AsyncFileBackend,
    error: Error,
    location: &Path,
) -> StoreError {
    if error.kind() == ErrorKind::AlreadyExists {
        let options = InfoOptions::default();
        if let Ok(info) = backend.info_with(location.as_ref(), options).await
            && !info.is_file()
        {
            let kind = if info.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::NotAFile };
            return failed(error.with_kind(kind), location.as_ref());
        }
    }
    failed(error, location.as_ref())
}
