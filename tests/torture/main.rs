//! What is promised of the local backend, under conditions that nobody wishes for: killed processes, failing and full disks, power
//! loss, hostile neighbours, crowds.
//!
//! A plain run covers every condition with about a fifth of the kills, power losses and failing calls. A fresh seed chooses them and is
//! printed; `F9_SEED=1234` repeats that choice. This runs all of them, and all of the tests in `local`:
//!
//! ```sh
//! F9_TORTURE=all cargo test --all-features --test local --test torture -- --nocapture
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod cases;
mod child;
mod confinement;
mod crowd;
mod dice;
mod ended_runtimes;
mod extent;
mod full_disk;
mod kill;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod power_loss;
mod sharing;
mod strace;
mod syscalls;
mod tree;
mod verbs;
