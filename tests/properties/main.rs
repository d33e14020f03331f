//! Properties of every input, tested with many random inputs.
//!
//! A failure shows the smallest failing input, which then becomes a unit test next to the fixed code. To test more inputs:
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

/// Failing inputs are not written to disk.
fn config() -> Config {
    Config { failure_persistence: None, max_shrink_iters: 10_000, ..Config::default() }
}
