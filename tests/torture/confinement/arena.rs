//! A root with names that are swapped with links, and a directory outside that nothing may reach.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use tempfile::TempDir;

/// Returns the content of every file outside. No file inside has this content or this size.
pub(super) fn outside_content() -> String {
    "this file is outside of the root\n".repeat(1000)
}

/// The content of every file inside.
pub(super) const INSIDE: &str = "inside";

/// A name that exists only outside.
pub(super) const OUTSIDE_ONLY: &str = "outside-only";

/// The parents and names below the root that are swapped with a link to the outside, which has the same name and `.evil`.
pub(super) const SWAPPED: [(&str, &str); 5] =
    [("", "dir"), ("upper", "dir"), ("", "file"), ("", "doomed"), ("tree", "inner")];

/// A root beside a directory that nothing may reach.
pub(super) struct Arena {
    pub(super) root: PathBuf,
    pub(super) outside: PathBuf,
    _dir: TempDir,
}

impl Arena {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        let arena = Self { root: base.join("root"), outside: base.join("outside"), _dir: dir };
        fs::create_dir_all(&arena.outside).unwrap();
        fill(&arena.outside, &outside_content());
        fs::write(arena.outside.join(OUTSIDE_ONLY), outside_content()).unwrap();
        for dir in ["", "dir", "upper/dir"] {
            fs::create_dir_all(arena.root.join(dir)).unwrap();
            fill(&arena.root.join(dir), INSIDE);
        }
        fs::write(arena.root.join("file"), INSIDE).unwrap();
        symlink(&arena.outside, arena.root.join("dir.evil")).unwrap();
        symlink("../../outside", arena.root.join("upper/dir.evil")).unwrap();
        symlink("../outside/secret", arena.root.join("file.evil")).unwrap();
        arena.restore_doomed();
        arena.restore_tree();
        // With `relatime`, a read updates the access time only if it is older than the modification time.
        for path in arena.outside_state().into_keys() {
            let times = fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH);
            File::open(path).unwrap().set_times(times).unwrap();
        }
        arena
    }

    /// Restores `doomed` after the directory or the link was deleted.
    pub(super) fn restore_doomed(&self) {
        let (doomed, evil) = (self.root.join("doomed"), self.root.join("doomed.evil"));
        if evil.symlink_metadata().is_err() {
            symlink(&self.outside, &evil).unwrap();
        }
        if doomed.symlink_metadata().is_ok() {
            return;
        }
        if evil.is_symlink() {
            // With a rename, because the name may be swapped as soon as it exists.
            let made = self.root.join("doomed.new");
            fs::create_dir(&made).unwrap();
            fs::write(made.join("secret"), INSIDE).unwrap();
            fs::rename(made, doomed).unwrap();
        } else {
            symlink(&self.outside, doomed).unwrap();
        }
    }

    pub(super) fn restore_tree(&self) {
        let (tree, made) = (self.root.join("tree"), self.root.join("tree.new"));
        if tree.symlink_metadata().is_err() {
            fs::create_dir_all(made.join("inner")).unwrap();
            fill(&made.join("inner"), INSIDE);
            symlink(&self.outside, made.join("inner.evil")).unwrap();
            fs::rename(made, tree).unwrap();
        }
    }

    /// Returns the metadata and the content of everything outside, without changing access times.
    pub(super) fn outside_state(&self) -> BTreeMap<PathBuf, String> {
        let mut pending = vec![self.outside.clone()];
        let mut found = BTreeMap::new();
        while let Some(path) = pending.pop() {
            let data = path.symlink_metadata().unwrap();
            let times = (data.mtime_nsec(), data.ctime_nsec());
            let mut entry_state =
                format!("{} {:o} {} {times:?}", data.ino(), data.mode(), data.nlink());
            if data.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let no_atime = OFlags::NOATIME.bits().cast_signed();
                let mut file =
                    File::options().read(true).custom_flags(no_atime).open(&path).unwrap();
                entry_state.push_str(&format!(" {} {} ", data.atime(), data.atime_nsec()));
                file.read_to_string(&mut entry_state).unwrap();
            }
            found.insert(path, entry_state);
        }
        found
    }
}

/// Creates the same names inside and outside, so that a verb that is led out succeeds.
fn fill(dir: &Path, content: &str) {
    for visitor in ["pool", "thread"] {
        fs::create_dir_all(dir.join(format!("{visitor}-deep/x"))).unwrap();
        fs::create_dir_all(dir.join(format!("{visitor}-made"))).unwrap();
        for name in
            ["written", "updated", "appended", "streamed", "copied", "from", "to", "deep/x/y"]
        {
            fs::write(dir.join(format!("{visitor}-{name}")), content).unwrap();
        }
    }
    fs::write(dir.join("secret"), content).unwrap();
}

/// An inotify watch for any access below a directory, including reads. It does not watch for closes: a process that another test starts may
/// hold a copy of a handle until it executes its program, so a handle from before the watch may be closed later.
pub(super) struct Watch(OwnedFd);

impl Watch {
    pub(super) fn new(dir: &Path) -> Self {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let mut pending = vec![dir.to_owned()];
        while let Some(dir) = pending.pop() {
            let below = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
            pending.extend(below.filter(|path| path.is_dir()));
            inotify::add_watch(&events, &dir, WatchFlags::ALL_EVENTS - WatchFlags::CLOSE).unwrap();
        }
        let watch = Self(events);
        // Drops the events of the search for directories.
        watch.events();
        watch
    }

    /// Returns the accesses since the last call.
    pub(super) fn events(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 65536];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut events = Vec::new();
        while let Ok(event) = reader.next() {
            events.push(format!("{:?} {:?}", event.events(), event.file_name()));
        }
        events
    }
}

/// Swaps all names with their links.
pub(super) struct Swapper<'a> {
    root: &'a Path,
    parents: Vec<Option<OwnedFd>>,
}

impl<'a> Swapper<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self { root, parents: SWAPPED.iter().map(|_| None).collect() }
    }

    pub(super) fn swap(&mut self) {
        for (parent, (dir, name)) in self.parents.iter_mut().zip(SWAPPED) {
            let evil = format!("{name}.evil");
            // The descriptor still works while the parent is being renamed and deleted.
            let swapped = parent.as_ref().is_some_and(|parent| {
                renameat_with(parent, name, parent, &evil, RenameFlags::EXCHANGE).is_ok()
            });
            if !swapped {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                *parent = openat(CWD, self.root.join(dir), flags, Mode::empty()).ok();
            }
        }
    }
}
