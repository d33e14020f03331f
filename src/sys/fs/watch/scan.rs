//! Finding directories and what is in them.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;

use super::super::errno::system_error;
use super::super::open_beneath::{DIRECTORY, open_beneath};
use super::super::read_dir::for_each_name;
use super::super::root::Root;
use super::queue::ENTRIES;
use super::watcher::Watcher;
use crate::core::error::{ErrorKind, Result};
use crate::core::options::Depth;
use crate::core::settler::Happened;

/// What was found at the name of a directory.
pub(super) enum Found {
    /// A directory that was not watched at this name, and its watch.
    New(i32, OwnedFd),
    /// The directory that is watched.
    Same,
    /// No directory, or one that this process must not read.
    Nothing,
}

impl Watcher {
    pub(super) fn watch_top(&self, dir: &OwnedFd) -> Result<i32> {
        self.queue.watch(dir.as_fd(), ENTRIES)
    }

    /// Returns the path of an entry as callers know it; `None` if its directory is not watched any longer. An empty name is the
    /// directory.
    pub(super) fn path(&self, watch: i32, name: &str) -> Option<String> {
        let below = self.dirs.path(watch)?;
        let parts = [self.settler.prefix().as_str(), below.as_str(), name];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        Some(parts.collect::<Vec<_>>().join("/"))
    }

    /// Opens and watches the directory `name`.
    pub(super) fn find(&mut self, root: &Root, parent: i32, name: &str) -> Result<Found> {
        let Some(below) = self.dirs.path(parent) else { return Ok(Found::Nothing) };
        let path = self.place.join(below).join(name);
        let dir = match open_beneath(root.fd(), &path, DIRECTORY) {
            Ok(dir) => dir,
            // An event tells what has happened to it.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {
                return Ok(Found::Nothing);
            }
            Err(Errno::ACCESS | Errno::PERM) => return Ok(Found::Nothing),
            Err(errno) => return Err(system_error(errno)),
        };
        let watch = self.queue.watch(dir.as_fd(), ENTRIES)?;
        if self.above.contains(&watch) {
            // A directory that contains itself, through a mount.
            return Ok(Found::Nothing);
        }
        match self.dirs.below(parent, name) {
            Some(old) if old == watch => return Ok(Found::Same),
            Some(old) => self.stop(old, Some(watch)),
            None => {}
        }
        if self.dirs.has(watch) {
            if self.dirs.is_within(parent, watch) {
                return Ok(Found::Nothing);
            }
            // It was moved, and the events of that follow.
            self.stop(watch, Some(watch));
        }
        self.dirs.insert(watch, parent, name);
        Ok(Found::New(watch, dir))
    }

    /// Stops watching a directory and everything below it, except for the watch `kept`.
    pub(super) fn stop(&mut self, watch: i32, kept: Option<i32>) {
        for watch in self.dirs.remove(watch) {
            if Some(watch) != kept {
                self.queue.unwatch(watch);
            }
        }
    }

    /// Reads the names in a directory that is newly watched, and watches everything below it. Each entry is reported as created at a
    /// time, if one is given.
    pub(super) fn scan(
        &mut self,
        root: &Root,
        watch: i32,
        dir: OwnedFd,
        report: Option<Instant>,
    ) -> Result<()> {
        let mut waiting = Vec::new();
        self.read_names(root, watch, &dir, report, &mut waiting)?;
        drop(dir);
        while let Some((parent, name)) = waiting.pop() {
            if let Found::New(watch, dir) = self.find(root, parent, &name)? {
                self.read_names(root, watch, &dir, report, &mut waiting)?;
            }
        }
        Ok(())
    }

    fn read_names(
        &mut self,
        root: &Root,
        watch: i32,
        dir: &OwnedFd,
        report: Option<Instant>,
        waiting: &mut Vec<(i32, Box<str>)>,
    ) -> Result<()> {
        let reserved = root.reserved();
        let read = for_each_name(dir.as_fd(), |name, is_dir| {
            match (std::str::from_utf8(name), report) {
                (Ok(name), _) if reserved.contains(name) => {}
                (Ok(name), report) => {
                    let was_known = self.dirs.learn(watch, name);
                    if let Some(now) = report.filter(|_| !was_known)
                        && let Some(path) = self.path(watch, name)
                    {
                        self.settler.add(Happened::Created, path, is_dir, now);
                    }
                    if is_dir && self.depth == Depth::All {
                        waiting.push((watch, name.into()));
                    }
                }
                (Err(_), Some(now)) => self.rescan(watch, now),
                (Err(_), None) => {}
            }
            ControlFlow::Continue(())
        });
        match read {
            // The directory was removed in the meantime.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            read => read,
        }
    }

    /// Reports that a directory has a change that has no path.
    pub(super) fn rescan(&mut self, watch: i32, now: Instant) {
        if let Some(path) = self.path(watch, "") {
            self.settler.add_rescan(&path, now);
        }
    }

    /// Watches everything again after events were lost, and reports a rescan of everything.
    pub(super) fn repair(&mut self, root: &Root, now: Instant) -> Result<()> {
        self.settler.miss();
        self.leaving.clear();
        self.last_rename = None;
        let dir = match self.open_top(root) {
            Ok(dir) => dir,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                self.lose(now);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.watch_top(&dir)? != self.top {
            self.lose(now);
            return Ok(());
        }
        let old = self.dirs.remove_all();
        self.dirs.insert_top(self.top);
        self.scan(root, self.top, dir, None)?;
        for watch in old.into_iter().filter(|watch| !self.dirs.has(*watch)) {
            self.queue.unwatch(watch);
        }
        Ok(())
    }
}
