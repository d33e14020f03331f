//! Who may do what at a time, within this process and among processes.
//!
//! - An [`Operation`] changes the repository (commits, merges, publishes): one at a time.
//! - The [`TreeLock`] keeps readers and writers of single files apart from the commands that change the whole working tree: those
//!   unlink files and write them anew, and nobody may look meanwhile.
//!
//! All backends of this process on one repository share both; other processes are kept out by `flock` on files in the git
//! directory. The lock of an operation is inherited by the git processes that work in the tree: where this program is killed and such
//! a process lives on, whoever comes next waits for it.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::lock::{Hold, SessionLock, TimeLeft, lock_file};
use crate::{Error, ErrorKind, Result};

/// The locks of one repository.
#[derive(Debug)]
pub(super) struct Locks {
    operation: Arc<tokio::sync::Mutex<()>>,
    pub(super) tree: TreeLock,
    pub(super) session: Arc<SessionLock>,
    dir: PathBuf,
}

/// The file that operations lock.
pub(super) const LOCK: &str = "lock";

impl Locks {
    /// The locks that all backends of this process share whose files for this are in `dir`.
    pub(super) fn of(dir: &Path) -> Result<Arc<Self>> {
        static ALL: LazyLock<Mutex<HashMap<PathBuf, Weak<Locks>>>> = LazyLock::new(Mutex::default);
        let dir = dir.canonicalize()?;
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, locks| locks.strong_count() > 0);
        if let Some(locks) = all.get(&dir).and_then(Weak::upgrade) {
            // A clone that failed has been removed, and this is another one.
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

    /// Whether the repository is still the one that they were made for.
    pub(super) fn are_current(&self) -> bool {
        is_same_file(&self.tree.file, &self.tree.path)
    }

    /// Begins an operation when those before it have ended.
    pub(super) async fn operation(&self, timeout: Duration) -> Result<Operation> {
        let left = TimeLeft::new(timeout);
        let held = tokio::time::timeout(left.get(), Arc::clone(&self.operation).lock_owned()).await;
        let held = held.map_err(|_| {
            Error::new(ErrorKind::LockTimeout)
                .with_message("another operation of this process is under way")
        })?;
        let file = lock_path(self.dir.join(LOCK), Hold::Alone, left).await?;
        Ok(Operation(Arc::new(Held { file, _turn: held })))
    }

    /// Waits for the file that the sessions of other processes lock.
    pub(super) async fn session_file(&self, left: TimeLeft) -> Result<File> {
        lock_path(self.dir.join("session.lock"), Hold::Alone, left).await
    }
}

/// The right to change the repository, until the last clone of it is dropped.
#[derive(Clone, Debug)]
pub(super) struct Operation(Arc<Held>);

/// The lock file first: the next in turn here must not find it taken.
#[derive(Debug)]
struct Held {
    file: File,
    _turn: OwnedMutexGuard<()>,
}

impl Operation {
    /// The lock for a git process to inherit.
    pub(super) fn lock_file(&self) -> Result<File> {
        Ok(self.0.file.try_clone()?)
    }
}

/// Many look at or change single files of the tree, or one changes the tree.
#[derive(Debug)]
pub(super) struct TreeLock {
    here: Arc<RwLock<()>>,
    path: PathBuf,
    /// Open for as long as this: taking its lock takes one system call, which never waits.
    file: Arc<File>,
    /// Locked by who has the tree alone or waits for it. Those who would share it wait for him: else they could follow each other for ever.
    queue_path: PathBuf,
    queue: File,
    sharers: Arc<Mutex<Sharers>>,
}

/// Those of this process who share the tree.
#[derive(Debug, Default)]
struct Sharers {
    count: usize,
    /// Whether one of them has seen that the tree is in order.
    is_sound: bool,
}

/// The right to look at and change single files.
#[derive(Debug)]
pub(super) struct Sharing {
    file: Arc<File>,
    sharers: Arc<Mutex<Sharers>>,
    _here: OwnedRwLockReadGuard<()>,
}

/// The right to change the tree.
#[derive(Debug)]
pub(super) struct Alone {
    /// The tree first: who was in the queue must not find it taken.
    _file: File,
    _queue: File,
    _here: OwnedRwLockWriteGuard<()>,
}

impl TreeLock {
    fn new(path: &Path) -> Result<Self> {
        let queue_path = path.with_extension("queue");
        Ok(Self {
            here: Arc::default(),
            path: path.to_owned(),
            file: Arc::new(open_lock(path)?),
            queue: open_lock(&queue_path)?,
            queue_path,
            sharers: Arc::default(),
        })
    }

