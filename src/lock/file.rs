//! The lock that other processes see: `flock` on one file, waited for without polling.
//!
//! A blocking `flock` could not be cancelled, so it is only ever tried. Between tries the waiter sleeps until inotify reports that
//! somebody closed the file, which is what a holder does when it lets go or dies (inotify(7), `IN_CLOSE`). The kernel raises
//! that event before it drops the lock, so a short burst of tries follows each. Changes made on another machine raise none; for
//! these, and for a holder that unlocks without closing, there is a slow heartbeat.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{major, minor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::TimeLeft;
use crate::{Error, ErrorKind, Result, offload};

const HEARTBEAT: Duration = Duration::from_millis(250);

/// The pauses before the tries that follow an event.
const BURST: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_micros(200),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
];

/// Whether others may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Alone,
    #[cfg_attr(not(feature = "git"), expect(dead_code, reason = "what only git needs"))]
    WithOthers,
}

/// Waits for the lock on the file that `open` opens; `is_current` tells whether that file still has its name.
pub(crate) async fn lock_file<O, C>(
    open: O,
    is_current: C,
    hold: Hold,
    left: TimeLeft,
) -> Result<File>
where
    O: Fn() -> Result<File> + Clone + Send + 'static,
    C: Fn(&File) -> bool + Clone + Send + 'static,
{
    loop {
        let (open, is_current) = (open.clone(), is_current.clone());
        let file = offload::run(open).await?;
        if let Some(file) = lock_current(file, is_current, hold, left).await? {
            return Ok(file);
        }
        if left.get().is_zero() {
            return Err(Error::new(ErrorKind::LockTimeout)
                .with_message("the file to lock keeps being replaced"));
        }
    }
}

/// What a try found.
enum Tried {
    Locked,
    Taken,
    /// The file has lost its name, to a holder that deleted it: a lock on it guards nothing.
    Replaced,
}

/// Waits for the lock on `file`; `None` if it has been replaced and must be opened again.
async fn lock_current<C>(
    file: File,
    is_current: C,
    hold: Hold,
    left: TimeLeft,
) -> Result<Option<File>>
where
    C: Fn(&File) -> bool + Clone + Send + 'static,
{
    // Kept open from try to try: each close would wake every other waiter.
    let file = Arc::new(file);
    let mut watch = None;
    loop {
        for pause in BURST {
            if !pause.is_zero() {
                offload::pause(pause.min(left.get())).await;
            }
            let (tried, is_current) = (Arc::clone(&file), is_current.clone());
            match offload::run(move || try_lock(&tried, &is_current, hold)).await? {
                // The try has let go of its share.
                Tried::Locked => return Ok(Arc::into_inner(file)),
                Tried::Replaced => return Ok(None),
                Tried::Taken if left.get().is_zero() => return Err(timed_out(&file)),
                Tried::Taken => {}
            }
            // Before the rest of the burst, so that whatever happens after it is noticed.
            if watch.is_none() {
                watch = Some(watch_or_not(&file)?);
            }
        }
        let wait = left.get().min(HEARTBEAT);
        match watch.as_ref() {
            Some(Ok(watch)) => drop(tokio::time::timeout(wait, watch.closed()).await),
            // No watch to be had, as there is a limit for each user: look more often instead.
            _ => offload::pause(wait.min(Duration::from_millis(50))).await,
        }
    }
}

fn watch_or_not(file: &File) -> Result<io::Result<Watch>> {
    if Handle::try_current().is_err() {
        return Err(Error::new(ErrorKind::Unsupported)
            .with_message("waiting for a session needs a Tokio runtime"));
    }
    Ok(Watch::new(file))
}

fn try_lock(file: &File, is_current: impl Fn(&File) -> bool, hold: Hold) -> Result<Tried> {
    loop {
        let tried = match hold {
            Hold::Alone => file.try_lock(),
            Hold::WithOthers => file.try_lock_shared(),
        };
        match tried {
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
            _ if !is_current(file) => return Ok(Tried::Replaced),
            Ok(()) => return Ok(Tried::Locked),
            Err(TryLockError::WouldBlock) => return Ok(Tried::Taken),
        }
    }
}

/// Sleeps until somebody closes the file.
struct Watch {
    events: AsyncFd<OwnedFd>,
}

impl Watch {
    fn new(file: &File) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // A holder may have opened it for reading only, as `flock(1)` does.
        let closed = WatchFlags::CLOSE_WRITE | WatchFlags::CLOSE_NOWRITE;
        inotify::add_watch(events.as_fd(), path.as_str(), closed)?;
        #[expect(
            deprecated,
            reason = "an `OwnedFd` keeps what the unsafe successor asks to be promised"
        )]
        let events = AsyncFd::with_interest(events, Interest::READABLE)?;
        Ok(Self { events })
    }

    async fn closed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.events.readable().await?;
            let mut events = Vec::with_capacity(4096);
            let read = ready.try_io(|events_fd| {
                Ok(rustix::io::read(events_fd.get_ref(), spare_capacity(&mut events))?)
            });
            // `Err` is a false alarm of the runtime's.
            if let Ok(read) = read {
                return read.map(drop);
            }
        }
    }
}

fn timed_out(file: &File) -> Error {
    let holder = holder(file).map_or_else(
        || "held by another process".to_owned(),
        |pid| match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
            Ok(name) => format!("held by process {pid} ({})", name.trim_end()),
            Err(_) => format!("held by process {pid}"),
        },
    );
    Error::new(ErrorKind::LockTimeout).with_message(holder)
}

/// The process that holds the lock, as `/proc/locks` names it (`proc_locks(5)`).
fn holder(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    let wanted = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| holder_in(line, &wanted))
}

/// The process in a line such as `1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF`.
fn holder_in(line: &str, wanted: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    match fields[..] {
        [_, "FLOCK", _, _, pid, file, ..] if file == wanted => pid.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_read_from_the_kernels_table() {
        let line = "1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF";
        assert_eq!(holder_in(line, "fe:00:56789"), Some(1234));
        assert_eq!(holder_in(line, "fe:00:5678"), None);
        assert_eq!(
            holder_in("1: -> FLOCK  ADVISORY  WRITE 9 fe:00:56789 0 EOF", "fe:00:56789"),
            None
        );
        assert_eq!(holder_in("2: POSIX  ADVISORY  WRITE 9 fe:00:56789 0 EOF", "fe:00:56789"), None);
        assert_eq!(holder_in("", "fe:00:56789"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_holder_of_a_real_lock_is_this_process() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = file.reopen().unwrap();
        held.try_lock().unwrap();
        let path = file.path().to_owned();
        let open = move || Ok(File::options().read(true).write(true).open(&path)?);
        let error =
            lock_file(open, |_| true, Hold::Alone, TimeLeft::new(Duration::from_millis(30)))
                .await
                .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_wakes_when_the_holder_closes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = file.reopen().unwrap();
        held.try_lock().unwrap();
        let path = file.path().to_owned();
        let open = move || Ok(File::options().read(true).write(true).open(&path)?);
        let waiter = tokio::spawn(lock_file(
            open,
            |_| true,
            Hold::Alone,
            TimeLeft::new(Duration::from_secs(24 * 3600)),
        ));
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(!waiter.is_finished());
        drop(held);
        waiter.await.unwrap().unwrap();
    }
}
