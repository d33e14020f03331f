//! The locks of a repository, within this process and between processes.
//!
//! - An [`Operation`] changes the repository (commits, merges, pushes). There is one at a time.
//! - The [`TreeLock`] separates reads and writes of single files from checkouts. A checkout unlinks files and writes them again, so no
//!   file may be read meanwhile.
//!
//! All backends of this process on one repository share both locks. `flock` on files in the git directory keeps other processes out. The
//! git processes that work in the tree inherit the lock of the operation. So if this program is killed and such a process lives on, the
//! next operation waits for it.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use super::gc_lock::GcLock;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::{LockMode, SessionLock, TimeLeft, lock_file};

/// The locks of one repository.
#[derive(Debug)]
pub(super) struct Locks {
    operation: Arc<tokio::sync::Mutex<()>>,
    pub(super) tree: TreeLock,
    pub(super) session: Arc<SessionLock>,
    dir: PathBuf,
}

/// The name of the file that operations lock.
pub(super) const LOCK: &str = "lock";

impl Locks {
    /// Returns the locks whose files are in `dir`, which all backends of this process share.
    pub(super) fn of(dir: &Path) -> Result<Arc<Self>> {
        static ALL: LazyLock<Mutex<HashMap<PathBuf, Weak<Locks>>>> = LazyLock::new(Mutex::default);
        let dir = dir.canonicalize()?;
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, locks| locks.strong_count() > 0);
        if let Some(locks) = all.get(&dir).and_then(Weak::upgrade) {
            // If they are not current, a failed clone was removed and another one has begun.
            if locks.are_current() {
                return Ok(locks);
            }
        }
        let locks = Arc::new(Self {
            operation: Arc::default(),
            tree: TreeLock::new(&dir.join("tree.lock"))?,
            session: Arc::default(),
            dir: dir.clone(),
        });
        all.insert(dir, Arc::downgrade(&locks));
        Ok(locks)
    }

    /// Whether the repository is still the one for which the locks were created.
    pub(super) fn are_current(&self) -> bool {
        is_same_file(&self.tree.file, &self.tree.path)
    }

    /// Begins an operation when earlier ones have ended.
    pub(super) async fn operation(&self, timeout: Duration) -> Result<Operation> {
        let left = TimeLeft::new(timeout);
        let in_process =
            tokio::time::timeout(left.get(), Arc::clone(&self.operation).lock_owned()).await;
        let in_process = in_process.map_err(|_| {
            Error::new(ErrorKind::LockTimeout)
                .with_message("another operation of this process is still running")
        })?;
        let file = lock_path(self.dir.join(LOCK), LockMode::Exclusive, left).await?;
        Ok(Operation {
            _gc: None,
            locks: Arc::new(OperationLocks { file, _in_process: in_process }),
        })
    }

    /// Locks the file that excludes sessions of other processes.
    pub(super) async fn session_file(&self, left: TimeLeft) -> Result<File> {
        lock_path(self.dir.join("session.lock"), LockMode::Exclusive, left).await
    }
}

/// The right to change the repository, until the last clone is dropped.
///
/// The lock of `git gc` comes first and is released first, so that the next operation of this process does not find it locked.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    _gc: Option<Arc<GcLock>>,
    locks: Arc<OperationLocks>,
}

/// The file comes first and is unlocked first, so that the next operation of this process does not find it locked.
#[derive(Debug)]
struct OperationLocks {
    file: File,
    _in_process: OwnedMutexGuard<()>,
}

impl Operation {
    /// Makes the lock of `git gc` a part of the operation.
    pub(super) fn with_gc_lock(self, gc: Option<GcLock>) -> Self {
        Self { _gc: gc.map(Arc::new), ..self }
    }

    /// Returns the lock file for a git process to inherit.
    pub(super) fn lock_file(&self) -> Result<File> {
        Ok(self.locks.file.try_clone()?)
    }
}

/// A read-write lock on the working tree: many reads and writes of single files, or one checkout.
#[derive(Debug)]
pub(super) struct TreeLock {
    in_process: Arc<RwLock<()>>,
    path: PathBuf,
    /// Stays open, so that locking it takes one system call, which never blocks.
    file: Arc<File>,
    /// Locked by the writer, or by one waiting, so that a stream of readers cannot starve it.
    queue_path: PathBuf,
    queue: File,
    readers: Arc<Mutex<Readers>>,
}

/// The readers of this process.
#[derive(Debug, Default)]
struct Readers {
    count: usize,
    /// Whether one of them has checked that no checkout died.
    is_recovered: bool,
}

/// The right to read and write single files.
#[derive(Debug)]
pub(super) struct TreeReadGuard {
    file: Arc<File>,
    readers: Arc<Mutex<Readers>>,
    _in_process: OwnedRwLockReadGuard<()>,
}

/// The right to change the whole tree.
#[derive(Debug)]
pub(super) struct TreeWriteGuard {
    /// Unlocked before the queue, so that the next in the queue does not find it locked.
    _file: File,
    _queue: File,
    _in_process: OwnedRwLockWriteGuard<()>,
}

