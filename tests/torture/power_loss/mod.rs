//! A power loss under load: acknowledged changes survive, and every other change is done or not begun.
//!
//! The store is on its own file system on a loop device. Each task changes its own directory and appends to a shared log. At a random
//! moment the file system is shut down, which drops everything that is not on the device. It is mounted again and compared with the
//! acknowledged changes of each task. This is repeated twenty times for each file system, or five times in a plain run.

mod change;
mod disk;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use f9::prelude::*;
use f9::{Durability, ErrorKind, LocalFileBackend};

use self::change::{Change, Tree, tree};
use self::disk::{Disk, Switch, mount};
use crate::dead::name_if_dead;
use crate::machine::not_run;
use crate::rng::Rng;

const TASKS: u64 = 4;

#[test]
fn acknowledged_changes_on_ext4_survive_a_power_loss() {
    assert_survival("acknowledged_changes_on_ext4_survive_a_power_loss", &["mkfs.ext4", "-q"]);
}

#[test]
fn acknowledged_changes_on_xfs_survive_a_power_loss() {
    assert_survival("acknowledged_changes_on_xfs_survive_a_power_loss", &["mkfs.xfs", "-q"]);
}

/// Without this test, the tests above could pass because nothing is ever lost.
#[test]
fn the_loss_of_unsynced_changes_is_detected() {
    let test = "the_loss_of_unsynced_changes_is_detected";
    for make in ["mkfs.ext4", "mkfs.xfs"] {
        let disk = match Disk::new(&[make, "-q"]) {
            Ok(disk) => disk,
            Err(reason) => return not_run(test, &reason.to_string()),
        };
        let mut rng = Rng::new(test);
        let lost = (0..20).any(|_| lose_power(&disk, Durability::Atomic, &mut rng).is_err());
        assert!(lost, "{make}: every change survived although none was synced");
    }
}

/// Fewer rounds can miss a directory that is not synced.
const ROUNDS: usize = 20;

fn assert_survival(test: &str, make: &[&str]) {
    let disk = match Disk::new(make) {
        Ok(disk) => disk,
        Err(reason) => return not_run(test, &reason.to_string()),
    };
    let mut rng = Rng::new(test);
    let (mut swept, mut round) = (0, 0);
    while round < ROUNDS || swept == 0 {
        match lose_power(&disk, Durability::Synced, &mut rng) {
            Ok(temporaries) => swept += temporaries,
            Err(difference) => panic!("round {round}: {difference}"),
        }
        round += 1;
        assert!(round < 200, "no power loss left a temporary file");
    }
}

/// Changes the store until the power fails, and checks it. Returns the number of temporary files that were swept, or describes a lost or
/// torn change.
fn lose_power(disk: &Disk, durability: Durability, rng: &mut Rng) -> Result<usize, String> {
    let at = disk.at();
    let mounted = mount(disk, &at);
    let root = at.join("root");
    let journals = work(disk, &root, durability, rng);
    drop(mounted);

    let _mounted = mount(disk, &at);
    if !root.exists() {
        return Err("the root is missing".to_owned());
    }
    let left = temporaries(&root);
    // The process would have ended with the power.
    for name in &left {
        drop(fs::rename(root.join(name), root.join(name_if_dead(name))));
    }
    futures::executor::block_on(LocalFileBackend::new(&root)).unwrap();
    let leftovers = temporaries(&root);
    if !leftovers.is_empty() {
        return Err(format!("the sweep left {leftovers:?}"));
    }
    for (task, journal) in journals.iter().enumerate() {
        journal.compare(&root, task).map_err(|difference| format!("task {task}: {difference}"))?;
    }
    compare_logs(&root, &journals)?;
    Ok(left.len())
}

/// Lets tasks change the store until the power fails, and returns their journals.
fn work(disk: &Disk, root: &Path, durability: Durability, rng: &mut Rng) -> Vec<Journal> {
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
                rng: rng.fork(),
                acknowledge: acknowledge.clone(),
                failing: Arc::clone(&failing),
            };
            runtime.spawn(worker.work())
        })
        .collect();
    drop(acknowledge);
    wait_for_changes(&acknowledged, rng);
    failing.store(true, Ordering::SeqCst);
    switch.off();
    tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).collect()
}

/// Waits for a random number of acknowledged changes, and for a part of the next.
fn wait_for_changes(acknowledged: &Receiver<()>, rng: &mut Rng) {
    for _ in 0..rng.below(120) {
        let acknowledged = acknowledged.recv_timeout(Duration::from_secs(300));
        acknowledged.expect("a task ended before the power failed");
    }
    // A single change takes up to 5 ms.
    std::thread::sleep(Duration::from_micros(rng.below(5000)));
}

