//! Names that differ in case, on a file system that ignores case.

use std::fs;

use f9::prelude::*;
use f9::{ErrorKind, GitConfig, GitSyncFileBackend};

use crate::cli;
use crate::clones::{Clones, opened};
use crate::machine;
use crate::mounts::Mounted;
use crate::remote::{Change, Remote};

/// A remote, and a file system that ignores case for its clones.
struct Scene {
    clones: Clones,
    mounted: Mounted,
}

impl Scene {
    /// Returns `None` if the file system cannot be mounted here.
    fn new(test: &str, files: &[(&str, &str)]) -> Option<Self> {
        let mounted = match Mounted::ntfs_ignoring_case() {
            Ok(mounted) => mounted,
            Err(reason) => {
                machine::not_run(test, &reason.to_string());
                return None;
            }
        };
        let files: Vec<_> = files.iter().map(|(path, text)| Change::write(path, text)).collect();
        Some(Self { clones: Clones::of(Remote::with(&files)), mounted })
    }

    fn config(&self, name: &str) -> GitConfig {
        let mut config = self.clones.config(name);
        config.path = self.mounted.root().join(name);
        config
    }

    async fn open(&self, name: &str) -> GitSyncFileBackend {
        opened(self.config(name)).await
    }

    fn commit(&self, changes: &[Change]) {
        self.clones.remote.commit(changes);
    }

    /// Returns the content of a file of the branch.
    fn theirs(&self, path: &str) -> Option<String> {
        let content = self.clones.remote.main().file(path)?;
        Some(String::from_utf8(content).unwrap())
    }

    /// Asserts that `mine` has the `shown` files and names those that are left out. The same must be true after a pull, a push with a merge,
    /// and a restart.
    async fn assert_shown(
        &self,
        mine: &GitSyncFileBackend,
        shown: &[(&str, &str)],
        left_out: &[&str],
    ) {
        let tree = self.clones.remote.main().tree();
        for round in 0..3 {
            for (path, text) in shown {
                assert_eq!(mine.read(path).await.unwrap(), *text, "{path}, {round}");
            }
            let found = mine.left_out().await.unwrap();
            let paths: Vec<_> = found.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(paths, left_out, "{round}");
            assert!(found.iter().all(|file| file.reason.contains("the same name as")), "{found:?}");
            assert_eq!(cli::run(mine.root(), ["status", "--short"]), "", "{round}");
            let report = mine.pull().await.unwrap();
            assert_eq!(report.files_left_out, left_out.len() as u64, "{round}");
            self.commit(&[Change::write("theirs.txt", format!("{round}"))]);
            mine.write("mine.txt", format!("{round}")).await.unwrap();
            mine.push("Mine").await.unwrap();
            mine.delete("mine.txt").await.unwrap();
            mine.push("Mine").await.unwrap();
            self.commit(&[Change::delete("theirs.txt")]);
            mine.pull().await.unwrap();
            assert_eq!(self.clones.remote.main().tree(), tree, "{round}");
            drop(self.open(mine.root().file_name().unwrap().to_str().unwrap()).await);
        }
    }
}

#[tokio::test]
async fn the_first_twin_is_checked_out_and_the_others_stay_in_the_branch() {
    let test = "the_first_twin_is_checked_out_and_the_others_stay_in_the_branch";
    let files = [("A", "upper"), ("a", "lower"), ("Dir/x", "x"), ("dir/y", "y"), ("z", "z")];
    let Some(scene) = Scene::new(test, &files) else { return };
    let shown = [("A", "upper"), ("Dir/x", "x"), ("z", "z")];
    let mine = scene.open("mine").await;
    scene.assert_shown(&mine, &shown, &["a", "dir/y"]).await;
    assert!(!mine.exists("Dir/y").await.unwrap());
    // A change of one is not a change of the other.
    scene.commit(&[Change::write("a", "lower 2"), Change::write("dir/y", "y 2")]);
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &shown, &["a", "dir/y"]).await;
    mine.write("A", "mine").await.unwrap();
    mine.write("Dir/x", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    let paths = ["A", "a", "Dir/x", "dir/y"];
    let expected = ["mine", "lower 2", "mine", "y 2"].map(|text| Some(text.to_owned()));
    assert_eq!(paths.map(|path| scene.theirs(path)), expected);
    let new = scene.open("new").await;
    scene.assert_shown(&new, &[("A", "mine"), ("Dir/x", "mine")], &["a", "dir/y"]).await;
    scene.clones.remote.assert_sound();
}

