//! A loop over retryable errors around each verb, while the remote or a lock fails: the change is made once, or not at all.
//!
//! A plain run tries each verb with one fault, which a printed seed chooses. `F9_RETRIES=all` tries all of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use f9::prelude::*;
use f9::{
    DeleteOptions, GitConfig, GitSyncFileBackend, GitTimeouts, InfoChanges, Result, UpdateOptions,
};
use futures::future::BoxFuture;
use futures::stream;
use rustix::fs::{FlockOperation, flock};

use crate::clock::HANGS;
use crate::clones::{Clones, opened};
use crate::recovery::Foreign;
use crate::remote::{Change, Remote};
use crate::rng::Rng;
use crate::share::cases;

/// A lock that nobody releases in time. It expires because something holds it, however fast the machine is.
const SHORT: Duration = Duration::from_millis(50);

/// How often a caller repeats a call.
const ATTEMPTS: usize = 3;

struct Verb {
    name: &'static str,
    /// Whether changes are pushed automatically.
    is_automatic: bool,
    act: for<'a> fn(&'a GitSyncFileBackend) -> BoxFuture<'a, Result<()>>,
}

macro_rules! verbs {
    ($($name:literal, $automatic:literal, $notes:ident => $act:expr;)*) => {
        [$(Verb {
            name: $name,
            is_automatic: $automatic,
            act: |$notes| Box::pin(async move { $act.map(drop) }),
        }),*]
    };
}

/// Returns the first error of a call for many files.
fn all<T>(results: Vec<Result<T>>) -> Result<()> {
    results.into_iter().try_for_each(|result| result.map(drop))
}

const VERBS: [Verb; 18] = verbs! {
    "create", true, notes => notes.create("made/new", "new\n").await;
    "write", true, notes => notes.write("old", "new\n").await;
    "update with an etag", true, notes => {
        let etag = notes.info("old").await?.etag.unwrap();
        notes.update_with("old", "new\n", UpdateOptions::if_match(etag)).await
    };
    "append", true, notes => notes.update_with("old", "more\n", UpdateOptions::append()).await;
    "stream_write", true, notes => {
        notes.stream_write("made/new", stream::iter(["a", "b"].map(Ok::<_, f9::Error>))).await
    };
    "write_many", true, notes => all(notes.write_many([("many/a", "a"), ("many/b", "b")]).await?);
    "copy", true, notes => notes.copy("old", "made/copy").await;
    "rename", true, notes => notes.rename("old", "made/renamed").await;
    "rename a directory", true, notes => notes.rename("dir", "moved").await;
    "delete", true, notes => notes.delete("old").await;
    "delete a tree", true,
        notes => notes.delete_with("dir", DeleteOptions::recursive()).await;
    "delete_many", true, notes => all(notes.delete_many(&["dir/a", "dir/b"]).await?);
    "set_info", true,
        notes => notes.set_info("old", InfoChanges::default().with_permissions(0o755)).await;
    "create_link", true, notes => notes.create_link("link", "old").await;
    "a session", true, notes => {
        let session = notes.sync_session().await?;
        notes.update_with("old", "more\n", UpdateOptions::append()).await?;
        session.finish().await
    };
    // They find a change that is not published.
    "push", false, notes => notes.push("Mine").await;
    "pull", false, notes => notes.pull().await;
    "sync", false, notes => notes.sync("Mine").await;
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The remote cannot be reached.
    Away,
    /// The remote takes a push, and the connection ends before its answer.
    LostAnswer,
    /// The remote refuses a push.
    Refused,
    /// Another push holds the lock of the branch at the remote.
    LockedAtTheRemote,
    /// Another git holds the lock of the index.
    LockedIndex,
    /// Another process of f9 changes the whole tree.
    LockedTree,
    /// What was written cannot be noted for the next commit.
    NoNote,
}

const FAULTS: [Fault; 7] = [
    Fault::Away,
    Fault::LostAnswer,
    Fault::Refused,
    Fault::LockedAtTheRemote,
    Fault::LockedIndex,
    Fault::LockedTree,
    Fault::NoNote,
];

