//! A process that works with a git backend is killed at random moments, with or without the git processes that it started, while another
//! user publishes. Acknowledged writes are saved, acknowledged pushes are on the remote, and every commit and every missing file is the
//! result of an operation.
//!
//! A killed `git push` to a repository on the same machine may leave the locks of the branch and of `HEAD` there. No client can know
//! whether the owner of a lock is alive, so the operator of the remote removes it, as with git itself. In this test the harness does, when no git process
//! works there.
//!
//! A plain run kills a fifth as often as the full proof, with a new seed that it prints. Both kill more often if the kills have not hit
//! the relevant operations, as on a busy machine. For all:
//! `F9_KILLS=all cargo test --all-features --test git kills`, or a number in place of `all`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, GitConfig, GitSyncFileBackend, GitTimeouts, Result};
use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::child::{self, ChildTest};
use crate::cli;
use crate::clock::HANGS;
use crate::history::{head, reachable_contents};
use crate::remote::{Change, Remote};
use crate::rng::Rng;
use crate::share::cases;

/// How many clients in small trees are killed in a plain run, and for the full proof.
const KILLS: (usize, usize) = (90, 450);

/// How many more kills there may be until the relevant operations are hit. No machine needs so many; the limit stops a run whose kills
/// never hit.
pub(crate) const MORE_KILLS: usize = 5000;

/// How many kills a remote is used for, so that checking its history stays fast.
const KILLS_PER_REMOTE: usize = 30;

/// The messages of commits that the backend makes by itself.
const OWN_MESSAGES: [&str; 2] =
    ["Local changes before a merge", "Merge branch 'main' of the remote"];

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// How long a client pushes while a killed push may have left a lock at the remote, which stays until the harness removes it. What it
/// did not publish, a later push does.
const HURRIED: Duration = Duration::from_secs(1);

/// The configuration of a client that gives up on the lock of a killed push.
fn hurried(config: GitConfig) -> GitConfig {
    config.with_timeouts(GitTimeouts::default().with_lock(HANGS).with_push(HURRIED))
}

pub(crate) fn config(remote: &Path, root: &Path, name: &str) -> GitConfig {
    let config = GitConfig::new(remote.to_str().unwrap(), root).with_author_name(name);
    config.with_timeouts(GitTimeouts::default().with_lock(HANGS).with_push(HANGS))
}

/// Returns unique content, whose lines name its writer.
fn content(name: &str, number: u64) -> String {
    format!("<{name} {number:012}>\n").repeat(1 + usize::try_from(number % 40).unwrap())
}

/// One operation of the client, as the client announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Action {
    number: u64,
    verb: String,
    path: String,
    to: String,
}

impl Action {
    fn new(number: u64, verb: &str, path: &str) -> Self {
        Self { number, verb: verb.to_owned(), path: path.to_owned(), to: String::new() }
    }

    /// Picks one of the first `verbs` that is possible with the client's files. The first eight are fast.
    fn pick(number: u64, rng: &mut Rng, files: &BTreeSet<String>, verbs: u64) -> Self {
        let mine = |rng: &mut Rng| rng.pick(files).cloned();
        let new = format!("client/{}/{number}", rng.below(4));
        match (rng.below(verbs), mine(rng)) {
            (0..=2, _) | (3..=6, None) => Self::new(number, "create", &new),
            (3 | 4, Some(path)) => Self::new(number, "update", &path),
            (5, Some(path)) => Self::new(number, "delete", &path),
            (6, Some(path)) => Self { to: new, ..Self::new(number, "rename", &path) },
            (7, _) => Self::new(number, "overwrite", &format!("both/{}", rng.below(4))),
            (8, _) => Self::new(number, "session", &new),
            (9 | 10, _) => Self::new(number, "pull", ""),
            (11 | 12, _) => Self::new(number, "push", ""),
            _ => Self::new(number, "sync", ""),
        }
    }

    fn to_line(&self) -> String {
        format!("begin\t{}\t{}\t{}\t{}", self.verb, self.number, self.path, self.to)
    }

