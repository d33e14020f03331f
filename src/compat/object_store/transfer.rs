//! Copies and renames, and whose fault it is when they fail.

use object_store::path::Path;
use object_store::{Error as StoreError, Result};

use super::error::{failed, not_read, unsupported};
use super::object::look_up;
use crate::{
    AsyncFileBackend, CopyOptions, Error, ErrorKind, FileType, InfoOptions, LinkMode,
    RenameOptions, WriteMode,
};

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
    // The backend would move a directory with all it holds, and a link that may then lead elsewhere.
    let found = backend.info_with(from.as_ref(), InfoOptions::default()).await;
    match found.map_err(|error| not_read(error, from))?.file_type {
        FileType::File => {}
        FileType::Symlink => {
            return Err(unsupported("rename", from, "a symbolic link; copy and delete it instead"));
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

/// The error of a rename of what is no object.
fn not_renamed(kind: ErrorKind, from: &Path, to: &Path) -> StoreError {
    not_read(Error::new(kind).with_operation("rename").with_target(to.as_ref()), from)
}

/// The error of a copy or rename, which may be about either path.
async fn not_transferred(
    backend: &dyn AsyncFileBackend,
    error: Error,
    from: &Path,
    to: &Path,
) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound => failed(error, from.as_ref()),
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::NotAFile => {
            match look_up(backend, from).await {
                Err(StoreError::NotFound { .. }) => not_read(error, from),
                _ => failed(error, to.as_ref()),
            }
        }
        _ => not_written(backend, error, to).await,
    }
}

/// The error of a write to `location`. A directory that is in the way of a new object is no object that exists already: whoever
/// creates what is missing and reads what exists would go round in circles.
pub(super) async fn not_written(
    backend: &dyn AsyncFileBackend,
    error: Error,
    location: &Path,
) -> StoreError {
    if error.kind() == ErrorKind::AlreadyExists {
        let options = InfoOptions::default().with_links(LinkMode::Follow);
        if let Ok(info) = backend.info_with(location.as_ref(), options).await
            && !info.is_file()
        {
            let kind = if info.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::NotAFile };
            return failed(error.with_kind(kind), location.as_ref());
        }
    }
    failed(error, location.as_ref())
}