/// A fault that lasts until this is dropped.
struct Failing {
    fault: Fault,
    remote: PathBuf,
    git_dir: PathBuf,
    _process: Option<Foreign>,
    _lock: Option<File>,
}

impl Failing {
    fn new(fault: Fault, remote: &Remote, root: &Path) -> Self {
        let (remote_dir, git_dir) = (remote.path(), root.join(".git"));
        let (mut process, mut lock) = (None, None);
        match fault {
            Fault::Away => fs::rename(&remote_dir, remote_dir.with_extension("away")).unwrap(),
            // The parent of the hook is the process that serves the push.
            Fault::LostAnswer => remote.hook("post-receive", "kill -9 $PPID"),
            Fault::Refused => remote.hook("pre-receive", "exit 1"),
            Fault::LockedAtTheRemote => {
                fs::write(remote_dir.join("refs/heads/main.lock"), "").unwrap();
            }
            Fault::LockedIndex => {
                fs::write(git_dir.join("index.lock"), "DIRC").unwrap();
                process = Some(Foreign::start(root));
            }
            Fault::LockedTree => {
                let file = File::open(git_dir.join("f9/tree.lock")).unwrap();
                flock(&file, FlockOperation::LockExclusive).unwrap();
                lock = Some(file);
            }
            Fault::NoNote => {
                let notes = git_dir.join("f9/written");
                drop(fs::rename(&notes, notes.with_extension("kept")));
                fs::create_dir(notes).unwrap();
            }
        }
        Self { fault, remote: remote_dir, git_dir, _process: process, _lock: lock }
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let hook = |name: &str| fs::remove_file(self.remote.join("hooks").join(name)).unwrap();
        match self.fault {
            Fault::Away => fs::rename(self.remote.with_extension("away"), &self.remote).unwrap(),
            Fault::LostAnswer => hook("post-receive"),
            Fault::Refused => hook("pre-receive"),
            Fault::LockedAtTheRemote => {
                fs::remove_file(self.remote.join("refs/heads/main.lock")).unwrap();
            }
            // f9 takes the lock of a git that has ended.
            Fault::LockedIndex | Fault::LockedTree => {}
            Fault::NoNote => {
                let notes = self.git_dir.join("f9/written");
                fs::remove_dir(&notes).unwrap();
                drop(fs::rename(notes.with_extension("kept"), notes));
            }
        }
    }
}

/// The remote, and a clone of it with a change that is not published unless pushes are automatic.
struct Scene {
    clones: Clones,
    mine: GitSyncFileBackend,
    config: GitConfig,
}

impl Scene {
    async fn of(verb: &Verb) -> Self {
        let files = ["old", "dir/a", "dir/b", "dir/c"].map(|path| Change::write(path, "first\n"));
        // With this file, what is written must be noted: git might ignore it.
        let ignored = Change::write(".gitignore", "*.tmp\n");
        let clones = Clones::of(Remote::with(&[&files[..], &[ignored]].concat()));
        let config = clones.config("mine").with_auto_push(verb.is_automatic);
        let mine = opened(config.clone()).await;
        if !verb.is_automatic {
            clones.remote.commit(&[Change::write("theirs", "theirs\n")]);
            mine.write("mine", "mine\n").await.unwrap();
        }
        Self { clones, mine, config }
    }

    /// Opens the same clone for a call that finds a lock that is never released.
    async fn hurried(&self, fault: Fault) -> GitSyncFileBackend {
        let timeouts = match fault {
            Fault::LockedAtTheRemote => GitTimeouts::default().with_lock(HANGS).with_push(SHORT),
            _ => GitTimeouts::default().with_lock(SHORT).with_push(HANGS),
        };
        let config = self.config.clone().with_timeouts(timeouts);
        loop {
            match GitSyncFileBackend::open(config.clone()).await {
                // A process that another test is starting has a copy of the lock for a moment.
                Err(error) if error.is_retryable() => {}
                opened => return opened.unwrap(),
            }
        }
    }

