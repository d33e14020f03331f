//! The lock on a directory, which makes the check and the change of an entry one step.
//!
//! A conditional write compares the etag and then replaces the file. Meanwhile it holds an exclusive `flock` on the directory. All
//! other verbs that replace, move or remove a file hold a shared one. So no change, of this or another process, comes between the
//! check and the write. There is usually no lock file, and the lock of a killed process is released. The lock is held for a few system
//! calls. If it is taken, the caller retries for a few milliseconds and then returns [`Attempt::Busy`], so that a longer wait does
//! not keep a thread of the pool.
//!
//! Any user who can read a directory can lock it for ever. So after [`STRANGER_AFTER`] a verb that needs no check goes on without the
//! lock. A verb that needs a check locks a file in the directory instead, which only users who may change the directory can open. While
//! that file exists, an exclusive lock takes both.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fchmod};
use rustix::io::{Errno, retry_on_intr};

use super::errno::system_error;
use super::stat::Stat;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::LockMode;

/// The result of a step that needs a lock.
#[derive(Debug)]
pub(crate) enum Attempt<T, S> {
    /// The step is done.
    Done(T),
    /// Another process holds the lock. Try again with this state.
    Busy(S),
}

/// Holds the lock on a directory until it is dropped. If a stranger holds that lock, this is the lock of a file in the directory.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    // Fields are dropped in this order.
    file: Option<LockFile>,
    #[expect(dead_code, reason = "dropping it releases the lock")]
    directory: Option<LockedDirectory>,
}

#[derive(Debug)]
struct LockedDirectory(Arc<OwnedFd>);

#[derive(Debug)]
struct LockFile {
    directory: Arc<OwnedFd>,
    file: OwnedFd,
}

/// How long a verb waits for the lock. Others hold it only for a few system calls.
pub(crate) const DIR_LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// If every try to lock a directory fails for this long, the lock is held by a stranger: another program, or an f9 that has stopped.
const STRANGER_AFTER: Duration = Duration::from_secs(2);

/// The file that is locked while a stranger holds the directory. It has the name of a temporary file, so that it is hidden and swept.
const LOCK_FILE: &str = ".f9tmp-lock";

/// Longer than f9 holds the lock of a directory for a change. After this pause, every change that began before the stranger came is done.
const CHANGE_TIME: Duration = Duration::from_millis(20);

impl DirectoryLock {
    /// Tries for a few milliseconds to lock `dir`; `None` if others hold the lock all the time.
    ///
    /// The lock belongs to the open file description, so each call of a verb must have opened `dir` itself.
    pub(super) fn acquire(dir: &Arc<OwnedFd>, mode: LockMode) -> Result<Option<Self>> {
        match try_lock(dir.as_fd(), mode) {
            Ok(true) => {
                BLOCKED.forget(dir.as_fd(), mode);
                let locked = Self { file: None, directory: Some(LockedDirectory(Arc::clone(dir))) };
                // Somebody may have locked the file while a stranger held the directory.
                let is_beside = mode == LockMode::Exclusive
                    && Stat::of_name(dir.as_fd(), LOCK_FILE.as_ref()).is_ok();
                if is_beside { locked.with_file(dir) } else { Ok(Some(locked)) }
            }
            Ok(false) if !BLOCKED.is_stranger(dir.as_fd(), mode) => Ok(None),
            Ok(false) if mode == LockMode::Shared => Ok(Some(Self::NONE)),
            Ok(false) => {
                let file = LockFile::acquire(dir)?;
                if file.is_some() {
                    thread::sleep(CHANGE_TIME);
                }
                Ok(file.map(|file| Self { file: Some(file), directory: None }))
            }
            Err(errno @ (Errno::OPNOTSUPP | Errno::NOLCK)) => Self::without(mode, errno),
            // A directory that this user may not read is open with `PATH` and cannot be locked.
            Err(Errno::BADF) => Self::without(mode, Errno::ACCESS),
            Err(errno) => Err(system_error(errno)),
        }
    }

