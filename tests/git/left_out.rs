//! Files of the branch that the file system cannot hold.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use f9::prelude::*;
use f9::{ErrorKind, GitSyncFileBackend};

use crate::cli;
use crate::clones::Clones;
use crate::remote::{Change, Remote};

/// The directory of the path that is too long.
const DIRECTORY: &str = "long";

/// A name that is too long, and a path that is too long.
fn too_long() -> [String; 2] {
    [
        format!("d/{}", "n".repeat(300)),
        format!("{DIRECTORY}/{}", vec!["p".repeat(100); 43].join("/")),
    ]
}

/// Returns the content of every file in the working tree.
async fn content(mine: &GitSyncFileBackend) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for path in mine.glob("**/*").await.unwrap() {
        if mine.info(&path).await.unwrap().is_dir() {
            continue;
        }
        let text = mine.read(&path).await.unwrap();
        found.insert(path.to_string(), String::from_utf8(text.to_vec()).unwrap());
    }
    found
}

fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// Asserts that the backend names the files that it left out, and that it keeps them in the branch.
async fn assert_left_out(clones: &Clones, mine: &GitSyncFileBackend, expected: &[String]) {
    let left_out = mine.left_out().await.unwrap();
    let paths: Vec<_> = left_out.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, expected);
    for file in left_out {
        let is_known = ["longer than", "git protects"].iter().any(|why| file.reason.contains(why));
        assert!(is_known, "{}", file.reason);
    }
    assert_eq!(mine.pull().await.unwrap().files_left_out, expected.len() as u64);
    let tree = clones.remote.main().tree();
    for path in expected {
        assert!(tree.contains(&format!("100644 {path}")), "{path} is gone");
    }
    assert_eq!(cli::run(mine.root(), ["status", "--short"]), "");
}

/// Asserts that the files `expected` are left out, also after merges, commits and pushes, in a new clone and after a restart.
async fn assert_all_goes_on(clones: &Clones, mine: &GitSyncFileBackend, expected: &[String]) {
    assert_left_out(clones, mine, expected).await;
    // Merges, commits and pushes go on.
    clones.remote.commit(&[Change::write("theirs", "x")]);
    mine.write("mine", "y").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_left_out(clones, mine, expected).await;
    mine.delete("mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    // A new clone and a restart find the same.
    let new = clones.open(&format!("new{}", clones.remote.main().head().unwrap())).await;
    assert_left_out(clones, &new, expected).await;
    assert_eq!(content(&new).await, content(mine).await);
    let again = clones.open("mine").await;
    assert_left_out(clones, &again, expected).await;
}

#[tokio::test]
async fn files_that_are_too_long_are_left_out_and_stay_in_the_branch() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/b", "b")]));
    let mine = clones.open("mine").await;
    let [name, path] = too_long();
    for (mut changes, expected) in [
        (vec![Change::write(&name, "long")], &[&name][..]),
        (vec![Change::write(&path, "long")], &[&name, &path]),
        (vec![Change::write(&name, "changed")], &[&name, &path]),
        (vec![Change::delete(&name)], &[&path]),
        (vec![Change::delete(DIRECTORY), Change::write(DIRECTORY, "a file")], &[]),
    ] {
        let expected: Vec<String> = expected.iter().map(|path| (*path).clone()).collect();
        changes.push(Change::write("a", "two"));
        clones.remote.commit(&changes);
        mine.pull().await.unwrap();
        assert_all_goes_on(&clones, &mine, &expected).await;
    }
    let last = files(&[("a", "two"), ("d/b", "b"), (DIRECTORY, "a file"), ("theirs", "x")]);
    assert_eq!(content(&mine).await, last);
    clones.remote.assert_sound();
}

#[tokio::test]
async fn a_checkout_that_fails_beside_a_file_that_is_too_long_is_rolled_back() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one")]));
    let [name, path] = too_long();
    clones.remote.commit(&[Change::write(&path, "old")]);
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "two"), Change::write(&name, "long")]);
    // Something that can be neither committed nor replaced is in the way.
    clones.remote.commit(&[Change::write("way", "theirs")]);
    let socket = std::os::unix::net::UnixListener::bind(mine.root().join("way")).unwrap();
    mine.pull().await.unwrap_err();
    assert_eq!(mine.read("a").await.unwrap(), "one");
    mine.write("b", "b").await.unwrap();
    drop(socket);
    fs::remove_file(mine.root().join("way")).unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(mine.read("way").await.unwrap(), "theirs");
    assert_left_out(&clones, &mine, &[name, path]).await;
}