    /// Waits until nobody changes the tree. Somebody may have died while changing it: see [`Sharing::is_sound`].
    pub(super) async fn share(&self, timeout: Duration) -> Result<Sharing> {
        let left = TimeLeft::new(timeout);
        let here = tokio::time::timeout(left.get(), Arc::clone(&self.here).read_owned()).await;
        let here = here.map_err(|_| busy())?;
        loop {
            if self.join()? {
                let (file, sharers) = (Arc::clone(&self.file), Arc::clone(&self.sharers));
                return Ok(Sharing { file, sharers, _here: here });
            }
            // Another process changes the tree, or is about to: wait until it is done, and try again.
            for path in [&self.queue_path, &self.path] {
                drop(lock_path(path.clone(), Hold::WithOthers, left).await?);
            }
            if left.get().is_zero() {
                return Err(busy());
            }
        }
    }

    /// Joins those of this process who share the tree, if no other process changes it or waits to.
    fn join(&self) -> Result<bool> {
        let mut sharers = self.sharers.lock().unwrap_or_else(PoisonError::into_inner);
        if !try_share(&self.queue)? {
            return Ok(false);
        }
        drop(self.queue.unlock());
        if sharers.count == 0 && !try_share(&self.file)? {
            return Ok(false);
        }
        sharers.count += 1;
        Ok(true)
    }

    /// Waits until nobody looks at or changes the tree.
    pub(super) async fn alone(&self, timeout: Duration) -> Result<Alone> {
        let left = TimeLeft::new(timeout);
        let here = tokio::time::timeout(left.get(), Arc::clone(&self.here).write_owned()).await;
        let here = here.map_err(|_| busy())?;
        let queue = lock_path(self.queue_path.clone(), Hold::Alone, left).await?;
        let file = lock_path(self.path.clone(), Hold::Alone, left).await?;
        Ok(Alone { _file: file, _queue: queue, _here: here })
    }
}

impl Sharing {
    /// Whether somebody has found the tree in order since it is shared.
    pub(super) fn is_sound(&self) -> bool {
        self.sharers.lock().unwrap_or_else(PoisonError::into_inner).is_sound
    }

    /// Tells that it is.
    pub(super) fn found_sound(&self) {
        self.sharers.lock().unwrap_or_else(PoisonError::into_inner).is_sound = true;
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let mut sharers = self.sharers.lock().unwrap_or_else(PoisonError::into_inner);
        sharers.count -= 1;
        if sharers.count == 0 {
            sharers.is_sound = false;
            drop(self.file.unlock());
        }
    }
}

fn try_share(file: &File) -> Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::LockTimeout).with_message("the working tree is in use")
}

async fn lock_path(path: PathBuf, hold: Hold, left: TimeLeft) -> Result<File> {
    let open = {
        let path = path.clone();
        move || open_lock(&path)
    };
    let is_current = move |file: &File| is_same_file(file, &path);
    lock_file(open, is_current, hold, left).await
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
    async fn nobody_takes_the_tree_for_sound_before_one_has_looked() {
        let dir = tempfile::tempdir().unwrap();
        let tree = TreeLock::new(&dir.path().join("tree.lock")).unwrap();
        let first = tree.share(Duration::ZERO).await.unwrap();
        let second = tree.share(Duration::ZERO).await.unwrap();
        assert!(!first.is_sound() && !second.is_sound());
        first.found_sound();
        drop(first);
        assert!(second.is_sound() && tree.share(Duration::ZERO).await.unwrap().is_sound());
        drop(second);
        assert!(!tree.share(Duration::ZERO).await.unwrap().is_sound());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_wants_the_tree_alone_gets_it_although_another_process_keeps_reading() {
        const HANGS: Duration = Duration::from_secs(120);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tree.lock");
        // Each opens the files for itself, as another process does.
        let (reading, changing) = (TreeLock::new(&path).unwrap(), TreeLock::new(&path).unwrap());
        let reading = Arc::new(reading);
        let readers: Vec<_> = (0..16)
            .map(|_| {
                let reading = Arc::clone(&reading);
                tokio::spawn(async move {
                    loop {
                        let shared = reading.share(HANGS).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        drop(shared);
                    }
                })
            })
            .collect();
        let alone = changing.alone(HANGS).await;
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        let alone = alone.unwrap();
        let late = reading.share(Duration::from_millis(30)).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::LockTimeout);
        drop(alone);
        drop(reading.share(HANGS).await.unwrap());
    }
}
