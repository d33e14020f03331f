//! Processes are killed while git replaces, deletes and adds most files of a large tree, or writes all of them for the first time. The
//! next process that opens the tree, and a process that has it open, find the tree of one commit and everything that was saved.
//!
//! A plain run kills a fifth as often as the full proof, and both kill more often if needed, as described in `kills.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use f9::GitSyncFileBackend;
use f9::prelude::*;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::child::{self, ChildTest};
use crate::cli;
use crate::clock::HANGS;
use crate::kills::{
    MORE_KILLS, Victims, config, files_below, kill, runtime, time_of_git, wait_for_gits,
    wait_for_the_moment,
};
use crate::remote::{Change, Remote};
use crate::rng::Rng;
use crate::share::cases;

/// How many processes are killed in a plain run, and for the full proof.
const KILLS: (usize, usize) = (10, 50);

/// The number of files in the tree.
const FILES: u64 = 1500;

/// The other process. It clones, or saves a file and pulls.
#[test]
fn a_process_that_pulls_until_it_is_killed() {
    let Some((root, task)) = child::task() else { return };
    let [remote, number] = task.split('\t').collect::<Vec<_>>()[..] else { panic!("{task}") };
    runtime().block_on(async {
        if !root.exists() {
            child::report("begins");
        }
        let tree = GitSyncFileBackend::open(config(Path::new(remote), &root, "client")).await;
        let tree = tree.unwrap();
        tree.create(&format!("mine/{number}"), mine(number)).await.unwrap();
        child::report("saved");
        child::report("begins");
        tree.pull().await.unwrap();
    });
    child::report("ends");
    child::wait_for_resume();
}

fn mine(number: &str) -> String {
    format!("what was saved in round {number}\n")
}

#[derive(Debug, Default)]
struct Seen {
    in_clones: usize,
    with_journal: usize,
    half_checked_out: usize,
    done: usize,
}

/// A large tree, its remote, and the process that works on it.
struct Scene {
    remote: Remote,
    dir: TempDir,
    root: PathBuf,
    runtime: Runtime,
    /// The files of the remote, and those at the last pull of the client.
    theirs: BTreeMap<String, String>,
    before: BTreeMap<String, String>,
    saved: BTreeMap<String, String>,
}

