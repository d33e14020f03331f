//! Working trees of git: f9 compared with the commands that a person would run, each on its own clone and remote.

use std::collections::BTreeMap;
use std::sync::Arc;

use f9::prelude::*;
use f9::{CreateOptions, ErrorKind, FileInfo, GitConfig, GitSyncFileBackend, ListOptions};
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};

use crate::Result;
use crate::arena::Arena;
use crate::contestants::{Profile, Role};
use crate::outcome::{Outcome, Unit};
use crate::rounds::{Counted, Lane, Sample, interleaved};

mod side;

use side::{History, LOCAL, Side, Times, random_content};

const F9: Profile = Profile { name: "f9", role: Role::F9, writes: "" };

/// One walk over the whole history, which shows when each file was changed.
const WALK: &[&str] = &["log", "--name-status", "--format=%at"];

/// The number of files looked up one after the other.
const LOOKUPS: usize = 20;

/// Whether the history is already in memory.
#[derive(Clone, Copy)]
pub enum Walk {
    First,
    Again,
}

/// An operation on a clone and its remote.
pub struct Sync {
    title: &'static str,
    /// Prepares the changes.
    before: fn(&Side) -> Result<()>,
    f9: fn(GitSyncFileBackend) -> BoxFuture<'static, f9::Result<()>>,
    by_hand: &'static [&'static [&'static str]],
    /// Makes the clone and the remote equal, if the operation did not.
    after: fn(&Side) -> Result<()>,
}

pub const PULL_NOTHING: Sync = Sync {
    title: "pull with nothing new, beside `git fetch`",
    before: |_| Ok(()),
    f9: |f9| async move { f9.pull().await.map(drop) }.boxed(),
    by_hand: &[&["fetch", "-q"]],
    after: |_| Ok(()),
};

pub const PULL_FORWARD: Sync = Sync {
    title: "pull of one change, beside `git fetch`, `git merge --ff-only`",
    before: Side::change_remote,
    f9: |f9| async move { f9.pull().await.map(drop) }.boxed(),
    by_hand: &[&["fetch", "-q"], &["merge", "-q", "--ff-only"]],
    after: |_| Ok(()),
};

pub const PULL_MERGE: Sync = Sync {
    title: "pull that merges one change with one that is committed here, beside `git fetch`, `git merge`",
    before: |side| {
        side.change_remote()?;
        side.change_local()?;
        side.run(&[&["add", "-A"], &["commit", "-q", "-m", "change"]]).map(drop)
    },
    f9: |f9| async move { f9.pull().await.map(drop) }.boxed(),
    by_hand: &[&["fetch", "-q"], &["merge", "-q", "--no-edit"]],
    after: |side| side.run(&[&["push", "-q"]]).map(drop),
};

pub const PUSH: Sync = Sync {
    title: "push of one change, beside `git add -A`, `git commit`, `git push`",
    before: Side::change_local,
    f9: |f9| {
        let push = async move {
            // Again through f9, which tracks its own writes.
            f9.create_with(LOCAL, random_content(), CreateOptions::overwrite()).await?;
            f9.push("change").await.map(drop)
        };
        push.boxed()
    },
    by_hand: &[&["add", "-A"], &["commit", "-q", "-m", "change"], &["push", "-q"]],
    after: |_| Ok(()),
};

pub const PUSH_NOTHING: Sync = Sync {
    title: "push with nothing to do, beside `git add -A`, `git diff --cached --quiet`",
    before: |_| Ok(()),
    f9: |f9| async move { f9.push("change").await.map(drop) }.boxed(),
    by_hand: &[&["add", "-A"], &["diff", "--cached", "--quiet"]],
    after: |_| Ok(()),
};

pub const CONFLICTS: Sync = Sync {
    title: "pull with 400 conflicts, settled for the local content, and push, beside `git fetch`, `git merge -X ours`, `git push`",
    before: Side::change_both,
    f9: |f9| {
        let settle = async move {
            match f9.pull().await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                pulled => return pulled.map(drop),
            }
            for conflict in f9.conflict_report().await? {
                f9.conflict_accept_local(&conflict.path).await?;
            }
            f9.push("change").await.map(drop)
        };
        settle.boxed()
    },
    by_hand: &[&["fetch", "-q"], &["merge", "-q", "--no-edit", "-X", "ours"], &["push", "-q"]],
    after: |_| Ok(()),
};

