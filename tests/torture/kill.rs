//! Kills a writing process at random moments, a thousand times in all and two hundred times in a plain run. Acknowledged changes are
//! kept, the change at the kill is done or not begun, and nothing else is left.
//!
//! A file consists of blocks with the number of the change and the length of its part, so torn content is detected.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use f9::prelude::*;
use f9::{
    Bytes, CopyOptions, CreateOptions, DeleteOptions, Durability, LocalFileBackend, RenameOptions,
    Result, SessionOptions, UpdateOptions, WriteOptions,
};
use futures::executor::block_on;

use crate::child::{self, ChildTest};
use crate::rng::Rng;
use crate::run_size::plain_or_all;

/// The number of the change that wrote a part of a file, and the number of its blocks.
type Part = (u64, usize);

/// The parts of each file in the store, by path.
type Model = BTreeMap<String, Vec<Part>>;

fn part_content((change, blocks): Part) -> Vec<u8> {
    format!("<{change:012} {blocks:010}>\n").into_bytes().repeat(blocks)
}

fn content(parts: &[Part]) -> Vec<u8> {
    parts.iter().map(|&part| part_content(part)).collect::<Vec<_>>().concat()
}

/// One operation, as the writer announces it.
#[derive(Clone, Debug)]
struct Change {
    number: u64,
    verb: String,
    path: String,
    /// The other path of a copy or move; empty for other verbs.
    to: String,
    blocks: usize,
}

impl Change {
    /// Picks a change that is possible in a store with `paths`.
    fn pick(number: u64, rng: &mut Rng, paths: &Model) -> Self {
        // Most files are small. Some are large, so that they take many writes.
        let blocks = if rng.below(20) == 0 { 100_000 } else { rng.below(2000) };
        let any = |rng: &mut Rng, dir: &str| {
            rng.pick(paths.keys().filter(|path| path.starts_with(dir))).cloned()
        };
        let kept = format!("kept/{}", rng.below(4));
        let new = format!("new/{}/{number}", rng.below(5));
        let (verb, path, to) = match rng.below(12) {
            0 | 1 => ("create", new, None),
            2 => ("overwrite", kept, None),
            3 => ("overwrite in a session", kept, None),
            4 | 5 => ("append", format!("log/{}", rng.below(2)), None),
            6 => ("stream_write", format!("streamed/{}", rng.below(2)), None),
            7 => ("copy", kept, Some(format!("copies/{}", rng.below(3)))),
            8 => match any(rng, "new/") {
                Some(path) => ("rename", path, Some(format!("moved/{number}"))),
                None => ("create", new, None),
            },
            9 => match any(rng, "moved/") {
                Some(path) => ("rename over", path, Some(format!("copies/{}", rng.below(3)))),
                None => ("create", new, None),
            },
            10 => match any(rng, "new/") {
                Some(path) => {
                    let tree = path.rsplit_once('/').unwrap().0.to_owned();
                    ("delete the tree", tree, None)
                }
                None => ("create", new, None),
            },
            _ => match any(rng, "moved/") {
                Some(path) => ("delete", path, None),
                None => ("create", new, None),
            },
        };
        let (verb, to) = (verb.to_owned(), to.unwrap_or_default());
        Self { number, verb, path, to, blocks: usize::try_from(blocks).unwrap() }
    }

    fn to_line(&self) -> String {
        let Self { number, verb, path, to, blocks } = self;
        format!("begin\t{number}\t{verb}\t{path}\t{to}\t{blocks}")
    }

    fn from_line(line: &str) -> Option<Self> {
        let parts: Vec<&str> = line.split('\t').collect();
        let ["begin", number, verb, path, to, blocks] = parts[..] else { return None };
        let (number, blocks) = (number.parse().unwrap(), blocks.parse().unwrap());
        Some(Self { number, verb: verb.into(), path: path.into(), to: to.into(), blocks })
    }

