use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::entries::Entry;
use super::times::walk;
use super::*;
use crate::backends::git::command::{Access, Place};
use crate::{ErrorKind, FilePath};

const ODD_NAMES: [&str; 12] = [
    "plain",
    "sp ace",
    "q\"uote'",
    "new\nline",
    "\ttab",
    "ü",
    "-dash",
    ":colon",
    "a*b[c]",
    "R100",
    "commit 1 2 3",
    "\\",
];

/// A repository without files.
struct Repository {
    dir: tempfile::TempDir,
}

impl Repository {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Self { dir };
        repository.git(&["init", "-q", "--template=", "-b", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        git.env("HOME", self.path()).env("LC_ALL", "C");
        git.env("GIT_COMMITTER_NAME", "C").env("GIT_COMMITTER_EMAIL", "c@x");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_LITERAL_PATHSPECS", "1").env("GIT_NO_REPLACE_OBJECTS", "1");
        git.current_dir(self.path()).args(arguments);
        git
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn feed(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn import(&self, commits: &[u8]) {
        self.feed(&["fast-import", "--quiet", "--date-format=raw", "--force"], commits);
    }

    fn id(&self, revision: &str) -> Oid {
        let printed = self.git(&["rev-parse", "--verify", revision]);
        String::from_utf8(printed).unwrap().trim().parse().unwrap()
    }

    async fn runner(&self) -> Git {
        let git_dir = self.path().join(".git");
        let place = Place {
            work_tree: self.path(),
            git_dir: &git_dir,
            branch: "main",
            author: ("A", "a@example.org"),
        };
        let access = Access {
            url: "/nowhere".to_owned(),
            protocol: "file",
            credentials: None,
            ssh_key: None,
            known_hosts: None,
        };
        let deadline = Duration::from_secs(120);
        Git::new(place, access, (deadline, deadline)).await.unwrap()
    }
}

/// The author dates of the first and the last of the commits that `git log arguments` tells of as having changes.
fn asked(repository: &Repository, arguments: &[&[u8]]) -> Option<(i64, i64)> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut log = repository.command(&["log", "-c", "--format=commit %H %at %ct %P"]);
    log.args(["--name-status", "--combined-all-paths", "-z"]);
    log.args(arguments.iter().map(|argument| std::ffi::OsStr::from_bytes(argument)));
    let output = log.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut dates = Vec::new();
    let mut date = None;
    let mut rest = &output.stdout[..];
    while let Some((entry, behind)) = entries::next(rest, 0).unwrap() {
        match entry {
            Entry::Commit(head, _) => date = Some(head.authored),
            Entry::Change(_) => dates.extend(date.take()),
        }
        rest = behind;
    }
    Some((*dates.last()?, *dates.first()?))
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn choose<T: Clone>(&mut self, from: impl IntoIterator<Item = T>) -> Option<T> {
        let from: Vec<T> = from.into_iter().collect();
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }

    /// Like no other content.
    fn content(&mut self) -> Vec<String> {
        (0..8).map(|_| format!("{:016x}", self.next())).collect()
    }
}

type Tree = BTreeMap<Vec<u8>, Vec<String>>;

/// A random history, commit by commit.
struct Story {
    random: Random,
    commits: Vec<(Tree, Vec<usize>)>,
    names: Vec<Vec<u8>>,
    /// Names that a file had before it was renamed.
    left: BTreeSet<Vec<u8>>,
    renames: bool,
    merges: bool,
}

impl Story {
    fn new(seed: u64, renames: bool, merges: bool) -> Self {
        let mut names: Vec<Vec<u8>> = vec![b"caf\xe9".to_vec(), b"in/caf\xe9".to_vec()];
        for folder in ["", "in/", "in/an \"other\n/"] {
            names.extend(ODD_NAMES.map(|name| format!("{folder}{name}").into_bytes()));
        }
        let random = Random(seed);
        Self { random, commits: Vec::new(), names, left: BTreeSet::new(), renames, merges }
    }

    fn tell(mut self, length: usize) -> Self {
        while self.commits.len() < length {
            let last = self.commits.len().checked_sub(1);
            let branches = if self.merges { 3 } else { 1 };
            let parent = last.map(|last| last.saturating_sub(self.random.below(branches)));
            let mut parents: Vec<usize> = parent.into_iter().collect();
            let mut tree = parent.map(|at| self.commits[at].0.clone()).unwrap_or_default();
            if self.merges && parent.is_some() && self.random.below(4) == 0 {
                self.merge(&mut tree, &mut parents);
            }
            if parents.len() < 2 || self.random.below(3) == 0 {
                // Git sees no rename to a name that something else had until then.
                let held: BTreeSet<Vec<u8>> = tree.keys().cloned().collect();
                for _ in 0..=self.random.below(3) {
                    self.change(&mut tree, &held, parents.len() > 1);
                }
            }
            self.commits.push((tree, parents));
        }
        // One head that holds them all.
        if self.merges {
            let children: BTreeSet<usize> =
                self.commits.iter().flat_map(|(_, parents)| parents.clone()).collect();
            let heads: Vec<usize> =
                (0..self.commits.len()).filter(|at| !children.contains(at)).collect();
            let tree = self.commits[heads[heads.len() - 1]].0.clone();
            self.commits.push((tree, heads.into_iter().rev().collect()));
        }
        self
    }

    /// Takes over what another line has: one side's files, or others that are neither's.
    fn merge(&mut self, tree: &mut Tree, parents: &mut Vec<usize>) {
        let other = self.random.below(self.commits.len());
        if parents.contains(&other) {
            return;
        }
        parents.push(other);
        let theirs = self.commits[other].0.clone();
        let names: BTreeSet<Vec<u8>> = tree.keys().chain(theirs.keys()).cloned().collect();
        for name in names {
            match self.random.below(5) {
                0 | 1 => {}
                2 | 3 => match theirs.get(&name) {
                    Some(content) => drop(tree.insert(name, content.clone())),
                    None => drop(tree.remove(&name)),
                },
                _ => drop(tree.insert(name, self.random.content())),
            }
        }
    }

    fn change(&mut self, tree: &mut Tree, held: &BTreeSet<Vec<u8>>, merged: bool) {
        let is_free = |name: &&Vec<u8>| !tree.contains_key(*name) && !held.contains(*name);
        let free: Vec<_> = self.names.iter().filter(is_free).cloned().collect();
        let name = self.random.choose(tree.keys().cloned());
        match (self.random.below(8), name) {
            (0, Some(name)) => drop(tree.remove(&name)),
            (1 | 2, Some(name)) if self.renames && !merged => {
                let to = self.random.choose(free).unwrap();
                let mut content = tree.remove(&name).unwrap();
                if self.random.below(2) == 0 {
                    content[0] = format!("{:016x}", self.random.next());
                }
                self.left.insert(name);
                tree.insert(to, content);
            }
            (3..6, Some(name)) => {
                let line = self.random.below(8);
                tree.get_mut(&name).unwrap()[line] = format!("{:016x}", self.random.next());
            }
            _ => {
                let free = free.into_iter().filter(|name| !self.left.contains(name));
                if let Some(name) = self.random.choose(free) {
                    tree.insert(name, self.random.content());
                }
            }
        }
    }

    fn written(&mut self) -> Repository {
        let mut script = Vec::new();
        for at in 0..self.commits.len() {
            // Nothing follows from the dates of authors.
            let authored = self.random.below(2_000_000_000);
            let (tree, parents) = &self.commits[at];
            writeln!(script, "commit refs/heads/main\nmark :{}", at + 1).unwrap();
            writeln!(script, "author A <a@x> {authored} +0000").unwrap();
            writeln!(script, "committer C <c@x> {} +0000\ndata 0", 1_000_000_000 + at).unwrap();
            if parents.is_empty() {
                writeln!(script, "deleteall").unwrap();
            }
            for (number, parent) in parents.iter().enumerate() {
                let word = if number == 0 { "from" } else { "merge" };
                writeln!(script, "{word} :{}", parent + 1).unwrap();
            }
            writeln!(script, "deleteall").unwrap();
            for (name, content) in tree {
                script.extend(b"M 100644 inline \"");
                script.extend(name.iter().flat_map(|byte| format!("\\{byte:03o}").into_bytes()));
                let content = content.join("\n");
                write!(script, "\"\ndata {}\n{content}\n", content.len()).unwrap();
            }
            writeln!(script, "reset refs/tags/c{at}\nfrom :{}\n", at + 1).unwrap();
        }
        let repository = Repository::new();
        repository.import(&script);
        repository
    }
}

async fn fresh(git: &Git, head: &str) -> Times {
    walk(git, head).await.unwrap().into_times()
}

fn of_bytes(times: &Times, name: &[u8], directory: bool) -> Option<(SystemTime, SystemTime)> {
    let known = times.of_bytes(name, directory)?;
    Some((known.created, known.modified))
}

fn spans(dates: Option<(i64, i64)>) -> Option<(SystemTime, SystemTime)> {
    dates.map(|(first, last)| (time(first), time(last)))
}

const FOLDERS: [&[u8]; 3] = [b".", b"in", b"in/an \"other\n"];

#[tokio::test]
async fn times_are_what_git_says_of_each_path() {
    for seed in 0..6 {
        let mut story = Story::new(seed, false, true).tell(40);
        let repository = story.written();
        let git = repository.runner().await;
        let times = fresh(&git, "main").await;
        assert_eq!(git.spawned(), 1);
        let mut known = 0;
        for name in &story.names {
            let said = asked(
                &repository,
                &[b"--full-history", b"--no-renames", b"--date-order", b"main", b"--", name],
            );
            known += usize::from(said.is_some());
            let told = of_bytes(&times, name, false);
            assert_eq!(told, spans(said), "{seed}: {}", name.escape_ascii());
        }
        assert!(known > 15, "{known}");
        for folder in FOLDERS {
            let said = asked(
                &repository,
                &[b"--full-history", b"--no-renames", b"--date-order", b"main", b"--", folder],
            );
            let own = if folder == b"." { b"" } else { folder };
            assert_eq!(of_bytes(&times, own, true), spans(said), "{seed}: {folder:?}");
        }
    }
}

#[tokio::test]
async fn files_are_followed_through_their_names() {
    for seed in 100..106 {
        let mut story = Story::new(seed, true, false).tell(60);
        let repository = story.written();
        let git = repository.runner().await;
        let times = fresh(&git, "main").await;
        let tree = &story.commits.last().unwrap().0;
        assert!(story.left.len() > 5 && tree.len() > 2);
        for name in tree.keys() {
            let said = asked(&repository, &[b"--follow", b"main", b"--", name]);
            let told = of_bytes(&times, name, false);
            assert_eq!(told, spans(said), "{seed}: {}", name.escape_ascii());
        }
        for folder in FOLDERS {
            let said = asked(&repository, &[b"--no-renames", b"main", b"--", folder]);
            let own = if folder == b"." { b"" } else { folder };
            assert_eq!(of_bytes(&times, own, true), spans(said), "{seed}: {folder:?}");
        }
    }
}

#[tokio::test]
async fn times_that_are_extended_are_those_of_a_walk_over_all() {
    for seed in 200..224 {
        // Whose history it is that a file had before two branches renamed it apart is anybody's guess.
        let mut story = Story::new(seed, seed % 2 == 0, seed % 2 != 0).tell(40);
        let repository = story.written();
        let git = repository.runner().await;
        let head = repository.id("main");
        let expected = fresh(&git, "main").await;
        for _ in 0..4 {
            let at = story.random.below(story.commits.len() - 1);
            let history = History::default();
            let older = repository.id(&format!("c{at}"));
            drop(history.times(&git, &older).await.unwrap());
            let before = git.spawned();
            let times = history.times(&git, &head).await.unwrap();
            assert_eq!(git.spawned(), before + 1);
            assert_eq!(times.sorted(), expected.sorted(), "{seed}: from {at}");
        }
    }
}

/// A script for `git fast-import`: each commit by its mark, its parents, and what it does.
fn script(commits: &[(u32, &str, &str)]) -> Vec<u8> {
    let mut script = String::new();
    for (mark, parents, changes) in commits {
        let message = format!("{mark}: ü\n\nR100\n");
        script += &format!("commit refs/heads/main\nmark :{mark}\n");
        script +=
            &format!("author Ä \"B\" <a@x> {mark}000 +0130\ncommitter C <c@x> {mark}001 -0200\n");
        script += &format!("data {}\n{message}", message.len());
        for (number, parent) in parents.split_whitespace().enumerate() {
            script += &format!("{} :{parent}\n", if number == 0 { "from" } else { "merge" });
        }
        script += &format!("{changes}\n");
    }
    script.into_bytes()
}

const TEXT: &str = "M 100644 inline a\ndata 24\n1\n2\n3\n4\n5\n6\n7\n8\n9\nabcde\n";
const EDITED: &str = "M 100644 inline b\ndata 24\n1\n2\n3\n4\n5\n6\n7\n8\n9\nabcdx\n";

fn known(times: &Times, path: &str) -> Option<(u64, u64)> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    times.of(path).map(|known| (seconds(known.created), seconds(known.modified)))
}

#[tokio::test]
async fn a_branch_that_knew_a_file_by_its_old_name_touches_the_new_one() {
    let repository = Repository::new();
    // 3 renames, 4 edits under the old name on a branch beside, 5 joins both.
    let side = TEXT.replace("1\n2", "x\n2");
    let both = EDITED.replace("1\n2", "x\n2");
    let other = "M 100644 inline z\ndata 1\nz\n";
    repository.import(&script(&[
        (1, "", other),
        (2, "1", TEXT),
        (3, "2", "R a b"),
        (4, "2", &side),
        (5, "3 4", &both),
        (6, "5", TEXT),
        (7, "6", "D b"),
    ]));
    let git = repository.runner().await;
    let times = fresh(&git, "main~2").await;
    assert_eq!(known(&times, "b"), Some((2000, 5000)));
    assert_eq!(known(&times, "z"), Some((1000, 1000)));
    // A file that is later made at the old name has a history of its own, and one that is gone keeps its.
    let times = fresh(&git, "main").await;
    assert_eq!(known(&times, "a"), Some((6000, 6000)));
    assert_eq!(known(&times, "b"), Some((2000, 7000)));
    assert_eq!(times.of("never"), None);
    let history = History::default();
    for older in ["main~3", "main~2", "main~1", "main"] {
        let extended = history.times(&git, &repository.id(older)).await.unwrap();
        assert_eq!(extended.sorted(), fresh(&git, older).await.sorted(), "{older}");
    }
}

#[tokio::test]
async fn a_head_that_is_asked_about_again_costs_nothing_and_one_beside_a_walk_over_all() {
    let repository = Repository::new();
    repository.import(&script(&[(1, "", TEXT), (2, "1", "R a b"), (3, "1", "D a")]));
    let git = repository.runner().await;
    let history = History::default();
    let [one, two] = [repository.id("main~1"), repository.id("main")];
    let (first, second) = futures::join!(history.times(&git, &one), history.times(&git, &one));
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
    assert_eq!(git.spawned(), 1);
    let back = history.times(&git, &two).await.unwrap();
    assert_eq!(git.spawned(), 2);
    assert_eq!(known(&back, "a"), Some((1000, 3000)));
    // No commit is new, so the one known is none of its ancestors.
    let back = history.times(&git, &one).await.unwrap();
    assert_eq!((git.spawned(), known(&back, "a")), (4, Some((1000, 1000))));
    let gone: Oid = "1".repeat(40).parse().unwrap();
    history.cached.lock().await.as_mut().unwrap().0 = gone.clone();
    assert_eq!(known(&history.times(&git, &two).await.unwrap(), "a"), Some((1000, 3000)));
    assert_eq!(history.times(&git, &gone).await.unwrap_err().kind(), ErrorKind::Corrupted);
}

const A: &str = "8c7b55fc6012c0d0f14dc237023fa93af977e87e";
const B: &str = "6fffe05346b98e58dac8d5bedc1e09adfbd98f34";

/// Each entry in short: commits with what else they have, changes with the names before and since.
fn told(printed: &[u8], more: usize) -> Result<Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "~");
    let mut all = Vec::new();
    let mut rest = printed;
    while let Some((entry, behind)) = entries::next(rest, more)? {
        all.push(match entry {
            Entry::Commit(head, fields) => {
                let parents: Vec<&str> = head.parents().map(|parent| &parent[..4]).collect();
                let (authored, committed) = (head.authored, head.committed);
                format!("{} {authored} {committed} {parents:?} {}", &head.id[..4], text(fields))
            }
            Entry::Change(change) => {
                let before: Vec<String> = change.names_before().map(text).collect();
                format!("{before:?} {} {}", text(change.path()), change.is_merged())
            }
        });
        rest = behind;
    }
    Ok(all)
}