pub fn open(arena: &Arena, work: &'static str) -> Result<Outcome> {
    let ground = Ground::of(arena)?;
    let opened = || {
        let (took, backend) = arena.timed(GitSyncFileBackend::open(ground.config()))?;
        let processes = backend.processes_started();
        Ok(Sample::of(took.wall).counting(processes, Counted::Processes))
    };
    let by_hand = || ground.by_hand.run(&[&["status", "--short", "--branch"]]);
    let lanes = vec![Lane::new(F9, opened), by_hand_lane(by_hand)];
    ground.outcome(work, "open a clone that is there, beside `git status`", Unit::Time, lanes)
}

pub fn sync(arena: &Arena, work: &'static str, sync: &Sync) -> Result<Outcome> {
    let ground = Ground::of(arena)?;
    let backend = ground.open()?;
    let measured = |side: &Side, act: &dyn Fn() -> Result<Sample>| {
        (sync.before)(side)?;
        let sample = act()?;
        (sync.after)(side)?;
        side.assert_equal()?;
        Ok(sample)
    };
    let ours = || Ok(ground.counted(&backend, (sync.f9)(backend.clone()))?.0);
    let lanes = vec![
        Lane::new(F9, || measured(&ground.ours, &ours)),
        by_hand_lane(|| measured(&ground.by_hand, &|| ground.by_hand.run(sync.by_hand))),
    ];
    ground.outcome(work, sync.title, Unit::Time, lanes)
}

pub fn info(arena: &Arena, work: &'static str, walk: Walk) -> Result<Outcome> {
    let ground = Ground::of(arena)?;
    let kept = ground.open()?;
    let count = if walk.is_first() { 1 } else { LOOKUPS };
    let step = ground.times.len() / count;
    let paths: Arc<[String]> = ground.times.keys().step_by(step).take(count).cloned().collect();
    let ours = || {
        let backend = if walk.is_first() { ground.open()? } else { kept.clone() };
        let (f9, paths) = (backend.clone(), Arc::clone(&paths));
        let look_up = async move {
            let mut found = Vec::new();
            for path in paths.iter() {
                found.push(f9.info(path).await?);
            }
            Ok(found)
        };
        let (sample, found) = ground.counted(&backend, look_up)?;
        ground.assert_times(&found, count);
        Ok(sample)
    };
    let follow = |path| ["log", "--follow", "--format=%at", "--", path];
    let each: Vec<_> = paths.iter().map(|path| follow(path.as_str())).collect();
    let each: Vec<&[&str]> = each.iter().map(|arguments| &arguments[..]).collect();
    let by_hand = || ground.by_hand.run(if walk.is_first() { &[WALK] } else { &each });
    let lanes = vec![Lane::new(F9, ours), by_hand_lane(by_hand)];
    let (title, unit) = match walk {
        Walk::First => ("the first info, beside one walk of `git log --name-status`", Unit::Time),
        Walk::Again => ("info, beside `git log --follow` of the file", Unit::Files(count)),
    };
    ground.outcome(work, title, unit, lanes)
}

