//! The list of works.

use crate::Result;
use crate::arena::Arena;
use crate::outcome::Outcome;
use crate::work::cold::Metric::{Time, WorstDelay, WorstDelayWhenCached as WhenCached};
use crate::work::git::Walk::{Again, First};
use crate::work::openai::index;

pub mod bulk;
mod cold;
mod git;
mod hash;
pub mod memory;
pub mod openai;
mod small;
mod stream;
mod tree;

/// A work.
pub struct Work {
    pub name: &'static str,
    pub run: fn(&Arena, &'static str) -> Result<Outcome>,
}

pub const ALL: &[Work] = &[
    Work { name: "read-1", run: |arena, work| small::read(arena, work, 1) },
    Work { name: "read-64", run: |arena, work| small::read(arena, work, 64) },
    Work { name: "info-1", run: |arena, work| small::info(arena, work, 1) },
    Work { name: "info-64", run: |arena, work| small::info(arena, work, 64) },
    Work { name: "create-1", run: |arena, work| small::create(arena, work, 1) },
    Work { name: "create-64", run: |arena, work| small::create(arena, work, 64) },
    Work { name: "overwrite-1", run: |arena, work| small::overwrite(arena, work, 1) },
    Work { name: "overwrite-64", run: |arena, work| small::overwrite(arena, work, 64) },
    Work { name: "open-1", run: |arena, work| bulk::open(arena, work, 1) },
    Work { name: "open-64", run: |arena, work| bulk::open(arena, work, 64) },
    Work { name: "write-many", run: |arena, work| bulk::write(arena, work, false) },
    Work { name: "write-many-synced", run: |arena, work| bulk::write(arena, work, true) },
    Work { name: "delete-many", run: bulk::delete },
    Work { name: "read-ranges", run: |arena, work| bulk::ranges(arena, work, false) },
    Work { name: "read-ranges-cold", run: |arena, work| bulk::ranges(arena, work, true) },
    Work { name: "list-page", run: bulk::page },
    Work { name: "stream-read", run: stream::read },
    Work { name: "stream-write", run: stream::write },
    Work { name: "sha256", run: hash::sha256 },
    Work { name: "blake3", run: hash::blake3 },
    Work { name: "checksum-many", run: hash::many },
    Work { name: "list", run: tree::list },
    Work { name: "glob", run: tree::glob },
    Work { name: "memory-read", run: memory::read },
    Work { name: "memory-write", run: memory::write },
    Work { name: "cold-read", run: |arena, work| cold::read(arena, work, Time) },
    Work { name: "cold-info", run: |arena, work| cold::info(arena, work, Time) },
    Work { name: "cold-stream", run: |arena, work| cold::stream(arena, work, Time) },
    Work { name: "beat-read", run: |arena, work| cold::read(arena, work, WorstDelay) },
    Work { name: "beat-info", run: |arena, work| cold::info(arena, work, WorstDelay) },
    Work { name: "beat-stream", run: |arena, work| cold::stream(arena, work, WorstDelay) },
    Work { name: "beat-cached-read", run: |arena, work| cold::read(arena, work, WhenCached) },
    Work { name: "beat-cached-stream", run: |arena, work| cold::stream(arena, work, WhenCached) },
    Work { name: "git-open", run: git::open },
    Work {
        name: "git-pull-nothing",
        run: |arena, work| git::sync(arena, work, &git::PULL_NOTHING),
    },
    Work {
        name: "git-pull-forward",
        run: |arena, work| git::sync(arena, work, &git::PULL_FORWARD),
    },
    Work { name: "git-pull-merge", run: |arena, work| git::sync(arena, work, &git::PULL_MERGE) },
    Work { name: "git-push", run: |arena, work| git::sync(arena, work, &git::PUSH) },
    Work {
        name: "git-push-nothing",
        run: |arena, work| git::sync(arena, work, &git::PUSH_NOTHING),
    },
    Work { name: "git-conflicts", run: |arena, work| git::sync(arena, work, &git::CONFLICTS) },
    Work { name: "git-info-first", run: |arena, work| git::info(arena, work, First) },
    Work { name: "git-info", run: |arena, work| git::info(arena, work, Again) },
    Work { name: "git-list-first", run: |arena, work| git::list(arena, work, First) },
    Work { name: "git-list", run: |arena, work| git::list(arena, work, Again) },
    Work { name: "openai-create", run: openai::create },
    Work { name: "openai-create-many", run: openai::create_many },
    Work { name: "openai-list", run: openai::list },
    Work { name: "openai-read", run: openai::read },
    Work { name: "openai-glob", run: openai::glob },
    Work { name: "openai-delete", run: openai::delete },
    Work { name: "openai-index", run: index::memory },
    Work { name: "openai-index-glob", run: index::glob },
];
