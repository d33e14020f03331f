//! The power fails under load: what was acknowledged is there afterwards, and the rest is wholly old or wholly new.
//!
//! The store is on a file system of its own, on a loop device. Tasks change it, each in a directory that belongs to it alone and in
//! a log that all append to; somewhere in the middle the file system is shut down, which drops everything that is not yet on its
//! device. It is mounted again, and what it holds is compared with what each task was told. That is done twenty times for each file system,
//! or five times in a plain run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use f9::prelude::*;
use f9::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Durability, ErrorKind,
    LocalFileBackend, RenameOptions, UpdateOptions, WriteOptions,
};
use futures::stream;
use tempfile::TempDir;

use crate::dice::Dice;
use crate::extent::extent;
use crate::machine::{Mount, not_run};

const TASKS: u64 = 4;

#[test]
fn what_ext4_acknowledged_survives_a_power_loss() {
    survives("what_ext4_acknowledged_survives_a_power_loss", &["mkfs.ext4", "-q"]);
}

#[test]
fn what_xfs_acknowledged_survives_a_power_loss() {
    survives("what_xfs_acknowledged_survives_a_power_loss", &["mkfs.xfs", "-q"]);
}

/// Without this, the tests above could pass because nothing is ever lost.
#[test]
fn what_was_not_synced_is_lost_and_the_loss_is_seen() {
    let test = "what_was_not_synced_is_lost_and_the_loss_is_seen";
    for make in ["mkfs.ext4", "mkfs.xfs"] {
        let disk = match Disk::new(&[make, "-q"]) {
            Ok(disk) => disk,
            Err(reason) => return not_run(test, &reason.to_string()),
        };
        let mut dice = Dice::new(test);
        let lost = (0..20).any(|_| lose_power(&disk, Durability::Atomic, &mut dice).is_err());
        assert!(lost, "{make}: everything survived, although nothing was synced");
    }
}

fn survives(test: &str, make: &[&str]) {
    let disk = match Disk::new(make) {
        Ok(disk) => disk,
        Err(reason) => return not_run(test, &reason.to_string()),
    };
    let mut dice = Dice::new(test);
    let (mut swept, mut round) = (0, 0);
    while round < extent(5, 20) || swept == 0 {
        match lose_power(&disk, Durability::Synced, &mut dice) {
            Ok(temporaries) => swept += temporaries,
            Err(difference) => panic!("round {round}: {difference}"),
        }
        round += 1;
        assert!(round < 200, "no power loss left a temporary to be swept");
    }
}

/// A file system in an image, to be mounted.
struct Disk {
    dir: TempDir,
}

impl Disk {
    fn new(make: &[&str]) -> io::Result<Self> {
        let disk = Self { dir: tempfile::tempdir()? };
        // The least that mkfs.xfs accepts; most of it is a hole.
        fs::File::create(disk.image())?.set_len(300 * 1024 * 1024)?;
        let made = Command::new(make[0]).args(&make[1..]).arg(disk.image()).output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        fs::create_dir(disk.at())?;
        let at = disk.at();
        let _mounted = Mount::new(&["-o", "loop", disk.image().to_str().unwrap()], &at)?;
        drop(Switch::new(&at)?);
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn at(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }
}

/// `xfs_io(8)`, ready to shut a file system down: all that is not on its device is dropped, and everything fails from then on.
struct Switch(Child);

impl Switch {
    fn new(at: &Path) -> io::Result<Self> {
        let mut command = Command::new("xfs_io");
        command.arg("-x").arg(at).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map(Self)
    }

