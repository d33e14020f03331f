//! Deleting.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::descent::Descent;
use super::lock::{Attempt, DirectoryLock, Hold, hold_open};
use super::names::for_each_name;
use super::root::{DIRECTORY, Place, Root, confirm, sync_directory};
use super::stat::Stat;
use super::temporary::{fresh_name, rename_new};
use crate::{Depth, Error, ErrorKind, FilePath, Result};

/// How many names are read before they are deleted: few enough to hold, many enough to be worth a pass.
const BATCH: usize = 1024;

/// How often a directory that others put something into is emptied again. Nobody finds the way there any more, so only those who
/// had begun can.
const REFILLS: usize = 1024;

/// How many times one deletion retries to lock directories before it empties them, counted over the whole tree: about one second.
/// A writer that publishes in one of them may need that long on a busy machine.
const HOLDS: usize = 256;

/// How many names may change their kind while they are deleted.
const CHANGES: usize = 100_000;

/// Deletes what is at `path`.
pub(crate) fn remove(
    root: &Root,
    path: &FilePath,
    depth: Depth,
    sync: bool,
) -> Result<Attempt<(), ()>> {
    let place = root.locate_existing(path)?;
    let stat = place.stat()?.ok_or(ErrorKind::NotFound)?;
    let Some(lock) = DirectoryLock::acquire(&place.dir, Hold::Shared)? else {
        return Ok(Attempt::Busy(()));
    };
    let flags = if stat.is_dir() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match retry_on_intr(|| rustix::fs::unlinkat(&place.dir, place.name.as_str(), flags)) {
        Ok(()) => {}
        // A directory took the place of a file or the other way round: look again.
        Err(Errno::ISDIR | Errno::NOTDIR) => return Ok(Attempt::Busy(())),
        Err(Errno::NOTEMPTY | Errno::EXIST) if depth == Depth::All => {
            let Some(trash) = Trash::take(&place)? else {
                return Ok(Attempt::Busy(()));
            };
            drop(lock);
            trash.empty(path)?;
        }
        Err(Errno::NOTEMPTY | Errno::EXIST) => return Err(ErrorKind::DirectoryNotEmpty.into()),
        Err(errno) => return Err(errno.into()),
    }
    if sync {
        confirm(sync_directory(place.dir.as_fd()))?;
    }
    Ok(Attempt::Done(()))
}

/// A directory that has been moved out of sight to be deleted: readers see it vanish in one step, and what a crash leaves of it
/// is swept. What cannot be deleted comes back.
struct Trash<'a> {
    place: &'a Place,
    name: String,
    dir: OwnedFd,
}

impl<'a> Trash<'a> {
    /// Moves the directory at `place` aside; `None` if somebody works in it.
    fn take(place: &'a Place) -> Result<Option<Self>> {
        let dir = match retry_on_intr(|| {
            rustix::fs::openat(&place.dir, place.name.as_str(), DIRECTORY, Mode::empty())
        }) {
            // Something else has taken its place.
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            opened => opened?,
        };
        // Tells a sweep that the directory is in hand.
        match retry_on_intr(|| rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let name = fresh_name()?;
        rename_new(place.dir.as_fd(), &place.name, place.dir.as_fd(), &name)?;
        let trash = Self { place, name, dir };
        if !trash.is_what_was_opened() {
            // Another directory had taken the name.
            trash.restore();
            return Ok(None);
        }
        Ok(Some(trash))
    }

    fn is_what_was_opened(&self) -> bool {
        let moved = Stat::of_name(self.place.dir.as_fd(), self.name.as_ref());
        matches!((moved, Stat::of(self.dir.as_fd())), (Ok(a), Ok(b)) if a.id() == b.id())
    }

    fn restore(&self) {
        let parent = self.place.dir.as_fd();
        // If the name has been taken meanwhile, what is left waits for a sweep.
        let _ = rename_new(parent, &self.name, parent, &self.place.name);
    }

    fn empty(self, path: &str) -> Result<()> {
        for _ in 0..REFILLS {
            let emptied = self.dir.try_clone().map_err(Error::from);
            if let Err(error) = emptied.and_then(|dir| empty_directory(dir, path)) {
                self.restore();
                return Err(error);
            }
            let (parent, name) = (&self.place.dir, self.name.as_str());
            match retry_on_intr(|| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)) {
                Ok(()) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(errno) => {
                    self.restore();
                    return Err(errno.into());
                }
            }
        }
        self.restore();
        Err(ErrorKind::DirectoryNotEmpty.into())
    }
}

