//! The git backend with real git repositories and real git servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod beside;
#[cfg(feature = "blocking")]
mod blocking;
mod budget;
mod checkout_kills;
#[path = "../torture/child.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod child;
mod cli;
mod clock;
mod clone_forms;
mod clones;
mod conflicts;
mod dance;
mod diagnosis;
mod garbage;
mod history;
mod hostile_trees;
mod index_flags;
mod kills;
mod left_out;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod many;
#[path = "../file_systems/mounts.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod mounts;
mod names;
mod opening;
mod plain_git;
mod recovery;
mod refusals;
mod remote;
mod reports;
mod retries;
#[path = "../torture/rng.rs"]
mod rng;
mod secrets;
mod servers;
mod sessions;
mod settings;
mod share;
mod swaps;
mod sync;
mod times;
mod traces;
mod transports;
mod twins;
mod versions;
mod writers;
