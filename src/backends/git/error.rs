//! The context that errors of this backend carry.

use crate::core::error::{Error, ErrorContext, ErrorKind};

/// The name of this backend in errors.
pub(super) const NAME: &str = "git";

pub(super) const CONTEXT: ErrorContext = ErrorContext::of(NAME);

pub(super) fn corrupted(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupted).with_message(message.into())
}

/// Whether the reason may be that another git has collected garbage: objects to which no ref pointed yet, or the empty directory of a new
/// one. Then they are made again.
pub(super) fn may_be_collected(error: &Error) -> bool {
    let is_of_object = |message: &str| {
        message.contains("unable to create temporary file: No such file or directory")
            || (message.contains("/f9/common/objects/")
                && message.contains(": No such file or directory"))
    };
    error.kind() == ErrorKind::Corrupted || error.message().is_some_and(is_of_object)
}
