//! Two users change two working trees of one remote in any order. In the end both trees are equal, and the history has everything that was
//! published.
//!
//! A failure shows the shortest sequence that fails. A plain run tries a third of the sequences, with a new seed that it prints. To try
//! all: `F9_DANCES=all cargo test --all-features --test git dance`, or a number in place of `all`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use f9::prelude::*;
use f9::{CreateOptions, DeleteOptions, ErrorKind, GitSyncFileBackend, Result, UpdateOptions};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::cli;
use crate::clones::Clones;
use crate::history::{head, reachable_contents};
use crate::remote::{Change, Remote};
use crate::rng::Rng;
use crate::share::cases;

/// Few paths, so that changes collide: `d` and `l` may be a file for one user and a directory for the other.
const PATHS: [&str; 9] = ["a", "b", "d", "d/a", "d/b", "d/e/f", "l", "l/ü x", ".gitignore"];

/// How many sequences a plain run tries, and how many are all.
const DANCES: (usize, usize) = (20, 60);

/// The number of tests that share the sequences, so that they run in parallel.
const TESTS: usize = 4;

/// How often both users sync at the end before the trees must be equal.
const TURNS: usize = 6;

/// How a conflict is resolved.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    Local,
    Remote,
    Content,
}

/// One action of a user.
#[derive(Clone, Debug)]
enum Step {
    Write(&'static str),
    Append(&'static str),
    Delete(&'static str),
    Rename(&'static str, &'static str),
    SwitchExecutable(&'static str),
    Pull,
    Push,
    Sync,
    /// Resolves the conflict at this position of the report, if there are any.
    Resolve(usize, Resolution),
    ResolveAll(Resolution),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    use Step as S;
    let path = || select(&PATHS[..]);
    let resolution = || select(vec![Resolution::Local, Resolution::Remote, Resolution::Content]);
    prop_oneof![
        6 => path().prop_map(S::Write),
        2 => path().prop_map(S::Append),
        2 => path().prop_map(S::Delete),
        3 => (path(), path()).prop_map(|(from, to)| S::Rename(from, to)),
        1 => path().prop_map(S::SwitchExecutable),
        3 => Just(S::Pull),
        3 => Just(S::Push),
        3 => Just(S::Sync),
        1 => (0..4_usize, resolution()).prop_map(|(at, how)| S::Resolve(at, how)),
        2 => resolution().prop_map(S::ResolveAll),
        1 => Just(S::Reopen),
    ]
}

type Dance = Vec<(usize, Step)>;

fn dances() -> impl Strategy<Value = Dance> {
    prop::collection::vec((0..2_usize, step()), 1..30)
}

/// The two users and what they have published.
struct Floor {
    clones: Clones,
    trees: Vec<GitSyncFileBackend>,
    contents: usize,
    published: BTreeSet<Vec<u8>>,
}

const NAMES: [&str; 2] = ["one", "other"];

impl Floor {
    async fn new() -> Self {
        let start =
            ["a", "b", "d/a", "d/b"].map(|path| Change::write(path, format!("first {path}\n")));
        let clones = Clones::of(Remote::with(&start));
        let trees = vec![clones.open(NAMES[0]).await, clones.open(NAMES[1]).await];
        Self { clones, trees, contents: 0, published: BTreeSet::new() }
    }

    /// Returns new content. It has so many lines in common with the old one that git detects renames.
    fn content(&mut self, path: &str) -> String {
        self.contents += 1;
        if path.ends_with(".gitignore") {
            return format!("# {}\nb\n", self.contents);
        }
        format!("{}content {}\n", "a line\n".repeat(5), self.contents)
    }

    async fn take(&mut self, who: usize, step: &Step) -> Result<()> {
        let path = match step {
            Step::Write(path) | Step::Append(path) => path,
            _ => "",
        };
        let content = self.content(path);
        let tree = &self.trees[who];
        match step {
            Step::Write(path) => {
                tree.create_with(path, content, CreateOptions::overwrite()).await.map(drop)
            }
            Step::Append(path) => {
                tree.update_with(path, content, UpdateOptions::append()).await.map(drop)
            }
            Step::Delete(path) => tree.delete_with(path, DeleteOptions::recursive()).await,
            Step::Rename(from, to) => tree.rename(from, to).await.map(drop),
            Step::SwitchExecutable(path) => {
                let file = tree.root().join(path);
                let Ok(found) = fs::symlink_metadata(&file) else { return Ok(()) };
                if found.is_file() {
                    let mode = found.permissions().mode() ^ 0o111;
                    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
                }
                Ok(())
            }
            Step::Pull => tree.pull().await.map(drop),
            Step::Push => self.publish(who, false).await,
            Step::Sync => self.publish(who, true).await,
            Step::Resolve(at, how) => {
                let report = tree.conflict_report().await?;
                match report.get(at % report.len().max(1)) {
                    Some(conflict) => resolve(tree, &conflict.path, *how, content).await,
                    None => Ok(()),
                }
            }
            Step::ResolveAll(how) => self.resolve_all(who, *how).await,
            Step::Reopen => {
                self.trees[who] = self.clones.open(NAMES[who]).await;
                Ok(())
            }
        }
    }

    async fn publish(&mut self, who: usize, with_pull: bool) -> Result<()> {
        let tree = &self.trees[who];
        let before = files(tree.root());
        if with_pull {
            tree.sync("Sync").await?;
        } else {
            tree.push("Push").await?;
        }
        // The content before is in the commit, even if a merge has changed it since.
        self.published.extend(before.into_values().map(|(content, _)| content));
        Ok(())
    }

    async fn resolve_all(&mut self, who: usize, how: Resolution) -> Result<()> {
        for conflict in self.trees[who].conflict_report().await? {
            let content = self.content("");
            resolve(&self.trees[who], &conflict.path, how, content).await?;
        }
        Ok(())
    }

    /// Syncs both trees until nothing changes.
    async fn sync_until_stable(&mut self) {
        for turn in 0..TURNS {
            for who in 0..2 {
                while let Err(error) = self.publish(who, true).await {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{who}: {error}");
                    let how = if turn % 2 == 0 { Resolution::Content } else { Resolution::Local };
                    self.resolve_all(who, how).await.unwrap();
                }
            }
            let heads = self.trees.iter().map(|tree| head(tree.root()));
            if heads.collect::<BTreeSet<_>>().len() == 1 {
                return;
            }
        }
        panic!("they never agree");
    }

    fn assert_consistent(&self) {
        let published = self.clones.remote.main().head().unwrap();
        for tree in &self.trees {
            let root = tree.root();
            assert_eq!(head(root), published);
            assert_eq!(cli::run(root, ["status", "--porcelain", "--ignored"]), "");
            cli::run(root, ["fsck", "--strict", "--no-dangling"]);
        }
        assert_eq!(files(self.trees[0].root()), files(self.trees[1].root()));
        self.clones.remote.assert_sound();
        let kept = reachable_contents(&self.clones.remote.path(), "main");
        for content in &self.published {
            let text = String::from_utf8_lossy(content);
            assert!(kept.contains(content), "published, and in no commit: {text}");
        }
    }
}

async fn resolve(
    tree: &GitSyncFileBackend,
    path: &str,
    how: Resolution,
    content: String,
) -> Result<()> {
    match how {
        Resolution::Local => tree.conflict_accept_local(path).await,
        Resolution::Remote => tree.conflict_accept_remote(path).await,
        Resolution::Content => tree.conflict_resolve(path, content.into()).await,
    }
}

/// Returns the files of a working tree: the content, and whether it is executable.
fn files(root: &Path) -> BTreeMap<String, (Vec<u8>, bool)> {
    fn add(dir: &Path, prefix: &str, files: &mut BTreeMap<String, (Vec<u8>, bool)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if path == ".git" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), &format!("{path}/"), files);
            } else {
                let executable = entry.metadata().unwrap().permissions().mode() & 0o100 != 0;
                files.insert(path, (fs::read(entry.path()).unwrap(), executable));
            }
        }
    }
    let mut found = BTreeMap::new();
    add(root, "", &mut found);
    found
}

