//! The errors of a memory backend.

use crate::core::error::Error;

pub(super) const NAME: &str = "memory";

/// Returns a function that adds the operation, the path and the backend to an error.
pub(super) fn failing<'a>(operation: &'static str, path: &'a str) -> impl Fn(Error) -> Error + 'a {
    move |error| error.with_operation(operation).with_path(path).with_backend(NAME)
}

/// The same for a verb with two paths.
pub(super) fn failing_pair<'a>(
    operation: &'static str,
    from: &'a str,
    to: &'a str,
) -> impl Fn(Error) -> Error + 'a {
    move |error| failing(operation, from)(error.between(from, to))
}
