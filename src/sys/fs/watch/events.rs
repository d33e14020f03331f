//! What each event means.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::fs::inotify::ReadFlags;

use super::super::open_beneath::open_beneath;
use super::super::root::Root;
use super::queue::Event;
use super::scan::Found;
use super::watcher::{Leaving, Watcher};
use crate::core::error::Result;
use crate::core::options::Depth;
use crate::core::settler::Happened;

/// The number of entries that may have left their names at the same time, before it is known where they went.
const LEAVING_LIMIT: usize = 1024;

const GONE: ReadFlags = ReadFlags::DELETE_SELF.union(ReadFlags::UNMOUNT).union(ReadFlags::IGNORED);

const CHANGED: ReadFlags = ReadFlags::MODIFY.union(ReadFlags::CLOSE_WRITE).union(ReadFlags::ATTRIB);

/// An entry of an event: the watch of its directory, its name, and whether it is a directory.
#[derive(Clone, Copy)]
struct Entry<'a> {
    watch: i32,
    name: &'a str,
    is_dir: bool,
}

impl Watcher {
    pub(super) fn handle(&mut self, root: &Root, event: &Event<'_>, now: Instant) -> Result<()> {
        let watch = event.watch;
        if !self.is_running() {
            return Ok(());
        }
        if event.is_any(ReadFlags::QUEUE_OVERFLOW) {
            return self.repair(root, now);
        }
        if self.above.contains(&watch) {
            if self.is_about_top(event) {
                self.lose(now);
            }
            return Ok(());
        }
        if !self.dirs.has(watch) {
            return Ok(());
        }
        if event.name.is_empty() {
            self.handle_directory(event, now);
            return Ok(());
        }
        let Ok(name) = std::str::from_utf8(event.name) else {
            self.leave_for_nowhere(event);
            self.rescan(watch, now);
            return Ok(());
        };
        if root.reserved().contains(name) {
            self.leave_for_nowhere(event);
            return Ok(());
        }
        let entry = Entry { watch, name, is_dir: event.is_any(ReadFlags::ISDIR) };
        self.handle_entry(root, entry, event, now)
    }

    /// Whether an event of a directory above is a removal or a move of the watched directory.
    fn is_about_top(&self, event: &Event<'_>) -> bool {
        if event.name.is_empty() {
            return event.is_any(GONE | ReadFlags::MOVE_SELF);
        }
        let name = self.place.file_name().map(OsStr::as_bytes);
        name == Some(event.name) && event.is_any(ReadFlags::DELETE)
    }

    /// Handles an event of a directory itself. Its parent has an event too, which is reported.
    fn handle_directory(&mut self, event: &Event<'_>, now: Instant) {
        let is_gone = event.is_any(GONE);
        if event.watch == self.top {
            // A root may move.
            if is_gone || (event.is_any(ReadFlags::MOVE_SELF) && !self.is_root()) {
                self.lose(now);
            }
        } else if is_gone {
            self.stop(event.watch, None);
        }
    }

    fn handle_entry(
        &mut self,
        root: &Root,
        entry: Entry<'_>,
        event: &Event<'_>,
        now: Instant,
    ) -> Result<()> {
        self.settle_leaving(entry);
        if event.is_any(ReadFlags::MOVED_FROM) {
            self.leave(entry, event.cookie, now);
        } else if event.is_any(ReadFlags::MOVED_TO) {
            match self.take_leaving(event.cookie) {
                Some(from) => self.has_moved(root, &from, entry, now)?,
                None => self.has_appeared(root, entry, now)?,
            }
        } else if event.is_any(ReadFlags::CREATE) {
            self.has_appeared(root, entry, now)?;
        } else if event.is_any(ReadFlags::DELETE) {
            self.dirs.forget(entry.watch, entry.name);
            self.has_disappeared(entry, now);
        } else if event.is_any(CHANGED) {
            self.has_changed(root, entry, now)?;
        }
        Ok(())
    }

    fn add(&mut self, happened: Happened, entry: Entry<'_>, now: Instant) {
        if let Some(path) = self.path(entry.watch, entry.name) {
            self.settler.add(happened, path, entry.is_dir, now);
        }
    }

    fn has_appeared(&mut self, root: &Root, entry: Entry<'_>, now: Instant) -> Result<()> {
        let was_known = self.dirs.learn(entry.watch, entry.name);
        if entry.is_dir {
            if !was_known {
                self.add(Happened::Created, entry, now);
            }
            return self.look_for_directory(root, entry, was_known, now);
        }
        if let Some(old) = self.dirs.below(entry.watch, entry.name) {
            self.stop(old, None);
        }
        // It was replaced by a rename, or the listing of its new directory has found it.
        let happened = if was_known { Happened::Modified } else { Happened::Created };
        self.add(happened, entry, now);
        Ok(())
    }

