//! The errors of a local backend.

use std::sync::Arc;

use super::{LocalFileBackend, NAME, Shared};
use crate::core::error::{Error, ErrorKind};

impl Shared {
    /// Adds the operation and the backend to an error.
    ///
    /// Calls below a removed root fail with several kinds of errors, which all become [`RootGone`](ErrorKind::RootGone).
    pub(super) fn error_of(&self, operation: &'static str, error: Error) -> Error {
        let may_be_gone = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::Io
        );
        let is_gone = may_be_gone && self.root.is_removed();
        let error = if is_gone { error.with_kind(ErrorKind::RootGone) } else { error };
        error.with_operation(operation).with_backend(NAME)
    }
}

impl LocalFileBackend {
    /// Returns a function that adds the operation, the path and the backend to an error.
    pub(super) fn failing(
        &self,
        operation: &'static str,
        path: &str,
    ) -> impl Fn(Error) -> Error + 'static {
        let (shared, path) = (Arc::clone(&self.shared), path.to_owned());
        move |error| shared.error_of(operation, error).with_path(path.as_str())
    }
}