    /// Makes the change in the store.
    async fn perform(&self, store: &LocalFileBackend) -> Result<()> {
        let (path, to) = (self.path.as_str(), self.to.as_str());
        let data = Bytes::from(part_content((self.number, self.blocks)));
        let overwrite = CreateOptions::overwrite();
        match self.verb.as_str() {
            "create" => store.create(path, data).await.map(drop),
            "overwrite" => store.create_with(path, data, overwrite).await.map(drop),
            "overwrite in a session" => {
                let session = store.sync_session().await?;
                store.create_with(path, data, overwrite).await?;
                session.finish().await
            }
            "append" => store.update_with(path, data, UpdateOptions::append()).await.map(drop),
            "stream_write" => {
                let pieces = data.chunks(300_000).map(|piece| Ok(Bytes::copy_from_slice(piece)));
                let pieces = Box::pin(futures::stream::iter(pieces));
                store.stream_write_with(path, pieces, WriteOptions::overwrite()).await.map(drop)
            }
            "copy" => store.copy_with(path, to, CopyOptions::overwrite()).await.map(drop),
            "rename" => store.rename(path, to).await.map(drop),
            "rename over" => {
                store.rename_with(path, to, RenameOptions::overwrite()).await.map(drop)
            }
            "delete the tree" => store.delete_with(path, DeleteOptions::recursive()).await,
            "delete" => store.delete(path).await,
            other => unreachable!("{other}"),
        }
    }

    /// Makes the change in the model.
    fn apply(&self, model: &mut Model) {
        let part = (self.number, self.blocks);
        match self.verb.as_str() {
            "append" => model.get_mut(&self.path).unwrap().push(part),
            "copy" => {
                let copied = model[&self.path].clone();
                model.insert(self.to.clone(), copied);
            }
            "rename" | "rename over" => {
                let moved = model.remove(&self.path).unwrap();
                model.insert(self.to.clone(), moved);
            }
            "delete the tree" => {
                let below = format!("{}/", self.path);
                model.retain(|path, _| !path.starts_with(&below));
            }
            "delete" => drop(model.remove(&self.path)),
            _ => drop(model.insert(self.path.clone(), vec![part])),
        }
    }
}

/// Runs in the child process until it is killed: announces, makes and acknowledges one change after the other.
#[test]
fn a_process_writes_until_it_is_killed() {
    let Some((root, task)) = child::task() else { return };
    let (durability, rest) = task.split_once(' ').unwrap();
    let (number, seed) = rest.split_once(' ').unwrap();
    let builder = LocalFileBackend::builder(&root).durability(durability.parse().unwrap());
    let store = block_on(builder.sweep(false).open()).unwrap();
    // The choice of the next change depends only on the paths.
    let mut paths: Model = on_disk(&root).0.into_keys().map(|path| (path, Vec::new())).collect();
    let mut rng = Rng::of(seed.parse().unwrap());
    for number in number.parse().unwrap().. {
        let change = Change::pick(number, &mut rng, &paths);
        child::report(&change.to_line());
        match block_on(change.perform(&store)) {
            Ok(()) => child::report("done"),
            Err(error) => child::report(&format!("failed\t{error}")),
        }
        change.apply(&mut paths);
    }
}

