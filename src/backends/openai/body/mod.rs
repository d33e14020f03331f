//! Conversion between content and what the service stores and returns.
//!
//! Nothing here uses the network. A [`Spool`] takes content in and measures it. Content is uploaded in one of the
//! [`BodyEncoding`]s, under a name that the service accepts. It comes back either as a whole or as chunks of the parsed text, which
//! overlap, may be in another order and may have lost white space at their ends.

mod content;
mod encoding;
mod filename;
pub(super) mod frame;
mod spool;
pub(super) mod text;

pub(crate) use content::{Body, Content};
pub(crate) use encoding::BodyEncoding;
pub(crate) use filename::{content_type, upload_name};
pub(crate) use spool::Spool;

#[cfg(test)]
pub(super) mod chunker;

/// The longest body that the service accepts, in bytes.
pub(crate) const MAX_BODY: u64 = 512 * 1024 * 1024;

/// The body of empty content: the service refuses empty files.
pub(crate) const EMPTY_BODY: &[u8] = b"\n";
