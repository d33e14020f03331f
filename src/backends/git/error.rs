//! The context that errors of this backend carry.

use crate::core::error::{Error, ErrorKind};

/// The name of this backend in errors.
pub(super) const NAME: &str = "git";

/// Returns a function that adds the operation and the path to an error.
pub(super) fn failing(operation: &'static str, path: &str) -> impl Fn(Error) -> Error + 'static {
    let path = crate::core::path::shortened(path);
    move |error| error.with_operation(operation).with_path(path.as_str()).in_backend(NAME)
}

/// Like [`failing`] for an operation on something other than a path, such as a pattern.
pub(super) fn failing_subject(
    operation: &'static str,
    subject: &str,
) -> impl Fn(Error) -> Error + 'static {
    let subject = crate::core::path::shortened(subject);
    move |error| error.with_operation(operation).with_subject(subject.as_str()).in_backend(NAME)
}

/// Like [`failing`] for an operation with a source and a target.
pub(super) fn failing_pair(
    operation: &'static str,
    from: &str,
    to: &str,
) -> impl Fn(Error) -> Error + 'static {
    let (failing, to) = (failing(operation, from), to.to_owned());
    move |error| failing(error.with_target(to.as_str()))
}

/// Like [`failing`] for an operation on the whole repository.
pub(super) fn failing_whole(operation: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.with_operation(operation).in_backend(NAME)
}

pub(super) fn corrupted(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupted).with_message(message.into())
}
