//! The fields of git's output.

use crate::core::error::{Error, ErrorKind, Result};

/// Splits output into fields that each end in NUL.
pub(super) fn fields(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    let output = output.strip_suffix(b"\0").unwrap_or(output);
    output.split(|&byte| byte == 0).filter(move |_| !output.is_empty())
}

pub(super) fn split_at(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

pub(super) fn text<'a>(bytes: &'a [u8], wanted: &'static str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| unexpected(wanted))
}

pub(super) fn number(field: &[u8]) -> Option<usize> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

pub(super) fn octal(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8).map_err(|_| unexpected("a mode"))
}

/// Returns the error for output that is not `wanted`.
pub(super) fn unexpected(wanted: &str) -> Error {
    Error::new(ErrorKind::Internal)
        .with_message(format!("git printed something other than {wanted}"))
}
