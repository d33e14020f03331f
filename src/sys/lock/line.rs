//! A line of tasks and processes of one user that take turns: first come, first served.
//!
//! Each waiter has a file with a number, and holds a `flock` on it. The lowest number has its turn. The kernel releases the lock when
//! the process ends, and a file without a lock does not count, so a dead process keeps nobody waiting. Numbers are given while one more
//! file is locked. That file also keeps a short text for the next waiter. The last one to leave removes all files.

use std::env;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

use super::file::lock_file;
use super::mode::LockMode;
use super::time_left::TimeLeft;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::{pool, random};

/// The pause between two looks at the line, for each one ahead; jitter adds up to half of it. At most [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(4);
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// The longest wait for the lock that gives a number. It is held for a few system calls.
const NUMBER_TIME: Duration = Duration::from_secs(5);

/// The longest text that is kept for the next waiter.
const MAX_TEXT: u64 = 256;

/// A place in a line. Dropping it leaves the line.
#[derive(Debug)]
pub(crate) struct Place {
    line: Line,
    number: u64,
    /// Locked until it is closed.
    _file: File,
}

/// The result of [`Place::wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Turn,
    /// The time is over, and this many are ahead.
    TimedOut(usize),
    /// Nobody has left the line for a long time.
    Stuck,
}

#[derive(Clone, Debug)]
struct Line {
    dir: Arc<OwnedFd>,
    name: String,
}

impl Place {
    /// Takes a place at the end of the line `name`, which is a part of file names.
    ///
    /// # Errors
    ///
    /// Those of the system, and [`PermissionDenied`](ErrorKind::PermissionDenied) if no directory is private.
    pub(crate) async fn join(name: &str, left: TimeLeft) -> Result<Self> {
        let dir = Arc::new(pool::run(private_directory).await?);
        Self::join_in(Line { dir, name: name.to_owned() }, left).await
    }

    async fn join_in(line: Line, left: TimeLeft) -> Result<Self> {
        // Kept until the new file is locked. Otherwise another waiter could take it for the file of a dead process.
        let numbers = line.lock(left).await?;
        pool::run(move || {
            let last = line.numbers()?.into_iter().max().unwrap_or_default();
            let number = last + 1;
            let file = line.create(number)?;
            // Nobody looks at a file whose number is above their own.
            file.try_lock().map_err(std::io::Error::from)?;
            drop(numbers);
            Ok(Self { line, number, _file: file })
        })
        .await
    }