    const NONE: Self = Self { file: None, directory: None };

    /// Takes the exclusive lock for a change that may take long. Verbs that check a condition wait for it, and do not take the holder for a
    /// stranger. Other verbs go on after [`STRANGER_AFTER`], as if they came after the change.
    pub(super) fn acquire_for_long(dir: &Arc<OwnedFd>) -> Result<Option<Self>> {
        match Self::acquire(dir, LockMode::Exclusive)? {
            Some(lock) if lock.file.is_none() => lock.with_file(dir),
            lock => Ok(lock),
        }
    }

    /// Also locks the lock file, if this user can create it.
    fn with_file(mut self, dir: &Arc<OwnedFd>) -> Result<Option<Self>> {
        match LockFile::acquire(dir) {
            Ok(None) => Ok(None),
            Ok(file) => {
                self.file = file;
                Ok(Some(self))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::ReadOnly | ErrorKind::PermissionDenied) =>
            {
                Ok(Some(self))
            }
            Err(error) => Err(error),
        }
    }

    /// Goes on without a lock. A plain write is atomic without it, a conditional write is not.
    fn without(mode: LockMode, reason: Errno) -> Result<Option<Self>> {
        match mode {
            LockMode::Shared => Ok(Some(Self::NONE)),
            LockMode::Exclusive => Err(Error::new(ErrorKind::Unsupported)
                .with_message("the directory cannot be locked, which a conditional write needs")
                .with_source(io::Error::from(reason))),
        }
    }
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        // A forked child may have a copy of the handle, so closing it would not release the lock.
        let _ = retry_on_intr(|| rustix::fs::flock(&self.0, FlockOperation::Unlock));
    }
}

impl LockFile {
    /// Locks the lock file in `directory`; `None` if others hold its lock.
    fn acquire(directory: &Arc<OwnedFd>) -> Result<Option<Self>> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let stat = Stat::of(directory.as_fd()).map_err(system_error)?;
        let mode = Mode::from_raw_mode(permissions_of_lock_file(&stat));
        let file = retry_on_intr(|| rustix::fs::openat(directory, LOCK_FILE, flags, mode))
            .map_err(system_error)?;
        // The umask may have removed permissions. This fails if another user created the file, who has then restored them.
        let _ = retry_on_intr(|| fchmod(&file, mode));
        if !try_lock(file.as_fd(), LockMode::Exclusive).map_err(system_error)? {
            return Ok(None);
        }
        let named = Stat::of_name(directory.as_fd(), LOCK_FILE.as_ref());
        let opened = Stat::of(file.as_fd());
        // The previous holder has removed the file.
        let is_current = matches!((named, opened), (Ok(a), Ok(b)) if a.id() == b.id());
        Ok(is_current.then(|| Self { directory: Arc::clone(directory), file }))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = rustix::fs::unlinkat(&self.directory, LOCK_FILE, AtFlags::empty());
        let _ = retry_on_intr(|| rustix::fs::flock(&self.file, FlockOperation::Unlock));
    }
}

/// Returns the permissions of a lock file in a directory. Only users who may change the directory can open it.
pub(super) fn permissions_of_lock_file(directory: &Stat) -> u32 {
    let class =
        |writes: u32, both: u32| if directory.permissions() & writes != 0 { both } else { 0 };
    0o600 | class(0o020, 0o060) | class(0o002, 0o006)
}

/// The directories that could not be locked.
pub(super) struct Blocked {
    tries: LazyLock<Mutex<HashMap<(Id, LockMode), Tries>>>,
    /// The number of directories, so that nothing is looked up while there are none.
    count: AtomicUsize,
}

type Id = (u32, u32, u64);

/// The times of the first and the last try.
type Tries = (Instant, Instant);

pub(super) static BLOCKED: Blocked =
    Blocked { tries: LazyLock::new(Mutex::default), count: AtomicUsize::new(0) };