pub fn list(arena: &Arena, work: &'static str, walk: Walk) -> Result<Outcome> {
    let ground = Ground::of(arena)?;
    let kept = ground.open()?;
    let mut config = ground.config();
    config.history_times = false;
    let without = arena.timed(GitSyncFileBackend::open(config))?.1;
    let ours = || {
        let backend = if walk.is_first() { ground.open()? } else { kept.clone() };
        let (sample, found) = ground.counted(&backend, all_files(backend.clone()))?;
        ground.assert_times(&found, ground.times.len());
        Ok(sample)
    };
    let lanes = vec![
        Lane::new(F9, ours),
        Lane::new(Profile::bare("f9 with the times of files"), || {
            Ok(ground.counted(&without, all_files(without.clone()))?.0)
        }),
        by_hand_lane(|| ground.by_hand.run(&[WALK])),
    ];
    let title = match walk {
        Walk::First => "the first list of all files, beside one walk of `git log --name-status`",
        Walk::Again => "list of all files, beside one walk of `git log --name-status`",
    };
    ground.outcome(work, title, Unit::Time, lanes)
}

async fn all_files(backend: GitSyncFileBackend) -> f9::Result<Vec<FileInfo>> {
    backend.list_with("", ListOptions::recursive()).await?.try_collect().await
}

fn by_hand_lane<'a>(run: impl FnMut() -> Result<Sample> + 'a) -> Lane<'a> {
    Lane::new(Profile::bare("by hand"), run)
}

impl Walk {
    fn is_first(self) -> bool {
        matches!(self, Self::First)
    }
}

/// Both clones. All works share them, because a new tree needs new inodes, which are slow to allocate.
struct Ground<'a> {
    arena: &'a Arena,
    ours: Side,
    by_hand: Side,
    /// The times of the files that no work changes.
    times: BTreeMap<String, Times>,
}

impl<'a> Ground<'a> {
    fn of(arena: &'a Arena) -> Result<Self> {
        let root = arena.root().join("git");
        let history = History::new(&arena.sizes)?;
        let (ours, by_hand) = (Side::of(&root.join("f9")), Side::of(&root.join("by-hand")));
        if !root.exists() {
            ours.make_remote(&history)?;
            by_hand.make_remote(&history)?;
            by_hand.make_clone()?;
        }
        Ok(Self { arena, ours, by_hand, times: history.times })
    }

    fn config(&self) -> GitConfig {
        GitConfig::new(self.ours.remote.to_string_lossy(), &self.ours.clone)
    }

    /// Opens the clone of f9. The first work creates it.
    fn open(&self) -> Result<GitSyncFileBackend> {
        Ok(self.arena.timed(GitSyncFileBackend::open(self.config()))?.1)
    }

    /// Measures the work, including the number of processes that `backend` starts.
    fn counted<T: Send + 'static>(
        &self,
        backend: &GitSyncFileBackend,
        work: impl Future<Output = f9::Result<T>> + Send + 'static,
    ) -> Result<(Sample, T)> {
        let before = backend.processes_started();
        let (took, done) = self.arena.timed(work)?;
        let processes = backend.processes_started() - before;
        Ok((Sample::of(took.wall).counting(processes, Counted::Processes), done))
    }

    /// Asserts that `count` files were found with the times of the history.
    fn assert_times(&self, found: &[FileInfo], count: usize) {
        let known = found.iter().filter_map(|info| {
            let (created, modified) = self.times.get(info.path.as_str())?;
            let (path, found) = (&info.path, (info.created_at, info.modified_at));
            assert!(
                found == (Some(*created), Some(*modified)),
                "{path} has other times: {found:?}"
            );
            Some(())
        });
        assert_eq!(known.count(), count, "files are missing");
    }

    fn outcome(
        &self,
        work: &'static str,
        title: &str,
        unit: Unit,
        lanes: Vec<Lane<'_>>,
    ) -> Result<Outcome> {
        let rows = interleaved(self.arena.sizes.rounds, lanes)?;
        let sizes = self.arena.sizes;
        let title = format!("{title}; {} files, {} commits", sizes.git_files, sizes.git_commits);
        Ok(Outcome { work, title, unit, writes: false, rows })
    }
}
