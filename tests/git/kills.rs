//! A process that works with a git backend is killed at any moment, again and again, with or without the git processes that it has
//! started, while somebody else publishes: what it was told to be saved is there, what it was told to be published is on the remote,
//! and nobody ever finds a commit or misses a file that is nobody's doing.
//!
//! A `git push` to a repository on the same machine that is killed may leave the lock of the branch there. No client can tell whether
//! its owner lives, in whichever process or on whichever machine, so as with git itself whoever runs the remote removes it. Here
//! that is the harness, once no git works there any more.
//!
//! A plain run kills a fifth as often as the full proof, from a new seed that it prints. Both kill more often if the moments that matter
//! have not been hit by then, as on a busy machine. For all:
//! `F9_KILLS=all cargo test --all-features --test git kills`, or a number in the place of `all`.

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

use crate::child::{self, Other};
use crate::cli;
use crate::clock::HANGS;
use crate::dice::Dice;
use crate::history::{head, reachable_contents};
use crate::remote::{Change, Remote};
use crate::share::cases;

/// How often clients are killed that do everything, in small trees: in a plain run, and for the full proof.
const KILLS: (usize, usize) = (90, 450);

/// How many more kills there may be until the moments that matter have been hit. No machine needs so many: they only stop a run whose kills
/// never hit.
pub(crate) const MORE_KILLS: usize = 5000;

/// How many kills a remote sees before the next one is taken, so that checking its history stays quick.
const KILLS_PER_REMOTE: usize = 30;

/// What a backend commits by itself.
const OWN_MESSAGES: [&str; 2] =
    ["Local changes before a merge", "Merge branch 'main' of the remote"];

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn config(remote: &Path, root: &Path, name: &str) -> GitConfig {
    let config = GitConfig::new(remote.to_str().unwrap(), root).with_author_name(name);
    config.with_timeouts(GitTimeouts::default().with_lock(HANGS))
}

/// Like no other content, with the lines that tell its writer.
fn content(name: &str, number: u64) -> String {
    format!("<{name} {number:012}>\n").repeat(1 + usize::try_from(number % 40).unwrap())
}

/// One thing that the client does, as it announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deed {
    number: u64,
    verb: String,
    path: String,
    to: String,
}

impl Deed {
    fn new(number: u64, verb: &str, path: &str) -> Self {
        Self { number, verb: verb.to_owned(), path: path.to_owned(), to: String::new() }
    }

