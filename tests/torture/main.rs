//! The guarantees of the local backend under bad conditions: killed processes, failing and full disks, power loss, hostile processes,
//! many processes at once.
//!
//! A plain run covers every condition with about a fifth of the kills, power losses and failing calls. It chooses them with a new seed
//! and prints the seed; `F9_SEED=1234` repeats a choice. This command runs all of them, and all of the tests in `local`:
//!
//! ```sh
//! F9_TORTURE=all cargo test --all-features --test local --test torture -- --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests fail by a panic")]

mod attackers;
mod cases;
mod child;
mod confinement;
mod crowd;
#[path = "../machine/dead.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod dead;
mod deep_trees;
mod deleter;
mod full_disk;
mod hard_links;
mod kill;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod machine;
mod power_loss;
mod rng;
mod run_size;
mod runtime_shutdown;
mod sharing;
mod strace;
mod syscalls;
mod tree;
mod verbs;
