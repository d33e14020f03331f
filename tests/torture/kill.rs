//! A process that writes is killed at any moment, a thousand times in all and two hundred in a plain run: what it has acknowledged is
//! there, what it was about to do is done or not begun, and nothing else is left.
//!
//! Every file tells its writer: it is made of blocks that hold the number of the change and how long its part is, so a mix of two
//! is no content that was ever written.

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

use crate::child::{self, Other};
use crate::dice::Dice;
use crate::extent::extent;

/// The change that wrote a part of a file, and the blocks it wrote.
type Part = (u64, usize);

/// What is in the store, by path.
type Model = BTreeMap<String, Vec<Part>>;

fn written((change, blocks): Part) -> Vec<u8> {
    format!("<{change:012} {blocks:010}>\n").into_bytes().repeat(blocks)
}

fn content(parts: &[Part]) -> Vec<u8> {
    parts.iter().map(|&part| written(part)).collect::<Vec<_>>().concat()
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
    /// Picks one that succeeds in the store that holds `paths`.
    fn pick(number: u64, dice: &mut Dice, paths: &Model) -> Self {
        // Most files are small; some are so large that they are written in many calls.
        let blocks = if dice.below(20) == 0 { 100_000 } else { dice.below(2000) };
        let any = |dice: &mut Dice, dir: &str| {
            dice.pick(paths.keys().filter(|path| path.starts_with(dir))).cloned()
        };
        let kept = format!("kept/{}", dice.below(4));
        let new = format!("new/{}/{number}", dice.below(5));
        let (verb, path, to) = match dice.below(12) {
            0 | 1 => ("create", new, None),
            2 => ("overwrite", kept, None),
            3 => ("overwrite in a session", kept, None),
            4 | 5 => ("append", format!("log/{}", dice.below(2)), None),
            6 => ("stream_write", format!("streamed/{}", dice.below(2)), None),
            7 => ("copy", kept, Some(format!("copies/{}", dice.below(3)))),
            8 => match any(dice, "new/") {
                Some(path) => ("rename", path, Some(format!("moved/{number}"))),
                None => ("create", new, None),
            },
            9 => match any(dice, "moved/") {
                Some(path) => ("rename over", path, Some(format!("copies/{}", dice.below(3)))),
                None => ("create", new, None),
            },
            10 => match any(dice, "new/") {
                Some(path) => {
                    let tree = path.rsplit_once('/').unwrap().0.to_owned();
                    ("delete the tree", tree, None)
                }
                None => ("create", new, None),
            },
            _ => match any(dice, "moved/") {
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

    /// Does it in the store.
    async fn perform(&self, store: &LocalFileBackend) -> Result<()> {
        let (path, to) = (self.path.as_str(), self.to.as_str());
        let data = Bytes::from(written((self.number, self.blocks)));
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

    /// What it makes of the store.
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

/// What the other process does until it is killed: changes, each announced and acknowledged.
#[test]
fn a_writer_that_works_until_it_is_killed() {
    let Some((root, task)) = child::task() else { return };
    let (durability, rest) = task.split_once(' ').unwrap();
    let (number, seed) = rest.split_once(' ').unwrap();
    let builder = LocalFileBackend::builder(&root).durability(durability.parse().unwrap());
    let store = block_on(builder.sweep(false).open()).unwrap();
    // Of what is there, only the names count for what can be done next.
    let mut paths: Model = on_disk(&root).0.into_keys().map(|path| (path, Vec::new())).collect();
    let mut dice = Dice::of(seed.parse().unwrap());
    for number in number.parse().unwrap().. {
        let change = Change::pick(number, &mut dice, &paths);
        child::say(&change.to_line());
        match block_on(change.perform(&store)) {
            Ok(()) => child::say("done"),
            Err(error) => child::say(&format!("failed\t{error}")),
        }
        change.apply(&mut paths);
    }
}

/// The files in the store, and what f9 has left lying about.
fn on_disk(dir: &Path) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut files, mut litter) = (BTreeMap::new(), Vec::new());
    let mut waiting = vec![String::new()];
    while let Some(prefix) = waiting.pop() {
        for entry in fs::read_dir(dir.join(&prefix)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if path.contains(".f9tmp-") {
                litter.push(path);
            } else if entry.file_type().unwrap().is_dir() {
                waiting.push(format!("{path}/"));
            } else if path != ".backend.lock" {
                files.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    (files, litter)
}

/// Whether the files are those of the model, and what is not.
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
        Some(path) => Err(format!("`{path}` should not be there")),
        None => Ok(()),
    }
}

/// What has been seen of all kills.
#[derive(Debug, Default)]
struct Seen {
    kills: usize,
    changes: usize,
    in_the_middle: usize,
    of_these_done: usize,
    with_litter: usize,
}

struct Torture {
    durability: Durability,
    dir: tempfile::TempDir,
    dice: Dice,
    model: Model,
    number: u64,
    seen: Seen,
}

impl Torture {
    fn new(durability: Durability, dice: Dice) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        let kept = (0..4).map(|i| format!("kept/{i}"));
        for path in kept.chain((0..2).map(|i| format!("log/{i}"))) {
            let parts = vec![(0, 10)];
            fs::create_dir_all(dir.path().join(&path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(&path), content(&parts)).unwrap();
            model.insert(path, parts);
        }
        Self { durability, dir, dice, model, number: 1, seen: Seen::default() }
    }

    /// Lets a writer work for a while and kills it; then looks whether all is well.
    fn kill_one(&mut self) {
        let task = format!("{} {} {}", self.durability, self.number, self.dice.below(u64::MAX));
        let name = "kill::a_writer_that_works_until_it_is_killed";
        let mut writer = Other::start(name, self.dir.path(), &task);
        let mut lines = vec![writer.next_line().unwrap()];
        // As often short as long, up to 30 ms.
        let most = 1 << (8 + self.dice.below(8));
        thread::sleep(Duration::from_micros(self.dice.below(most)));
        writer.kill();
        writer.wait();
        lines.extend(std::iter::from_fn(|| writer.next_line()));
        let in_flight = self.acknowledge(&lines);
        let (files, litter) = on_disk(self.dir.path());
        self.seen.kills += 1;
        self.seen.with_litter += usize::from(!litter.is_empty());
        if let Err(old) = compare(&files, &self.model) {
            let Some(change) = in_flight else { panic!("{old}") };
            change.apply(&mut self.model);
            self.seen.of_these_done += 1;
            if let Err(new) = compare(&files, &self.model) {
                panic!("killed in {change:?}: neither undone, as {old}, nor done, as {new}");
            }
        }
        let store = block_on(LocalFileBackend::new(self.dir.path())).unwrap();
        let (swept, litter) = on_disk(self.dir.path());
        assert!(litter.is_empty(), "the sweep leaves {litter:?}");
        assert!(swept == files, "the sweep changes what is there");
        self.assert_nothing_is_locked(&store);
    }

    /// Takes in what the writer has done; gives what it was about to do.
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
                self.seen.changes += 1;
            }
        }
        self.seen.in_the_middle += usize::from(begun.is_some());
        begun
    }

    fn assert_nothing_is_locked(&self, store: &LocalFileBackend) {
        let at_once = SessionOptions::timeout(Duration::ZERO);
        drop(block_on(store.sync_session_with(at_once)).unwrap());
        for dir in ["", "kept", "log"] {
            let dir = File::open(self.dir.path().join(dir)).unwrap();
            dir.try_lock().unwrap();
            dir.unlock().unwrap();
        }
    }
}

#[expect(clippy::print_stdout, reason = "what has been seen is worth a look")]
fn kill_writers(durability: Durability) {
    let mut torture = Torture::new(durability, Dice::new(&format!("{durability} writers")));
    let kills = extent(100, 500);
    while torture.seen.kills < kills || !torture.seen.is_enough() {
        torture.kill_one();
        // So that the logs do not grow beyond what can be checked each time.
        torture.start_logs_anew();
        assert!(torture.seen.kills < 5000, "{:?}", torture.seen);
    }
    println!("{durability}: {:?}", torture.seen);
}

impl Seen {
    /// Whether enough has been met of what is looked for, which is a matter of luck and of what else the machine does.
    fn is_enough(&self) -> bool {
        let (middle, done) = (self.in_the_middle * 2, self.of_these_done * 100);
        middle >= self.kills && done >= self.kills && self.with_litter > 0
    }
}

impl Torture {
    fn start_logs_anew(&mut self) {
        for (path, parts) in &mut self.model {
            if path.starts_with("log/") && content(parts).len() > 4_000_000 {
                *parts = vec![(0, 10)];
                fs::write(self.dir.path().join(path), content(parts)).unwrap();
            }
        }
    }
}

#[test]
fn killed_writers_leave_old_or_new() {
    kill_writers(Durability::Atomic);
}

#[test]
fn killed_writers_of_a_synced_store_leave_old_or_new() {
    kill_writers(Durability::Synced);
}
