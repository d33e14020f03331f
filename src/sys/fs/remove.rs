//! Deleting files and directories.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::cache::dislikes_links;
use super::dir_lock::{Attempt, BLOCKED, DirectoryLock, try_lock};
use super::dir_stack::DirStack;
use super::errno::system_error;
use super::move_name::rename_new;
use super::open_beneath::DIRECTORY;
use super::owner::new_name;
use super::parent_dir::ParentDir;
use super::read_dir::for_each_name;
use super::root::Root;
use super::stat::Stat;
use super::sync::{confirm, sync_directory};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::{DeleteOptions, Depth};
use crate::core::path::FilePath;
use crate::sys::lock::LockMode;

/// The number of names that are read before they are deleted.
const BATCH: usize = 1024;

/// The number of times that a directory is emptied again because other processes create files in it. Only calls that started
/// before the directory was moved aside can still do that, and all calls if it could not be moved.
const MAX_REFILLS: usize = 1024;

/// The number of looks for a name on FUSE.
const FUSE_TRIES: usize = 5;

/// The number of retries of locks on directories, counted over the whole tree: about one second. A writer that publishes in one of
/// them may need that long on a busy machine.
const MAX_LOCK_RETRIES: usize = 256;

/// The number of names that may change between file and directory during the deletion.
const MAX_CHANGES: usize = 100_000;

/// Deletes the entry at `path`.
pub(crate) fn remove(
    root: &Root,
    path: &FilePath,
    options: &DeleteOptions,
    sync: bool,
) -> Result<Attempt<(), ()>> {
    let place = root.locate_existing(path)?;
    let mut stat = existing(&place)?;
    stat.check_change(&options.condition)?;
    let is_conditional = !options.condition.is_empty();
    let lock_mode = if is_conditional { LockMode::Exclusive } else { LockMode::Shared };
    let Some(lock) = DirectoryLock::acquire(&place.dir, lock_mode)? else {
        return Ok(Attempt::Busy(()));
    };
    if is_conditional {
        stat = existing(&place)?;
        stat.check_change(&options.condition)?;
    }
    let flags = if stat.is_dir() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match retry_on_intr(|| rustix::fs::unlinkat(&place.dir, place.name.as_str(), flags)) {
        Ok(()) => {}
        // The entry changed between file and directory after the check.
        Err(Errno::ISDIR | Errno::NOTDIR) => return Ok(Attempt::Busy(())),
        Err(Errno::NOTEMPTY | Errno::EXIST) if options.depth == Depth::All => {
            let Some(trash) = Trash::take(&place)? else {
                return Ok(Attempt::Busy(()));
            };
            drop(lock);
            trash.empty(path)?;
        }
        Err(Errno::NOTEMPTY | Errno::EXIST) => return Err(ErrorKind::DirectoryNotEmpty.into()),
        Err(errno) => return Err(system_error(errno)),
    }
    if sync {
        confirm(sync_directory(place.dir.as_fd()))?;
    }
    Ok(Attempt::Done(()))
}

/// Returns the metadata of the entry at a place. While a file is replaced on FUSE, its name may be missing for a moment.
fn existing(place: &ParentDir) -> Result<Stat> {
    look_again(|| place.stat(), || dislikes_links(place.dir.as_fd()))
}

fn look_again<T>(look: impl Fn() -> Result<Option<T>>, is_fuse: impl Fn() -> bool) -> Result<T> {
    for _ in 0..FUSE_TRIES {
        match look()? {
            Some(found) => return Ok(found),
            None if is_fuse() => thread::sleep(Duration::from_millis(1)),
            None => break,
        }
    }
    Err(ErrorKind::NotFound.into())
}

/// A directory that is deleted with its entries. It was moved aside under a reserved name, so that it disappears for readers in one step.
/// A sweep removes the rest after a crash. If an entry cannot be deleted, the directory is moved back.
///
/// A directory of a lower layer of an overlay file system cannot be moved. It is emptied in its place and then removed.
struct Trash<'a> {
    place: &'a ParentDir,
    /// The reserved name; `None` if the directory is in its place.
    moved_to: Option<String>,
    dir: OwnedFd,
}

