//! Deleting.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode};
use rustix::io::{Errno, retry_on_intr};

use super::descent::Descent;
use super::lock::{Attempt, DirectoryLock, Hold};
use super::names::for_each_name;
use super::root::{DIRECTORY, Place, Root, confirm, sync_directory};
use super::temporary::{fresh_name, rename_new};
use crate::{Depth, ErrorKind, FilePath, Result};

/// How many names are read before they are deleted: few enough to hold, many enough to be worth a pass.
const BATCH: usize = 1024;

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
            trash.empty()?;
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
        let dir = retry_on_intr(|| {
            rustix::fs::openat(&place.dir, place.name.as_str(), DIRECTORY, Mode::empty())
        })?;
        // Tells a sweep that the directory is in hand.
        match retry_on_intr(|| rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
        let name = fresh_name()?;
        rename_new(place.dir.as_fd(), &place.name, place.dir.as_fd(), &name)?;
        Ok(Some(Self { place, name, dir }))
    }

    fn empty(self) -> Result<()> {
        let (parent, own) = (self.place.dir.as_fd(), self.dir.try_clone()?);
        let emptied = empty_directory(own).and_then(|()| {
            let name = self.name.as_str();
            Ok(retry_on_intr(|| rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR))?)
        });
        if emptied.is_err() {
            // If the name has been taken meanwhile, what is left waits for a sweep.
            let _ = rename_new(parent, &self.name, parent, &self.place.name);
        }
        emptied
    }
}

/// Deletes everything in a directory, however deep, without following a link.
pub(super) fn empty_directory(dir: OwnedFd) -> Result<()> {
    let mut descent = Descent::start(dir)?;
    // The names still to be deleted in each directory on the way, and of each the one that is being emptied.
    let mut way: Vec<Vec<(Box<[u8]>, bool)>> = vec![batch(&descent)?];
    let mut entered: Vec<Box<[u8]>> = Vec::new();
    loop {
        let Some(here) = way.last_mut() else {
            return Ok(());
        };
        if let Some((name, is_dir)) = here.pop() {
            if delete_name(&descent, &name, is_dir)? {
                continue;
            }
            descent.enter_bytes(&name)?;
            entered.push(name);
            way.push(batch(&descent)?);
            continue;
        }
        *here = batch(&descent)?;
        if here.is_empty() {
            way.pop();
            let Some(name) = entered.pop() else {
                return Ok(());
            };
            descent.leave()?;
            if !delete_name(&descent, &name, true)? {
                // Somebody who had it open put something into it.
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
        }
    }
}

fn batch(descent: &Descent) -> Result<Vec<(Box<[u8]>, bool)>> {
    let mut names = Vec::new();
    for_each_name(descent.here(), |name, is_dir| {
        if names.len() < BATCH {
            names.push((name.into(), is_dir));
        }
    })?;
    Ok(names)
}

/// Deletes one name; `false` for a directory that is not empty.
fn delete_name(descent: &Descent, name: &[u8], is_dir: bool) -> Result<bool> {
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match retry_on_intr(|| rustix::fs::unlinkat(descent.here(), name, flags)) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) if is_dir => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
