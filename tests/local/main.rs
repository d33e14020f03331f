//! The promises of the local backend beyond the contract: links, special files, other processes, and the disk.
//!
//! A plain run repeats some tests fewer times and with fewer files. This runs all of them:
//!
//! ```sh
//! F9_TORTURE=all cargo test --all-features --test local --test torture
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod acl;
mod attributes;
mod cache;
#[path = "../machine/dead.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod dead;
mod durability;
mod in_place;
mod links;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod names;
mod overlay;
mod processes;
mod races;
mod resources;
mod root;
#[path = "../torture/run_size.rs"]
mod run_size;
mod services;
mod sessions;
mod special_files;
mod store;
mod strangers;
mod streams;
mod sweep;
mod untold;
mod watch;
