//! The confined file system: every operation starts at an open root directory, and the kernel resolves its path beneath it.
//!
//! This module does not use Tokio. Its functions wait for the disk, so they are only called through [`pool`](crate::sys::pool).
//! Functions that take a [`Wait`](crate::sys::pool::Wait) can also run without waiting.

mod attributes;
mod buffer;
mod cache;
mod content;
mod create_dir;
mod dir_lock;
mod dir_stack;
mod errno;
mod locate;
mod open_beneath;
mod parent_dir;
#[cfg(feature = "git")]
mod raw;
mod read_dir;
mod remove;
mod reserved;
mod root;
mod staged_file;
mod stat;
mod sweep;
mod sync;
mod temporary;
mod transfer;
mod tree_hash;
mod walk;

pub(crate) use buffer::Buffers;
pub(crate) use content::{OpenFile, look_up, open_file};
pub(crate) use create_dir::create_dir;
pub(crate) use dir_lock::{Attempt, DIR_LOCK_TIMEOUT};
#[cfg(feature = "git")]
pub(crate) use raw::RawEntry;
pub(crate) use remove::remove;
pub(crate) use reserved::Reserved;
pub(crate) use root::Root;
pub(crate) use staged_file::{NewFile, StagedFile};
pub(crate) use stat::Stat;
pub(crate) use sweep::sweep;
pub(crate) use transfer::rename;
pub(crate) use walk::{Batch, Walk, glob};

#[cfg(not(target_os = "linux"))]
compile_error!("f9 uses Linux system calls for local files; other systems are not supported yet");