#[tokio::test]
async fn a_twin_is_checked_out_when_the_other_is_gone() {
    let test = "a_twin_is_checked_out_when_the_other_is_gone";
    let files = [("A", "upper"), ("a", "lower"), ("Dir/x", "x"), ("dir/y", "y"), ("z", "z")];
    let Some(scene) = Scene::new(test, &files) else { return };
    let mine = scene.open("mine").await;
    scene.commit(&[Change::delete("A"), Change::rename("Dir", "other")]);
    mine.pull().await.unwrap();
    let shown = [("a", "lower"), ("dir/y", "y"), ("other/x", "x")];
    scene.assert_shown(&mine, &shown, &[]).await;
    assert!(!mine.exists("dir/x").await.unwrap());
    // The twin in the working tree stays, although it is not the first.
    scene.commit(&[Change::write("A", "upper 2"), Change::write("DIR", "a file")]);
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &shown, &["A", "DIR"]).await;
    mine.write("a", "mine").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(["A", "a"].map(|path| scene.theirs(path).unwrap()), ["upper 2", "mine"]);
    scene.commit(&[Change::delete("dir/y"), Change::delete("a")]);
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &[("A", "upper 2"), ("DIR", "a file")], &[]).await;
}

#[tokio::test]
async fn a_twin_is_checked_out_after_the_other_was_deleted_here() {
    let test = "a_twin_is_checked_out_after_the_other_was_deleted_here";
    let Some(scene) = Scene::new(test, &[("A", "upper"), ("a", "lower"), ("z", "z")]) else {
        return;
    };
    let mine = scene.open("mine").await;
    mine.delete("A").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(scene.clones.remote.main().tree(), ["100644 a", "100644 z"]);
    let left_out = mine.left_out().await.unwrap();
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0].reason.contains("pull"), "{}", left_out[0].reason);
    assert!(!mine.exists("a").await.unwrap());
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &[("a", "lower")], &[]).await;
    // What was written there meanwhile is not lost.
    scene.commit(&[Change::write("A", "upper")]);
    mine.pull().await.unwrap();
    mine.delete("a").await.unwrap();
    mine.push("Mine").await.unwrap();
    mine.write("A", "mine").await.unwrap();
    mine.pull().await.unwrap();
    assert_eq!(mine.read("A").await.unwrap(), "mine");
    mine.push("Mine").await.unwrap();
    assert_eq!(scene.theirs("A").unwrap(), "mine");
    scene.assert_shown(&mine, &[("A", "mine")], &[]).await;
}

#[tokio::test]
async fn a_twin_that_was_never_checked_out_is_deleted_by_nobody_and_replaced_only_by_a_file() {
    let test = "a_twin_that_was_never_checked_out_is_deleted_by_nobody_and_replaced_only_by_a_file";
    let Some(scene) = Scene::new(test, &[("A", "upper"), ("a", "lower"), ("z", "z")]) else {
        return;
    };
    let mine = scene.open("mine").await;
    mine.delete("A").await.unwrap();
    mine.push("Mine").await.unwrap();
    // Nothing is at `a` in the end, as before.
    mine.write("a", "mine").await.unwrap();
    mine.rename("a", "b").await.unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(scene.theirs("a").unwrap(), "lower");
    assert_eq!(scene.theirs("b").unwrap(), "mine");
    // A file is written there, then ignored, and published by the next process.
    mine.write("a", "mine").await.unwrap();
    mine.write(".gitignore", "a\n").await.unwrap();
    drop(mine);
    let mine = scene.open("mine").await;
    mine.push("Mine").await.unwrap();
    assert_eq!(scene.theirs("a").unwrap(), "mine");
    // Another program writes there.
    fs::write(mine.root().join("a"), "theirs").unwrap();
    mine.push("Mine").await.unwrap();
    assert_eq!(scene.theirs("a").unwrap(), "theirs");
}

#[tokio::test]
async fn a_file_is_published_under_one_name_whatever_the_case_of_a_write() {
    let test = "a_file_is_published_under_one_name_whatever_the_case_of_a_write";
    // Of a file that git might ignore, the path of the write is staged.
    let files = [(".gitignore", "*.log\n"), ("Name", "one"), ("Other.log", "one")];
    let Some(scene) = Scene::new(test, &files) else { return };
    let mine = scene.open("mine").await;
    for path in ["name", "other.LOG", "New", "new.LOG"] {
        mine.write(path, "two").await.unwrap();
    }
    mine.push("Mine").await.unwrap();
    let tree = scene.clones.remote.main().tree();
    let names: Vec<String> = tree.iter().map(|line| line.to_lowercase()).collect();
    let expected = [".gitignore", "name", "other.log", "new", "new.log"];
    assert_eq!(names.len(), expected.len(), "{names:?}");
    assert!(expected.iter().all(|name| names.contains(&format!("100644 {name}"))), "{names:?}");
    assert_eq!(["Name", "Other.log"].map(|path| scene.theirs(path).unwrap()), ["two", "two"]);
    assert!(mine.left_out().await.unwrap().is_empty());
}

