//! Converts errors of f9 into errors of `object_store`, with the [`Error`] as the source.

use object_store::Error as StoreError;
use object_store::path::Path;

use crate::core::error::{Error, ErrorKind};

/// The name of the store in [`Generic`](StoreError::Generic) errors.
const NAME: &str = "f9";

/// Converts the error of an operation on `path`.
pub(super) fn failed(error: Error, path: impl Into<String>) -> StoreError {
    let path = path.into();
    let kind = error.kind();
    let source = error.with_path(path.as_str()).into();
    match kind {
        ErrorKind::NotFound => StoreError::NotFound { path, source },
        ErrorKind::AlreadyExists => StoreError::AlreadyExists { path, source },
        ErrorKind::PreconditionFailed => StoreError::Precondition { path, source },
        ErrorKind::NotModified => StoreError::NotModified { path, source },
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnly
        | ErrorKind::PathEscapesRoot
        | ErrorKind::ReservedPath => StoreError::PermissionDenied { path, source },
        ErrorKind::Unsupported => StoreError::NotSupported { source },
        _ => StoreError::Generic { store: NAME, source },
    }
}

/// Converts the error of a look-up of the object at `location`. Anything but a file there is [`NotFound`](StoreError::NotFound).
pub(super) fn not_read(error: Error, location: &Path) -> StoreError {
    if is_no_file(error.kind()) {
        let path = location.to_string();
        StoreError::NotFound { source: error.with_path(path.as_str()).into(), path }
    } else {
        failed(error, location.as_ref())
    }
}

/// Returns whether the error means that there is no file: nothing, something else, or a parent that is not a directory.
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

/// Returns the error of a call that f9 does not support.
pub(super) fn unsupported(
    operation: &'static str,
    location: &Path,
    message: &'static str,
) -> StoreError {
    let error = Error::new(ErrorKind::Unsupported).with_operation(operation);
    failed(error.with_message(message), location.as_ref())
}
