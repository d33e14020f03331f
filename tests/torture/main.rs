//! What is promised of the local backend, under conditions that nobody wishes for: killed processes, failing and full disks, power
//! loss, hostile neighbours, crowds.
//!
//! A plain run tries each of these conditions, but not each at every moment: about a fifth of the kills, power losses and failing
//! calls, picked anew each time by dice whose seed is printed (`F9_SEED=1234` throws them again). All of it, and of
//! the tests in `local`, is
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