    fn off(mut self) {
        self.0.stdin.take().unwrap().write_all(b"shutdown\n").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn mount<'a>(disk: &Disk, at: &'a Path) -> Mount<'a> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(at.to_str().unwrap()), "still mounted from before the power loss");
    Mount::new(&["-o", "loop", disk.image().to_str().unwrap()], at).unwrap()
}

/// Works, loses power, and looks; gives the number of temporaries that were there to sweep, or what was lost or torn.
fn lose_power(disk: &Disk, durability: Durability, dice: &mut Dice) -> Result<usize, String> {
    let at = disk.at();
    let mounted = mount(disk, &at);
    let root = at.join("root");
    let told = work(disk, &root, durability, dice);
    drop(mounted);

    let _mounted = mount(disk, &at);
    if !root.exists() {
        return Err("the root is missing".to_owned());
    }
    let left = temporaries(&root);
    futures::executor::block_on(LocalFileBackend::new(&root)).unwrap();
    let litter = temporaries(&root);
    if !litter.is_empty() {
        return Err(format!("opening left {litter:?}"));
    }
    for (task, told) in told.iter().enumerate() {
        told.compare(&root, task).map_err(|difference| format!("task {task}: {difference}"))?;
    }
    compare_logs(&root, &told)?;
    Ok(left.len())
}

/// Has tasks change the store until the power fails.
fn work(disk: &Disk, root: &Path, durability: Durability, dice: &mut Dice) -> Vec<Told> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let switch = Switch::new(&disk.at()).unwrap();
    let (acknowledge, acknowledged) = channel();
    let failing = Arc::new(AtomicBool::new(false));
    let builder = LocalFileBackend::builder(root).durability(durability);
    let backend = runtime.block_on(builder.open()).unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let dir = format!("task-{task}");
            let worker = Worker {
                tree: tree(&root.join(&dir)),
                dir,
                backend: backend.clone(),
                dice: dice.fork(),
                acknowledge: acknowledge.clone(),
                failing: Arc::clone(&failing),
            };
            runtime.spawn(worker.work())
        })
        .collect();
    drop(acknowledge);
    await_some(&acknowledged, dice);
    failing.store(true, Ordering::SeqCst);
    switch.off();
    tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).collect()
}

/// Lets a random number of changes be acknowledged, and then a part of another.
fn await_some(acknowledged: &Receiver<()>, dice: &mut Dice) {
    for _ in 0..dice.below(120) {
        let acknowledged = acknowledged.recv_timeout(Duration::from_secs(300));
        acknowledged.expect("the tasks go on until the power fails");
    }
    // So long a single change takes.
    std::thread::sleep(Duration::from_micros(dice.below(5000)));
}

/// What a directory holds: the content of files, `None` for directories.
type Tree = BTreeMap<String, Option<Bytes>>;

fn tree(dir: &Path) -> Tree {
    let mut found = Tree::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(here) = waiting.pop() {
        // The topmost need not exist yet.
        for entry in fs::read_dir(here).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.insert(name, None);
                waiting.push(path);
            } else {
                found.insert(name, Some(fs::read(path).unwrap().into()));
            }
        }
    }
    found
}

fn temporaries(root: &Path) -> Vec<String> {
    let is_temporary = |path: &String| path.contains(".f9tmp-");
    tree(root).into_keys().filter(is_temporary).collect()
}

/// What one task knows when the power has failed.
struct Told {
    /// What there may be: all that was acknowledged, and what each later change makes of it.
    possible: Vec<Tree>,
    /// Those changes, the last of which failed.
    changes: Vec<Change>,
    records: Vec<String>,
}

impl Told {
    fn compare(&self, root: &Path, task: usize) -> Result<(), String> {
        let found = tree(&root.join(format!("task-{task}")));
        let is_before = |before: &Tree, after: &Tree| {
            // The directories on the way are made first.
            let made = |path: &String| after.contains_key(path) && !before.contains_key(path);
            let mut found = found.clone();
            found.retain(|path, content| content.is_some() || !made(path));
            found == *before
        };
        let under_way = self.possible.windows(2).any(|states| is_before(&states[0], &states[1]));
        if under_way || self.possible.last() == Some(&found) {
            return Ok(());
        }
        let told = &self.possible[0];
        let differ = |path: &&String| found.get(*path) != told.get(*path);
        let paths: BTreeSet<_> = found.keys().chain(told.keys()).filter(differ).collect();
        Err(format!("{paths:?} are not as acknowledged; after that came {:?}", self.changes))
    }
}

