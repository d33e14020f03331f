//! The conversion of a system error.

use std::io;

use rustix::io::Errno;

use crate::core::error::Error;

/// Converts the error of a system call.
///
/// There is no `From<Errno> for Error`, because that would make the rustix crate a part of the public API.
pub(super) fn system_error(errno: Errno) -> Error {
    io::Error::from(errno).into()
}
