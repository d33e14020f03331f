//! Removes the lock files that a dead git process left.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::repository::{ADOPT_INDEX, MERGE_INDEX, NEW_INDEX, Repository, START};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

impl Repository {
    /// Removes git's lock files, or waits for the git process that holds them.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if that process takes longer than the timeout for locks.
    pub(super) async fn remove_stale_locks(&self) -> Result<()> {
        let deadline = Instant::now() + self.lock_timeout;
        let (local, tracking) = (self.local_ref(), self.tracking_ref());
        let nested = [&*local, &*tracking, START, MERGE_INDEX, ADOPT_INDEX, NEW_INDEX];
        let nested = nested.map(|name| self.git_dir.join(format!("{name}.lock")));
        loop {
            let (nested, git_dir, work_tree) =
                (nested.clone(), self.git_dir.clone(), self.work_tree.clone());
            let held = pool::run(move || remove_unless_held(&git_dir, &nested, &work_tree)).await?;
            let Some(held) = held else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(Error::new(ErrorKind::LockTimeout).with_message(format!(
                    "another git process is running; its lock is {}",
                    held.display()
                )));
            }
            pool::pause(Duration::from_millis(20)).await;
        }
    }
}

/// Removes the lock files at the top of `git_dir` and those in `nested`. Returns one of them if a git process is running.
fn remove_unless_held(
    git_dir: &Path,
    nested: &[PathBuf],
    work_tree: &Path,
) -> Result<Option<PathBuf>> {
    let entries = std::fs::read_dir(git_dir)?.flatten().map(|entry| entry.path());
    let mut locks: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "lock")).collect();
    locks.extend(nested.iter().filter(|path| path.exists()).cloned());
    if !locks.is_empty() && is_git_running_in(work_tree) {
        return Ok(locks.into_iter().next());
    }
    for lock in locks {
        match std::fs::remove_file(lock) {
            // Its owner has removed it and ended.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(None)
}

/// Whether a git process works in the tree. The caller holds the operation's lock, so no git process of f9 changes anything now. One
/// that only reads may still be running; it also counts, although waiting for it is not necessary. A process whose directory cannot
/// be read is assumed to work elsewhere.
fn is_git_running_in(work_tree: &Path) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    processes.flatten().any(|process| {
        let process = process.path();
        let name = std::fs::read(process.join("comm")).unwrap_or_default();
        let directory = || std::fs::read_link(process.join("cwd"));
        name.starts_with(b"git") && directory().is_ok_and(|found| found.starts_with(work_tree))
    })
}
