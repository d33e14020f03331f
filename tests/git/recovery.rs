//! A repository is found in a state that a crash or a mistake left. It is repaired without losing a byte, or refused with a reason and
//! not changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use f9::prelude::*;
use f9::{ErrorKind, GitConfig, GitSyncFileBackend, GitTimeouts};

use crate::cli;
use crate::clock::HANGS;
use crate::clones::{Clones, opened};
use crate::history::reachable_contents;
use crate::kills::{gits_in, wait_for_gits};
use crate::machine::{self, Mount};
use crate::remote::{Change, Remote};

fn letters() -> Clones {
    let files = ["a", "b", "c", "d/e", "d/f"];
    Clones::of(Remote::with(&files.map(|path| Change::write(path, format!("first {path}\n")))))
}

/// Returns every file of a working tree.
fn files(root: &Path) -> BTreeMap<String, String> {
    let (mut files, mut waiting) = (BTreeMap::new(), vec![String::new()]);
    while let Some(prefix) = waiting.pop() {
        for entry in fs::read_dir(root.join(&prefix)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_file() {
                files.insert(path, fs::read_to_string(entry.path()).unwrap());
            } else if path != ".git" {
                waiting.push(format!("{path}/"));
            }
        }
    }
    files
}

fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(path, content)| (path.to_owned(), content.to_owned())).collect()
}

async fn refusal(config: GitConfig) -> f9::Error {
    GitSyncFileBackend::open(config).await.unwrap_err()
}

pub(crate) fn with_short_lock_timeout(config: GitConfig) -> GitConfig {
    config.with_timeouts(GitTimeouts::default().with_lock(Duration::from_millis(50)))
}

/// Turns a clone into one whose process died during the first checkout.
fn leave_unfinished_checkout(root: &Path) {
    let git_dir = root.join(".git");
    for name in ["index", "refs/heads/main", "f9/ready"] {
        drop(fs::remove_file(git_dir.join(name)));
    }
    fs::write(git_dir.join("index.lock"), "DIRC").unwrap();
    fs::remove_file(root.join("d/f")).unwrap();
    fs::write(root.join("d/e"), "fir").unwrap();
}

#[tokio::test]
async fn a_clone_killed_during_the_transfer_is_finished() {
    let clones = letters();
    let config = clones.config("mine");
    let git_dir = config.path.join(".git");
    fs::create_dir_all(git_dir.join("f9/home")).unwrap();
    fs::write(git_dir.join("f9/cloning"), "null").unwrap();
    // Before, while and after `git init`.
    for begun in [false, true] {
        if begun {
            fs::remove_dir_all(&config.path).unwrap();
            fs::create_dir_all(&config.path).unwrap();
            cli::run(&config.path, ["init", "-q", "--template=", "-b", "main"]);
            fs::create_dir_all(git_dir.join("f9/home")).unwrap();
            fs::write(git_dir.join("f9/cloning"), "null").unwrap();
            fs::write(git_dir.join("objects/pack/tmp_pack_x1"), "PACK").unwrap();
        }
        drop(opened(config.clone()).await);
        assert_eq!(files(&config.path).len(), 5);
        assert_eq!(cli::run(&config.path, ["status", "--porcelain"]), "");
    }
}

#[tokio::test]
async fn a_clone_killed_during_the_checkout_is_finished_with_the_current_remote() {
    let clones = letters();
    let config = clones.config("mine");
    drop(opened(config.clone()).await);
    leave_unfinished_checkout(&config.path);
    fs::write(config.path.join(".git/f9/cloning"), "null").unwrap();
    // The files that the first attempt wrote must not be published as local ones.
    let head = clones.remote.commit(&[Change::delete("a"), Change::write("b", "second b\n")]);
    let mine = opened(config.clone()).await;
    let expected = of(&[
        ("b", "second b\n"),
        ("c", "first c\n"),
        ("d/e", "first d/e\n"),
        ("d/f", "first d/f\n"),
    ]);
    assert_eq!(files(&config.path), expected);
    mine.push("Nothing").await.unwrap();
    assert_eq!(clones.remote.main().head(), Some(head));
}

