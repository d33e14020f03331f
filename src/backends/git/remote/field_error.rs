//! The errors for fields of the configuration.

use std::fmt;

use crate::core::error::{Error, ErrorKind};

/// Returns the error for an invalid field. The value is not repeated: it may hold a secret.
pub(in crate::backends::git) fn invalid_field(field: &str, reason: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidInput).with_message(format!("`{field}`: {reason}"))
}

/// Returns the error for an invalid `remote_url`.
pub(super) fn invalid_url(reason: &str) -> Error {
    invalid_field("remote_url", reason)
}
