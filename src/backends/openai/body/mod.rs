//! What is uploaded for a content, and how the content comes back from what the service gives for it.
//!
//! Nothing here knows the network. Content is taken in by a [`Spool`], which measures it on the way; it goes out as the body of an upload
//! in one of the [`BodyEncoding`]s, under a name that the service accepts. Back it comes either whole or as the chunks of the text that
//! the service has parsed, which overlap, may be in another order and may have lost white space at the ends.

mod encoding;
mod filename;
pub(super) mod frame;
mod spool;
pub(super) mod text;

pub(crate) use encoding::BodyEncoding;
pub(crate) use filename::{content_type, upload_name};
pub(crate) use spool::{Body, Content, Spool};

#[cfg(test)]
pub(super) mod chunker;

/// The longest body that can be uploaded, in bytes.
pub(crate) const MAX_BODY: u64 = 512 * 1024 * 1024;

/// What is uploaded for a content of no bytes: the service refuses empty files.
pub(crate) const EMPTY_BODY: &[u8] = b"\n";