/// Whether a step may fail with this kind: a file exists or is missing, or a merge has conflicts.
fn is_allowed(step: &Step, kind: ErrorKind) -> bool {
    use ErrorKind as K;
    match step {
        Step::Pull | Step::Push | Step::Sync => kind == K::Conflict,
        Step::Write(_) | Step::Append(_) | Step::Delete(_) | Step::Rename(..) => matches!(
            kind,
            K::NotFound
                | K::AlreadyExists
                | K::IsADirectory
                | K::NotADirectory
                | K::DirectoryNotEmpty
                | K::InvalidInput
        ),
        _ => false,
    }
}

async fn perform(dance: &Dance) {
    let mut floor = Floor::new().await;
    for (who, step) in dance {
        if let Err(error) = floor.take(*who, step).await {
            assert!(is_allowed(step, error.kind()), "{who} {step:?}: {error}");
        }
    }
    floor.sync_until_stable().await;
    floor.assert_consistent();
}

/// Runs the sequences of the test with this number, counted from 0.
fn perform_share(test: usize) {
    let mut rng = Rng::new(&format!("dance {}", test + 1));
    for _ in 0..test {
        rng = rng.fork();
    }
    let mut seed = [0; 32];
    seed.chunks_mut(8).for_each(|eight| eight.copy_from_slice(&rng.below(u64::MAX).to_le_bytes()));
    let cases = cases("F9_DANCES", DANCES.0, DANCES.1).div_ceil(TESTS);
    let config = Config {
        cases: cases.try_into().unwrap(),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let danced = runner.run(&dances(), |dance| {
        runtime.block_on(perform(&dance));
        Ok(())
    });
    danced.unwrap();
}

#[test]
fn any_operations_of_two_users_converge_without_loss_1() {
    perform_share(0);
}

#[test]
fn any_operations_of_two_users_converge_without_loss_2() {
    perform_share(1);
}

#[test]
fn any_operations_of_two_users_converge_without_loss_3() {
    perform_share(2);
}

#[test]
fn any_operations_of_two_users_converge_without_loss_4() {
    perform_share(3);
}
