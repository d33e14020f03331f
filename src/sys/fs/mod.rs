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
mod in_place;
mod link;
mod list_start;
mod locate;
mod metadata;
mod move_name;
mod new_file;
mod open_beneath;
mod owner;
mod parent_dir;
mod probe;
#[cfg(feature = "git")]
mod raw;
mod read_dir;
mod remove;
mod remove_many;
mod reserved;
mod root;
mod set_info;
mod staged_file;
mod stat;
mod sweep;
mod sync;
mod sync_many;
mod temporary;
mod transfer;
mod tree_hash;
mod upload;
mod walk;
mod watch;
mod without_metadata;
mod write_pieces;

pub(crate) use buffer::Buffers;
pub(crate) use content::{OpenFile, look_up, open_file};
pub(crate) use create_dir::create_dir;
pub(crate) use dir_lock::{Attempt, DIR_LOCK_TIMEOUT};
pub(crate) use link::{create_link, read_link};
pub(crate) use new_file::{Naming, NewFile};
#[cfg(test)]
pub(crate) use owner::tests::name_of_the_dead;
#[cfg(feature = "git")]
pub(crate) use raw::RawEntry;
pub(crate) use remove::remove;
pub(crate) use remove_many::RemovedFrom;
pub(crate) use reserved::Reserved;
pub(crate) use root::Root;
pub(crate) use set_info::set_info;
pub(crate) use staged_file::{OpenDir, Published, StagedFile};
pub(crate) use sweep::sweep;
pub(crate) use sync_many::{sync_data, sync_names};
pub(crate) use transfer::rename;
pub(crate) use upload::UploadFile;
pub(crate) use walk::{Batch, Walk, files_of_deep_operation, glob};
pub(crate) use watch::Watcher;

#[cfg(not(target_os = "linux"))]
compile_error!("f9 uses Linux system calls for local files; other systems are not supported yet");