fn temporaries(root: &Path) -> Vec<String> {
    let is_temporary = |path: &String| path.contains(".f9tmp-");
    tree(root).into_keys().filter(is_temporary).collect()
}

/// The changes of one task until the power failed.
struct Journal {
    /// The allowed states: after the last acknowledged change, and after each later change.
    allowed: Vec<Tree>,
    /// The later changes, which are not acknowledged. The last one failed.
    changes: Vec<Change>,
    records: Vec<String>,
}

impl Journal {
    fn compare(&self, root: &Path, task: usize) -> Result<(), String> {
        let found = tree(&root.join(format!("task-{task}")));
        let is_before = |before: &Tree, after: &Tree| {
            // The parent directories are created first.
            let is_created = |path: &String| after.contains_key(path) && !before.contains_key(path);
            let mut found = found.clone();
            found.retain(|path, content| content.is_some() || !is_created(path));
            found == *before
        };
        let is_partly_written = |before: &Tree, after: &Tree| {
            let mut paths = found.keys().chain(before.keys()).chain(after.keys());
            paths.all(|path| {
                let content = found.get(path);
                content == before.get(path) || content == after.get(path)
            })
        };
        let is_between = self.allowed.windows(2).zip(&self.changes).any(|(states, change)| {
            let (before, after) = (&states[0], &states[1]);
            let is_many = matches!(change, Change::WriteMany(_));
            is_before(before, after) || is_many && is_partly_written(before, after)
        });
        if is_between || self.allowed.last() == Some(&found) {
            return Ok(());
        }
        let acknowledged = &self.allowed[0];
        let differ = |path: &&String| found.get(*path) != acknowledged.get(*path);
        let paths: BTreeSet<_> = found.keys().chain(acknowledged.keys()).filter(differ).collect();
        Err(format!(
            "{paths:?} differ from the acknowledged state; the later changes are {:?}",
            self.changes
        ))
    }
}

/// Checks that the log has each acknowledged record once and is not torn.
fn compare_logs(root: &Path, journals: &[Journal]) -> Result<(), String> {
    let log = fs::read_to_string(root.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let distinct: BTreeSet<&str> = lines.iter().copied().collect();
    if distinct.len() != lines.len() || !(log.is_empty() || log.ends_with('\n')) {
        return Err(format!("the log is torn: {log}"));
    }
    let acknowledged = || journals.iter().flat_map(|journal| &journal.records);
    if let Some(lost) = acknowledged().find(|record| !distinct.contains(record.as_str())) {
        return Err(format!("{lost} is missing from the log"));
    }
    Ok(())
}

/// A task that changes the store.
struct Worker {
    backend: LocalFileBackend,
    dir: String,
    tree: Tree,
    rng: Rng,
    acknowledge: Sender<()>,
    failing: Arc<AtomicBool>,
}

impl Worker {
    async fn work(mut self) -> Journal {
        match self.backend.create("log", "").await {
            Ok(_) => {}
            Err(error) => assert!(error.kind() == ErrorKind::AlreadyExists || self.is_failing()),
        }
        let mut journal =
            Journal { allowed: vec![self.tree.clone()], changes: Vec::new(), records: Vec::new() };
        loop {
            let change = Change::any(&self.tree, &mut self.rng);
            change.apply(&mut self.tree);
            match change.perform(&self.backend, &self.dir).await {
                // A change after the start of the shutdown does not count as acknowledged. xfs reports a successful sync of a
                // directory after the shutdown has dropped its data, which cannot happen at a real power loss.
                Ok(()) if self.is_failing() => {
                    journal.changes.push(change);
                    journal.allowed.push(self.tree.clone());
                }
                Ok(()) => {
                    journal.allowed = vec![self.tree.clone()];
                    if let Change::Record(record) = change {
                        journal.records.push(record);
                    }
                    // Fails after the receiver is dropped.
                    let _ = self.acknowledge.send(());
                }
                Err(error) => {
                    assert!(self.is_failing(), "{change:?} failed before the power loss: {error}");
                    use ErrorKind::{DurabilityUnknown, Io, ReadOnly};
                    let is_expected = matches!(error.kind(), DurabilityUnknown | Io | ReadOnly);
                    assert!(is_expected, "{change:?}: {error:?}");
                    journal.changes.push(change);
                    journal.allowed.push(self.tree);
                    return journal;
                }
            }
        }
    }

    fn is_failing(&self) -> bool {
        self.failing.load(Ordering::SeqCst)
    }
}