impl Blocked {
    /// Notes that `dir` could not be locked. Returns whether no try has succeeded for longer than a change takes. One that may take
    /// longer also locks the lock file.
    pub(super) fn is_stranger(&self, dir: BorrowedFd<'_>, mode: LockMode) -> bool {
        Stat::of(dir).is_ok_and(|stat| self.is_blocked_for_long((stat.id(), mode), Instant::now()))
    }

    fn is_blocked_for_long(&self, id: (Id, LockMode), now: Instant) -> bool {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        // A verb tries at least every 50 ms. An earlier one was dropped, and nobody has tried since.
        tries.retain(|_, (_, last)| now.duration_since(*last) < STRANGER_AFTER / 2);
        let (first, last) = tries.entry(id).or_insert((now, now));
        *last = now;
        let is_stranger = now.duration_since(*first) >= STRANGER_AFTER;
        self.count.store(tries.len(), Ordering::Relaxed);
        is_stranger
    }

    /// Notes that `dir` was locked. A shared lock does not show that an exclusive one is possible.
    fn forget(&self, dir: BorrowedFd<'_>, mode: LockMode) {
        if self.count.load(Ordering::Relaxed) > 0
            && let Ok(stat) = Stat::of(dir)
        {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            tries.remove(&(stat.id(), LockMode::Shared));
            if mode == LockMode::Exclusive {
                tries.remove(&(stat.id(), LockMode::Exclusive));
            }
            self.count.store(tries.len(), Ordering::Relaxed);
        }
    }
}

