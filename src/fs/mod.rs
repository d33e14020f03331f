//! The file system, confined: every act begins at an open root directory and is resolved beneath it by the kernel.
//!
//! Nothing here knows of Tokio. The functions wait for the disk, so they are called through [`offload`](crate::offload) alone; those
//! that take a [`Wait`](crate::offload::Wait) can do without.

mod buffer;
mod cache;
mod content;
mod descent;
mod draft;
mod lock;
mod names;
mod remove;
mod reserved;
mod root;
mod stat;
mod sweep;
mod temporary;
mod transfer;
mod tree_hash;
mod walk;

pub(crate) use buffer::Buffers;
pub(crate) use content::{OpenFile, look_up, open_file};
pub(crate) use draft::{Draft, NewFile};
pub(crate) use lock::{Attempt, directory_lock_timeout};
pub(crate) use remove::remove;
pub(crate) use reserved::Reserved;
pub(crate) use root::{Root, make_directory};
pub(crate) use stat::Stat;
pub(crate) use sweep::sweep;
pub(crate) use transfer::rename;
pub(crate) use walk::{Batch, Walk, glob};

#[cfg(not(target_os = "linux"))]
compile_error!(
    "f9 keeps local files through Linux system calls; other systems are not supported yet"
);