#[tokio::test]
async fn conflicts_of_twins_are_settled_one_by_one() {
    let test = "conflicts_of_twins_are_settled_one_by_one";
    let Some(scene) = Scene::new(test, &[("A", "upper"), ("a", "lower"), ("z", "z")]) else {
        return;
    };
    let mine = scene.open("mine").await;
    mine.write("A", "mine").await.unwrap();
    scene.commit(&[Change::write("A", "theirs"), Change::write("a", "lower 2")]);
    assert_eq!(mine.pull().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(mine.read("A").await.unwrap(), "mine");
    let report = mine.conflict_report().await.unwrap();
    assert_eq!(report.iter().map(|conflict| conflict.path.as_str()).collect::<Vec<_>>(), ["A"]);
    mine.conflict_resolve("A", "both".into()).await.unwrap();
    mine.push("Both").await.unwrap();
    assert_eq!(["A", "a"].map(|path| scene.theirs(path).unwrap()), ["both", "lower 2"]);
    scene.assert_shown(&mine, &[("A", "both")], &["a"]).await;
}

#[tokio::test]
async fn a_twin_in_the_working_tree_stays_when_the_index_is_lost() {
    let test = "a_twin_in_the_working_tree_stays_when_the_index_is_lost";
    let Some(scene) = Scene::new(test, &[("a", "lower"), ("z", "z")]) else { return };
    let mine = scene.open("mine").await;
    scene.commit(&[Change::write("A", "upper")]);
    mine.pull().await.unwrap();
    fs::remove_file(mine.root().join(".git/index")).unwrap();
    drop(mine);
    let mine = scene.open("mine").await;
    mine.push("Nothing").await.unwrap();
    assert_eq!(["A", "a"].map(|path| scene.theirs(path).unwrap()), ["upper", "lower"]);
    scene.assert_shown(&mine, &[("a", "lower")], &["A"]).await;
    // A person may remove the flag.
    cli::run(mine.root(), ["update-index", "--no-skip-worktree", "A"]);
    mine.push("Nothing").await.unwrap();
    scene.assert_shown(&mine, &[("a", "lower")], &["A"]).await;
}

#[tokio::test]
async fn a_checkout_beside_twins_is_rolled_back() {
    let test = "a_checkout_beside_twins_is_rolled_back";
    let Some(scene) = Scene::new(test, &[("A", "upper"), ("a", "lower"), ("z", "z")]) else {
        return;
    };
    let mine = scene.open("mine").await;
    let from = cli::run(mine.root(), ["rev-parse", "HEAD"]);
    scene.commit(&[Change::delete("A"), Change::write("z", "z 2")]);
    // A process has died in the middle of the checkout.
    cli::run(mine.root(), ["fetch", "-q"]);
    let to = cli::run(mine.root(), ["rev-parse", "origin/main"]);
    let left_out = r#"{"before":["a"],"after":[]}"#;
    let journal = format!("{{\"from\":\"{from}\",\"to\":\"{to}\",\"left_out\":{left_out}}}");
    fs::write(mine.root().join(".git/f9/journal"), journal).unwrap();
    fs::write(mine.root().join("z"), "z 2").unwrap();
    fs::remove_file(mine.root().join("A")).unwrap();
    fs::write(mine.root().join("a"), "lower").unwrap();
    drop(mine);
    let mine = scene.open("mine").await;
    for (path, text) in [("A", "upper"), ("z", "z")] {
        assert_eq!(mine.read(path).await.unwrap(), text);
    }
    assert_eq!(cli::run(mine.root(), ["status", "--short"]), "");
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &[("a", "lower"), ("z", "z 2")], &[]).await;
}

/// Lets a person's git pull.
fn pull_with_git(mine: &GitSyncFileBackend) {
    cli::run(mine.root(), ["pull", "-q"]);
}