/// Deletes everything in a directory, however deep, without following a link. `path` is what it is called in an error.
pub(super) fn empty_directory(dir: OwnedFd, path: &str) -> Result<()> {
    let mut emptying = Emptying {
        descent: Descent::start(dir)?,
        way: Vec::new(),
        at: Vec::new(),
        refilled: 0,
        changed: 0,
        holds: HOLDS,
    };
    emptying.run().map_err(|error| error.with_path(emptying.path_below(path)))
}

struct Emptying {
    descent: Descent,
    /// The names still to be deleted in each directory on the way.
    way: Vec<Vec<(Box<[u8]>, bool)>>,
    /// The names of the directories that were entered, and of what is being deleted in the last of them.
    at: Vec<Box<[u8]>>,
    refilled: usize,
    changed: usize,
    /// How many retries are left. After that, each directory is tried once.
    holds: usize,
}

impl Emptying {
    fn run(&mut self) -> Result<()> {
        self.way.push(batch(&self.descent)?);
        while let Some(here) = self.way.last_mut() {
            if let Some((name, is_dir)) = here.pop() {
                self.at.push(name);
                if !self.delete(is_dir)? {
                    self.enter()?;
                }
                continue;
            }
            *here = batch(&self.descent)?;
            if !here.is_empty() {
                continue;
            }
            self.way.pop();
            if self.way.is_empty() {
                break;
            }
            self.descent.leave()?;
            if !self.delete(true)? {
                // Somebody who had it open put something into it.
                self.refilled += 1;
                if self.refilled > REFILLS {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                self.enter()?;
            }
        }
        Ok(())
    }

    /// Deletes the name at hand; `false` for a directory that is not empty.
    fn delete(&mut self, is_dir: bool) -> Result<bool> {
        let Some(name) = self.at.last() else {
            return Ok(true);
        };
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match retry_on_intr(|| rustix::fs::unlinkat(self.descent.here(), &**name, flags)) {
            Ok(()) | Err(Errno::NOENT) => {
                self.at.pop();
                Ok(true)
            }
            // Something of another kind that took the name is met when the directory is read again; not for ever.
            Err(Errno::ISDIR | Errno::NOTDIR) if self.changed < CHANGES => {
                self.changed += 1;
                self.at.pop();
                Ok(true)
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_dir => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Steps down into the directory at hand.
    fn enter(&mut self) -> Result<()> {
        if let Some(name) = self.at.last() {
            match self.descent.enter_bytes(name) {
                Ok(()) => {}
                // It has gone, or something of another kind took the name and is met again.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    self.at.pop();
                    return Ok(());
                }
                Err(errno) => return Err(errno.into()),
            }
            // Who is publishing in there finishes first, and who comes later waits until it is gone, and then makes it anew:
            // else the name of a temporary could vanish in the middle. It need not succeed.
            while hold_open(self.descent.here(), Hold::Exclusive) == Ok(false) && self.holds > 0 {
                self.holds -= 1;
            }
            self.way.push(batch(&self.descent)?);
        }
        Ok(())
    }

    fn path_below(&self, path: &str) -> String {
        let names = self.at.iter().map(|name| String::from_utf8_lossy(name));
        names.fold(path.to_owned(), |path, name| format!("{path}/{name}"))
    }
}

fn batch(descent: &Descent) -> Result<Vec<(Box<[u8]>, bool)>> {
    let mut names = Vec::new();
    for_each_name(descent.here(), |name, is_dir| {
        names.push((name.into(), is_dir));
        if names.len() < BATCH { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(names)
}
