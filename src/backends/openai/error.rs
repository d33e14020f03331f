//! The context that operations add to errors.

use crate::core::error::{Error, ErrorContext, ErrorKind};

pub(super) const CONTEXT: ErrorContext = ErrorContext::of("openai");

/// A 404 for an upload must not be reported as a missing file.
pub(super) fn not_of_the_path(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { error.with_kind(ErrorKind::Remote) } else { error }
}