/// Each record that was acknowledged is in the log, once; beside them there is at most the one that each task had under way.
fn compare_logs(root: &Path, told: &[Told]) -> Result<(), String> {
    let log = fs::read_to_string(root.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let distinct: BTreeSet<&str> = lines.iter().copied().collect();
    if distinct.len() != lines.len() || !(log.is_empty() || log.ends_with('\n')) {
        return Err(format!("the log is torn: {log}"));
    }
    let acknowledged = || told.iter().flat_map(|told| &told.records);
    if let Some(lost) = acknowledged().find(|record| !distinct.contains(record.as_str())) {
        return Err(format!("{lost} is missing from the log"));
    }
    Ok(())
}

/// One change, by paths relative to the directory of its task.
#[derive(Clone, Debug)]
enum Change {
    Create(String, Content),
    Overwrite(String, Content),
    Update(String, Content),
    Append(String, Content),
    StreamWrite(String, Content),
    Copy(String, String),
    Rename(String, String),
    Delete(String),
    DeleteTree(String),
    CreateDir(String),
    /// To the log of all tasks.
    Record(String),
}

impl Change {
    /// A change that is possible in `tree`.
    fn any(tree: &Tree, dice: &mut Dice) -> Self {
        let files = || tree.iter().filter(|(_, content)| content.is_some()).map(|(path, _)| path);
        let dirs = || tree.iter().filter(|(_, content)| content.is_none()).map(|(path, _)| path);
        let (path, to) = (any_file(dice), any_file(dice));
        let (Some(file), Some(dir)) = (dice.pick(files()).cloned(), dice.pick(dirs()).cloned())
        else {
            return Self::Overwrite(path, Content::any(dice, 1000));
        };
        let is_new = !tree.contains_key(&path);
        match dice.below(14) {
            0 | 1 if is_new => Self::Create(path, Content::any(dice, 10_000)),
            2 => Self::Overwrite(path, Content::any(dice, 200_000)),
            3 => Self::Update(file, Content::any(dice, 10_000)),
            4 => Self::Append(file, Content::any(dice, 10_000)),
            5 => Self::StreamWrite(path, Content::any(dice, 3_000_000)),
            6 => Self::Copy(file, to),
            7 => Self::Rename(file, to),
            8 => Self::Rename(dir, format!("moved-{}", dice.below(u64::MAX))),
            9 => Self::Delete(file),
            10 => Self::DeleteTree(dir),
            11 => Self::CreateDir(format!("{dir}/made-{}/below", dice.below(u64::MAX))),
            _ => Self::Record(format!("record-{}", dice.below(u64::MAX))),
        }
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Create(path, data)
            | Self::Overwrite(path, data)
            | Self::Update(path, data)
            | Self::StreamWrite(path, data) => put(tree, path, Some(data.bytes())),
            Self::Append(path, data) => {
                let old = tree[path].as_ref().unwrap();
                put(tree, path, Some([&old[..], &data.bytes()].concat().into()));
            }
            Self::Copy(from, to) => put(tree, to, tree[from].clone()),
            Self::Rename(from, to) => {
                let below = format!("{from}/");
                let is_moved = |path: &String| path == from || path.starts_with(&below);
                let moved: Vec<_> = tree.extract_if(.., |path, _| is_moved(path)).collect();
                for (path, content) in moved {
                    put(tree, &path.replacen(from, to, 1), content);
                }
            }
            Self::Delete(path) | Self::DeleteTree(path) => {
                let below = format!("{path}/");
                tree.retain(|kept, _| kept != path && !kept.starts_with(&below));
            }
            Self::CreateDir(path) => put(tree, path, None),
            Self::Record(_) => {}
        }
    }

    async fn perform(&self, backend: &LocalFileBackend, dir: &str) -> f9::Result<()> {
        let at = |path: &String| format!("{dir}/{path}");
        match self.clone() {
            Self::Create(path, data) => drop(backend.create(&at(&path), data.bytes()).await?),
            Self::Overwrite(path, data) => {
                drop(
                    backend
                        .create_with(&at(&path), data.bytes(), CreateOptions::overwrite())
                        .await?,
                );
            }
            Self::Update(path, data) => drop(backend.update(&at(&path), data.bytes()).await?),
            Self::Append(path, data) => {
                drop(backend.update_with(&at(&path), data.bytes(), UpdateOptions::append()).await?);
            }
            Self::StreamWrite(path, data) => {
                let pieces: Vec<_> =
                    data.bytes().chunks(100_000).map(Bytes::copy_from_slice).collect();
                let source = stream::iter(pieces.into_iter().map(Ok));
                let options = WriteOptions::overwrite();
                drop(backend.stream_write_with(&at(&path), Box::pin(source), options).await?);
            }
            Self::Copy(from, to) => {
                drop(backend.copy_with(&at(&from), &at(&to), CopyOptions::overwrite()).await?);
            }
            Self::Rename(from, to) => {
                drop(backend.rename_with(&at(&from), &at(&to), RenameOptions::overwrite()).await?);
            }
            Self::Delete(path) => backend.delete(&at(&path)).await?,
            Self::DeleteTree(path) => {
                backend.delete_with(&at(&path), DeleteOptions::recursive()).await?;
            }
            Self::CreateDir(path) => {
                backend.create_dir_with(&at(&path), CreateDirOptions::default()).await?;
            }
            Self::Record(record) => {
                let record = format!("{record}\n").into();
                drop(backend.update_with("log", record, UpdateOptions::append()).await?);
            }
        }
        Ok(())
    }
}