#[test]
fn a_log_is_read_field_by_field() {
    let printed = format!(
        "commit {A} 20 21 {B} {A}\0\0MR\0b\0a\0b\0RRD\0x\0y\0z\0w\0commit {B} 10 11 \0\
         \nR087\0commit 1 2 3\0new\nline\0T\0R100\0C100\0from\0to\0D\0M\0\0commit {A} 1 2 \0"
    );
    let entries = [
        "8c7b 20 21 [\"6fff\", \"8c7b\"] ",
        "[\"a\"] b true",
        "[\"x\", \"y\"] w true",
        "6fff 10 11 [] ",
        "[\"commit 1 2 3\"] new\nline false",
        "[] R100 false",
        "[] to false",
        "[] M false",
        "8c7b 1 2 [] ",
    ];
    assert_eq!(told(printed.as_bytes(), 0).unwrap(), entries);
    let printed = format!(
        "commit {A} 1 2 \0an\0\0commit {B}\n\nR100\n\0\0commit {B} 1 2 {A}\0\0\0\0\nA\0a\0"
    );
    let entries = [
        format!("8c7b 1 2 [] an~~commit {B}\n\nR100\n"),
        "6fff 1 2 [\"8c7b\"] ~~".to_owned(),
        "[] a false".to_owned(),
    ];
    assert_eq!(told(printed.as_bytes(), 3).unwrap(), entries);
}