    /// Picks one of the first `verbs`, of which eight are quick, that is possible among the client's files.
    fn pick(number: u64, dice: &mut Dice, files: &BTreeSet<String>, verbs: u64) -> Self {
        let mine = |dice: &mut Dice| dice.pick(files).cloned();
        let new = format!("client/{}/{number}", dice.below(4));
        match (dice.below(verbs), mine(dice)) {
            (0..=2, _) | (3..=6, None) => Self::new(number, "create", &new),
            (3 | 4, Some(path)) => Self::new(number, "update", &path),
            (5, Some(path)) => Self::new(number, "delete", &path),
            (6, Some(path)) => Self { to: new, ..Self::new(number, "rename", &path) },
            (7, _) => Self::new(number, "overwrite", &format!("both/{}", dice.below(4))),
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
        let deed = Self::new(number.parse().unwrap(), verb, path);
        Some(Self { to: to.to_owned(), ..deed })
    }

    fn message(&self) -> String {
        format!("client {}", self.number)
    }

    async fn perform(&self, tree: &GitSyncFileBackend) -> Result<()> {
        let (path, data) = (self.path.as_str(), content("client", self.number));
        match self.verb.as_str() {
            "create" => tree.create(path, data).await.map(drop),
            "update" => tree.update(path, data).await.map(drop),
            "overwrite" => {
                tree.create_with(path, data.into(), CreateOptions::overwrite()).await.map(drop)
            }
            "delete" => tree.delete(path).await,
            "rename" => tree.rename(path, &self.to).await.map(drop),
            "session" => {
                let session = tree.sync_session().await?;
                tree.create(path, data).await?;
                session.finish().await
            }
            "pull" => tree.pull().await,
            "push" => tree.push(&self.message()).await,
            "sync" => tree.sync(&self.message()).await,
            "settle" => match self.number % 3 {
                0 => tree.conflict_accept_local(path).await,
                1 => tree.conflict_accept_remote(path).await,
                _ => tree.conflict_resolve(path, data.into()).await,
            },
            other => unreachable!("{other}"),
        }
    }

    /// What it makes of the client's files.
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

/// What the other process does until it is killed: deeds, each announced and acknowledged.
#[test]
fn a_client_that_works_until_it_is_killed() {
    let Some((root, task)) = child::task() else { return };
    let [remote, number, seed, verb] = task.split('\t').collect::<Vec<_>>()[..] else {
        panic!("{task}")
    };
    let (number, dice) = (number.parse().unwrap(), Dice::of(seed.parse().unwrap()));
    runtime().block_on(work(&root, Path::new(remote), (number, verb), dice));
}

/// Begins with a few files, then does what `verb` says, and then anything.
async fn work(root: &Path, remote: &Path, (mut number, verb): (u64, &str), mut dice: Dice) {
    let few = 1 + dice.below(5);
    child::say(&Deed::new(number, "open", "").to_line());
    let tree = GitSyncFileBackend::open(config(remote, root, "client")).await;
    let tree = tree.unwrap_or_else(|error| panic!("it does not open: {error}"));
    child::say("done\t");
    let mut names: BTreeSet<String> = files_below(root, "client").into_keys().collect();
    for turn in 0.. {
        number += 1;
        let deed = match turn {
            _ if turn == few => Deed::new(number, verb, ""),
            _ => Deed::pick(number, &mut dice, &names, if turn < few { 8 } else { 14 }),
        };
        if let Err(error) = tell(&tree, &deed).await
            && error.kind() == ErrorKind::Conflict
        {
            for conflict in tree.conflict_report().await.unwrap() {
                number += 1;
                drop(tell(&tree, &Deed::new(number, "settle", &conflict.path)).await);
            }
        }
        let mut known = names.into_iter().map(|name| (name, 0)).collect();
        deed.apply(&mut known);
        names = known.into_keys().collect();
    }
}

/// Does it, and says so before and after.
async fn tell(tree: &GitSyncFileBackend, deed: &Deed) -> Result<()> {
    child::say(&deed.to_line());
    let done = deed.perform(tree).await;
    match &done {
        Ok(()) => child::say(&format!("done\t{}", head(tree.root()))),
        Err(error) => child::say(&format!("failed\t{:?}\t{error}", error.kind())),
    }
    done
}

/// The files below a directory of a tree.
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

/// Whether the files are those that `name` has made, and what is not.
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

/// Whom a signal hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victims {
    Client,
    /// The client, and every git that it has started.
    Everybody,
}

/// Kills a client that works in `root`.
pub(crate) fn kill(client: &mut Other, root: &Path, victims: Victims, signal: Signal) {
    let id = Pid::from_raw(client.id().cast_signed()).unwrap();
    match victims {
        Victims::Client => kill_process(id, signal).unwrap(),
        Victims::Everybody => {
            kill_process_group(id, signal).unwrap();
            for git in gits_in(root) {
                // It may have ended just now.
                let _ = getpgid(Some(git)).and_then(|group| kill_process_group(group, signal));
            }
        }
    }
    client.wait();
}

/// The git processes that work in a directory.
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

/// What has been announced, by whomever, and what was acknowledged to somebody else.
#[derive(Debug, Default)]
struct Announced {
    messages: BTreeSet<String>,
    /// Of files that both write.
    contents: BTreeSet<String>,
    published: Vec<String>,
}

/// Another user of the remote, who publishes on command.
struct Competitor {
    announced: Arc<Mutex<Announced>>,
    /// Taken for one step; whoever takes it has nobody else at the remote.
    turn: Arc<Mutex<()>>,
    go: Option<Sender<()>>,
    thread: Option<JoinHandle<BTreeMap<String, u64>>>,
}

impl Competitor {
    fn start(remote: &Path, root: &Path, mut dice: Dice) -> Self {
        let announced: Arc<Mutex<Announced>> = Arc::default();
        let turn: Arc<Mutex<()>> = Arc::default();
        let (go, told) = mpsc::channel();
        let config = config(remote, root, "other");
        let thread = {
            let (announced, turn) = (Arc::clone(&announced), Arc::clone(&turn));
            move || {
                let (runtime, mut files, mut number) = (runtime(), BTreeMap::new(), 0);
                let tree = runtime.block_on(GitSyncFileBackend::open(config)).unwrap();
                for () in told {
                    let _turn = turn.lock().unwrap();
                    number += 1;
                    runtime.block_on(compete(&tree, number, &mut dice, &mut files, &announced));
                }
                let _turn = turn.lock().unwrap();
                runtime.block_on(come_to_rest(&tree, "other", &announced));
                files
            }
        };
        Self { announced, turn, go: Some(go), thread: Some(thread::spawn(thread)) }
    }