    /// Waits until nobody is ahead. Gives up when nobody has left for `patience`, because the holder of the turn may be stopped.
    pub(crate) async fn wait(&self, patience: Duration, left: TimeLeft) -> Result<Waited> {
        let (mut ahead_before, mut stuck) = (usize::MAX, TimeLeft::new(patience));
        loop {
            let (line, number) = (self.line.clone(), self.number);
            let ahead = pool::run(move || line.ahead_of(number)).await?;
            if ahead == 0 {
                return Ok(Waited::Turn);
            }
            if left.get().is_zero() {
                return Ok(Waited::TimedOut(ahead));
            }
            if ahead < ahead_before {
                (ahead_before, stuck) = (ahead, TimeLeft::new(patience));
            }
            if stuck.get().is_zero() {
                return Ok(Waited::Stuck);
            }
            let pause = PAUSE.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX));
            let jittered = MAX_PAUSE.min(pause).mul_f64(1.0 + random::fraction() / 2.0);
            pool::pause(jittered.min(left.get())).await;
        }
    }

    /// Returns the text of the last waiter that had its turn, if there is one.
    pub(crate) async fn text(&self) -> Result<Option<String>> {
        let line = self.line.clone();
        pool::run(move || line.text()).await
    }

    /// Leaves the line, with a text for the next waiter.
    pub(crate) async fn leave(self, text: String) -> Result<()> {
        let mut numbers = self.line.lock(TimeLeft::new(NUMBER_TIME)).await?;
        pool::run(move || {
            let line = self.line.clone();
            numbers.set_len(0)?;
            numbers.rewind()?;
            numbers.write_all(text.as_bytes())?;
            drop(self);
            if line.ahead_of(u64::MAX)? == 0 {
                line.remove(&line.file());
            }
            Ok(())
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.remove(&self.line.file_of(self.number));
    }
}

impl Line {
    fn file(&self) -> String {
        format!("{}.line", self.name)
    }

    fn file_of(&self, number: u64) -> String {
        format!("{}.{number}", self.name)
    }

    /// Locks the file under which numbers are given.
    async fn lock(&self, left: TimeLeft) -> Result<File> {
        let (line, flags) = (self.clone(), OFlags::RDWR | OFlags::CREATE);
        let open = move || line.open(&line.file(), flags);
        let is_current = |file: &File| rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink > 0);
        let left = TimeLeft::new(left.get().min(NUMBER_TIME));
        lock_file(open, is_current, LockMode::Exclusive, left).await
    }

    fn create(&self, number: u64) -> Result<File> {
        self.open(&self.file_of(number), OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let opened = retry_on_intr(|| rustix::fs::openat(&self.dir, name, flags, mode));
        Ok(opened.map_err(std::io::Error::from)?.into())
    }

    fn remove(&self, name: &str) {
        // The file may be gone already. If it stays, it has no lock, so nobody waits for it.
        let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
    }

    /// Returns the numbers of all files of the line.
    fn numbers(&self) -> Result<Vec<u64>> {
        let entries = Dir::read_from(&self.dir).map_err(std::io::Error::from)?;
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(std::io::Error::from)?;
            let name = entry.file_name().to_string_lossy();
            let number = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('.'));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    /// Returns how many are ahead of `number`. Removes the files of those that have ended.
    fn ahead_of(&self, number: u64) -> Result<usize> {
        let mut ahead = 0;
        for other in self.numbers()?.into_iter().filter(|&other| other < number) {
            let name = self.file_of(other);
            let file = match self.open(&name, OFlags::RDONLY) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match file.try_lock_shared() {
                // The number is not given again meanwhile: a higher one is in use, or the file for numbers is locked.
                Ok(()) => self.remove(&name),
                Err(TryLockError::WouldBlock) => ahead += 1,
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        Ok(ahead)
    }

    fn text(&self) -> Result<Option<String>> {
        let file = match self.open(&self.file(), OFlags::RDONLY) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_TEXT).read_to_string(&mut text)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}

/// Opens the directory of this user's lines. Creates it if missing.
fn private_directory() -> Result<OwnedFd> {
    let name = format!("f9-{}", geteuid().as_raw());
    let mut last = Error::new(ErrorKind::NotFound);
    for parent in parents(env::var_os("XDG_RUNTIME_DIR")) {
        match open_private(&parent.join(&name)) {
            Err(error) => last = error,
            opened => return opened,
        }
    }
    Err(last)
}

/// By the XDG Base Directory Specification, a relative path counts as unset.
fn parents(runtime: Option<OsString>) -> impl Iterator<Item = PathBuf> {
    let runtime = runtime.map(PathBuf::from).filter(|path| path.is_absolute());
    runtime.into_iter().chain([env::temp_dir()])
}

/// Opens a directory that belongs to this user and that nobody else may use.
fn open_private(path: &Path) -> Result<OwnedFd> {
    match rustix::fs::mkdirat(CWD, path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(std::io::Error::from(error).into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()));
    let dir = opened.map_err(std::io::Error::from)?;
    let stat = rustix::fs::fstat(&dir).map_err(std::io::Error::from)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    if stat.st_uid != geteuid().as_raw() || mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Err(Error::new(ErrorKind::PermissionDenied)
            .with_path(path.to_string_lossy())
            .with_message("the directory is not private"));
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const HANGS: Duration = Duration::from_secs(300);

    /// Others may read a temporary directory, so the lines are below it.
    fn line_in(dir: &Path, name: &str) -> Line {
        Line { dir: Arc::new(open_private(&dir.join("lines")).unwrap()), name: name.to_owned() }
    }

    async fn join(dir: &Path, name: &str) -> Place {
        Place::join_in(line_in(dir, name), TimeLeft::new(HANGS)).await.unwrap()
    }

    async fn now(place: &Place) -> Waited {
        place.wait(HANGS, TimeLeft::new(Duration::ZERO)).await.unwrap()
    }

    fn names(dir: &Path) -> Vec<OsString> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[tokio::test]
    async fn the_first_one_in_line_has_the_turn_and_the_last_one_removes_all_files() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let (first, second, third) =
            (join(dir, "a").await, join(dir, "a").await, join(dir, "a").await);
        let other = join(dir, "b").await;
        assert_eq!(now(&other).await, Waited::Turn, "another line");
        assert_eq!(now(&first).await, Waited::Turn);
        assert_eq!(now(&second).await, Waited::TimedOut(1));
        assert_eq!(now(&third).await, Waited::TimedOut(2));
        assert_eq!(third.text().await.unwrap(), None);
        // A waiter that gives up keeps no other one waiting.
        drop(second);
        assert_eq!(now(&third).await, Waited::TimedOut(1));
        first.leave("news".to_owned()).await.unwrap();
        assert_eq!(now(&third).await, Waited::Turn);
        assert_eq!(third.text().await.unwrap().as_deref(), Some("news"));
        third.leave("more".to_owned()).await.unwrap();
        other.leave(String::new()).await.unwrap();
        assert_eq!(names(&dir.join("lines")), Vec::<OsString>::new());
    }

    #[tokio::test]
    async fn places_are_served_in_the_order_of_arrival() {
        let dir = tempfile::tempdir().unwrap();
        let (served, mut tasks) = (Arc::new(std::sync::Mutex::new(Vec::new())), Vec::new());
        for number in 0..16 {
            let (place, served) = (join(dir.path(), "a").await, Arc::clone(&served));
            tasks.push(tokio::spawn(async move {
                let waited = place.wait(HANGS, TimeLeft::new(HANGS)).await.unwrap();
                assert_eq!(waited, Waited::Turn);
                served.lock().unwrap().push(number);
                place.leave(String::new()).await.unwrap();
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*served.lock().unwrap(), (0..16).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_dead_process_keeps_nobody_waiting_and_a_stopped_one_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        // The file of a process that was killed.
        let left = dir.path().join("lines/a.7");
        drop(line_in(dir.path(), "a"));
        std::fs::write(&left, "").unwrap();
        let alive = join(dir.path(), "a").await;
        assert_eq!(now(&alive).await, Waited::Turn);
        assert!(!left.exists());
        let next = join(dir.path(), "a").await;
        let soon = Duration::from_millis(20);
        assert_eq!(next.wait(soon, TimeLeft::new(HANGS)).await.unwrap(), Waited::Stuck);
    }

    #[test]
    fn a_directory_of_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, link) = (dir.path().join("shared"), dir.path().join("link"));
        drop(open_private(&shared).unwrap());
        drop(open_private(&shared).unwrap());
        symlink(&shared, &link).unwrap();
        open_private(&link).unwrap_err();
        std::fs::set_permissions(&shared, PermissionsExt::from_mode(0o750)).unwrap();
        let error = open_private(&shared).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        std::fs::write(dir.path().join("file"), "").unwrap();
        open_private(&dir.path().join("file")).unwrap_err();
    }

    #[test]
    fn a_relative_runtime_directory_counts_as_unset() {
        let temporary = env::temp_dir();
        let runtime = PathBuf::from("/run/x");
        let found = |runtime: &Path| parents(Some(runtime.into())).collect::<Vec<_>>();
        assert_eq!(found(&runtime), [runtime.clone(), temporary.clone()]);
        assert_eq!(found(Path::new("run")), std::slice::from_ref(&temporary));
    }
}
