//! The state of a watch.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::super::errno::system_error;
use super::super::open_beneath::{DIRECTORY, open_beneath, open_error};
use super::super::root::Root;
use super::dirs::Dirs;
use super::queue::{ITSELF, PARENT, Queue};
use crate::core::change::Change;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::{Depth, WatchOptions};
use crate::core::path::FilePath;
use crate::core::settler::{Happened, Settler};

/// How long the second event of a rename may come after the first. Only a process that is stopped between the two takes longer.
pub(super) const MOVE_LIMIT: Duration = Duration::from_millis(100);

/// How often it is checked whether an empty root still exists. The kernel reports nothing about that while the root is open.
const ROOT_CHECK: Duration = Duration::from_secs(1);

/// The first half of a rename: an entry that has left its name.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) cookie: u32,
    pub(super) watch: i32,
    pub(super) name: Box<str>,
    pub(super) is_dir: bool,
    pub(super) since: Instant,
}

#[derive(Debug)]
enum End {
    None,
    Failed(Error),
    Over,
}

/// Watches a directory. Its methods wait for the disk, except for [`next`](Self::next) and [`next_step`](Self::next_step).
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(super) queue: Queue,
    /// The path of the directory beneath the root, without links; `.` for the root.
    pub(super) place: PathBuf,
    pub(super) depth: Depth,
    /// The watch of the directory.
    pub(super) top: i32,
    pub(super) dirs: Dirs,
    /// The watches of the directories above, without the root unless it is the parent.
    pub(super) above: Vec<i32>,
    pub(super) leaving: VecDeque<Leaving>,
    pub(super) last_rename: Option<(String, String)>,
    pub(super) settler: Settler,
    end: End,
}

impl Watcher {
    /// Starts to watch the directory at `path`.
    pub(crate) fn start(root: &Root, path: &FilePath, options: &WatchOptions) -> Result<Self> {
        root.expect_present()?;
        // This fails like a listing if there is no directory.
        drop(root.open_directory(path)?);
        let place = Path::new(if path.is_root() { "." } else { path.as_str() });
        let place = match open_beneath(root.fd(), place, DIRECTORY) {
            Err(Errno::LOOP) => root.expand(path)?,
            _ => place.to_owned(),
        };
        let mut watcher = Self {
            queue: Queue::new()?,
            place,
            depth: options.depth,
            top: 0,
            dirs: Dirs::default(),
            above: Vec::new(),
            leaving: VecDeque::new(),
            last_rename: None,
            settler: Settler::new(path.clone(), options.settle),
            end: End::None,
        };
        watcher.watch_above(root)?;
        let dir = watcher.open_top(root)?;
        watcher.top = watcher.watch_top(&dir)?;
        watcher.dirs.insert_top(watcher.top);
        watcher.scan(root, watcher.top, dir, None)?;
        Ok(watcher)
    }

    /// Returns the handle that is readable if there are events.
    pub(crate) fn fd(&self) -> Arc<OwnedFd> {
        self.queue.fd()
    }

    /// Reads events, and returns whether there are no more for now.
    pub(crate) fn step(&mut self, root: &Root, now: Instant) -> bool {
        let done = self.try_step(root, now);
        done.unwrap_or_else(|error| {
            self.fail(error);
            true
        })
    }

    fn try_step(&mut self, root: &Root, now: Instant) -> Result<bool> {
        let queue = self.queue.clone();
        let mut at = now;
        let is_drained = queue.read(|event| {
            // Events that are read together keep their order.
            at += Duration::from_nanos(1);
            self.handle(root, &event, at)
        })?;
        let is_late = |leaving: &mut Leaving| leaving.since + MOVE_LIMIT <= now;
        while let Some(leaving) = self.leaving.pop_front_if(is_late) {
            self.has_left(&leaving);
        }
        if self.may_be_gone() && root.is_removed() {
            self.lose(now);
        }
        Ok(is_drained)
    }

    /// Returns the next change that is due.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Result<Change>> {
        // Nothing later is due before it is known where an entry went, so that its removal keeps its place.
        let known = self.leaving.front().map_or(now, |leaving| leaving.since);
        if let Some(change) = self.settler.next(known) {
            return Some(Ok(change));
        }
        match std::mem::replace(&mut self.end, End::Over) {
            End::Failed(error) => Some(Err(error)),
            end => {
                self.end = end;
                None
            }
        }
    }

    /// Whether nothing follows, after [`next`](Self::next) has returned `None`.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.end, End::Over)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.end, End::None)
    }

    /// Returns when the next step is due even if there is no event.
    pub(crate) fn next_step(&self, now: Instant) -> Option<Instant> {
        if let Some(leaving) = self.leaving.front() {
            return Some(leaving.since + MOVE_LIMIT);
        }
        let check = self.may_be_gone().then(|| now + ROOT_CHECK);
        self.settler.next_due().into_iter().chain(check).min()
    }

    pub(super) fn is_root(&self) -> bool {
        self.place == Path::new(".")
    }

    /// Whether the root may have been removed. It is empty then.
    fn may_be_gone(&self) -> bool {
        self.is_running() && self.is_root() && self.dirs.knows_nothing(self.top)
    }

    /// Ends the watch, because the directory was removed or moved.
    pub(super) fn lose(&mut self, now: Instant) {
        if self.is_root() {
            return self.fail(ErrorKind::RootGone.into());
        }
        let path = self.settler.prefix().to_string();
        self.settler.add(Happened::Removed, path, true, now);
        self.settler.release_all();
        self.end = End::Over;
    }

    fn fail(&mut self, error: Error) {
        self.settler.release_all();
        self.end = End::Failed(error);
    }

    pub(super) fn open_top(&self, root: &Root) -> Result<OwnedFd> {
        open_beneath(root.fd(), &self.place, DIRECTORY).map_err(open_error)
    }

    /// Watches the directories above, because the directory moves with them.
    fn watch_above(&mut self, root: &Root) -> Result<()> {
        if self.is_root() {
            return Ok(());
        }
        let mut flags = PARENT;
        for above in self.place.ancestors().skip(1) {
            let is_root = above.as_os_str().is_empty();
            if is_root && flags != PARENT {
                break;
            }
            let above = if is_root { Path::new(".") } else { above };
            let dir = open_beneath(root.fd(), above, DIRECTORY).map_err(system_error)?;
            self.above.push(self.queue.watch(dir.as_fd(), flags)?);
            flags = ITSELF;
        }
        Ok(())
    }
}
