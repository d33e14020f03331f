//! What the local backend promises beyond the contract: about links, special files, other processes, and the disk.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod attributes;
mod cache;
mod durability;
mod links;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod names;
mod processes;
mod races;
mod resources;
mod root;
mod sessions;
mod special_files;
mod store;
mod streams;
mod sweep;
