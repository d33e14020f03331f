//! Changes below a directory, from inotify.
//!
//! Each directory has its own watch. A new directory is watched first and listed afterwards, so nothing in it is missed; an entry may
//! only be found twice. Directories are opened beneath the root without links, and watched through their open handle.
//!
//! An event does not say whether a rename has replaced a file. So the names in each directory are known, as hashes. After
//! [`NAME_LIMIT`](dirs::NAME_LIMIT) names, further ones are not known, and a file that is replaced is reported as created.

mod dirs;
mod events;
mod queue;
mod scan;
#[cfg(test)]
mod tests;
mod watcher;

pub(crate) use watcher::Watcher;