    /// Has it publish something, beside everything else.
    fn go(&self) {
        self.go.as_ref().unwrap().send(()).unwrap();
    }

    /// Has it publish what is left; gives its files.
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

/// One step of the competitor: a change of a file and a push.
async fn compete(
    tree: &GitSyncFileBackend,
    number: u64,
    dice: &mut Dice,
    files: &mut BTreeMap<String, u64>,
    announced: &Mutex<Announced>,
) {
    let data = content("other", number);
    let overwrite = CreateOptions::overwrite();
    let path = match (dice.below(4), dice.pick(files.keys()).cloned()) {
        (0, _) => {
            announced.lock().unwrap().contents.insert(data.clone());
            format!("both/{}", dice.below(4))
        }
        (1, Some(path)) => {
            tree.delete(&path).await.unwrap();
            files.remove(&path);
            format!("other/{number}")
        }
        (2, Some(path)) => path,
        _ => format!("other/{number}"),
    };
    tree.create_with(&path, data.into(), overwrite).await.unwrap();
    if path.starts_with("other/") {
        files.insert(path, number);
    }
    publish(tree, "other", number, announced).await;
}

/// Pushes, and settles conflicts first if need be. Gives up on contention: a lock that a killed push has left is in the way.
/// Tells whether all is on the remote.
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
            Ok(()) => {
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

/// Publishes everything and takes in what others have published.
async fn come_to_rest(tree: &GitSyncFileBackend, name: &str, announced: &Mutex<Announced>) {
    assert!(publish(tree, name, 0, announced).await, "{name}: nobody else is there");
    while let Err(error) = tree.pull().await {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{name}: {error}");
        assert!(publish(tree, name, 0, announced).await, "{name}: nobody else is there");
    }
    assert!(publish(tree, name, 0, announced).await, "{name}: nobody else is there");
}

/// What has been seen of all kills.
#[derive(Debug, Default)]
struct Seen {
    kills: usize,
    deeds: usize,
    of_everybody: usize,
    during: BTreeMap<String, usize>,
    with_journal: usize,
    with_git_locks: usize,
    locks_in_the_remote: usize,
    published: usize,
}

/// One remote, one client's tree, and the competitor.
struct Scene {
    /// Goes first: it works in the directories.
    competitor: Competitor,
    remote: Remote,
    _dir: TempDir,
    root: PathBuf,
    runtime: Runtime,
    number: u64,
    files: BTreeMap<String, u64>,
    /// What the client has last written to files that both write.
    both: BTreeMap<String, u64>,
    /// The client's contents that were published.
    published: BTreeSet<u64>,
    /// The commit up to which the history of the client's tree is checked.
    checked: String,
}

impl Scene {
    fn new(dice: &mut Dice) -> Self {
        let seeds = (0..20).map(|i| Change::write(format!("seed/{i}"), content("seed", i)));
        let both = (0..4).map(|i| Change::write(format!("both/{i}"), content("seed", i)));
        let remote = Remote::with(&seeds.chain(both).collect::<Vec<_>>());
        let dir = tempfile::tempdir().unwrap();
        let competitor = Competitor::start(&remote.path(), &dir.path().join("other"), dice.fork());
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

    fn kill_one(&mut self, dice: &mut Dice, seen: &mut Seen) {
        let seed = dice.below(u64::MAX);
        let verb = dice.pick(["open", "push", "pull", "sync"]).unwrap();
        let first = if verb == "open" { "push" } else { verb };
        let task = format!("{}\t{}\t{seed}\t{first}", self.remote.path().display(), self.number);
        let git = time_of_git(self.remote.folder());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.process_group(0);
        let name = "kills::a_client_that_works_until_it_is_killed";
        let mut client = Other::start_by(command, name, &self.root, &task);
        self.competitor.go();
        let mut lines = wait_for_the_verb(&mut client, verb);
        if dice.below(2) == 0 {
            self.competitor.go();
        }
        wait_for_the_moment(dice, git);
        let victims =
            [Victims::Client, Victims::Everybody][usize::try_from(dice.below(2)).unwrap()];
        let signal = [Signal::KILL, Signal::TERM][usize::try_from(dice.below(2)).unwrap()];
        kill(&mut client, &self.root, victims, signal);
        seen.kills += 1;
        seen.with_journal += usize::from(self.root.join(".git/f9/journal").exists());
        seen.with_git_locks += usize::from(self.root.join(".git/index.lock").exists());
        lines.extend(std::iter::from_fn(|| client.next_line()));
        if victims == Victims::Everybody {
            seen.of_everybody += 1;
            seen.locks_in_the_remote += usize::from(self.remove_the_lock_in_the_remote());
        }
        let in_flight = self.acknowledge(&lines, seen);
        let during = in_flight.as_ref().map_or("nothing", |deed| &deed.verb);
        *seen.during.entry(during.to_owned()).or_default() += 1;
        let config = config(&self.remote.path(), &self.root, "client");
        let tree = self.runtime.block_on(GitSyncFileBackend::open(config));
        let tree = tree.unwrap_or_else(|error| panic!("killed in {in_flight:?}: {error}"));
        wait_for_gits(&self.root);
        self.assert_files(in_flight.as_ref());
        if let Some(deed) = in_flight {
            // It may have replaced what was there, which was nowhere else then.
            self.both.remove(&deed.path);
        }
        self.assert_history();
        if dice.below(5) == 0 {
            self.remove_the_lock_in_the_remote();
            let turn = self.competitor.turn.lock().unwrap();
            self.runtime.block_on(come_to_rest(&tree, "client", &self.competitor.announced));
            drop((tree, turn));
            // The next one clones.
            self.checked.clear();
            fs::remove_dir_all(&self.root).unwrap();
        }
    }

    /// Whether there was one.
    fn remove_the_lock_in_the_remote(&self) -> bool {
        let _turn = self.competitor.turn.lock().unwrap();
        wait_for_gits(&self.remote.path());
        fs::remove_file(self.remote.path().join("refs/heads/main.lock")).is_ok()
    }

    /// Takes in what the client has done; gives what it was about to do.
    fn acknowledge(&mut self, lines: &[String], seen: &mut Seen) -> Option<Deed> {
        let mut begun = None;
        for line in lines {
            if let Some(deed) = Deed::from_line(line) {
                self.number = self.number.max(deed.number + 1);
                let mut announced = self.competitor.announced.lock().unwrap();
                announced.messages.insert(deed.message());
                if deed.path.starts_with("both/") {
                    announced.contents.insert(content("client", deed.number));
                }
                begun = Some(deed);
                continue;
            }
            let deed: Deed = begun.take().unwrap_or_else(|| panic!("{line}"));
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["done", head] => self.done(&deed, head),
                ["failed", "Conflict" | "Contention", _] if deed.path.is_empty() => {}
                _ => panic!("{deed:?}: {line}"),
            }
            seen.deeds += 1;
        }
        begun
    }

    fn done(&mut self, deed: &Deed, head: &str) {
        deed.apply(&mut self.files);
        match deed.verb.as_str() {
            "overwrite" => drop(self.both.insert(deed.path.clone(), deed.number)),
            "push" | "sync" => {
                self.published.extend(self.files.values().chain(self.both.values()));
                self.competitor.announced.lock().unwrap().published.push(head.to_owned());
            }
            _ => {}
        }
    }

    /// Whether every file is what somebody has made of it.
    fn assert_files(&mut self, in_flight: Option<&Deed>) {
        let found = files_below(&self.root, "client");
        if let Err(old) = compare(&found, "client", &self.files) {
            let Some(deed) = in_flight else { panic!("{old}") };
            deed.apply(&mut self.files);
            if let Err(new) = compare(&found, "client", &self.files) {
                panic!("{deed:?} is neither undone, as {old}, nor done, as {new}");
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

    /// Whether the repository is sound, and every commit somebody's, with nothing in it but what he had changed.
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
        self.remove_the_lock_in_the_remote();
        let announced = Arc::clone(&self.competitor.announced);
        let others = self.competitor.finish();
        let config = config(&self.remote.path(), &self.root, "client");
        let tree = self.runtime.block_on(GitSyncFileBackend::open(config)).unwrap();
        self.runtime.block_on(come_to_rest(&tree, "client", &announced));
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

/// Reads what the client says until it begins what `verb` says.
fn wait_for_the_verb(client: &mut Other, verb: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let is_begun = |line: &String| Deed::from_line(line).is_some_and(|deed| deed.verb == verb);
    while !lines.last().is_some_and(is_begun) {
        lines.push(client.next_line().unwrap_or_else(|| panic!("it ended: {lines:#?}")));
    }
    lines
}

/// Waits until a moment that nobody can foresee, as often for a short time as for a long one: at most 64 times as long as `git`, which is
/// the time of one process of git.
pub(crate) fn wait_for_the_moment(dice: &mut Dice, git: Duration) {
    let most = (git / 8) * (1 << dice.below(10));
    thread::sleep(Duration::from_micros(dice.below(1 + u64::try_from(most.as_micros()).unwrap())));
}

/// How long one process of git takes, on this machine and at this time; of a process that was held up, no more than others take.
pub(crate) fn time_of_git(directory: &Path) -> Duration {
    let started = Instant::now();
    cli::run(directory, ["--version"]);
    started.elapsed().min(Duration::from_millis(100))
}

/// Fails unless every object is there and is as it should be.
fn assert_sound(root: &Path) {
    let checked = cli::git(root).args(["fsck", "--strict", "--no-dangling"]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// Waits until no git works in a directory: one that adds objects while others are counted makes them miss.
pub(crate) fn wait_for_gits(directory: &Path) {
    let deadline = Instant::now() + HANGS;
    while !gits_in(directory).is_empty() {
        assert!(Instant::now() < deadline, "a git goes on in {}", directory.display());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether every commit was announced by its message, and changes only what is its author's.
fn assert_commits(
    repository: &Path,
    revisions: impl IntoIterator<Item = String>,
    messages: &BTreeSet<String>,
) {
    // Of a merge, `-c` shows the files that are like those of neither parent.
    let log =
        ["log", "--format=%x01%an%x02%s%x02%p", "-c", "--name-status", "--no-renames", "--root"];
    let log = cli::run(repository, log.map(str::to_owned).into_iter().chain(revisions));
    for commit in log.split('\u{1}').skip(1) {
        let (header, files) = commit.split_once('\n').unwrap_or((commit, ""));
        let [author, message, parents] = header.split('\u{2}').collect::<Vec<_>>()[..] else {
            panic!("{header}")
        };
        assert!(messages.contains(message), "nobody made this commit: {commit}");
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

/// Whether the remote's branch leads to every one of these commits.
fn assert_published(remote: &Remote, published: &[String]) {
    let missing = ["rev-list", "--stdin", "--not", "main"];
    let asked = published.join("\n");
    let missing = cli::succeed(cli::git(&remote.path()).args(missing), asked.as_bytes());
    assert_eq!(String::from_utf8(missing).unwrap(), "", "published, and not on the remote");
}

impl Seen {
    /// Whether enough kills have hit the moments that matter. At which moments they come, depends on the machine.
    fn has_hit(&self, kills: usize) -> bool {
        let is_hit = |verb| self.during.get(verb).is_some_and(|&hits| hits > kills / 90);
        ["open", "push", "pull", "sync"].into_iter().all(is_hit) && self.with_git_locks > 0
    }
}

#[test]
fn killed_clients_lose_nothing_and_invent_nothing() {
    let (mut dice, mut seen) = (Dice::new("killed clients"), Seen::default());
    let kills = cases("F9_KILLS", KILLS.0, KILLS.1);
    while seen.kills < kills || !seen.has_hit(kills) {
        assert!(seen.kills < kills + MORE_KILLS, "hardly any kill has hit: {seen:?}");
        let mut scene = Scene::new(&mut dice);
        for _ in 0..KILLS_PER_REMOTE.min(kills) {
            scene.kill_one(&mut dice, &mut seen);
        }
        scene.finish(&mut seen);
    }
    println!("{seen:?}");
    assert!(seen.published > seen.kills / 3, "{seen:?}");
}
