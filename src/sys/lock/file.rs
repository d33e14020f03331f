//! The lock between processes: `flock` on a file, tried again after a growing pause.
//!
//! A blocking `flock` could not be cancelled and would occupy a thread, so each try is non-blocking. Each try is one trip to the pool.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{major, minor};
use tokio::runtime::Handle;

use super::LockMode;
use super::time_left::TimeLeft;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::{pool, random};

/// The pause after the first try. It doubles up to [`MAX_PAUSE`]; jitter adds up to half of it.
const MIN_PAUSE: Duration = Duration::from_millis(1);

/// Short, because a process that releases the lock and takes it again at once leaves a waiter little time to get it. A waiter makes
/// about 80 tries per second.
const MAX_PAUSE: Duration = Duration::from_millis(10);

/// Waits for the lock on the file that `open` opens. `is_current` returns whether that file still has its name.
pub(crate) async fn lock_file<O, C>(
    open: O,
    is_current: C,
    mode: LockMode,
    left: TimeLeft,
) -> Result<File>
where
    O: Fn() -> Result<File> + Clone + Send + 'static,
    C: Fn(&File) -> bool + Clone + Send + 'static,
{
    loop {
        let (open, is_current) = (open.clone(), is_current.clone());
        let file = pool::run(open).await?;
        if let Some(file) = lock_current(file, is_current, mode, left).await? {
            return Ok(file);
        }
        if left.get().is_zero() {
            return Err(Error::new(ErrorKind::LockTimeout)
                .with_message("other processes keep replacing the lock file"));
        }
    }
}

/// The result of a try.
enum Try {
    Locked,
    Taken,
    /// The file was deleted and does not protect anything any more.
    Replaced,
}

/// Waits for the lock on `file`; `None` if the file was replaced and must be opened again.
async fn lock_current<C>(
    file: File,
    is_current: C,
    mode: LockMode,
    left: TimeLeft,
) -> Result<Option<File>>
where
    C: Fn(&File) -> bool + Clone + Send + 'static,
{
    let file = Arc::new(file);
    let mut pause = MIN_PAUSE;
    loop {
        let (tried, is_current) = (Arc::clone(&file), is_current.clone());
        match pool::run(move || try_lock(&tried, &is_current, mode)).await? {
            // The closure has dropped its reference.
            Try::Locked => return Ok(Arc::into_inner(file)),
            Try::Replaced => return Ok(None),
            Try::Taken if left.get().is_zero() => return Err(timed_out(&file)),
            Try::Taken => {}
        }
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("waiting for a session needs a Tokio runtime"));
        }
        // Without jitter, several waiters would keep trying at the same time.
        let jittered = pause.mul_f64(1.0 + random::fraction() / 2.0);
        pool::pause(jittered.min(left.get())).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
}

fn try_lock(file: &File, is_current: impl Fn(&File) -> bool, mode: LockMode) -> Result<Try> {
    loop {
        let tried = match mode {
            LockMode::Exclusive => file.try_lock(),
            LockMode::Shared => file.try_lock_shared(),
        };
        match tried {
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
            _ if !is_current(file) => return Ok(Try::Replaced),
            Ok(()) => return Ok(Try::Locked),
            Err(TryLockError::WouldBlock) => return Ok(Try::Taken),
        }
    }
}

fn timed_out(file: &File) -> Error {
    let holder = holder(file).map_or_else(
        || "held by another process".to_owned(),
        |pid| match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
            Ok(name) => format!("held by process {pid} ({})", name.trim_end()),
            // The kernel releases the lock when the last copy of the handle is closed.
            Err(_) => format!(
                "taken by process {pid}, which has ended or is in another container; a child that it forked may hold the lock"
            ),
        },
    );
    Error::new(ErrorKind::LockTimeout).with_message(holder)
}

/// Returns the process that holds the lock, from `/proc/locks` (`proc_locks(5)`).
fn holder(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    let (device, inode) = (metadata.dev(), metadata.ino());
    let wanted = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| holder_in(line, &wanted))
}

/// Returns the process in a line such as `1: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF`.
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
    fn the_holder_is_read_from_proc_locks() {
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
        let error = lock_file(
            open,
            |_| true,
            LockMode::Exclusive,
            TimeLeft::new(Duration::from_millis(30)),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_the_lock_after_the_holder_closes_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = file.reopen().unwrap();
        held.try_lock().unwrap();
        let path = file.path().to_owned();
        let open = move || Ok(File::options().read(true).write(true).open(&path)?);
        let waiter = tokio::spawn(lock_file(
            open,
            |_| true,
            LockMode::Exclusive,
            TimeLeft::new(Duration::from_secs(24 * 3600)),
        ));
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(!waiter.is_finished());
        drop(held);
        waiter.await.unwrap().unwrap();
    }
}