#[tokio::test]
async fn a_conflict_at_a_path_that_is_too_long_can_be_settled() {
    let [name, _] = too_long();
    let clones = Clones::of(Remote::with(&[Change::write(&name, "one"), Change::write("a", "a")]));
    let mine = clones.open("mine").await;
    // Changed here with plumbing, as a file system with longer names would allow.
    let blob = cli::run(mine.root(), ["rev-parse", "HEAD:a"]);
    cli::run(mine.root(), ["update-index", "--cacheinfo", &format!("100644,{blob},{name}")]);
    cli::run(mine.root(), ["update-index", "--skip-worktree", &name]);
    cli::run(mine.root(), ["commit", "-q", "-m", "Long"]);
    clones.remote.commit(&[Change::write(&name, "theirs")]);
    mine.pull().await.unwrap_err();
    let report = mine.conflict_report().await.unwrap();
    assert_eq!(report.len(), 1);
    mine.conflict_accept_remote(&report[0].path).await.unwrap();
    mine.push("Settled").await.unwrap();
    assert_eq!(clones.remote.main().file(&name).unwrap(), b"theirs");
    assert_left_out(&clones, &mine, &[name]).await;
}

#[tokio::test]
async fn an_ignored_file_is_not_replaced_beside_a_file_that_is_too_long() {
    let clones = Clones::of(Remote::with(&[Change::write(".gitignore", "*.log\n")]));
    let mine = clones.open("mine").await;
    fs::write(mine.root().join("x.log"), "mine").unwrap();
    let [name, _] = too_long();
    clones.remote.commit(&[Change::write("x.log", "theirs"), Change::write(&name, "long")]);
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(mine.read("x.log").await.unwrap(), "mine");
    mine.conflict_accept_local("x.log").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(clones.remote.main().file("x.log").unwrap(), b"mine");
    assert_left_out(&clones, &mine, &[name]).await;
}

/// Names that may be `.git` on another system.
const PROTECTED: [&str; 7] = [
    "git~1",
    ".git ",
    "d/GIT~1",
    "d/.git::$INDEX_ALLOCATION",
    ".g\u{200c}it/x",
    ".g\u{ad}it/y",
    "a\\.git",
];

#[tokio::test]
async fn files_with_names_that_git_protects_are_left_out_and_stay_in_the_branch() {
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/b", "b")]));
    let mine = clones.open("mine").await;
    let [name, _] = too_long();
    let mut expected: Vec<String> = PROTECTED.map(str::to_owned).to_vec();
    expected.push(name.clone());
    expected.sort();
    let all: Vec<Change> = expected.iter().map(|path| Change::write(path, "theirs")).collect();
    let changed = Change::write(PROTECTED[0], "changed");
    // The last step changes none of them.
    for (mut changes, gone) in [
        (all, None),
        (vec![changed, Change::delete(PROTECTED[2])], Some(PROTECTED[2])),
        (vec![Change::delete(&name)], Some(&*name)),
        (vec![], None),
    ] {
        expected.retain(|path| Some(&**path) != gone);
        changes.push(Change::write("a", "two"));
        clones.remote.commit(&changes);
        mine.pull().await.unwrap();
        assert_all_goes_on(&clones, &mine, &expected).await;
    }
    let last = files(&[("a", "two"), ("d/b", "b"), ("theirs", "x")]);
    assert_eq!(content(&mine).await, last);
    let on_disk = fs::read_dir(mine.root()).unwrap().count();
    assert_eq!(on_disk, 4, "`a`, `d`, `theirs` and `.git`");
    assert_eq!(clones.remote.main().file(PROTECTED[0]).unwrap(), b"changed");
}

