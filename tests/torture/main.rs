//! What is promised of the local backend, under conditions that nobody wishes for: killed processes, failing and full disks, power
//! loss, hostile neighbours, crowds.

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
