//! A directory of the working tree keeps changing places with a symbolic link that leads outside, while pulls check out, roll back and
//! recover there. Nothing outside is read, written or removed.
//!
//! Git opens the files of the tree by name, which f9 cannot change. So the directory is in place while a git process runs, and the swaps
//! hit only the steps of f9 between two git processes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use f9::GitSyncFileBackend;
use f9::prelude::*;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};

use crate::child::{self, ChildTest};
use crate::cli;
use crate::kills::{config, files_below, runtime};
use crate::remote::{Change, Remote};

const ROUNDS: usize = 8;

/// How many files each round adds, and how many it changes.
const FILES: usize = 15;

/// The folder with everything: the clone in `root`, the directory `outside`, and the symbolic link `link` that leads there.
struct Arena(PathBuf);

impl Arena {
    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn outside(&self) -> PathBuf {
        self.0.join("outside")
    }

    /// While this file exists, a checkout fails when all its files are written.
    fn failure(&self) -> PathBuf {
        self.0.join("failure")
    }

    /// Keeps the directory in place until the file is dropped.
    fn hold(&self, operation: FlockOperation) -> File {
        let file = File::options().create(true).append(true).open(self.0.join("lock")).unwrap();
        flock(&file, operation).unwrap();
        file
    }

    /// Fills the directory outside with the files that the remote has, so that a verb that is led there finds what it looks for.
    fn fill(&self) {
        for round in 0..ROUNDS {
            for (path, content) in files(round) {
                let path = self.outside().join(path.strip_prefix("dir/").unwrap());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        symlink(self.outside(), self.0.join("link")).unwrap();
    }

    /// Installs a `git` that keeps the directory in place while it runs.
    fn install_git(&self) {
        let find = |name: &str| {
            let path = cli::path();
            let found = std::env::split_paths(&path).map(|place| place.join(name));
            found.into_iter().find(|program| program.is_file()).unwrap().display().to_string()
        };
        let held = format!("{} -s '{}/lock' {}", find("flock"), self.0.display(), find("git"));
        let script = format!(
            "#!/bin/sh\n\
             if [ \"$1\" = merge ] && [ -e '{}' ]; then\n\
             for to; do :; done\n\
             {held} read-tree -m -u HEAD \"$to\"\n\
             echo 'fatal: write error: No space left on device' >&2\n\
             exit 128\n\
             fi\n\
             exec {held} \"$@\"\n",
            self.failure().display()
        );
        let bin = self.0.join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("git"), script).unwrap();
        fs::set_permissions(bin.join("git"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Swaps the directory and the link, and back.
    fn swap(&self, pause: u32) {
        let _held = self.hold(FlockOperation::LockExclusive);
        let exchange = || {
            let (dir, link) = (self.root().join("dir"), self.0.join("link"));
            renameat_with(CWD, dir, CWD, link, RenameFlags::EXCHANGE).unwrap();
        };
        exchange();
        for _ in 0..pause {
            std::hint::spin_loop();
        }
        exchange();
    }

    /// Describes everything outside, without changing an access time.
    fn describe_outside(&self) -> BTreeMap<PathBuf, String> {
        let (mut found, mut waiting) = (BTreeMap::new(), vec![self.outside()]);
        while let Some(path) = waiting.pop() {
            let data = path.symlink_metadata().unwrap();
            let times = (data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec());
            let mut known = format!("{} {:o} {} {times:?}", data.ino(), data.mode(), data.nlink());
            if data.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let no_atime = OFlags::NOATIME.bits().cast_signed();
                let file = File::options().read(true).custom_flags(no_atime).open(&path).unwrap();
                known.push_str(&std::io::read_to_string(file).unwrap());
            }
            found.insert(path, known);
        }
        found
    }

    /// Watches everything outside for access of any kind.
    fn watch_outside(&self) -> OwnedFd {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let paths = self.describe_outside().into_keys().filter(|path| path.is_dir());
        for path in paths.collect::<Vec<_>>() {
            inotify::add_watch(&events, path, WatchFlags::ALL_EVENTS).unwrap();
        }
        events
    }
}

/// Whether anything outside was accessed since this was asked last.
fn has_seen_access(events: &OwnedFd) -> bool {
    rustix::io::read(events, &mut [0; 65536]).is_ok()
}

/// The files that the remote adds or changes in a round, with their new content.
fn files(round: usize) -> Vec<(String, String)> {
    let added = (0..FILES).map(|i| format!("dir/added-{round}-{i}"));
    let deep = (0..FILES).map(|i| format!("dir/deep-{round}-{i}/x/y"));
    let changed = (0..FILES).map(|i| format!("dir/changed-{i}"));
    let others = ["blocked", ".f9tmp-blocked"].map(|name| format!("dir/{name}-{round}"));
    let paths = added.chain(deep).chain(changed).chain(others);
    paths.map(|path| (path, format!("of round {round}\n"))).collect()
}

fn changes(round: usize) -> Vec<Change> {
    files(round).iter().map(|(path, content)| Change::write(path, content)).collect()
}

/// The process that pulls.
#[test]
fn one_that_pulls_while_a_directory_is_swapped() {
    let Some(base) = child::root() else { return };
    let (arena, remote) = (Arena(base), Remote::with(&[Change::write("dir/stays", "stays\n")]));
    runtime().block_on(async {
        let root = arena.root();
        let tree = GitSyncFileBackend::open(config(&remote.path(), &root, "client")).await.unwrap();
        child::report("cloned");
        child::wait_for_resume();
        let mut failures = 0;
        for round in 0..ROUNDS {
            let to = remote.commit(&changes(round));
            fs::write(arena.failure(), "").unwrap();
            failures += usize::from(tree.pull().await.is_err());
            fs::remove_file(arena.failure()).unwrap();
            die_in_checkout(&arena, &to);
            let looked_up = tree.exists("dir/stays").await;
            let is_recovered = !root.join(".git/f9/journal").exists();
            assert!(is_recovered, "the journal stays: {looked_up:?}");
            block_checkout(&arena, round);
            pull_and_resolve(&tree).await;
        }
        assert_eq!(failures, ROUNDS, "a checkout that failed was not reported");
        child::report("done");
        child::wait_for_resume();
        pull_and_resolve(&tree).await;
        tree.sync("The end").await.unwrap();
        let all = (0..ROUNDS).flat_map(files).filter(|(path, _)| !path.contains(".f9tmp"));
        let mut expected: BTreeMap<String, String> = all.collect();
        expected.insert("dir/stays".to_owned(), "stays\n".to_owned());
        assert_eq!(files_below(&root, "dir"), expected);
        remote.assert_sound();
    });
}

/// Pulls, and resolves conflicts with the remote's version. A file that a rollback could not reach is a local change, which may conflict.
async fn pull_and_resolve(tree: &GitSyncFileBackend) {
    for _ in 0..5 {
        let Err(_) = tree.pull().await else { return };
        for conflict in tree.conflict_report().await.unwrap() {
            tree.conflict_accept_remote(&conflict.path).await.unwrap();
        }
    }
}

/// Leaves what a process leaves that is killed at the end of a checkout.
fn die_in_checkout(arena: &Arena, to: &str) {
    let _held = arena.hold(FlockOperation::LockShared);
    let root = arena.root();
    let from = cli::run(&root, ["rev-parse", "HEAD"]);
    let journal = format!(r#"{{"from":"{from}","to":"{to}"}}"#);
    fs::write(root.join(".git/f9/journal"), journal).unwrap();
    cli::run(&root, ["read-tree", "--reset", "-u", to]);
}

/// Puts files where the next checkout writes some.
fn block_checkout(arena: &Arena, round: usize) {
    let _held = arena.hold(FlockOperation::LockShared);
    let dir = arena.root().join("dir");
    fs::write(dir.join(format!("blocked-{round}")), format!("of round {round}\n")).unwrap();
    fs::write(dir.join(format!(".f9tmp-blocked-{round}")), "local\n").unwrap();
}

#[test]
fn nothing_outside_is_touched_while_a_directory_is_swapped_for_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let arena = Arena(fs::canonicalize(dir.path()).unwrap());
    arena.fill();
    arena.install_git();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("PATH", format!("{}:{}", arena.0.join("bin").display(), cli::path()));
    let name = "swaps::one_that_pulls_while_a_directory_is_swapped";
    let mut client = ChildTest::start_by(command, name, &arena.0, "");
    client.wait_for("cloned");
    let before = arena.describe_outside();
    let events = arena.watch_outside();
    has_seen_access(&events);
    let is_over = AtomicBool::new(false);
    let swaps = thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps: u32 = 0;
            while !is_over.load(Ordering::Relaxed) {
                arena.swap(swaps % 37 * 50);
                // Git may run now.
                thread::sleep(Duration::from_micros(u64::from(swaps % 5 * 10)));
                swaps += 1;
            }
            swaps
        });
        client.resume();
        // Stops the swapper also if the client fails.
        let done = std::iter::from_fn(|| client.next_line()).any(|line| line == "done");
        is_over.store(true, Ordering::Relaxed);
        assert!(done, "the client failed");
        swapper.join().unwrap()
    });
    assert!(!has_seen_access(&events), "something outside was accessed");
    assert_eq!(arena.describe_outside(), before);
    assert!(swaps > 1000, "only {swaps} swaps");
    drop(fs::read(arena.outside().join("blocked-0")).unwrap());
    assert!(has_seen_access(&events), "the watch does not work");
    client.finish();
}
