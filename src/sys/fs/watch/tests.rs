//! Events that a test cannot make the kernel send.

use std::fs;
use std::time::{Duration, Instant};

use rustix::fs::inotify::ReadFlags;
use tempfile::TempDir;

use super::super::reserved::Reserved;
use super::super::root::Root;
use super::dirs::{Dirs, NAME_LIMIT};
use super::queue::Event;
use super::watcher::Watcher;
use crate::core::change::Change;
use crate::core::options::WatchOptions;
use crate::core::path::FilePath;

struct Watched {
    dir: TempDir,
    root: Root,
    watcher: Watcher,
    now: Instant,
}

impl Watched {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path(), Reserved::default()).unwrap();
        let options = WatchOptions::default().with_settle(Duration::ZERO);
        let watcher = Watcher::start(&root, &FilePath::root(), &options).unwrap();
        Self { dir, root, watcher, now: Instant::now() }
    }

    fn send(&mut self, watch: i32, flags: ReadFlags, cookie: u32, name: &str) {
        let event = Event { watch, flags, cookie, name: name.as_bytes() };
        self.watcher.handle(&self.root, &event, self.now).unwrap();
    }

    fn changes(&mut self) -> Vec<Change> {
        while !self.watcher.step(&self.root, self.now) {}
        std::iter::from_fn(|| self.watcher.next(self.now)).map(Result::unwrap).collect()
    }
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

#[test]
fn after_lost_events_everything_is_watched_again() {
    let mut watched = Watched::new();
    fs::create_dir_all(watched.dir.path().join("a/b")).unwrap();
    // Reads the events and drops what they report, as if they were lost.
    watched.changes();
    fs::create_dir_all(watched.dir.path().join("c/d")).unwrap();
    watched.send(-1, ReadFlags::QUEUE_OVERFLOW, 0, "");
    assert_eq!(watched.watcher.next(watched.now).unwrap().unwrap(), Change::Rescan(path("")));
    watched.changes();
    for file in ["a/b/file", "c/d/file"] {
        fs::write(watched.dir.path().join(file), "x").unwrap();
        assert_eq!(watched.changes()[0], Change::Created(path(file)));
    }
}

#[test]
fn lost_events_of_a_removed_root_end_the_watch() {
    let mut watched = Watched::new();
    fs::remove_dir(watched.dir.path()).unwrap();
    assert!(watched.watcher.step(&watched.root, watched.now));
    assert!(watched.watcher.next(watched.now).unwrap().is_err());
    assert!(watched.watcher.next(watched.now).is_none() && watched.watcher.is_over());
}

#[test]
fn an_entry_that_does_not_come_back_was_removed_and_a_late_half_is_new() {
    let mut watched = Watched::new();
    let top = watched.watcher.top;
    watched.send(top, ReadFlags::MOVED_FROM, 7, "a");
    assert_eq!(watched.changes(), []);
    watched.now += Duration::from_secs(1);
    assert_eq!(watched.changes(), [Change::Removed(path("a"))]);
    watched.send(top, ReadFlags::MOVED_TO, 7, "b");
    assert_eq!(watched.changes(), [Change::Created(path("b"))]);
}

#[test]
fn a_name_that_is_used_again_was_removed_before() {
    let mut watched = Watched::new();
    let top = watched.watcher.top;
    watched.send(top, ReadFlags::MOVED_FROM, 7, "a");
    watched.send(top, ReadFlags::CREATE, 0, "a");
    assert_eq!(watched.changes(), [Change::Removed(path("a")), Change::Created(path("a"))]);
}

#[test]
fn events_of_unknown_watches_are_ignored() {
    let mut watched = Watched::new();
    watched.send(999, ReadFlags::CREATE, 0, "a");
    watched.send(999, ReadFlags::IGNORED, 0, "");
    assert_eq!(watched.changes(), []);
}

#[test]
fn a_directory_never_moves_below_itself() {
    let mut dirs = Dirs::default();
    dirs.insert_top(1);
    dirs.insert(2, 1, "a");
    dirs.insert(3, 2, "b");
    assert!(!dirs.rename(2, 3, "c") && !dirs.rename(2, 2, "c") && !dirs.rename(1, 3, "c"));
    assert!(dirs.rename(3, 1, "c") && dirs.rename(2, 3, "d"));
    assert_eq!(dirs.path(2).unwrap(), "c/d");
    assert_eq!(dirs.remove(3), [3, 2]);
}

#[test]
fn the_number_of_known_names_is_limited() {
    let mut dirs = Dirs::default();
    dirs.insert_top(1);
    for i in 0..NAME_LIMIT + 5 {
        assert!(!dirs.learn(1, &i.to_string()));
    }
    assert!(dirs.knows(1, "0") && !dirs.knows(1, &NAME_LIMIT.to_string()));
    dirs.forget(1, "0");
    assert!(!dirs.learn(1, "x") && dirs.learn(1, "x"));
    dirs.remove_all();
    assert!(dirs.knows_nothing(1));
}