    /// Returns the content and the mode of each file of the tree.
    fn files(&self) -> BTreeMap<String, String> {
        let (mut files, mut waiting) = (BTreeMap::new(), vec![String::new()]);
        while let Some(prefix) = waiting.pop() {
            for entry in fs::read_dir(self.mine.root().join(&prefix)).unwrap() {
                let entry = entry.unwrap();
                let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
                let kind = entry.file_type().unwrap();
                if kind.is_symlink() {
                    files.insert(path, format!("{:?}", fs::read_link(entry.path()).unwrap()));
                } else if kind.is_file() {
                    let mode = entry.metadata().unwrap().permissions();
                    files.insert(path, format!("{mode:?} {:?}", fs::read(entry.path()).unwrap()));
                } else if path != ".git" {
                    waiting.push(format!("{path}/"));
                }
            }
        }
        files
    }

    /// Returns the files of the remote, and the number of its commits.
    fn published(&self) -> (Vec<String>, usize) {
        let main = self.clones.remote.main();
        (main.tree(), main.log("%s").len())
    }
}

/// Repeats a call while its error is retryable. The fault is gone after the first attempt.
async fn in_a_loop(verb: &Verb, scene: &Scene, fault: Fault) -> (Result<()>, usize) {
    let is_locked =
        matches!(fault, Fault::LockedIndex | Fault::LockedTree | Fault::LockedAtTheRemote);
    let mut hurried = if is_locked { Some(scene.hurried(fault).await) } else { None };
    let mut failing = Some(Failing::new(fault, &scene.clones.remote, scene.mine.root()));
    let mut attempts = 0;
    loop {
        attempts += 1;
        let first = hurried.take();
        let result = (verb.act)(first.as_ref().unwrap_or(&scene.mine)).await;
        drop(failing.take());
        match &result {
            Err(error) if error.is_retryable() && attempts < ATTEMPTS => {
                assert!(!error.is_applied(), "{error:?}");
            }
            _ => return (result, attempts),
        }
    }
}

async fn check(verb: &Verb, fault: Fault) {
    let undisturbed = Scene::of(verb).await;
    (verb.act)(&undisturbed.mine).await.unwrap();
    let scene = Scene::of(verb).await;
    let before = scene.files();
    let (result, attempts) = in_a_loop(verb, &scene, fault).await;
    let case = format!("{} with {fault:?}: {result:?} in attempt {attempts}", verb.name);
    let is_done = match &result {
        Ok(()) => true,
        Err(error) => {
            assert!(!error.is_retryable(), "{case}");
            error.is_applied()
        }
    };
    let wanted = if is_done { undisturbed.files() } else { before };
    // A pull may commit what is merged before it fails.
    if is_done || verb.is_automatic {
        assert_eq!(scene.files(), wanted, "{case}");
    }
    if is_done && result.is_ok() {
        assert_eq!(scene.published(), undisturbed.published(), "{case}");
    }
    // Nothing is lost and nothing is published twice, whatever became of the call.
    if !is_done {
        (verb.act)(&scene.mine).await.unwrap_or_else(|error| panic!("{case}, then {error:?}"));
    }
    scene.mine.push("The rest").await.unwrap_or_else(|error| panic!("{case}, then {error:?}"));
    undisturbed.mine.push("The rest").await.unwrap();
    assert_eq!(scene.files(), undisturbed.files(), "{case}");
    assert_eq!(scene.published(), undisturbed.published(), "{case}");
    scene.clones.remote.assert_sound();
}

#[tokio::test]
async fn a_loop_over_retryable_errors_makes_each_change_once() {
    let mut rng = Rng::new("a_loop_over_retryable_errors_makes_each_change_once");
    let count = cases("F9_RETRIES", 1, FAULTS.len());
    for verb in &VERBS {
        let mut faults = FAULTS.to_vec();
        while faults.len() > count {
            faults.swap_remove(usize::try_from(rng.below(faults.len() as u64)).unwrap());
        }
        for fault in faults {
            check(verb, fault).await;
        }
    }
}