/// Tries for a few milliseconds to lock an open directory until it is closed; `false` if others hold the lock all the time.
pub(super) fn try_lock(dir: BorrowedFd<'_>, mode: LockMode) -> Result<bool, Errno> {
    let operation = match mode {
        LockMode::Shared => FlockOperation::NonBlockingLockShared,
        LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    for pause in [0, 0, 20, 50, 100, 200, 400, 800, 1600] {
        match retry_on_intr(|| rustix::fs::flock(dir, operation)) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if pause == 0 => thread::yield_now(),
            Err(Errno::WOULDBLOCK) => thread::sleep(Duration::from_micros(pause)),
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::iter;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::core::path::TEMPORARY_PREFIX;

    /// Opens a directory once more, as each call of a verb does.
    fn open(dir: &Path) -> Arc<OwnedFd> {
        Arc::new(File::open(dir).unwrap().into())
    }

    fn lock(dir: &Arc<OwnedFd>) -> Option<DirectoryLock> {
        DirectoryLock::acquire(dir, LockMode::Exclusive).unwrap()
    }

    fn lock_for_long(dir: &Arc<OwnedFd>) -> Option<DirectoryLock> {
        DirectoryLock::acquire_for_long(dir).unwrap()
    }

    /// Makes the next exclusive try that fails the last one of two seconds of them.
    fn have_tried_for_long(dir: &Arc<OwnedFd>) {
        let id = (Stat::of(dir.as_fd()).unwrap().id(), LockMode::Exclusive);
        let now = Instant::now();
        // In the future, so that it is not forgotten on a slow machine.
        let last = now + Duration::from_secs(300);
        let mut tries = BLOCKED.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.insert(id, (now.checked_sub(STRANGER_AFTER).unwrap(), last));
    }

    #[test]
    fn a_lock_beside_a_stranger_still_holds_when_the_stranger_has_gone() {
        let dir = tempfile::tempdir().unwrap();
        let [stranger, first, second] = [(); 3].map(|()| open(dir.path()));
        assert!(try_lock(stranger.as_fd(), LockMode::Exclusive).unwrap());
        let stranger = LockedDirectory(stranger);
        assert!(lock(&first).is_none());
        have_tried_for_long(&first);
        let beside = lock(&first).unwrap();
        drop(stranger);
        assert!(lock(&second).is_none(), "two have an exclusive lock");
        drop(beside);
        assert!(lock(&second).is_some());
        assert!(!dir.path().join(LOCK_FILE).exists());
    }

    #[test]
    fn an_exclusive_lock_is_that_of_both_while_the_lock_file_exists() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| open(dir.path()));
        // That of a killed process.
        fs::write(dir.path().join(LOCK_FILE), "").unwrap();
        let both = lock(&first).unwrap();
        // This one believes that the stranger is still there.
        have_tried_for_long(&second);
        assert!(lock(&second).is_none(), "two have an exclusive lock");
        drop(both);
        assert!(lock(&second).is_some());
    }

    #[test]
    fn who_holds_a_lock_for_long_is_not_taken_for_a_stranger() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| open(dir.path()));
        let long = lock_for_long(&first).unwrap();
        for try_again in [lock, lock_for_long] {
            have_tried_for_long(&second);
            assert!(try_again(&second).is_none(), "two have an exclusive lock");
        }
        drop(long);
        assert!(lock_for_long(&second).is_some());
        assert!(!dir.path().join(LOCK_FILE).exists());
    }

    #[test]
    fn a_lock_file_that_its_holder_has_removed_locks_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let is_held = AtomicBool::new(false);
        let take_turns = || {
            let open = open(dir.path());
            for _ in 0..200 {
                let lock = iter::repeat_with(|| LockFile::acquire(&open).unwrap());
                let _lock = lock.flatten().next();
                assert!(!is_held.swap(true, Ordering::SeqCst), "two have locked the file");
                thread::yield_now();
                is_held.store(false, Ordering::SeqCst);
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(take_turns))));
    }

    #[test]
    fn all_who_may_change_a_directory_may_open_its_lock_file() {
        for (mode, expected) in [(0o700, 0o600), (0o755, 0o600), (0o775, 0o660), (0o1777, 0o666)] {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let _lock = lock_for_long(&open(dir.path())).unwrap();
            let found = fs::metadata(dir.path().join(LOCK_FILE)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, expected, "{mode:o}");
        }
    }

    #[test]
    fn a_shared_lock_does_not_show_that_an_exclusive_one_is_possible() {
        let dir = tempfile::tempdir().unwrap();
        let open = open(dir.path());
        let blocked = Blocked { tries: LazyLock::new(Mutex::default), count: AtomicUsize::new(0) };
        let [shared, exclusive] = [LockMode::Shared, LockMode::Exclusive]
            .map(|mode| (Stat::of(open.as_fd()).unwrap().id(), mode));
        let begin = Instant::now();
        for millis in (0..2_000).step_by(50) {
            let now = begin + Duration::from_millis(millis);
            assert!(!blocked.is_blocked_for_long(exclusive, now));
            blocked.forget(open.as_fd(), LockMode::Shared);
        }
        let end = begin + STRANGER_AFTER;
        assert!(!blocked.is_blocked_for_long(shared, end), "no try for a shared lock has failed");
        assert!(blocked.is_blocked_for_long(exclusive, end));
        blocked.forget(open.as_fd(), LockMode::Exclusive);
        assert_eq!(blocked.count.load(Ordering::Relaxed), 0, "an exclusive lock shows both");
    }

    #[test]
    fn only_who_tries_all_the_time_takes_the_holder_for_a_stranger() {
        let blocked = Blocked { tries: LazyLock::new(Mutex::default), count: AtomicUsize::new(0) };
        let (id, begin) = (((1, 2, 3), LockMode::Exclusive), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        for millis in (0..2_000).step_by(50) {
            assert!(!blocked.is_blocked_for_long(id, at(millis)));
        }
        assert!(blocked.is_blocked_for_long(id, at(2_000)));
        let other = ((1, 2, 4), LockMode::Exclusive);
        assert!(!blocked.is_blocked_for_long(other, at(2_000)), "another directory");
        assert!(blocked.is_blocked_for_long(id, at(2_900)));
        assert!(!blocked.is_blocked_for_long(id, at(4_000)), "after a second without a try");
        assert_eq!(blocked.count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_lock_file_is_hidden() {
        assert!(LOCK_FILE.starts_with(TEMPORARY_PREFIX));
    }
}