#[test]
fn dates_that_no_clock_shows_are_read_all_the_same() {
    for (dates, authored, committed) in [
        ("-5 -6", -5, -6),
        (" 7", 7, 7),
        (" ", 0, 0),
        ("12 ", 12, 0),
        ("99999999999999999999 18446744073709551615", i64::MAX, i64::MAX),
    ] {
        let told = told(format!("commit {A} {dates} \0").as_bytes(), 0).unwrap();
        assert_eq!(told, [format!("8c7b {authored} {committed} [] ")], "{dates:?}");
    }
    assert_eq!(time(-5), SystemTime::UNIX_EPOCH - Duration::from_secs(5));
    assert!(time(i64::MAX) > time(1) && time(i64::MIN) < time(-1));
}

#[tokio::test]
async fn entries_are_whole_however_they_arrive_and_what_is_none_is_an_error() {
    let printed = format!("commit {A} 1 2 {B}\0\0MR\0b\0a\0b\0commit {B} 1 2 \0\nR100\0a\0b\n\0\0");
    for size in 1..printed.len() {
        let pieces: Vec<_> = printed
            .as_bytes()
            .chunks(size)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let mut count = 0;
        let counting = |_: Entry<'_>| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        };
        entries::each(stream::iter(pieces).boxed(), 0, counting).await.unwrap();
        assert_eq!(count, 4, "{size}");
    }
    for printed in
        ["commit \0", "commit abc 1\0", "warning\0", "100\0", "M1x\0a\0", "M", "M\0a", "R100\0a\0"]
    {
        let pieces = [Ok(Bytes::from_static(printed.as_bytes()))];
        let going_on = |_: Entry<'_>| std::ops::ControlFlow::Continue(());
        let told = entries::each(stream::iter(pieces).boxed(), 0, going_on).await;
        assert_eq!(told.unwrap_err().kind(), ErrorKind::Internal, "{printed:?}");
    }
}