impl TreeLock {
    fn new(path: &Path) -> Result<Self> {
        let queue_path = path.with_extension("queue");
        Ok(Self {
            in_process: Arc::default(),
            path: path.to_owned(),
            file: Arc::new(open_lock(path)?),
            queue: open_lock(&queue_path)?,
            queue_path,
            readers: Arc::default(),
        })
    }

    /// Waits until no checkout runs. One may have died half-way: see [`TreeReadGuard::is_recovered`].
    pub(super) async fn read(&self, timeout: Duration) -> Result<TreeReadGuard> {
        let left = TimeLeft::new(timeout);
        let in_process =
            tokio::time::timeout(left.get(), Arc::clone(&self.in_process).read_owned()).await;
        let in_process = in_process.map_err(|_| busy())?;
        loop {
            if self.try_add_reader()? {
                let (file, readers) = (Arc::clone(&self.file), Arc::clone(&self.readers));
                return Ok(TreeReadGuard { file, readers, _in_process: in_process });
            }
            // Another process has the write lock or waits for it.
            for path in [&self.queue_path, &self.path] {
                drop(lock_path(path.clone(), LockMode::Shared, left).await?);
            }
            if left.get().is_zero() {
                return Err(busy());
            }
        }
    }

    /// Adds a reader, if no other process has the write lock or waits for it.
    fn try_add_reader(&self) -> Result<bool> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if !try_lock_shared(&self.queue)? {
            return Ok(false);
        }
        drop(self.queue.unlock());
        if readers.count == 0 && !try_lock_shared(&self.file)? {
            return Ok(false);
        }
        readers.count += 1;
        Ok(true)
    }

    /// Waits until no file is read or written and no checkout runs.
    pub(super) async fn write(&self, timeout: Duration) -> Result<TreeWriteGuard> {
        let left = TimeLeft::new(timeout);
        let in_process =
            tokio::time::timeout(left.get(), Arc::clone(&self.in_process).write_owned()).await;
        let in_process = in_process.map_err(|_| busy())?;
        let queue = lock_path(self.queue_path.clone(), LockMode::Exclusive, left).await?;
        let file = lock_path(self.path.clone(), LockMode::Exclusive, left).await?;
        Ok(TreeWriteGuard { _file: file, _queue: queue, _in_process: in_process })
    }
}

impl TreeReadGuard {
    /// Whether a reader has called [`set_recovered`](Self::set_recovered) since the tree has readers.
    pub(super) fn is_recovered(&self) -> bool {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).is_recovered
    }

    /// Records that no checkout died, or that the tree is repaired.
    pub(super) fn set_recovered(&self) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).is_recovered = true;
    }
}

impl Drop for TreeReadGuard {
    fn drop(&mut self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.count -= 1;
        if readers.count == 0 {
            readers.is_recovered = false;
            drop(self.file.unlock());
        }
    }
}

fn try_lock_shared(file: &File) -> Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::LockTimeout)
        .with_message("the working tree is locked by another operation")
}

async fn lock_path(path: PathBuf, mode: LockMode, left: TimeLeft) -> Result<File> {
    let open = {
        let path = path.clone();
        move || open_lock(&path)
    };
    let is_current = move |file: &File| is_same_file(file, &path);
    lock_file(open, is_current, mode, left).await
}

fn open_lock(path: &Path) -> Result<File> {
    Ok(File::options().read(true).write(true).create(true).truncate(false).open(path)?)
}

fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata(), path.metadata()), (Ok(a), Ok(b)) if id(&a) == id(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tree_counts_as_recovered_only_after_a_reader_has_checked() {
        let dir = tempfile::tempdir().unwrap();
        let tree = TreeLock::new(&dir.path().join("tree.lock")).unwrap();
        let first = tree.read(Duration::ZERO).await.unwrap();
        let second = tree.read(Duration::ZERO).await.unwrap();
        assert!(!first.is_recovered() && !second.is_recovered());
        first.set_recovered();
        drop(first);
        assert!(second.is_recovered() && tree.read(Duration::ZERO).await.unwrap().is_recovered());
        drop(second);
        assert!(!tree.read(Duration::ZERO).await.unwrap().is_recovered());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_writer_gets_the_tree_although_another_process_keeps_reading() {
        const HANGS: Duration = Duration::from_secs(120);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tree.lock");
        // Each lock opens the files itself, as another process does.
        let (reading, changing) = (TreeLock::new(&path).unwrap(), TreeLock::new(&path).unwrap());
        let reading = Arc::new(reading);
        let readers: Vec<_> = (0..16)
            .map(|_| {
                let reading = Arc::clone(&reading);
                tokio::spawn(async move {
                    loop {
                        let guard = reading.read(HANGS).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        drop(guard);
                    }
                })
            })
            .collect();
        let write_guard = changing.write(HANGS).await;
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        let write_guard = write_guard.unwrap();
        let late = reading.read(Duration::from_millis(30)).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::LockTimeout);
        drop(write_guard);
        drop(reading.read(HANGS).await.unwrap());
    }
}