    fn from_line(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split('\t').collect();
        let ["begin", verb, number, path, to] = parts[..] else { return None };
        let action = Self::new(number.parse().unwrap(), verb, path);
        Some(Self { to: to.to_owned(), ..action })
    }

    fn message(&self) -> String {
        format!("client {}", self.number)
    }

    async fn perform(&self, tree: &GitSyncFileBackend) -> Result<()> {
        let (path, data) = (self.path.as_str(), content("client", self.number));
        match self.verb.as_str() {
            "create" => tree.create(path, data).await.map(drop),
            "update" => tree.update(path, data).await.map(drop),
            "overwrite" => tree.create_with(path, data, CreateOptions::overwrite()).await.map(drop),
            "delete" => tree.delete(path).await,
            "rename" => tree.rename(path, &self.to).await.map(drop),
            "session" => {
                let session = tree.sync_session().await?;
                tree.create(path, data).await?;
                session.finish().await
            }
            "pull" => tree.pull().await.map(drop),
            "push" => tree.push(&self.message()).await.map(drop),
            "sync" => tree.sync(&self.message()).await.map(drop),
            "resolve" => match self.number % 3 {
                0 => tree.conflict_accept_local(path).await,
                1 => tree.conflict_accept_remote(path).await,
                _ => tree.conflict_resolve(path, data.into()).await,
            },
            other => unreachable!("{other}"),
        }
    }

    /// Applies the operation to the expected files of the client.
    fn apply(&self, files: &mut BTreeMap<String, u64>) {
        match self.verb.as_str() {
            "create" | "update" | "session" => drop(files.insert(self.path.clone(), self.number)),
            "delete" => drop(files.remove(&self.path)),
            "rename" => {
                let moved = files.remove(&self.path).unwrap();
                files.insert(self.to.clone(), moved);
            }
            _ => {}
        }
    }
}

/// The other process. It announces and acknowledges each operation, until it is killed.
#[test]
fn a_client_that_works_until_it_is_killed() {
    let Some((root, task)) = child::task() else { return };
    let [remote, number, seed, verb] = task.split('\t').collect::<Vec<_>>()[..] else {
        panic!("{task}")
    };
    let (number, rng) = (number.parse().unwrap(), Rng::of(seed.parse().unwrap()));
    runtime().block_on(work(&root, Path::new(remote), (number, verb), rng));
}

/// Writes a few files, then performs `verb`, and then random operations.
async fn work(root: &Path, remote: &Path, (mut number, verb): (u64, &str), mut rng: Rng) {
    let few = 1 + rng.below(5);
    child::report(&Action::new(number, "open", "").to_line());
    let tree = GitSyncFileBackend::open(hurried(config(remote, root, "client"))).await;
    let tree = tree.unwrap_or_else(|error| panic!("it does not open: {error}"));
    child::report("done\t");
    let mut names: BTreeSet<String> = files_below(root, "client").into_keys().collect();
    for turn in 0.. {
        number += 1;
        let action = match turn {
            _ if turn == few => Action::new(number, verb, ""),
            _ => Action::pick(number, &mut rng, &names, if turn < few { 8 } else { 14 }),
        };
        if let Err(error) = tell(&tree, &action).await
            && error.kind() == ErrorKind::Conflict
        {
            for conflict in tree.conflict_report().await.unwrap() {
                number += 1;
                drop(tell(&tree, &Action::new(number, "resolve", &conflict.path)).await);
            }
        }
        let mut known = names.into_iter().map(|name| (name, 0)).collect();
        action.apply(&mut known);
        names = known.into_keys().collect();
    }
}

/// Performs an operation, and reports it before and after.
async fn tell(tree: &GitSyncFileBackend, action: &Action) -> Result<()> {
    child::report(&action.to_line());
    let done = action.perform(tree).await;
    match &done {
        Ok(()) => child::report(&format!("done\t{}", head(tree.root()))),
        Err(error) => child::report(&format!("failed\t{:?}\t{error}", error.kind())),
    }
    done
}