#[tokio::test]
async fn a_nonsense_date_is_the_date_of_the_commit() {
    let repository = Repository::new();
    repository.import(&script(&[(1, "", TEXT)]));
    let whole = String::from_utf8(repository.git(&["cat-file", "commit", "main"])).unwrap();
    for (date, expected) in [("nonsense", 1001), ("-5 +0000", 1001), ("12 +0000", 12)] {
        let forged = whole.replace("1000 +0130", date);
        let id = repository.feed(
            &["hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
            forged.as_bytes(),
        );
        let times =
            fresh(&repository.runner().await, std::str::from_utf8(&id).unwrap().trim()).await;
        assert_eq!(known(&times, "a"), Some((expected, expected)), "{date}");
    }
}

fn path(text: &str) -> FilePath {
    FilePath::parse(text).unwrap()
}

/// Marks and paths of the commits that are told of.
fn marks(revisions: &[Revision]) -> Vec<(&str, &str)> {
    revisions
        .iter()
        .map(|one| (one.message.split(':').next().unwrap(), one.path.as_str()))
        .collect()
}

#[tokio::test]
async fn a_log_follows_a_file_and_tells_all_about_commits() {
    let repository = Repository::new();
    let odd = "-n\"e\nw*";
    repository.import(&script(&[
        (1, "", "M 100644 inline z\ndata 1\nz\n"),
        (2, "1", TEXT),
        (3, "2", "R a d/b"),
        (4, "3", ""),
        (5, "2", "M 100644 inline side\ndata 1\ns\n"),
        (6, "4 5", "M 100644 inline side\ndata 1\ns\nM 100644 inline z\ndata 1\ny\n"),
        (7, "6", "R d/b \"-n\\\"e\\nw*\""),
        (8, "7", "D side"),
    ]));
    let git = repository.runner().await;
    let head = repository.id("main");
    let all = log(&git, Some(&head), &path(odd), None).await.unwrap();
    assert_eq!(marks(&all), [("7", odd), ("3", "d/b"), ("2", "a")]);
    assert_eq!(git.spawned(), 1);
    let last = &all[0];
    assert_eq!(last.id, repository.id("main~1").as_str());
    assert_eq!((last.author_name.as_str(), last.author_email.as_str()), ("Ä \"B\"", "a@x"));
    assert_eq!((last.authored_at, last.committed_at), (time(7000), time(7001)));
    assert_eq!(last.message, "7: ü\n\nR100");
    let json = serde_json::to_value(last).unwrap();
    assert_eq!(json["authored_at"], "1970-01-01T01:56:40Z");
    assert_eq!(json["path"], odd);

    let of = async |name: &str, limit| log(&git, Some(&head), &path(name), limit).await;
    assert_eq!(marks(&of("z", None).await.unwrap()), [("6", "z"), ("1", "z")]);
    assert_eq!(marks(&of("d", None).await.unwrap()), [("7", "d"), ("3", "d")]);
    assert_eq!(marks(&of("side", Some(1)).await.unwrap()), [("8", "side")]);
    assert_eq!(marks(&of("side", Some(2)).await.unwrap()), [("8", "side"), ("5", "side")]);
    assert_eq!(of("side", Some(0)).await.unwrap(), []);
    let whole = of("", None).await.unwrap();
    let order: Vec<_> = marks(&whole).into_iter().map(|(mark, _)| mark).collect();
    assert_eq!(order, ["8", "7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(marks(&of("", Some(2)).await.unwrap()), [("8", ""), ("7", "")]);
    for unknown in ["nothing", "*", ":", "z/x"] {
        let error = of(unknown, None).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, Some(unknown)));
    }
}

#[tokio::test]
async fn before_the_first_commit_there_is_no_log() {
    let git = Repository::new();
    let git = git.runner().await;
    assert_eq!(log(&git, None, &FilePath::root(), None).await.unwrap(), []);
    let error = log(&git, None, &path("a"), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_file_is_read_as_it_was() {
    let repository = Repository::new();
    let odd = "in/q\"u\no:te {x} missing";
    repository.import(&script(&[
        (1, "", "M 100644 inline a\ndata 4\none\n\nM 100644 inline empty\ndata 0\n"),
        (
            2,
            "1",
            &format!(
                "M 100755 inline a\ndata 3\ntwo\nM 120000 inline in/link\ndata 4\n../a\n\
                 M 160000 {A} in/module\nM 100644 inline \"in/q\\\"u\\no:te {{x}} missing\"\ndata 5\n\0x\ny\n"
            ),
        ),
    ]));
    repository.git(&["tag", "-a", "-m", "t", "v1", "main~1"]);
    let git = repository.runner().await;
    let read = async |name: &str, revision: &str| read_at(&git, &path(name), revision).await;
    for revision in ["main~1", "v1", "HEAD^", "v1^{tree}", "@^{commit}~1", "main^{/^1.}"] {
        assert_eq!(read("a", revision).await.unwrap(), "one\n", "{revision}");
    }
    let before = git.spawned();
    assert_eq!(read("a", "main").await.unwrap(), "two");
    assert_eq!(git.spawned(), before + 1);
    assert_eq!(read("in/link", repository.id("main").as_str()).await.unwrap(), "../a");
    assert_eq!(read(odd, "main").await.unwrap(), "\0x\ny\n");
    assert_eq!(read("empty", "main").await.unwrap(), "");
    for (name, kind) in [
        ("", ErrorKind::IsADirectory),
        ("in", ErrorKind::IsADirectory),
        ("in/module", ErrorKind::NotAFile),
        ("in/module/x", ErrorKind::NotFound),
        ("in/link/x", ErrorKind::NotFound),
        ("a/x", ErrorKind::NotFound),
        ("no\nthing", ErrorKind::NotFound),
        ("no/thing", ErrorKind::NotFound),
    ] {
        let error = read(name, "main").await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (kind, Some(name)), "{name:?}");
    }
    assert_eq!(read("in/link", "main~1").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_no_revision_is_refused_by_name() {
    let repository = Repository::new();
    repository.import(&script(&[(1, "", TEXT)]));
    let git = repository.runner().await;
    let foreign = [
        "",
        "-h",
        "--batch",
        ":a",
        "main:a",
        ":/1",
        "main a",
        "ma\nin",
        "ma\0in",
        "main\u{7f}",
        "\u{2003}main",
    ];
    for revision in foreign {
        let error = read_at(&git, &path("a"), revision).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{revision:?}");
    }
    assert_eq!(git.spawned(), 0);
    for revision in
        ["nothing", "main~1", "main..main", "main@{9}", "^main", &A[..12], A, "main^{/x", "{"]
    {
        let error = read_at(&git, &path("a"), revision).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{revision:?}");
        assert!(error.message().unwrap().contains(revision), "{error}");
    }
    let blob = String::from_utf8(repository.git(&["rev-parse", "main:a"])).unwrap();
    let error = read_at(&git, &path("a"), blob.trim()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn names_are_forgotten_only_when_no_branch_is_left_beside() {
    let told = async |commits: &[(u32, &str, &str)], path: &str| {
        let repository = Repository::new();
        repository.import(&script(commits));
        known(&fresh(&repository.runner().await, "main").await, path)
    };
    // Both branches rename it in the same way.
    let same = [(1, "", TEXT), (2, "1", "R a b"), (3, "1", "R a b"), (4, "2 3", "")];
    assert_eq!(told(&same, "b").await, Some((1000, 3000)));
    // The new name of one file is the former one of another, beside a branch that touches neither.
    let former = TEXT.replace("inline a", "inline b").replace("abcde", "other");
    let text = TEXT.replace("1\n2\n3\n4\n5\n6\n7", "q\nw\ne\nr\nt\ny\nu");
    let beside = "M 100644 inline z\ndata 1\nz\n";
    let reused = [
        (1, "", former.as_str()),
        (2, "1", "R b d"),
        (3, "2", &text),
        (4, "3", "R a b"),
        (5, "1", beside),
        (6, "4 5", beside),
    ];
    assert_eq!(told(&reused, "d").await, Some((1000, 2000)));
    assert_eq!(told(&reused, "b").await, Some((3000, 4000)));
}

#[tokio::test]
async fn a_commit_is_newer_than_its_parent_whatever_its_date() {
    let repository = Repository::new();
    repository.import(&script(&[(5, "", TEXT), (3, "5", &TEXT.replace("abc", "xyz"))]));
    let git = repository.runner().await;
    let history = History::default();
    drop(history.times(&git, &repository.id("main~1")).await.unwrap());
    let times = history.times(&git, &repository.id("main")).await.unwrap();
    assert_eq!(known(&times, "a"), Some((5000, 3000)));
}