impl<'a> Trash<'a> {
    /// Moves the directory at `place` aside; `None` if another process has locked or replaced it.
    fn take(place: &'a ParentDir) -> Result<Option<Self>> {
        let dir = match retry_on_intr(|| {
            rustix::fs::openat(&place.dir, place.name.as_str(), DIRECTORY, Mode::empty())
        }) {
            // The directory was replaced.
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            opened => opened.map_err(system_error)?,
        };
        // The lock keeps a sweep away.
        match retry_on_intr(|| rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK) => {}
            Err(Errno::WOULDBLOCK) if !BLOCKED.is_stranger(dir.as_fd(), LockMode::Exclusive) => {
                return Ok(None);
            }
            // The lock also keeps a sweep away.
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(system_error(errno)),
        }
        let name = new_name()?;
        let moved_to = match rename_new(place.dir.as_fd(), &place.name, place.dir.as_fd(), &name) {
            Ok(()) => Some(name),
            Err(Errno::XDEV) => None,
            Err(errno) => return Err(system_error(errno)),
        };
        let trash = Self { place, moved_to, dir };
        if !trash.is_opened_directory() {
            // Another directory had replaced it before the rename.
            trash.restore();
            return Ok(None);
        }
        Ok(Some(trash))
    }

    fn name(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.place.name)
    }

    fn is_opened_directory(&self) -> bool {
        let moved = Stat::of_name(self.place.dir.as_fd(), self.name().as_ref());
        matches!((moved, Stat::of(self.dir.as_fd())), (Ok(a), Ok(b)) if a.id() == b.id())
    }

    fn restore(&self) {
        let parent = self.place.dir.as_fd();
        if let Some(name) = &self.moved_to {
            // If the old name exists again, a sweep removes the rest.
            let _ = rename_new(parent, name, parent, &self.place.name);
        }
    }

    fn empty(self, path: &str) -> Result<()> {
        for _ in 0..MAX_REFILLS {
            let emptied = self.dir.try_clone().map_err(Error::from);
            if let Err(error) = emptied.and_then(|dir| empty_directory(dir, path)) {
                self.restore();
                return Err(error);
            }
            let (parent, name) = (&self.place.dir, self.name());
            match retry_on_intr(|| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)) {
                Ok(()) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(errno) => {
                    self.restore();
                    return Err(system_error(errno));
                }
            }
        }
        self.restore();
        Err(ErrorKind::DirectoryNotEmpty.into())
    }
}

/// Deletes all entries below a directory, at any depth, without following links. `path` is its path in an error.
pub(super) fn empty_directory(dir: OwnedFd, path: &str) -> Result<()> {
    let mut emptying =
        Emptying::start(dir, BATCH, MAX_REFILLS).map_err(|error| error.with_path(path))?;
    emptying.run().map_err(|error| error.with_path(emptying.path_below(path)))
}

struct Emptying {
    dirs: DirStack,
    /// The names to delete in each open directory.
    pending: Vec<Batch>,
    /// The names of the entered directories, and of the current entry in the last one.
    at: Vec<Box<[u8]>>,
    /// [`BATCH`] and [`MAX_REFILLS`]; fewer in a test.
    batch: usize,
    max_refills: usize,
    refills: usize,
    changed: usize,
    /// The number of lock retries left. After that, each lock is tried once.
    lock_retries: usize,
}

impl Emptying {
    fn start(dir: OwnedFd, batch: usize, max_refills: usize) -> Result<Self> {
        let dirs = DirStack::start(dir)?;
        Ok(Self {
            pending: vec![Batch::read(&dirs, batch)?],
            dirs,
            at: Vec::new(),
            batch,
            max_refills,
            refills: 0,
            changed: 0,
            lock_retries: MAX_LOCK_RETRIES,
        })
    }

