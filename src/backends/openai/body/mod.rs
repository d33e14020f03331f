//! Conversion between content and what the service stores and returns.
//!
//! Nothing here uses the network. A [`Spool`] takes content in and measures it. Content is uploaded in one of the
//! [`BodyEncoding`]s, under a name that the service accepts. It comes back either as a whole or as chunks of the parsed text, which
//! overlap, may be in another order and may have lost white space at their ends.

use std::borrow::Cow;

mod content;
mod encoding;
mod filename;
pub(super) mod frame;
mod spool;
pub(super) mod text;

pub(crate) use content::{Content, Measure};
pub(crate) use encoding::BodyEncoding;
pub(crate) use filename::upload_name;
pub(crate) use spool::Spool;

/// Returns the rest of the last piece and the next piece as one text.
fn continued<'a>(rest: &mut Vec<u8>, piece: &'a [u8]) -> Cow<'a, [u8]> {
    if rest.is_empty() {
        return piece.into();
    }
    [std::mem::take(rest).as_slice(), piece].concat().into()
}

/// The longest body that the service accepts, in bytes.
pub(crate) const MAX_BODY: u64 = 512 * 1024 * 1024;

/// The body of empty content: the service refuses empty files.
pub(crate) const EMPTY_BODY: &[u8] = b"\n";

#[cfg(test)]
pub(super) mod tests {
    pub(crate) mod chunker;
}