#[tokio::test]
async fn a_twin_stays_that_a_persons_git_has_written_over_the_other() {
    let test = "a_twin_stays_that_a_persons_git_has_written_over_the_other";
    let files = [("A", "upper"), ("b", "lower"), ("c", "a file"), ("z", "z")];
    let Some(scene) = Scene::new(test, &files) else { return };
    let names = ["edited", "pushed", "pulled"];
    for name in names {
        drop(scene.open(name).await);
    }
    let new = [("a", "lower"), ("B", "upper"), ("C/d", "in a directory")];
    scene.commit(&new.map(|(path, text)| Change::write(path, text)));
    let shown = [("a", "lower"), ("B", "upper"), ("C/d", "in a directory"), ("z", "z")];
    for name in names {
        let mine = scene.open(name).await;
        pull_with_git(&mine);
        let tree = scene.clones.remote.main().tree();
        match name {
            "edited" => {
                fs::write(mine.root().join("a"), "edited").unwrap();
                mine.push("Mine").await.unwrap();
                assert_eq!(scene.theirs("a").unwrap(), "edited");
                scene.commit(&[Change::write("a", "lower")]);
            }
            "pushed" => _ = mine.push("Nothing").await.unwrap(),
            _ => scene.commit(&[Change::write("z", "z")]),
        }
        mine.pull().await.unwrap();
        assert_eq!(scene.clones.remote.main().tree(), tree, "{name}");
        let theirs = ["A", "a", "b", "B", "c"].map(|path| scene.theirs(path).unwrap());
        assert_eq!(theirs, ["upper", "lower", "lower", "upper", "a file"], "{name}");
        scene.assert_shown(&mine, &shown, &["A", "b", "c"]).await;
    }
    scene.clones.remote.assert_sound();
}

#[tokio::test]
async fn a_left_out_twin_stays_that_a_persons_git_has_checked_out() {
    let test = "a_left_out_twin_stays_that_a_persons_git_has_checked_out";
    let files = [("A", "upper"), ("a", "lower"), ("c", "lower"), ("z", "z")];
    let Some(scene) = Scene::new(test, &files) else { return };
    let mine = scene.open("mine").await;
    scene.commit(&[Change::write("C", "upper")]);
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &[("A", "upper"), ("c", "lower")], &["C", "a"]).await;
    let check_out = ["checkout", "-q", "--ignore-skip-worktree-bits", "--", "a", "C"];
    cli::run(mine.root(), check_out);
    assert_eq!(fs::read_to_string(mine.root().join("A")).unwrap(), "lower");
    mine.push("Nothing").await.unwrap();
    let theirs = ["A", "a", "C", "c"].map(|path| scene.theirs(path).unwrap());
    assert_eq!(theirs, ["upper", "lower", "upper", "lower"]);
    scene.assert_shown(&mine, &[("a", "lower"), ("C", "upper")], &["A", "c"]).await;
}

#[tokio::test]
async fn files_are_removed_that_a_persons_git_has_written_into_a_twin_directory() {
    let test = "files_are_removed_that_a_persons_git_has_written_into_a_twin_directory";
    let Some(scene) = Scene::new(test, &[("dir/x", "x"), ("dir/z", "z"), ("z", "z")]) else {
        return;
    };
    for name in ["edited", "pushed", "pulled"] {
        drop(scene.open(name).await);
    }
    scene.commit(&[Change::write("Dir/x", "other"), Change::write("Dir/y", "y")]);
    for name in ["edited", "pushed", "pulled"] {
        let mine = scene.open(name).await;
        pull_with_git(&mine);
        let tree = scene.clones.remote.main().tree();
        match name {
            "edited" => {
                fs::write(mine.root().join("Dir/x"), "edited").unwrap();
                for _ in 0..2 {
                    let error = mine.push("Mine").await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::InvalidOperation, "{error}");
                    assert!(error.to_string().contains("`Dir/x` over `dir/x`"), "{error}");
                }
                fs::remove_file(mine.root().join("dir/x")).unwrap();
                mine.push("Mine").await.unwrap();
            }
            "pushed" => _ = mine.push("Nothing").await.unwrap(),
            _ => {
                scene.commit(&[Change::write("z", "z 2")]);
                mine.pull().await.unwrap();
            }
        }
        assert_eq!(scene.clones.remote.main().tree(), tree, "{name}");
        let theirs = ["dir/x", "Dir/x", "Dir/y"].map(|path| scene.theirs(path).unwrap());
        assert_eq!(theirs, ["x", "other", "y"], "{name}");
        assert!(!mine.exists("dir/y").await.unwrap());
        scene.assert_shown(&mine, &[("dir/x", "x"), ("dir/z", "z")], &["Dir/x", "Dir/y"]).await;
    }
}

