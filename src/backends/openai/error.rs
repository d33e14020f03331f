//! The context that operations add to errors.

use crate::core::error::{Error, ErrorKind};

pub(super) const BACKEND: &str = "openai";

/// Returns a function that adds operation and backend to an error.
pub(super) fn failing_operation(operation: &'static str) -> impl Fn(Error) -> Error + Copy {
    move |error| error.with_operation(operation).with_backend(BACKEND)
}

/// Returns a function that adds operation, path and backend to an error.
pub(super) fn failing<'a>(operation: &'static str, path: &'a str) -> impl Fn(Error) -> Error + 'a {
    move |error| failing_operation(operation)(error.with_path(path))
}

/// As [`failing`], for an operation on two paths.
pub(super) fn failing_pair<'a>(
    operation: &'static str,
    from: &'a str,
    to: &'a str,
) -> impl Fn(Error) -> Error + 'a {
    move |error| failing(operation, from)(error.between(from, to))
}

/// A 404 for an upload must not be reported as a missing file.
pub(super) fn not_of_the_path(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { error.with_kind(ErrorKind::Remote) } else { error }
}