    /// Watches a directory and reports what is in it, unless it is watched already. With `report`, it is itself reported as created.
    fn look_for_directory(
        &mut self,
        root: &Root,
        entry: Entry<'_>,
        report: bool,
        now: Instant,
    ) -> Result<()> {
        if self.depth == Depth::All
            && let Found::New(watch, dir) = self.find(root, entry.watch, entry.name)?
        {
            if report {
                self.dirs.learn(entry.watch, entry.name);
                self.add(Happened::Created, entry, now);
            }
            self.scan(root, watch, dir, Some(now))?;
        }
        Ok(())
    }

    fn has_disappeared(&mut self, entry: Entry<'_>, now: Instant) {
        if let Some(old) = self.dirs.below(entry.watch, entry.name) {
            self.stop(old, None);
        }
        self.add(Happened::Removed, entry, now);
    }

    fn has_changed(&mut self, root: &Root, entry: Entry<'_>, now: Instant) -> Result<()> {
        let is_known = self.dirs.knows(entry.watch, entry.name);
        // The kernel reports changes of a file without a name under its number.
        let number = entry.name.strip_prefix('#').filter(|_| !is_known);
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            return Ok(());
        }
        self.add(Happened::Modified, entry, now);
        // It may be readable now.
        if entry.is_dir && self.dirs.below(entry.watch, entry.name).is_none() {
            self.look_for_directory(root, entry, false, now)?;
        }
        Ok(())
    }

    /// Remembers that an entry has left its name. The next event tells where it went, unless it left what is watched.
    fn leave(&mut self, entry: Entry<'_>, cookie: u32, now: Instant) {
        self.dirs.forget(entry.watch, entry.name);
        let Entry { watch, name, is_dir } = entry;
        self.leaving.push_back(Leaving { cookie, watch, name: name.into(), is_dir, since: now });
        if self.leaving.len() > LEAVING_LIMIT
            && let Some(oldest) = self.leaving.pop_front()
        {
            self.has_left(&oldest);
        }
    }

    fn take_leaving(&mut self, cookie: u32) -> Option<Leaving> {
        let at = self.leaving.iter().position(|leaving| leaving.cookie == cookie)?;
        self.leaving.remove(at)
    }

    /// Reports an entry as removed if another event is about its old name. Otherwise the removal would be reported after that event.
    fn settle_leaving(&mut self, entry: Entry<'_>) {
        let is_same =
            |leaving: &Leaving| leaving.watch == entry.watch && *leaving.name == *entry.name;
        if let Some(at) = self.leaving.iter().position(is_same)
            && let Some(leaving) = self.leaving.remove(at)
        {
            self.has_left(&leaving);
        }
    }

    /// Reports an entry as removed if it was renamed to a name that is not reported.
    fn leave_for_nowhere(&mut self, event: &Event<'_>) {
        if event.is_any(ReadFlags::MOVED_TO)
            && let Some(leaving) = self.take_leaving(event.cookie)
        {
            self.has_left(&leaving);
        }
    }

    /// Reports an entry as removed that has left its name and did not come back.
    pub(super) fn has_left(&mut self, leaving: &Leaving) {
        let Leaving { watch, is_dir, since, .. } = *leaving;
        self.has_disappeared(Entry { watch, name: &leaving.name, is_dir }, since);
    }

    fn has_moved(
        &mut self,
        root: &Root,
        from: &Leaving,
        to: Entry<'_>,
        now: Instant,
    ) -> Result<()> {
        let old = Entry { watch: from.watch, name: &from.name, is_dir: from.is_dir };
        let paths = (self.path(old.watch, old.name), self.path(to.watch, to.name));
        let (Some(old_path), Some(new_path)) = paths else {
            // The old directory is gone, and the removal of everything in it was reported.
            return self.has_appeared(root, to, now);
        };
        let replaced = self.dirs.learn(to.watch, to.name);
        let moved = self.dirs.below(old.watch, old.name);
        if let Some(displaced) = self.dirs.below(to.watch, to.name) {
            self.stop(displaced, None);
        }
        let paths = (old_path.clone(), new_path.clone());
        self.settler.add_rename(paths, to.is_dir, replaced, now);
        if to.is_dir {
            if let Some(moved) = moved
                && !self.dirs.rename(moved, to.watch, to.name)
            {
                return self.repair(root, now);
            }
            // Another rename may have followed, so this checks what is at both names now. The rename has reported the new one.
            self.look_for_directory(root, to, false, now)?;
            return self.look_for_directory(root, old, true, now);
        }
        let renames = (new_path, old_path);
        if self.last_rename.as_ref() == Some(&renames) && self.exists(root, old) {
            // The two renames are one exchange.
            self.dirs.learn(old.watch, old.name);
            self.add(Happened::Created, old, now);
            self.add(Happened::Modified, to, now);
        }
        let (new_path, old_path) = renames;
        self.last_rename = Some((old_path, new_path));
        Ok(())
    }

    fn exists(&self, root: &Root, entry: Entry<'_>) -> bool {
        let Some(below) = self.dirs.path(entry.watch) else { return false };
        let path = self.place.join(below).join(entry.name);
        open_beneath(root.fd(), &path, OFlags::PATH | OFlags::NOFOLLOW).is_ok()
    }
}
