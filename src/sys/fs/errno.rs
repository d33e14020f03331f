//! The conversion of a system error.

use std::io;

use rustix::io::Errno;

use crate::core::error::{Error, ErrorKind};

/// Converts the error of a system call.
///
/// There is no `From<Errno> for Error`, because that would make the rustix crate a part of the public API.
pub(super) fn system_error(errno: Errno) -> Error {
    io::Error::from(errno).into()
}

/// The error of a read that ends before the end that the file had.
pub(super) fn truncated() -> Error {
    Error::new(ErrorKind::UnexpectedEof).with_message("the file was truncated while it was read")
}