    fn run(&mut self) -> Result<()> {
        while let Some(here) = self.pending.last_mut() {
            if let Some((name, is_dir)) = here.names.pop() {
                self.at.push(name);
                if !self.delete(is_dir)? {
                    self.enter()?;
                }
                continue;
            }
            let was_last = here.is_last;
            *here = Batch::read(&self.dirs, self.batch)?;
            if !here.names.is_empty() {
                // FUSE renames an open file that is deleted, so such a name comes back each time it is removed.
                self.refills += usize::from(was_last);
                if self.refills > self.max_refills {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                continue;
            }
            self.pending.pop();
            if self.pending.is_empty() {
                break;
            }
            self.dirs.leave()?;
            if !self.delete(true)? {
                // Another process with an open handle created a file in it.
                self.refills += 1;
                if self.refills > self.max_refills {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                self.enter()?;
            }
        }
        Ok(())
    }

    /// Deletes the current entry; `false` for a directory that is not empty.
    fn delete(&mut self, is_dir: bool) -> Result<bool> {
        let Some(name) = self.at.last() else {
            return Ok(true);
        };
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match retry_on_intr(|| rustix::fs::unlinkat(self.dirs.here(), &**name, flags)) {
            Ok(()) | Err(Errno::NOENT) => {
                self.at.pop();
                Ok(true)
            }
            // The entry changed between file and directory. It is found again when the directory is read again.
            Err(Errno::ISDIR | Errno::NOTDIR) if self.changed < MAX_CHANGES => {
                self.changed += 1;
                self.at.pop();
                Ok(true)
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_dir => Ok(false),
            Err(errno) => Err(system_error(errno)),
        }
    }

    /// Enters the current entry, a directory.
    fn enter(&mut self) -> Result<()> {
        if let Some(name) = self.at.last() {
            match self.dirs.enter_bytes(name) {
                Ok(()) => {}
                // The directory was deleted or replaced.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    self.at.pop();
                    return Ok(());
                }
                Err(errno) => return Err(system_error(errno)),
            }
            // A writer that publishes in this directory finishes first. Later writers wait for its removal and create it again.
            // Without the lock, the temporary name of a writer could disappear. The deletion also goes on without the lock.
            while try_lock(self.dirs.here(), LockMode::Exclusive) == Ok(false)
                && self.lock_retries > 0
            {
                self.lock_retries -= 1;
            }
            self.pending.push(Batch::read(&self.dirs, self.batch)?);
        }
        Ok(())
    }

    fn path_below(&self, path: &str) -> String {
        let names = self.at.iter().map(|name| String::from_utf8_lossy(name));
        names.fold(path.to_owned(), |path, name| format!("{path}/{name}"))
    }
}

/// Some of the names in a directory, and whether each is one of a directory.
struct Batch {
    names: Vec<(Box<[u8]>, bool)>,
    /// Whether the directory had no more names.
    is_last: bool,
}

impl Batch {
    fn read(dirs: &DirStack, limit: usize) -> Result<Self> {
        let mut names = Vec::new();
        for_each_name(dirs.here(), |name, is_dir| {
            names.push((name.into(), is_dir));
            if names.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let is_last = names.len() < limit;
        Ok(Self { names, is_last })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::{self, File};
    use std::path::Path;

    use super::*;

    fn fill(dir: &Path, count: usize) {
        fs::create_dir_all(dir).unwrap();
        (0..count).for_each(|number| fs::write(dir.join(number.to_string()), "").unwrap());
    }

    fn start(dir: &Path, batch: usize, max_refills: usize) -> Emptying {
        Emptying::start(File::open(dir).unwrap().into(), batch, max_refills).unwrap()
    }

    #[test]
    fn directories_of_more_names_than_a_batch_are_not_taken_for_refilled_ones() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 5);
        (4..=13).for_each(|count| fill(&dir.path().join(format!("dir/{count}")), count));
        start(dir.path(), 4, 0).run().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_deleted_too() {
        let dir = tempfile::tempdir().unwrap();
        for (names, refills) in [(3, 1), (4, 0), (5, 0)] {
            fill(dir.path(), names);
            let mut emptying = start(dir.path(), 4, refills);
            fs::write(dir.path().join("late"), "").unwrap();
            emptying.run().unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
            assert_eq!(emptying.refills, refills, "{names} names");
        }
    }

    #[test]
    fn a_directory_is_not_emptied_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), 3);
        let mut emptying = start(dir.path(), 4, 0);
        fs::write(dir.path().join("late"), "").unwrap();
        assert_eq!(emptying.run().unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
    }

    #[test]
    fn a_name_that_is_missing_for_a_moment_is_looked_for_again_on_fuse_only() {
        for is_fuse in [false, true] {
            for missing in [0, 1, FUSE_TRIES - 1, FUSE_TRIES] {
                let looks = Cell::new(0);
                let look = || {
                    looks.set(looks.get() + 1);
                    Ok((looks.get() > missing).then_some(()))
                };
                let found = look_again(look, || is_fuse);
                let is_found = missing == 0 || is_fuse && missing < FUSE_TRIES;
                assert_eq!(found.is_ok(), is_found, "{is_fuse}, {missing}");
                let expected = if is_fuse { FUSE_TRIES.min(missing + 1) } else { 1 };
                assert_eq!(looks.get(), expected, "{is_fuse}, {missing}");
            }
        }
    }
}