#[tokio::test]
async fn a_rename_in_case_alone_is_checked_out() {
    let test = "a_rename_in_case_alone_is_checked_out";
    let text = "line\n".repeat(20);
    // The file system lists all names in lower case, so the others look untracked until then.
    let files = [("\u{c9}", &*text), ("\u{c4}/x", &text), ("Ascii", &text), ("z", "z")];
    let Some(scene) = Scene::new(test, &files) else { return };
    for name in ["pulled", "in the way"] {
        drop(scene.open(name).await);
    }
    let renames = [("\u{c9}", "\u{e9}"), ("\u{c4}", "\u{e4}"), ("Ascii", "ascii")];
    scene.commit(&renames.map(|(from, to)| Change::rename(from, to)));
    let mine = scene.open("pulled").await;
    mine.pull().await.unwrap();
    let shown = [("\u{e9}", &*text), ("\u{e4}/x", &text), ("ascii", &text)];
    scene.assert_shown(&mine, &shown, &[]).await;
    // With other content, twins, and something in the way of another file.
    let theirs = format!("{text}theirs\n");
    scene.commit(&[
        Change::write("\u{e9}", &theirs),
        Change::write("Z", "Z"),
        Change::write("way", "way"),
    ]);
    let mine = scene.open("in the way").await;
    let way = mine.root().join("way");
    let socket = std::os::unix::net::UnixListener::bind(&way).unwrap();
    mine.pull().await.unwrap_err();
    for (path, text) in files {
        assert_eq!(mine.read(path).await.unwrap(), text, "{path}");
    }
    drop(socket);
    fs::remove_file(&way).unwrap();
    mine.pull().await.unwrap();
    let shown = [("\u{e9}", &*theirs), ("\u{e4}/x", &text), ("way", "way"), ("z", "z")];
    scene.assert_shown(&mine, &shown, &["Z"]).await;
}

#[tokio::test]
async fn a_checkout_of_a_rename_in_case_alone_is_rolled_back() {
    let test = "a_checkout_of_a_rename_in_case_alone_is_rolled_back";
    let Some(scene) = Scene::new(test, &[("\u{c9}", "upper"), ("z", "z")]) else { return };
    let mine = scene.open("mine").await;
    let from = cli::run(mine.root(), ["rev-parse", "HEAD"]);
    scene.commit(&[Change::delete("\u{c9}"), Change::write("\u{e9}", "lower")]);
    cli::run(mine.root(), ["fetch", "-q"]);
    let to = cli::run(mine.root(), ["rev-parse", "origin/main"]);
    drop(mine);
    // A process has died before, in, or after the checkout.
    for state in [Some("upper"), None, Some("lower")] {
        let mine = scene.open("mine").await;
        let journal = format!("{{\"from\":\"{from}\",\"to\":\"{to}\"}}");
        fs::write(mine.root().join(".git/f9/journal"), journal).unwrap();
        let file = mine.root().join("\u{c9}");
        match state {
            Some(text) => fs::write(file, text).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
        drop(mine);
        let mine = scene.open("mine").await;
        assert_eq!(mine.read("\u{c9}").await.unwrap(), "upper", "{state:?}");
        assert_eq!(cli::run(mine.root(), ["diff", "--name-only"]), "", "{state:?}");
    }
    let mine = scene.open("mine").await;
    mine.pull().await.unwrap();
    scene.assert_shown(&mine, &[("\u{e9}", "lower"), ("z", "z")], &[]).await;
}

#[tokio::test]
async fn a_clone_in_which_git_has_written_one_twin_over_the_other_is_refused() {
    let test = "a_clone_in_which_git_has_written_one_twin_over_the_other_is_refused";
    let Some(scene) = Scene::new(test, &[("A", "upper"), ("a", "lower"), ("z", "z")]) else {
        return;
    };
    let config = scene.config("mine");
    cli::run(&scene.mounted.root(), ["clone", "-q", &config.remote_url, "mine"]);
    let error = GitSyncFileBackend::open(config.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("takes `A` for `a`"), "{error}");
    scene.commit(&[Change::delete("a")]);
    cli::run(&config.path, ["pull", "-q"]);
    cli::run(&config.path, ["reset", "-q", "--hard"]);
    let mine = opened(config).await;
    scene.assert_shown(&mine, &[("A", "upper")], &[]).await;
}
