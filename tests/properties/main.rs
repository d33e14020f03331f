//! What holds for every input, tried with many random ones.
//!
//! A failure shows the smallest input that fails, which becomes a test of its own where the mended code lives. To try more:
//! `PROPTEST_CASES=20000 cargo test --test properties`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod globs;
mod model;
mod operations;
mod paths;
mod ranges;
mod reference;
mod subjects;

use proptest::test_runner::Config;

/// Nothing is written to disk about inputs that fail.
fn config() -> Config {
    Config { failure_persistence: None, max_shrink_iters: 10_000, ..Config::default() }
}
