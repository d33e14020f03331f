//! The local backend on the file systems that people mount: the conformance suite on each, and what is special about some.
//!
//! A plain run takes a part of the cases on each file system, chosen by a seed that it prints; `F9_SEED=1234` repeats a choice. This
//! command runs all of them, and prints what each file system can do:
//!
//! ```sh
//! F9_FILE_SYSTEMS=all cargo test --all-features --test file_systems -- --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests fail by a panic")]

mod case_folding;
mod closes;
mod conformance;
mod layers;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod machine;
mod mounts;
#[path = "../torture/rng.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod rng;
mod two_mounts;