#[tokio::test]
async fn a_git_clone_killed_during_the_checkout_is_refused_and_unchanged() {
    let clones = letters();
    let config = clones.config("mine");
    cli::run(config.path.parent().unwrap(), ["clone", "-q", &config.remote_url, "mine"]);
    fs::remove_file(config.path.join(".git/index")).unwrap();
    fs::write(config.path.join(".git/index.lock"), "DIRC").unwrap();
    fs::remove_file(config.path.join("d/f")).unwrap();
    let before = files(&config.path);
    for _ in 0..2 {
        let error = refusal(config.clone()).await;
        assert_eq!(error.kind(), ErrorKind::InvalidOperation);
        assert!(error.to_string().contains("the clone was never finished"), "{error}");
        assert_eq!(files(&config.path), before);
    }
    // The command that the error suggests helps.
    cli::run(&config.path, ["reset", "-q", "--hard"]);
    drop(opened(config.clone()).await);
    assert_eq!(files(&config.path).len(), 5);
}

#[tokio::test]
async fn a_git_clone_killed_during_the_transfer_is_merged_with_the_remote() {
    let clones = letters();
    let config = clones.config("mine");
    cli::run(config.path.parent().unwrap(), ["init", "-q", "-b", "main", "mine"]);
    cli::run(&config.path, ["remote", "add", "origin", &config.remote_url]);
    fs::write(config.path.join(".git/objects/pack/tmp_pack_x1"), "PACK").unwrap();
    let mine = opened(config.clone()).await;
    mine.create("mine", "mine").await.unwrap();
    mine.sync("Mine").await.unwrap();
    assert_eq!(files(&config.path).len(), 6);
    assert_eq!(clones.remote.main().tree().len(), 6);
}

#[tokio::test]
async fn lock_files_of_a_dead_git_are_removed() {
    let clones = letters();
    let mine = clones.open("mine").await;
    let git_dir = mine.root().join(".git");
    for (number, name) in [
        "index.lock",
        "HEAD.lock",
        "ORIG_HEAD.lock",
        "config.lock",
        "packed-refs.lock",
        "refs/heads/main.lock",
        "refs/remotes/origin/main.lock",
        "f9/index.lock",
    ]
    .into_iter()
    .enumerate()
    {
        clones.remote.commit(&[Change::write("b", format!("{number}"))]);
        fs::write(git_dir.join(name), "").unwrap();
        mine.create(&format!("new {number}"), "new").await.unwrap();
        mine.pull().await.unwrap();
        assert!(!git_dir.join(name).exists(), "{name}");
        fs::write(git_dir.join(name), "").unwrap();
        mine.push("New").await.unwrap();
        fs::write(git_dir.join(name), "").unwrap();
        drop(clones.open("mine").await);
        assert!(!git_dir.join(name).exists(), "{name}");
    }
    assert_eq!(clones.remote.main().tree().len(), 5 + 8);
}

/// A git process in a directory. Dropping this ends it.
pub(crate) struct Foreign(Child);

