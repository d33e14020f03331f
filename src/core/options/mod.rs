//! The options of the verbs, one file for each family of verbs.
//!
//! `Default` is the behaviour of the short verb; the `with_*` methods change single fields. In JSON, each field is optional and
//! an unknown field is an error.

mod directory;
mod glob;
mod info;
mod range;
mod read;
mod session;
mod setters;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod transfer;
mod write;

pub use directory::{CreateDirOptions, DeleteOptions, Depth, DirMode, ListOptions, MissingMode};
pub use glob::{GlobKind, GlobOptions};
pub use info::{EncodingMode, InfoOptions, LinkMode};
pub use range::ByteRange;
pub use read::ReadOptions;
pub use session::SessionOptions;
pub(crate) use setters::setters;
pub use store::{InfoChanges, VersionOptions, WatchOptions};
pub use sync::{PullOptions, PushOptions, SyncOptions};
pub use transfer::{CopyOptions, RenameOptions};
pub use write::{CreateOptions, UpdateMode, UpdateOptions, WriteMethod, WriteMode, WriteOptions};
