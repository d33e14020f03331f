//! The event queue of inotify.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::{Errno, retry_on_intr};

use super::super::errno::system_error;
use crate::core::error::{Error, ErrorKind, Result};

/// What is watched of a directory and its entries. A file that has no name any longer, or not yet, is none of its entries.
pub(super) const ENTRIES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::EXCL_UNLINK)
    .union(ITSELF);

/// What is watched of a directory above the watched one.
pub(super) const ITSELF: WatchFlags =
    WatchFlags::MOVE_SELF.union(WatchFlags::DELETE_SELF).union(WatchFlags::ONLYDIR);

/// What is watched of the directory that holds the watched one.
pub(super) const PARENT: WatchFlags = ITSELF.union(WatchFlags::DELETE);

/// The size of one read. An event takes at least 16 bytes.
const BUFFER: usize = 64 * 1024;

/// The number of reads before the changes are reported.
const READS: usize = 16;

/// An event of a watched directory or of the entry `name` in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub(super) watch: i32,
    pub(super) flags: ReadFlags,
    /// Equal for both events of a rename.
    pub(super) cookie: u32,
    /// Empty for an event of the directory itself.
    pub(super) name: &'a [u8],
}

impl Event<'_> {
    pub(super) fn is_any(&self, flags: ReadFlags) -> bool {
        self.flags.intersects(flags)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<OwnedFd>);

impl Queue {
    pub(super) fn new() -> Result<Self> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let fd = fd.map_err(|errno| match errno {
            Errno::MFILE => system_error(errno).with_message(
                "the limit of open files or of inotify instances \
                 (fs.inotify.max_user_instances) is reached",
            ),
            errno => system_error(errno),
        })?;
        Ok(Self(Arc::new(fd)))
    }

    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }

    /// Watches an open directory, and returns the number of its watch. A directory has one number, however often it is watched.
    pub(super) fn watch(&self, dir: BorrowedFd<'_>, flags: WatchFlags) -> Result<i32> {
        // inotify takes a path only. This one leads to the open directory.
        let path = format!("/proc/self/fd/{}", dir.as_raw_fd());
        retry_on_intr(|| inotify::add_watch(&self.0, path.as_str(), flags)).map_err(|errno| {
            match errno {
                Errno::NOSPC => Error::new(ErrorKind::QuotaExceeded).with_message(
                    "the limit of inotify watches (fs.inotify.max_user_watches) is reached",
                ),
                errno => system_error(errno),
            }
        })
    }

    /// Ends a watch, if it still exists.
    pub(super) fn unwatch(&self, watch: i32) {
        // It fails if the directory was removed, which has ended the watch.
        let _ = inotify::remove_watch(&self.0, watch);
    }

    /// Calls `handle` with each event, and returns whether there are no more for now. Stops after some events.
    pub(super) fn read(&self, mut handle: impl FnMut(Event<'_>) -> Result<()>) -> Result<bool> {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut reads = 0;
        loop {
            if reader.is_buffer_empty() {
                if reads == READS {
                    return Ok(false);
                }
                reads += 1;
            }
            match reader.next() {
                Ok(event) => handle(Event {
                    watch: event.wd(),
                    flags: event.events(),
                    cookie: event.cookie(),
                    name: event.file_name().map_or(&[], |name| name.to_bytes()),
                })?,
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(system_error(errno)),
            }
        }
    }
}
