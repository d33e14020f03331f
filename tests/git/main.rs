//! The git backend beside real git repositories, behind real git servers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod budget;
mod cli;
mod clones;
mod conflicts;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod plain_git;
mod remote;
mod servers;
mod sessions;
mod sync;