#[tokio::test]
async fn a_file_does_not_replace_a_directory_with_a_file_that_is_left_out() {
    let clones =
        Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/git~1", "theirs")]));
    let mine = clones.open("mine").await;
    mine.write("d", "mine").await.unwrap();
    for _ in 0..2 {
        let error = mine.push("Mine").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
        assert!(error.to_string().contains("`d` is a file here"), "{error}");
    }
    mine.rename("d", "e").await.unwrap();
    mine.push("Mine").await.unwrap();
    let theirs = ["d/git~1", "e"].map(|path| clones.remote.main().file(path).unwrap());
    assert_eq!(theirs, [b"theirs".to_vec(), b"mine".to_vec()]);
}

#[tokio::test]
async fn a_conflict_beside_a_name_that_git_protects_can_be_settled() {
    let clones =
        Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("git~1", "theirs")]));
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "theirs"), Change::write(".git ", "theirs")]);
    mine.write("a", "mine").await.unwrap();
    mine.pull().await.unwrap_err();
    mine.conflict_accept_local("a").await.unwrap();
    mine.push("Settled").await.unwrap();
    assert_eq!(clones.remote.main().file("a").unwrap(), b"mine");
    assert_left_out(&clones, &mine, &[".git ".to_owned(), "git~1".to_owned()]).await;
}

#[tokio::test]
async fn names_that_are_not_utf_8_are_left_out_if_git_protects_them() {
    let names: [&[u8]; 4] =
        [b".git\xff", b".git\xef\xbf\xbex", b"d/x\xff\\.git", b"d/git~1:\xff/x"];
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("d/b", "b")]));
    let mine = clones.open("mine").await;
    let texts = names.map(|name| String::from_utf8_lossy(name).into_owned());
    for text in ["two", "three"] {
        let mut changes = names.map(|name| Change::write(name, text)).to_vec();
        changes.push(Change::write("a", text));
        clones.remote.commit(&changes);
        mine.pull().await.unwrap();
        for mine in [&mine, &clones.open(text).await] {
            let left_out = mine.left_out().await.unwrap();
            assert_eq!(left_out.len(), names.len());
            assert!(left_out.iter().all(|file| texts.contains(&file.path.to_string())));
            mine.pull().await.unwrap();
            assert_eq!(mine.read("a").await.unwrap(), text);
            mine.write("mine", text).await.unwrap();
            mine.push("Mine").await.unwrap();
        }
    }
    let tree = clones.remote.main().tree();
    assert_eq!(tree.len(), names.len() + 3, "{tree:?}");
    for name in names {
        assert_eq!(clones.remote.main().file(name).unwrap(), b"three");
    }
}

/// Waits until an operation waits for the lock of the working tree, which somebody else has.
fn wait_for_checkout(git_dir: &Path) {
    let queue = File::open(git_dir.join("f9/tree.queue")).unwrap();
    while queue.try_lock_shared().is_ok() {
        queue.unlock().unwrap();
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_a_person_that_comes_before_a_checkout_is_merged() {
    let clones =
        Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("git~1", "theirs")]));
    let mine = clones.open("mine").await;
    clones.remote.commit(&[Change::write("a", "two"), Change::write(".git ", "theirs")]);
    let root = mine.root().to_owned();
    let tree = File::open(root.join(".git/f9/tree.lock")).unwrap();
    tree.lock_shared().unwrap();
    let person = std::thread::spawn(move || {
        let git_dir = root.join(".git");
        wait_for_checkout(&git_dir);
        // What `git commit` does: it locks the index, moves the branch, and replaces the index.
        let lock = git_dir.join("index.lock");
        fs::copy(git_dir.join("index"), &lock).unwrap();
        tree.unlock().unwrap();
        let index = git_dir.join("persons-index");
        fs::copy(&lock, &index).unwrap();
        fs::write(root.join("person"), "person").unwrap();
        for arguments in [&["add", "person"][..], &["commit", "-q", "-m", "Person"]] {
            let mut git = cli::git(&root);
            cli::succeed(git.args(arguments).env("GIT_INDEX_FILE", &index), b"");
        }
        fs::rename(index, git_dir.join("index")).unwrap();
        fs::remove_file(lock).unwrap();
    });
    mine.pull().await.unwrap();
    person.join().unwrap();
    assert_eq!(mine.read("person").await.unwrap(), "person");
    assert_eq!(mine.read("a").await.unwrap(), "two");
    assert_eq!(cli::run(mine.root(), ["status", "--short"]), "");
    mine.push("Nothing").await.unwrap();
    assert_eq!(clones.remote.main().file("person").unwrap(), b"person");
    assert_left_out(&clones, &mine, &[".git ".to_owned(), "git~1".to_owned()]).await;
}