impl Scene {
    fn new(rng: &mut Rng) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (remote, root) = (Remote::empty(), dir.path().join("client"));
        let mut scene = Self {
            remote,
            root,
            dir,
            runtime: runtime(),
            theirs: BTreeMap::new(),
            before: BTreeMap::new(),
            saved: BTreeMap::new(),
        };
        let all = (0..FILES).map(|i| format!("f/{}/{i}", i % 30)).collect::<Vec<_>>();
        scene.write(rng, 0, all);
        scene
    }

    /// Commits new contents of some files at the remote.
    fn write(&mut self, rng: &mut Rng, round: usize, paths: Vec<String>) {
        let mut changes = Vec::new();
        for path in paths {
            let lines = usize::try_from(1 + rng.below(60)).unwrap();
            let content = format!("{path} in round {round}\n").repeat(lines);
            changes.push(Change::write(&path, &content));
            self.theirs.insert(path, content);
        }
        self.remote.commit(&changes);
    }

    /// Changes, deletes and adds files at the remote.
    fn change(&mut self, rng: &mut Rng, round: usize) {
        self.before = self.theirs.clone();
        let mut paths: Vec<String> = self.theirs.keys().cloned().collect();
        paths.retain(|_| rng.below(2) == 0);
        let gone: Vec<String> = paths.split_off(paths.len() * 4 / 5);
        let deletions: Vec<Change> = gone.iter().map(Change::delete).collect();
        self.theirs.retain(|path, _| !gone.contains(path));
        self.remote.commit(&deletions);
        let new = (0..gone.len()).map(|i| format!("f/{}/{round}-{i}", i % 40));
        paths.extend(new);
        self.write(rng, round, paths);
    }

    fn kill_one(&mut self, rng: &mut Rng, round: usize, seen: &mut Seen) {
        let is_clone = round.is_multiple_of(5);
        let watcher = if is_clone {
            self.before = self.theirs.clone();
            self.root = self.dir.path().join(format!("client {round}"));
            None
        } else {
            self.change(rng, round);
            (rng.below(2) == 0).then(|| self.open())
        };
        let task = format!("{}\t{round}", self.remote.path().display());
        let git = time_of_git(self.dir.path());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.process_group(0);
        let name = "checkout_kills::a_process_that_pulls_until_it_is_killed";
        let mut client = ChildTest::start_by(command, name, &self.root, &task);
        client.wait_for("begins");
        self.wait_for_git_to_write(is_clone);
        wait_for_the_moment(rng, git);
        let victims = if rng.below(2) == 0 { Victims::Client } else { Victims::Everybody };
        let signal = if rng.below(2) == 0 { Signal::KILL } else { Signal::TERM };
        kill(&mut client, &self.root, victims, signal);
        let lines: Vec<String> = std::iter::from_fn(|| client.next_line()).collect();
        seen.in_clones += usize::from(is_clone);
        seen.done += usize::from(lines.iter().any(|line| line == "ends"));
        if victims == Victims::Everybody && self.root.join(".git/f9/journal").exists() {
            seen.with_journal += 1;
            // A git that got a signal may still be unlinking a file.
            wait_for_gits(&self.root);
            seen.half_checked_out += usize::from(self.is_half_checked_out());
        }
        // A process may have saved it and be killed before it could report that.
        let path = format!("mine/{round}");
        let is_saved = !is_clone || lines.iter().any(|line| line == "saved");
        if is_saved || self.root.join(&path).exists() {
            self.saved.insert(path, mine(&round.to_string()));
        }
        let tree = watcher.unwrap_or_else(|| self.open());
        self.assert_whole(&tree, round);
    }

    fn open(&self) -> GitSyncFileBackend {
        let config = config(&self.remote.path(), &self.root, "client");
        self.runtime.block_on(GitSyncFileBackend::open(config)).unwrap()
    }

    /// Waits until a checkout begins, or is complete.
    fn wait_for_git_to_write(&self, is_clone: bool) {
        let deadline = Instant::now() + HANGS;
        let git_dir = self.root.join(".git");
        let is_begun = || {
            if is_clone {
                self.root.join("f").exists()
            } else {
                git_dir.join("f9/journal").exists()
            }
        };
        let tracking = || fs::read_to_string(git_dir.join("refs/remotes/origin/main"));
        let head = || fs::read_to_string(git_dir.join("refs/heads/main"));
        let theirs = self.remote.main().head().unwrap();
        let is_over = || {
            let came = tracking().is_ok_and(|tracking| tracking.trim() == theirs);
            let merge = || ["merge-base", "--is-ancestor", &theirs, "HEAD"].map(str::to_owned);
            came && head().is_ok() && cli::git(&self.root).args(merge()).status().unwrap().success()
        };
        while !is_begun() {
            if !is_clone && is_over() {
                return;
            }
            assert!(Instant::now() < deadline, "git never begins to write");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether some files are old and some new.
    fn is_half_checked_out(&self) -> bool {
        let found = files_below(&self.root, "f");
        found != self.before && found != self.theirs
    }

    /// Checks that the tree is that of one commit with the saved files, and that a push publishes nothing else.
    fn assert_whole(&mut self, tree: &GitSyncFileBackend, round: usize) {
        let some = self.theirs.keys().next().unwrap();
        self.runtime.block_on(tree.exists(some)).unwrap();
        let found = files_below(&self.root, "f");
        let odd = || {
            let is_odd = |path: &&String| {
                found.get(*path) != self.theirs.get(*path)
                    && found.get(*path) != self.before.get(*path)
            };
            found.keys().chain(self.theirs.keys()).find(is_odd).cloned()
        };
        assert!(
            found == self.before || found == self.theirs,
            "{round}: a mixture, with {:?}",
            odd()
        );
        assert_eq!(files_below(&self.root, "mine"), self.saved, "{round}");
        let before = self.remote.main().head().unwrap();
        self.runtime.block_on(tree.push("Mine")).unwrap();
        self.runtime.block_on(tree.pull()).unwrap();
        assert!(files_below(&self.root, "f") == self.theirs, "{round}: the pull is not repeated");
        assert_eq!(files_below(&self.root, "mine"), self.saved, "{round}");
        assert_eq!(cli::run(&self.root, ["status", "--porcelain"]), "");
        cli::run(&self.root, ["fsck", "--connectivity-only", "--no-dangling"]);
        let changed = ["diff", "--name-only", &before, "main", "--", ":!mine"];
        assert_eq!(self.remote.git(changed), "", "{round}: nobody made this change");
    }
}

#[test]
fn a_half_finished_checkout_is_repaired_by_the_next_process() {
    let (mut rng, mut seen) = (Rng::new("kills in checkouts"), Seen::default());
    let mut scene = Scene::new(&mut rng);
    let kills = cases("F9_KILLS", KILLS.0, KILLS.1);
    // On a busy machine fewer kills hit a checkout, so there are more of them.
    for round in 0..kills + MORE_KILLS {
        let has_hit = seen.with_journal > kills / 20 && seen.half_checked_out > kills / 40;
        if round >= kills && has_hit {
            println!("{round} kills: {seen:?}");
            return;
        }
        scene.kill_one(&mut rng, round, &mut seen);
    }
    panic!("too few kills hit a checkout: {seen:?}");
}