fn put(tree: &mut Tree, path: &str, content: Option<Bytes>) {
    for (at, _) in path.match_indices('/') {
        tree.insert(path[..at].to_owned(), None);
    }
    tree.insert(path.to_owned(), content);
}

/// A path with up to three directories on the way, of few names, so that the same ones are met again and again.
fn any_file(dice: &mut Dice) -> String {
    let dirs: String = (0..dice.below(4)).map(|_| format!("dir-{}/", dice.below(3))).collect();
    format!("{dirs}file-{}", dice.below(4))
}

/// Bytes that differ from all others.
#[derive(Clone, Copy, Debug)]
struct Content {
    mark: u64,
    size: u64,
}

impl Content {
    fn any(dice: &mut Dice, at_most: u64) -> Self {
        Self { mark: dice.below(u64::MAX), size: 1 + dice.below(at_most) }
    }

    fn bytes(self) -> Bytes {
        let size = usize::try_from(self.size).unwrap();
        self.mark.to_le_bytes().repeat(size.div_ceil(8))[..size].to_vec().into()
    }
}

/// One task at work.
struct Worker {
    backend: LocalFileBackend,
    dir: String,
    tree: Tree,
    dice: Dice,
    acknowledge: Sender<()>,
    failing: Arc<AtomicBool>,
}

impl Worker {
    async fn work(mut self) -> Told {
        match self.backend.create("log", "").await {
            Ok(_) => {}
            Err(error) => assert!(error.kind() == ErrorKind::AlreadyExists || self.is_failing()),
        }
        let mut told =
            Told { possible: vec![self.tree.clone()], changes: Vec::new(), records: Vec::new() };
        loop {
            let change = Change::any(&self.tree, &mut self.dice);
            change.apply(&mut self.tree);
            match change.perform(&self.backend, &self.dir).await {
                // Once the shutdown has begun, nothing counts as acknowledged: a machine without power tells nobody, while xfs
                // here says that a directory is synced when all that was to be written has just been dropped.
                Ok(()) if self.is_failing() => {
                    told.changes.push(change);
                    told.possible.push(self.tree.clone());
                }
                Ok(()) => {
                    told.possible = vec![self.tree.clone()];
                    if let Change::Record(record) = change {
                        told.records.push(record);
                    }
                    // Nobody listens once enough have been counted.
                    let _ = self.acknowledge.send(());
                }
                Err(error) => {
                    assert!(self.is_failing(), "{change:?} failed while there was power: {error}");
                    use ErrorKind::{DurabilityUnknown, Io, ReadOnly};
                    let is_honest = matches!(error.kind(), DurabilityUnknown | Io | ReadOnly);
                    assert!(is_honest, "{change:?}: {error:?}");
                    told.changes.push(change);
                    told.possible.push(self.tree);
                    return told;
                }
            }
        }
    }

    fn is_failing(&self) -> bool {
        self.failing.load(Ordering::SeqCst)
    }
}