#[tokio::test]
async fn a_split_index_is_listed_once() {
    let clones =
        Clones::of(Remote::with(&[Change::write("a", "one"), Change::write("git~1", "theirs")]));
    let mine = clones.open("mine").await;
    // Git reads a file again if it was written in the same second as the index.
    let file = File::options().write(true).open(mine.root().join("a")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    cli::run(mine.root(), ["update-index", "--refresh", "--split-index"]);
    let mut costs = Vec::new();
    for _ in 0..3 {
        let before = mine.processes_started();
        mine.push("Nothing").await.unwrap();
        costs.push(mine.processes_started() - before);
    }
    assert_eq!(costs[2], 1, "add: {costs:?}");
    cli::run(mine.root(), ["update-index", "--no-skip-worktree", "git~1"]);
    mine.push("Nothing").await.unwrap();
    assert_left_out(&clones, &mine, &["git~1".to_owned()]).await;
}

#[tokio::test]
async fn a_lost_index_is_restored_with_the_files_that_are_left_out() {
    let [name, _] = too_long();
    let paths = ["a", ".git ", "git~1", &name];
    let clones = Clones::of(Remote::with(&paths.map(|path| Change::write(path, "theirs"))));
    let mine = clones.open("mine").await;
    fs::remove_file(mine.root().join(".git/index")).unwrap();
    drop(mine);
    let mine = clones.open("mine").await;
    let listed = cli::run(mine.root(), ["ls-files", "-v"]);
    assert_eq!(listed, format!("S .git \nH a\nS {name}\nS git~1"));
    mine.write("a", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    let left_out = [".git ", &name, "git~1"].map(str::to_owned);
    assert_left_out(&clones, &mine, &left_out).await;
}

/// Counts the looks at the index while `checkout` runs, each of which finds `path` hidden from git.
async fn looks_at_the_index<T>(
    root: &Path,
    path: &str,
    checkout: impl Future<Output = T>,
) -> (T, usize) {
    let (root, path) = (root.to_owned(), path.to_owned());
    let (is_over, seen) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut looks = 0;
        while seen.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let listed = cli::run(&root, ["ls-files", "-v", "--", &path]);
            assert_eq!(listed, format!("S {path}"), "the index lacks the file");
            looks += 1;
        }
        looks
    });
    let result = checkout.await;
    drop(is_over);
    (result, watcher.join().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_has_the_files_that_are_left_out_while_others_are_checked_out() {
    let [name, path] = too_long();
    let clones = Clones::of(Remote::with(&[Change::write("a", "one"), Change::write(&name, "x")]));
    let mine = clones.open("mine").await;
    let many = |round: &str| {
        let files = (0..3000).map(|number| format!("many/{}/{number}", number % 50));
        files.map(|file| Change::write(file, round)).collect::<Vec<_>>()
    };
    for round in ["one", "two"] {
        let mut changes = many(round);
        changes.push(Change::write(&name, round));
        clones.remote.commit(&changes);
        let (pulled, looks) = looks_at_the_index(mine.root(), &name, mine.pull()).await;
        pulled.unwrap();
        assert!(looks > 0);
    }
    // Also when the checkout fails and is rolled back.
    let mut changes = many("three");
    changes.extend([Change::write("way", "theirs"), Change::write(&path, "x")]);
    clones.remote.commit(&changes);
    let way = std::os::unix::net::UnixListener::bind(mine.root().join("way")).unwrap();
    let (pulled, looks) = looks_at_the_index(mine.root(), &name, mine.pull()).await;
    pulled.unwrap_err();
    assert!(looks > 0);
    drop(way);
    fs::remove_file(mine.root().join("way")).unwrap();
    mine.pull().await.unwrap();
    assert_left_out(&clones, &mine, &[name, path]).await;
}
