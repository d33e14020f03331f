//! Keeps `git gc` out while f9 makes objects to which no ref points yet.
//!
//! `git gc --prune=now` removes such objects, even if a ref points to them a moment later. So an operation holds the lock of `git gc`, the
//! file `gc.pid`, as another `git gc` would. A `git gc` that spares young objects does no harm, so no operation waits for it.

use std::fs::{self, File};
use std::io::{self, ErrorKind as IoKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::TimeLeft;
use crate::sys::pool;

/// The pause between two looks at another `git gc`.
const PAUSE: Duration = Duration::from_millis(20);

/// Git ignores a lock that is older.
const MAX_AGE: Duration = Duration::from_secs(12 * 3600);

/// The lock of `git gc`. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct GcLock {
    file: PathBuf,
    content: String,
}

impl Drop for GcLock {
    fn drop(&mut self) {
        // A lock that is left is ignored when this process has ended.
        if fs::read_to_string(&self.file).is_ok_and(|content| content == self.content) {
            drop(fs::remove_file(&self.file));
        }
    }
}

/// What happened when the lock was tried.
enum Tried {
    Locked(GcLock),
    /// A `git gc` runs that removes young objects, or one begins.
    Wait,
    /// A `git gc` runs that spares young objects.
    Harmless,
}

impl GcLock {
    /// Takes the lock, so that no `git gc` starts. `None` if one runs that does no harm, or if the lock cannot be written.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if one runs that removes young objects, and does not end in time.
    pub(super) async fn take(git_dir: &Path, left: TimeLeft) -> Result<Option<Self>> {
        loop {
            let dir = git_dir.to_owned();
            // Without a lock, as on a full disk, an operation goes on: it may be the one that makes room.
            match pool::run(move || Ok(try_lock(&dir).unwrap_or(Tried::Harmless))).await? {
                Tried::Locked(lock) => return Ok(Some(lock)),
                Tried::Harmless => return Ok(None),
                Tried::Wait if left.get().is_zero() => {
                    return Err(Error::new(ErrorKind::LockTimeout)
                        .with_message("`git gc --prune` is running in the working tree"));
                }
                Tried::Wait => pool::pause(PAUSE.min(left.get())).await,
            }
        }
    }
}

fn try_lock(git_dir: &Path) -> io::Result<Tried> {
    let (file, new) = (git_dir.join("gc.pid"), git_dir.join("gc.pid.lock"));
    let mut lock = match File::options().write(true).create_new(true).open(&new) {
        Err(error) if error.kind() == IoKind::AlreadyExists => return Ok(Tried::Wait),
        lock => lock?,
    };
    let tried = match running_gc(&file) {
        None => {
            let host = rustix::system::uname();
            let content = format!("{} {}", std::process::id(), host.nodename().to_string_lossy());
            let written = lock.write_all(content.as_bytes());
            let renamed = written.and_then(|()| fs::rename(&new, &file));
            renamed.map(|()| Tried::Locked(GcLock { file, content }))
        }
        Some(process) if spares_young_objects(process) => Ok(Tried::Harmless),
        Some(_) => Ok(Tried::Wait),
    };
    if !matches!(tried, Ok(Tried::Locked(_))) {
        fs::remove_file(new)?;
    }
    tried
}

/// Returns the `git gc` of this machine that holds the lock, by git's own rules.
fn running_gc(file: &Path) -> Option<u32> {
    let changed = fs::metadata(file).ok()?.modified().ok()?;
    if SystemTime::now().duration_since(changed).is_ok_and(|age| age > MAX_AGE) {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let process = text.split_whitespace().next()?.parse().ok()?;
    // A dead program that had the id of this process may have left the file.
    let is_other = process != std::process::id();
    (is_other && Path::new(&format!("/proc/{process}")).exists()).then_some(process)
}

fn spares_young_objects(process: u32) -> bool {
    let Ok(arguments) = fs::read(format!("/proc/{process}/cmdline")) else { return false };
    !arguments.split(|&byte| byte == 0).any(|argument| argument.starts_with(b"--prune"))
}
