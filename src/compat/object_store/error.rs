//! The errors of f9 in the words of `object_store`. Each keeps the [`Error`] as its source, so nothing is lost.

use object_store::Error as StoreError;
use object_store::path::Path;

use crate::{Error, ErrorKind};

/// The name of the store in errors that have no better class.
const NAME: &str = "f9";

/// What a failure says of what is at `path`.
pub(super) fn failed(error: Error, path: impl Into<String>) -> StoreError {
    let path = path.into();
    let kind = error.kind();
    let source = error.with_path(path.as_str()).into();
    match kind {
        ErrorKind::NotFound => StoreError::NotFound { path, source },
        ErrorKind::AlreadyExists => StoreError::AlreadyExists { path, source },
        ErrorKind::PreconditionFailed => StoreError::Precondition { path, source },
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnly
        | ErrorKind::PathEscapesRoot
        | ErrorKind::ReservedPath => StoreError::PermissionDenied { path, source },
        ErrorKind::Unsupported => StoreError::NotSupported { source },
        _ => StoreError::Generic { store: NAME, source },
    }
}

/// What a failure says of the object that was looked for at `location`: where anything but a file stands, there is none.
pub(super) fn not_read(error: Error, location: &Path) -> StoreError {
    if is_no_file(error.kind()) {
        let path = location.to_string();
        StoreError::NotFound { source: error.with_path(path.as_str()).into(), path }
    } else {
        failed(error, location.as_ref())
    }
}

/// Whether a file was looked for and something else was there, or on the way.
pub(super) fn is_no_file(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::NotAFile
            | ErrorKind::DirectoryNotEmpty
    )
}

/// The error of a call that the store cannot be asked at all.
pub(super) fn unsupported(
    operation: &'static str,
    location: &Path,
    message: &'static str,
) -> StoreError {
    let error = Error::new(ErrorKind::Unsupported).with_operation(operation);
    failed(error.with_message(message), location.as_ref())
}
