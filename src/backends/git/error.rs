//! The context that errors of this backend carry.

use crate::core::error::{Error, ErrorContext, ErrorKind};

/// The name of this backend in errors.
pub(super) const NAME: &str = "git";

pub(super) const CONTEXT: ErrorContext = ErrorContext::of(NAME);

pub(super) fn corrupted(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupted).with_message(message.into())
}