impl Foreign {
    pub(crate) fn start(dir: &Path) -> Self {
        let mut git = cli::git(dir);
        git.args(["hash-object", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let child = git.spawn().unwrap();
        let deadline = Instant::now() + HANGS;
        while gits_in(dir).is_empty() {
            assert!(Instant::now() < deadline, "git does not start");
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn the_lock_of_a_running_git_is_waited_for_and_kept() {
    let clones = letters();
    let mine = clones.open("mine").await;
    mine.create("new", "new").await.unwrap();
    let config = with_short_lock_timeout(clones.config("mine"));
    let hurried = opened(config.clone()).await;
    let lock = mine.root().join(".git/index.lock");
    fs::write(&lock, "DIRC").unwrap();
    let foreign = Foreign::start(mine.root());
    for error in [
        hurried.push("x").await.unwrap_err(),
        hurried.pull().await.unwrap_err(),
        refusal(config.clone()).await,
    ] {
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.to_string().contains("index.lock"), "{error}");
    }
    assert_eq!(fs::read_to_string(&lock).unwrap(), "DIRC");
    assert_eq!(mine.read("new").await.unwrap(), "new");
    drop(foreign);
    mine.push("x").await.unwrap();
    assert_eq!(clones.remote.main().file("new").unwrap(), b"new");
}

#[tokio::test]
async fn a_lock_left_at_the_remote_by_a_killed_push_is_reported_and_nothing_is_lost() {
    let clones = letters();
    let soon = GitTimeouts::default().with_lock(HANGS).with_push(Duration::from_millis(50));
    let hurried = opened(clones.config("mine").with_timeouts(soon)).await;
    let mine = clones.open("mine").await;
    // A push locks `HEAD`, too, which is the branch.
    for (number, name) in ["refs/heads/main.lock", "HEAD.lock"].into_iter().enumerate() {
        let (lock, file) = (clones.remote.path().join(name), format!("new {number}"));
        fs::write(&lock, "").unwrap();
        mine.create(&file, "new").await.unwrap();
        let Err(error) = hurried.push("New").await else {
            // Git 2.55 needs only the lock of the branch.
            assert_eq!(name, "HEAD.lock");
            continue;
        };
        assert_eq!(error.kind(), ErrorKind::Contention, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(lock.exists());
        // Whoever waits gets through when it is removed.
        let (pushed, ()) = tokio::join!(mine.push("New"), async {
            fs::remove_file(lock).unwrap();
        });
        pushed.unwrap();
        assert_eq!(clones.remote.main().file(&file).unwrap(), b"new");
    }
}

/// Creates a tree whose process died during a checkout: some files are new, some old, some half-written.
async fn half_checked_out(clones: &Clones, name: &str) -> PathBuf {
    let mine = clones.open(name).await;
    let root = mine.root().to_owned();
    drop(mine);
    let from = cli::run(&root, ["rev-parse", "HEAD"]);
    let to = clones.remote.commit(&[
        Change::write("a", "second a\n"),
        Change::write("b", "second b, and long\n"),
        Change::delete("c"),
        Change::write("d/e", "second e\n"),
        Change::write("new/g", "second g\n"),
        Change::write("new/h", "second h\n"),
    ]);
    cli::run(&root, ["fetch", "-q"]);
    fs::write(root.join(".git/f9/journal"), format!(r#"{{"from":"{from}","to":"{to}"}}"#)).unwrap();
    fs::write(root.join(".git/index.lock"), "DIRC").unwrap();
    fs::write(root.join("a"), "second a\n").unwrap();
    // In this order: half-written, deleted, edited by a user, new, and new but half-written.
    fs::write(root.join("b"), "second b, a").unwrap();
    fs::remove_file(root.join("c")).unwrap();
    fs::write(root.join("d/e"), "by somebody\n").unwrap();
    fs::create_dir(root.join("new")).unwrap();
    fs::write(root.join("new/g"), "second g\n").unwrap();
    fs::write(root.join("new/h"), "").unwrap();
    root
}

async fn assert_rolled_back(clones: &Clones, mine: GitSyncFileBackend, status: &str) {
    let root = mine.root();
    let expected = of(&[
        ("a", "first a\n"),
        ("b", "first b\n"),
        ("c", "first c\n"),
        ("d/e", "by somebody\n"),
        ("d/f", "first d/f\n"),
    ]);
    assert_eq!(files(root), expected);
    assert!(!root.join(".git/f9/journal").exists());
    assert_eq!(cli::run(root, ["status", "--porcelain"]), status);
    let error = mine.pull().await.unwrap_err();
    assert_eq!((error.kind(), error.conflicts().len()), (ErrorKind::Conflict, 1));
    mine.conflict_accept_local("d/e").await.unwrap();
    mine.sync("Resolved").await.unwrap();
    let expected = of(&[
        ("a", "second a\n"),
        ("b", "second b, and long\n"),
        ("d/e", "by somebody\n"),
        ("d/f", "first d/f\n"),
        ("new/g", "second g\n"),
        ("new/h", "second h\n"),
    ]);
    assert_eq!(files(root), expected);
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_half_finished_checkout_is_rolled_back_on_open() {
    let clones = letters();
    half_checked_out(&clones, "mine").await;
    assert_rolled_back(&clones, clones.open("mine").await, " M d/e").await;
}

#[tokio::test]
async fn a_half_finished_checkout_is_rolled_back_by_an_open_backend() {
    for does in ["read", "write", "list", "pull"] {
        let clones = letters();
        let mine = clones.open("mine").await;
        half_checked_out(&clones, "mine").await;
        match does {
            "read" => assert_eq!(mine.read("b").await.unwrap(), "first b\n"),
            "write" => drop(mine.update("d/e", "by somebody\n").await.unwrap()),
            "list" => assert_eq!(mine.glob("new/*").await.unwrap(), [""; 0]),
            _ => assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict),
        }
        // A pull commits the edited file.
        assert_rolled_back(&clones, mine, if does == "pull" { "" } else { " M d/e" }).await;
    }
}

#[tokio::test]
async fn the_journal_of_a_complete_checkout_changes_nothing() {
    let clones = letters();
    let mine = clones.open("mine").await;
    let from = cli::run(mine.root(), ["rev-parse", "HEAD"]);
    let to = clones.remote.commit(&[Change::write("a", "second a\n"), Change::delete("b")]);
    mine.pull().await.unwrap();
    mine.update("a", "mine\n").await.unwrap();
    let expected = files(mine.root());
    let journal = mine.root().join(".git/f9/journal");
    fs::write(&journal, format!(r#"{{"from":"{from}","to":"{to}"}}"#)).unwrap();
    assert_eq!(mine.read("a").await.unwrap(), "mine\n");
    assert!(!journal.exists());
    assert_eq!(files(mine.root()), expected);
    assert_eq!(cli::run(mine.root(), ["status", "--porcelain"]), " M a");
}

#[tokio::test]
async fn a_checkout_before_the_first_commit_is_rolled_back() {
    let clones = Clones::of(Remote::empty());
    let mine = clones.open("mine").await;
    let root = mine.root().to_owned();
    mine.create("mine", "mine").await.unwrap();
    let to =
        clones.remote.commit(&[Change::write("a", "a\n"), Change::write("d/b", "b, and long\n")]);
    cli::run(&root, ["fetch", "-q"]);
    fs::write(root.join(".git/f9/journal"), format!(r#"{{"from":null,"to":"{to}"}}"#)).unwrap();
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/b"), "b, a").unwrap();
    let mine = {
        drop(mine);
        clones.open("mine").await
    };
    assert_eq!(files(&root), of(&[("mine", "mine")]));
    mine.sync("Both").await.unwrap();
    assert_eq!(files(&root), of(&[("a", "a\n"), ("d/b", "b, and long\n"), ("mine", "mine")]));
}

#[tokio::test]
async fn a_merge_or_rebase_in_progress_is_refused_and_kept() {
    let clones = letters();
    let mine = clones.open("mine").await;
    mine.update("a", "mine").await.unwrap();
    let git_dir = mine.root().join(".git");
    let head = cli::run(mine.root(), ["rev-parse", "HEAD"]);
    for (name, what) in [
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("BISECT_LOG", "bisect"),
    ] {
        let begun = git_dir.join(name);
        if what == "rebase" {
            fs::create_dir(&begun).unwrap();
        } else {
            fs::write(&begun, &head).unwrap();
        }
        for error in [
            mine.push("x").await.unwrap_err(),
            mine.pull().await.unwrap_err(),
            refusal(clones.config("mine")).await,
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{name}");
            assert!(
                error.to_string().contains(&format!("a `git {what}` is in progress")),
                "{error}"
            );
        }
        assert_eq!(mine.read("a").await.unwrap(), "mine");
        assert!(begun.exists());
        if what == "rebase" { fs::remove_dir(begun) } else { fs::remove_file(begun) }.unwrap();
    }
    assert_eq!(cli::run(mine.root(), ["rev-parse", "HEAD"]), head);
    mine.push("x").await.unwrap();
}

#[tokio::test]
async fn a_missing_index_is_restored_from_the_last_commit() {
    let clones = letters();
    let mine = clones.open("mine").await;
    mine.create("build/kept", "kept").await.unwrap();
    mine.push("Kept").await.unwrap();
    mine.create(".gitignore", "build\n").await.unwrap();
    mine.push("Ignored").await.unwrap();
    mine.update("a", "mine").await.unwrap();
    mine.delete("b").await.unwrap();
    for reopened in [false, true] {
        fs::remove_file(mine.root().join(".git/index")).unwrap();
        let opened = clones.open("mine").await;
        let mine = if reopened { &opened } else { &mine };
        mine.push("Mine").await.unwrap();
        let tree = clones.remote.main().tree();
        let expected = [".gitignore", "a", "build/kept", "c", "d/e", "d/f"];
        assert_eq!(tree, expected.map(|path| format!("100644 {path}")));
        assert_eq!(clones.remote.main().file("a").unwrap(), b"mine");
        assert_eq!(cli::run(mine.root(), ["status", "--porcelain"]), "");
    }
}

/// Damages a file of the repository at `root` and returns its path.
type Damage = fn(&Path) -> PathBuf;

/// What is damaged, the text that the error must contain, and the function that damages it.
const DAMAGES: [(&str, &str, Damage); 8] = [
    ("object", "loose object", |root| {
        let tree = cli::run(root, ["rev-parse", "HEAD^{tree}"]);
        let (start, rest) = tree.split_at(2);
        garbage(root.join(".git/objects").join(start).join(rest))
    }),
    ("index", "/index", |root| garbage(root.join(".git/index"))),
    ("empty index", "/index", |root| {
        fs::write(root.join(".git/index"), "").unwrap();
        root.join(".git/index")
    }),
    ("ref", "refs/heads/main", |root| garbage(root.join(".git/refs/heads/main"))),
    ("packed refs", "packed-refs", |root| {
        cli::run(root, ["pack-refs", "--all"]);
        garbage(root.join(".git/packed-refs"))
    }),
    ("journal", "`journal`", |root| garbage(root.join(".git/f9/journal"))),
    ("merge", "`merge.json`", |root| garbage(root.join(".git/f9/merge.json"))),
    ("head", "HEAD", |root| garbage(root.join(".git/HEAD"))),
];

fn garbage(file: PathBuf) -> PathBuf {
    drop(fs::remove_file(&file));
    fs::write(&file, "garbage\n").unwrap();
    file
}

#[tokio::test]
async fn a_damaged_file_is_named_and_not_changed() {
    for (what, name, damage) in DAMAGES {
        let clones = letters();
        let mine = clones.open("mine").await;
        let file = damage(mine.root());
        fs::write(mine.root().join("a"), "mine").unwrap();
        let damaged = (files(mine.root()), fs::read(&file).unwrap());
        let head = clones.remote.commit(&[Change::write("b", "second b\n")]);
        for error in [mine.pull().await.unwrap_err(), mine.push("x").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{what}: {error}");
            assert!(error.to_string().contains(name), "{what}: {error}");
        }
        let root = mine.root().to_owned();
        drop(mine);
        // Opening does not read every file; the next call may find the damage.
        if let Err(error) = GitSyncFileBackend::open(clones.config("mine")).await {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{what}: {error}");
        }
        assert!(damaged == (files(&root), fs::read(&file).unwrap()), "{what}");
        assert_eq!(clones.remote.main().head(), Some(head), "{what}");
    }
}

/// Fills the free space of a small disk.
fn fill(file: &Path) {
    let mut filler = fs::File::create(file).unwrap();
    while filler.write(&[0; 4096]).is_ok() {}
}

#[tokio::test]
async fn a_commit_on_a_full_disk_fails_and_loses_nothing() {
    let test = "a_commit_on_a_full_disk_fails_and_loses_nothing";
    let clones = letters();
    let config = clones.config("mine");
    fs::create_dir(&config.path).unwrap();
    let _disk = match Mount::new(&["-t", "tmpfs", "-o", "size=2m", "f9"], &config.path) {
        Ok(disk) => disk,
        Err(reason) => return machine::not_run(test, &reason.to_string()),
    };
    let mine = opened(config.clone()).await;
    let noise = fs::read("/proc/self/exe").unwrap()[..200_000].to_vec();
    mine.create("large", noise.clone()).await.unwrap();
    let filler = config.path.join(".git/filler");
    fill(&filler);
    let head = clones.remote.main().head();
    let error = mine.push("Large").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(mine.read("large").await.unwrap(), noise);
    let error = mine.create("more", noise.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    let other: Vec<Change> =
        (0..50).map(|i| Change::write(format!("theirs/{i}"), &noise[..i * 4000])).collect();
    assert_eq!(clones.remote.main().head(), head);
    clones.remote.commit(&other[..5]);
    let error = mine.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    fs::remove_file(filler).unwrap();
    mine.sync("Large").await.unwrap();
    let kept = reachable_contents(&clones.remote.path(), "main");
    assert!(kept.contains(&noise));
    assert_eq!(cli::run(&config.path, ["status", "--porcelain"]), "");
    cli::run(&config.path, ["fsck", "--strict", "--no-dangling"]);
    // Now the disk is full when git writes files of the tree.
    clones.remote.commit(&other[5..20]);
    fs::write(config.path.join("small"), "small").unwrap();
    let room = config.path.join(".git/filler");
    fill(&room);
    let size = fs::metadata(&room).unwrap().len();
    fs::File::options().write(true).open(&room).unwrap().set_len(size - 300_000).unwrap();
    let before = files_named(&config.path);
    let error = mine.pull().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(files_named(&config.path), before);
    fs::remove_file(room).unwrap();
    mine.sync("Small").await.unwrap();
    assert_eq!(clones.remote.main().file("small").unwrap(), b"small");
    assert_eq!(cli::run(&config.path, ["status", "--porcelain"]), "");
    wait_for_gits(&config.path);
}

/// Returns the paths and sizes of the files in a tree.
fn files_named(root: &Path) -> String {
    let mut find = Command::new("find");
    find.arg(root).args(["-path", "*/.git", "-prune", "-o", "-type", "f", "-printf", "%P %s\n"]);
    let found = cli::succeed(&mut find, b"");
    let text = String::from_utf8(found).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// A fetch that was killed while it unpacked leaves the remote's commit without its parent, so git cannot compare it.
#[tokio::test]
async fn a_remote_commit_without_its_parent_does_not_block_a_push() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let clone = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "two")]);
    let last = clones.remote.commit(&[Change::write("a", "three")]);
    let show = ["cat-file", "commit", &last];
    let commit = cli::succeed(cli::git(&clones.remote.path()).args(show), b"");
    let keep = ["hash-object", "-t", "commit", "-w", "--stdin"];
    let kept = cli::succeed(cli::git(clone.root()).args(keep), &commit);
    assert_eq!(kept.trim_ascii(), last.as_bytes());
    clone.create("b", "x").await.unwrap();
    clone.push("Add").await.unwrap();
    assert_eq!(clones.remote.main().file("b").unwrap(), b"x");
    assert_eq!(clone.read("a").await.unwrap(), "three");
}