/// Returns the files below a directory of a tree.
pub(crate) fn files_below(root: &Path, directory: &str) -> BTreeMap<String, String> {
    let (mut files, mut waiting) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(root.join(&directory)) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = format!("{directory}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                waiting.push(path);
            } else if !path.contains(".f9tmp-") {
                files.insert(path, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    files
}

/// Compares the files with those that `name` has written. The error describes the difference.
fn compare(
    found: &BTreeMap<String, String>,
    name: &str,
    wanted: &BTreeMap<String, u64>,
) -> Result<(), String> {
    for (path, &by) in wanted {
        match found.get(path) {
            None => return Err(format!("`{path}` of {by} is missing among {}", found.len())),
            Some(found) if *found != content(name, by) => {
                return Err(format!("`{path}` is not of {by}: {found}"));
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|path| !wanted.contains_key(*path)) {
        Some(path) => Err(format!("`{path}` should not be there")),
        None => Ok(()),
    }
}

/// The processes that get a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victims {
    Client,
    /// The client and every git process that it started.
    Everybody,
}

/// Kills a client in `root`.
pub(crate) fn kill(client: &mut ChildTest, root: &Path, victims: Victims, signal: Signal) {
    let id = Pid::from_raw(client.id().cast_signed()).unwrap();
    match victims {
        Victims::Client => kill_process(id, signal).unwrap(),
        Victims::Everybody => {
            kill_process_group(id, signal).unwrap();
            for git in gits_in(root) {
                // It may have ended in the meantime.
                let _ = getpgid(Some(git)).and_then(|group| kill_process_group(group, signal));
            }
        }
    }
    client.wait();
}

/// Returns the git processes that work in a directory.
pub(crate) fn gits_in(directory: &Path) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    let works_there = |process: &PathBuf| {
        let place = fs::read_link(process.join("cwd"));
        let name = fs::read(process.join("comm")).unwrap_or_default();
        place.is_ok_and(|place| place.starts_with(directory)) && name.starts_with(b"git")
    };
    let ids = processes
        .filter(works_there)
        .filter_map(|process| process.file_name()?.to_str()?.parse().ok().and_then(Pid::from_raw));
    ids.collect()
}

/// What both users have announced, and what was acknowledged to the competitor.
#[derive(Debug, Default)]
struct Announced {
    messages: BTreeSet<String>,
    /// The contents of files that both users write.
    contents: BTreeSet<String>,
    published: Vec<String>,
}

/// Another user of the remote, which publishes on command.
struct Competitor {
    announced: Arc<Mutex<Announced>>,
    /// Locked during one step, and by the test to have the remote for itself.
    turn: Arc<Mutex<()>>,
    go: Option<Sender<()>>,
    thread: Option<JoinHandle<BTreeMap<String, u64>>>,
}

impl Competitor {
    fn start(remote: &Path, root: &Path, mut rng: Rng) -> Self {
        let announced: Arc<Mutex<Announced>> = Arc::default();
        let turn: Arc<Mutex<()>> = Arc::default();
        let (go, told) = mpsc::channel();
        let config = config(remote, root, "other");
        let thread = {
            let (announced, turn) = (Arc::clone(&announced), Arc::clone(&turn));
            move || {
                let (runtime, mut files, mut number) = (runtime(), BTreeMap::new(), 0);
                let open = |config| runtime.block_on(GitSyncFileBackend::open(config)).unwrap();
                let tree = open(hurried(config.clone()));
                for () in told {
                    let _turn = turn.lock().unwrap();
                    number += 1;
                    runtime.block_on(compete(&tree, number, &mut rng, &mut files, &announced));
                }
                let _turn = turn.lock().unwrap();
                let tree = open(config);
                runtime.block_on(sync_until_stable(&tree, "other", &announced));
                files
            }
        };
        Self { announced, turn, go: Some(go), thread: Some(thread::spawn(thread)) }
    }

    /// Makes it publish something in the background.
    fn go(&self) {
        self.go.as_ref().unwrap().send(()).unwrap();
    }

    /// Makes it publish the rest, and returns its files.
    fn finish(&mut self) -> BTreeMap<String, u64> {
        self.go = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Competitor {
    fn drop(&mut self) {
        self.go = None;
        self.thread.take().map(JoinHandle::join);
    }
}

/// One step of the competitor: it changes a file and pushes.
async fn compete(
    tree: &GitSyncFileBackend,
    number: u64,
    rng: &mut Rng,
    files: &mut BTreeMap<String, u64>,
    announced: &Mutex<Announced>,
) {
    let data = content("other", number);
    let overwrite = CreateOptions::overwrite();
    let path = match (rng.below(4), rng.pick(files.keys()).cloned()) {
        (0, _) => {
            announced.lock().unwrap().contents.insert(data.clone());
            format!("both/{}", rng.below(4))
        }
        (1, Some(path)) => {
            tree.delete(&path).await.unwrap();
            files.remove(&path);
            format!("other/{number}")
        }
        (2, Some(path)) => path,
        _ => format!("other/{number}"),
    };
    tree.create_with(&path, data, overwrite).await.unwrap();
    if path.starts_with("other/") {
        files.insert(path, number);
    }
    publish(tree, "other", number, announced).await;
}

/// Pushes, after it has resolved conflicts. Gives up on contention, because a killed push may have left a lock at the remote.
/// Returns whether everything is on the remote.
async fn publish(
    tree: &GitSyncFileBackend,
    name: &str,
    number: u64,
    announced: &Mutex<Announced>,
) -> bool {
    let message = format!("{name} {number}");
    announced.lock().unwrap().messages.insert(message.clone());
    loop {
        match tree.push(&message).await {
            Ok(_) => {
                announced.lock().unwrap().published.push(head(tree.root()));
                return true;
            }
            Err(error) if error.kind() == ErrorKind::Contention => return false,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{name}: {error}"),
        }
        for conflict in tree.conflict_report().await.unwrap() {
            tree.conflict_accept_local(&conflict.path).await.unwrap();
        }
    }
}

/// Syncs until everything is published and merged.
async fn sync_until_stable(tree: &GitSyncFileBackend, name: &str, announced: &Mutex<Announced>) {
    assert!(publish(tree, name, 0, announced).await, "{name}: nobody else is there");
    while let Err(error) = tree.pull().await {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{name}: {error}");
        assert!(publish(tree, name, 0, announced).await, "{name}: nobody else is there");
    }
    assert!(publish(tree, name, 0, announced).await, "{name}: nobody else is there");
}

/// Statistics of all kills.
#[derive(Debug, Default)]
struct Seen {
    kills: usize,
    actions: usize,
    of_everybody: usize,
    during: BTreeMap<String, usize>,
    with_journal: usize,
    with_git_locks: usize,
    remote_locks: usize,
    published: usize,
}

/// One remote, one client's tree, and the competitor.
struct Scene {
    /// Dropped first, because it works in the directories.
    competitor: Competitor,
    remote: Remote,
    _dir: TempDir,
    root: PathBuf,
    runtime: Runtime,
    number: u64,
    files: BTreeMap<String, u64>,
    /// The last writes of the client to files that both users write.
    both: BTreeMap<String, u64>,
    /// The published contents of the client.
    published: BTreeSet<u64>,
    /// The commit up to which the history of the client is checked.
    checked: String,
}

impl Scene {
    fn new(rng: &mut Rng) -> Self {
        let seeds = (0..20).map(|i| Change::write(format!("seed/{i}"), content("seed", i)));
        let both = (0..4).map(|i| Change::write(format!("both/{i}"), content("seed", i)));
        let remote = Remote::with(&seeds.chain(both).collect::<Vec<_>>());
        let dir = tempfile::tempdir().unwrap();
        let competitor = Competitor::start(&remote.path(), &dir.path().join("other"), rng.fork());
        {
            let mut announced = competitor.announced.lock().unwrap();
            announced.contents.extend((0..4).map(|i| content("seed", i)));
            announced.messages.extend(OWN_MESSAGES.map(str::to_owned));
            announced.messages.extend(remote.main().log("%s"));
        }
        Self {
            root: dir.path().join("client"),
            _dir: dir,
            remote,
            competitor,
            runtime: runtime(),
            number: 1,
            files: BTreeMap::new(),
            both: BTreeMap::new(),
            published: BTreeSet::new(),
            checked: String::new(),
        }
    }

    fn kill_one(&mut self, rng: &mut Rng, seen: &mut Seen) {
        let seed = rng.below(u64::MAX);
        let verb = rng.pick(["open", "push", "pull", "sync"]).unwrap();
        let first = if verb == "open" { "push" } else { verb };
        let task = format!("{}\t{}\t{seed}\t{first}", self.remote.path().display(), self.number);
        let git = time_of_git(self.remote.folder());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.process_group(0);
        let name = "kills::a_client_that_works_until_it_is_killed";
        let mut client = ChildTest::start_by(command, name, &self.root, &task);
        self.competitor.go();
        let mut lines = wait_for_the_verb(&mut client, verb);
        if rng.below(2) == 0 {
            self.competitor.go();
        }
        wait_for_the_moment(rng, git);
        let victims = [Victims::Client, Victims::Everybody][usize::try_from(rng.below(2)).unwrap()];
        let signal = [Signal::KILL, Signal::TERM][usize::try_from(rng.below(2)).unwrap()];
        kill(&mut client, &self.root, victims, signal);
        seen.kills += 1;
        seen.with_journal += usize::from(self.root.join(".git/f9/journal").exists());
        seen.with_git_locks += usize::from(self.root.join(".git/index.lock").exists());
        lines.extend(std::iter::from_fn(|| client.next_line()));
        if victims == Victims::Everybody {
            seen.of_everybody += 1;
            seen.remote_locks += usize::from(self.remove_remote_locks());
        }
        let in_flight = self.acknowledge(&lines, seen);
        let during = in_flight.as_ref().map_or("nothing", |action| &action.verb);
        *seen.during.entry(during.to_owned()).or_default() += 1;
        let config = config(&self.remote.path(), &self.root, "client");
        let tree = self.runtime.block_on(GitSyncFileBackend::open(config));
        let tree = tree.unwrap_or_else(|error| panic!("killed in {in_flight:?}: {error}"));
        wait_for_gits(&self.root);
        self.assert_files(in_flight.as_ref());
        if let Some(action) = in_flight {
            // The interrupted operation may have replaced content that was not committed.
            self.both.remove(&action.path);
        }
        self.assert_history();
        if rng.below(5) == 0 {
            self.remove_remote_locks();
            let turn = self.competitor.turn.lock().unwrap();
            self.runtime.block_on(sync_until_stable(&tree, "client", &self.competitor.announced));
            drop((tree, turn));
            // The next client clones.
            self.checked.clear();
            fs::remove_dir_all(&self.root).unwrap();
        }
    }

    /// Removes the locks of the branch and of `HEAD` at the remote. A push takes both, because `HEAD` is the branch, and one that is killed
    /// after it has published the branch leaves the second alone. Returns whether there was one.
    fn remove_remote_locks(&self) -> bool {
        let _turn = self.competitor.turn.lock().unwrap();
        wait_for_gits(&self.remote.path());
        let remove = |name| fs::remove_file(self.remote.path().join(name)).is_ok();
        let removed = ["refs/heads/main.lock", "HEAD.lock"].map(remove);
        removed.contains(&true)
    }

    /// Records the operations that the client has completed. Returns the one in progress.
    fn acknowledge(&mut self, lines: &[String], seen: &mut Seen) -> Option<Action> {
        let mut begun = None;
        for line in lines {
            if let Some(action) = Action::from_line(line) {
                self.number = self.number.max(action.number + 1);
                let mut announced = self.competitor.announced.lock().unwrap();
                announced.messages.insert(action.message());
                if action.path.starts_with("both/") {
                    announced.contents.insert(content("client", action.number));
                }
                begun = Some(action);
                continue;
            }
            let action: Action = begun.take().unwrap_or_else(|| panic!("{line}"));
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["done", head] => self.done(&action, head),
                ["failed", "Conflict" | "Contention", _] if action.path.is_empty() => {}
                _ => panic!("{action:?}: {line}"),
            }
            seen.actions += 1;
        }
        begun
    }

    fn done(&mut self, action: &Action, head: &str) {
        action.apply(&mut self.files);
        match action.verb.as_str() {
            "overwrite" => drop(self.both.insert(action.path.clone(), action.number)),
            "push" | "sync" => {
                self.published.extend(self.files.values().chain(self.both.values()));
                self.competitor.announced.lock().unwrap().published.push(head.to_owned());
            }
            _ => {}
        }
    }

    /// Checks that every file has the content of the last operation.
    fn assert_files(&mut self, in_flight: Option<&Action>) {
        let found = files_below(&self.root, "client");
        if let Err(old) = compare(&found, "client", &self.files) {
            let Some(action) = in_flight else { panic!("{old}") };
            action.apply(&mut self.files);
            if let Err(new) = compare(&found, "client", &self.files) {
                panic!("{action:?} is neither undone, as {old}, nor done, as {new}");
            }
        }
        let announced = self.competitor.announced.lock().unwrap();
        let both = files_below(&self.root, "both");
        assert_eq!(both.len(), 4, "{in_flight:?}");
        for (path, found) in both {
            assert!(announced.contents.contains(&found), "{in_flight:?}: {path}: {found}");
        }
        let others = ["status", "--porcelain", "--", "seed", "other"];
        assert_eq!(cli::run(&self.root, others), "", "{in_flight:?}");
    }

    /// Checks that the repository is valid, and that every commit was announced and has only changes of its author.
    fn assert_history(&mut self) {
        assert_sound(&self.root);
        let head = head(&self.root);
        let since = (!self.checked.is_empty()).then(|| format!("^{}", self.checked));
        let announced = self.competitor.announced.lock().unwrap();
        assert_commits(&self.root, since.into_iter().chain([head.clone()]), &announced.messages);
        self.checked = head;
        drop(announced);
        let published = self.competitor.announced.lock().unwrap().published.clone();
        assert_published(&self.remote, &published);
    }

    fn finish(mut self, seen: &mut Seen) {
        self.remove_remote_locks();
        let announced = Arc::clone(&self.competitor.announced);
        let others = self.competitor.finish();
        let config = config(&self.remote.path(), &self.root, "client");
        let tree = self.runtime.block_on(GitSyncFileBackend::open(config)).unwrap();
        self.runtime.block_on(sync_until_stable(&tree, "client", &announced));
        let announced = announced.lock().unwrap();
        assert_published(&self.remote, &announced.published);
        assert_commits(&self.remote.path(), ["main".to_owned()], &announced.messages);
        self.remote.assert_sound();
        assert_eq!(head(&self.root), self.remote.main().head().unwrap());
        assert_eq!(cli::run(&self.root, ["status", "--porcelain"]), "");
        for (directory, name, wanted) in [
            ("client", "client", self.files.clone()),
            ("other", "other", others),
            ("seed", "seed", (0..20).map(|i| (format!("seed/{i}"), i)).collect()),
        ] {
            compare(&files_below(&self.root, directory), name, &wanted).unwrap();
        }
        self.published.extend(self.files.values().chain(self.both.values()));
        let kept = reachable_contents(&self.remote.path(), "main");
        for &by in &self.published {
            assert!(kept.contains(content("client", by).as_bytes()), "{by} is in no commit");
        }
        seen.published += announced.published.len();
    }
}

/// Reads the client's lines until it begins `verb`.
fn wait_for_the_verb(client: &mut ChildTest, verb: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let is_begun =
        |line: &String| Action::from_line(line).is_some_and(|action| action.verb == verb);
    while !lines.last().is_some_and(is_begun) {
        lines.push(client.next_line().unwrap_or_else(|| panic!("it ended: {lines:#?}")));
    }
    lines
}

/// Waits for a random time, short times being as likely as long ones. The longest is 64 times `git`, the duration of one git process.
pub(crate) fn wait_for_the_moment(rng: &mut Rng, git: Duration) {
    let most = (git / 8) * (1 << rng.below(10));
    thread::sleep(Duration::from_micros(rng.below(1 + u64::try_from(most.as_micros()).unwrap())));
}

/// Measures the duration of one git process, on this machine and at this time. An outlier is cut.
pub(crate) fn time_of_git(directory: &Path) -> Duration {
    let started = Instant::now();
    cli::run(directory, ["--version"]);
    started.elapsed().min(Duration::from_millis(100))
}

/// Checks every object of the repository.
fn assert_sound(root: &Path) {
    let checked = cli::git(root).args(["fsck", "--strict", "--no-dangling"]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// Waits until no git process works in a directory. One that adds objects while `git fsck` runs makes it fail.
pub(crate) fn wait_for_gits(directory: &Path) {
    let deadline = Instant::now() + HANGS;
    while !gits_in(directory).is_empty() {
        assert!(Instant::now() < deadline, "a git process does not end in {}", directory.display());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Checks that every commit was announced by its message, and changes only files of its author.
fn assert_commits(
    repository: &Path,
    revisions: impl IntoIterator<Item = String>,
    messages: &BTreeSet<String>,
) {
    // `-c` lists the files of a merge that differ from both parents.
    let log =
        ["log", "--format=%x01%an%x02%s%x02%p", "-c", "--name-status", "--no-renames", "--root"];
    let log = cli::run(repository, log.map(str::to_owned).into_iter().chain(revisions));
    for commit in log.split('\u{1}').skip(1) {
        let (header, files) = commit.split_once('\n').unwrap_or((commit, ""));
        let [author, message, parents] = header.split('\u{2}').collect::<Vec<_>>()[..] else {
            panic!("{header}")
        };
        assert!(messages.contains(message), "this commit was not announced: {commit}");
        if parents.is_empty() {
            continue;
        }
        let own = format!("{author}/");
        for file in files.lines().filter(|line| !line.is_empty()) {
            let path = file.rsplit_once('\t').unwrap().1;
            let is_own = path.starts_with(&own) && !parents.contains(' ');
            assert!(is_own || path.starts_with("both/"), "{author} never changed {file}: {commit}");
        }
    }
}

/// Checks that the remote's branch contains these commits.
fn assert_published(remote: &Remote, published: &[String]) {
    let missing = ["rev-list", "--stdin", "--not", "main"];
    let asked = published.join("\n");
    let missing = cli::succeed(cli::git(&remote.path()).args(missing), asked.as_bytes());
    assert_eq!(String::from_utf8(missing).unwrap(), "", "published, and not on the remote");
}

impl Seen {
    /// Whether enough kills have hit the relevant operations. Which operations a kill hits depends on the machine.
    fn has_hit(&self, kills: usize) -> bool {
        let is_hit = |verb| self.during.get(verb).is_some_and(|&hits| hits > kills / 90);
        ["open", "push", "pull", "sync"].into_iter().all(is_hit) && self.with_git_locks > 0
    }
}

#[test]
fn killed_clients_lose_nothing_and_publish_nothing_unasked() {
    let (mut rng, mut seen) = (Rng::new("killed clients"), Seen::default());
    let kills = cases("F9_KILLS", KILLS.0, KILLS.1);
    while seen.kills < kills || !seen.has_hit(kills) {
        assert!(
            seen.kills < kills + MORE_KILLS,
            "too few kills hit the relevant operations: {seen:?}"
        );
        let mut scene = Scene::new(&mut rng);
        for _ in 0..KILLS_PER_REMOTE.min(kills) {
            scene.kill_one(&mut rng, &mut seen);
        }
        scene.finish(&mut seen);
    }
    println!("{seen:?}");
    assert!(seen.published > seen.kills / 3, "{seen:?}");
}
