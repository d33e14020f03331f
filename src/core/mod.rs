//! The vocabulary of the contract: paths, metadata, options, errors, and everything that needs no store.

pub(crate) mod checksum;
pub(crate) mod duration;
pub(crate) mod encoding;
pub(crate) mod error;
pub(crate) mod etag;
pub(crate) mod glob;
pub(crate) mod info;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod path;
pub(crate) mod rfc3339;
pub(crate) mod secret;
pub mod stream;
pub(crate) mod tree;