/// Returns the files in the store, and the leftovers of f9.
fn on_disk(dir: &Path) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut files, mut leftovers) = (BTreeMap::new(), Vec::new());
    let mut pending = vec![String::new()];
    while let Some(prefix) = pending.pop() {
        for entry in fs::read_dir(dir.join(&prefix)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if path.contains(".f9tmp-") {
                leftovers.push(path);
            } else if entry.file_type().unwrap().is_dir() {
                pending.push(format!("{path}/"));
            } else if path != ".backend.lock" {
                files.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    (files, leftovers)
}

/// Compares the files with the model, and describes a difference.
fn compare(files: &BTreeMap<String, Vec<u8>>, model: &Model) -> Result<(), String> {
    for (path, parts) in model {
        match files.get(path) {
            None => return Err(format!("`{path}` is missing")),
            Some(found) if *found != content(parts) => {
                let start = String::from_utf8_lossy(&found[..found.len().min(60)]);
                return Err(format!(
                    "`{path}`, {} bytes: {start} instead of {parts:?}",
                    found.len()
                ));
            }
            Some(_) => {}
        }
    }
    match files.keys().find(|path| !model.contains_key(*path)) {
        Some(path) => Err(format!("`{path}` should not exist")),
        None => Ok(()),
    }
}

/// Counts over all kills.
#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    changes: usize,
    /// Kills during a change.
    during_a_change: usize,
    /// Kills during a change that was done nevertheless.
    change_done: usize,
    with_leftovers: usize,
}

struct Torture {
    durability: Durability,
    dir: tempfile::TempDir,
    rng: Rng,
    model: Model,
    number: u64,
    counts: Counts,
}

impl Torture {
    fn new(durability: Durability, rng: Rng) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        let kept = (0..4).map(|i| format!("kept/{i}"));
        for path in kept.chain((0..2).map(|i| format!("log/{i}"))) {
            let parts = vec![(0, 10)];
            fs::create_dir_all(dir.path().join(&path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(&path), content(&parts)).unwrap();
            model.insert(path, parts);
        }
        Self { durability, dir, rng, model, number: 1, counts: Counts::default() }
    }

    /// Lets a writer work for a random time, kills it, and checks the store.
    fn kill_one(&mut self) {
        let task = format!("{} {} {}", self.durability, self.number, self.rng.below(u64::MAX));
        let name = "kill::a_process_writes_until_it_is_killed";
        let mut writer = ChildTest::start(name, self.dir.path(), &task);
        let mut lines = vec![writer.next_line().unwrap()];
        // From 0.25 to 33 ms, each magnitude equally often.
        let max_micros = 1 << (8 + self.rng.below(8));
        thread::sleep(Duration::from_micros(self.rng.below(max_micros)));
        writer.kill();
        writer.wait();
        lines.extend(std::iter::from_fn(|| writer.next_line()));
        let in_flight = self.acknowledge(&lines);
        let (files, leftovers) = on_disk(self.dir.path());
        self.counts.kills += 1;
        self.counts.with_leftovers += usize::from(!leftovers.is_empty());
        if let Err(old) = compare(&files, &self.model) {
            let Some(change) = in_flight else { panic!("{old}") };
            change.apply(&mut self.model);
            self.counts.change_done += 1;
            if let Err(new) = compare(&files, &self.model) {
                panic!("killed during {change:?}: neither undone ({old}) nor done ({new})");
            }
        }
        let store = block_on(LocalFileBackend::new(self.dir.path())).unwrap();
        let (swept, leftovers) = on_disk(self.dir.path());
        assert!(leftovers.is_empty(), "the sweep left {leftovers:?}");
        assert!(swept == files, "the sweep changed a file");
        self.assert_nothing_is_locked(&store);
    }

    /// Applies the acknowledged changes, and returns the one that was announced last but not acknowledged.
    fn acknowledge(&mut self, lines: &[String]) -> Option<Change> {
        let mut begun = None;
        for line in lines {
            if let Some(change) = Change::from_line(line) {
                self.number = change.number + 1;
                begun = Some(change);
            } else {
                let change = begun.take().unwrap();
                assert_eq!(line, "done", "{change:?}");
                change.apply(&mut self.model);
                self.counts.changes += 1;
            }
        }
        self.counts.during_a_change += usize::from(begun.is_some());
        begun
    }

    fn assert_nothing_is_locked(&self, store: &LocalFileBackend) {
        let no_wait = SessionOptions::timeout(Duration::ZERO);
        drop(block_on(store.sync_session_with(no_wait)).unwrap());
        for dir in ["", "kept", "log"] {
            let dir = File::open(self.dir.path().join(dir)).unwrap();
            dir.try_lock().unwrap();
            dir.unlock().unwrap();
        }
    }
}

#[expect(clippy::print_stdout, reason = "the counts are worth a look")]
fn kill_writers(durability: Durability) {
    let mut torture = Torture::new(durability, Rng::new(&format!("{durability} writers")));
    let kills = plain_or_all(100, 500);
    while torture.counts.kills < kills || !torture.counts.are_enough() {
        torture.kill_one();
        // Large logs would make each check slow.
        torture.reset_large_logs();
        assert!(torture.counts.kills < 5000, "{:?}", torture.counts);
    }
    println!("{durability}: {:?}", torture.counts);
}

impl Counts {
    /// Returns whether the kills hit enough interesting moments, which depends on chance and the load of the machine.
    fn are_enough(&self) -> bool {
        let (during, done) = (self.during_a_change * 2, self.change_done * 100);
        during >= self.kills && done >= self.kills && self.with_leftovers > 0
    }
}

impl Torture {
    fn reset_large_logs(&mut self) {
        for (path, parts) in &mut self.model {
            if path.starts_with("log/") && content(parts).len() > 4_000_000 {
                *parts = vec![(0, 10)];
                fs::write(self.dir.path().join(path), content(parts)).unwrap();
            }
        }
    }
}

#[test]
fn killed_writers_leave_the_old_or_the_new_content() {
    kill_writers(Durability::Atomic);
}

#[test]
fn killed_writers_of_a_synced_store_leave_the_old_or_the_new_content() {
    kill_writers(Durability::Synced);
}
