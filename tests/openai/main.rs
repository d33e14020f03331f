//! The OpenAI backend against the simulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod ambiguous;
mod budget;
mod clock;
mod coherence;
mod concurrency;
mod faults;
mod features;
mod fixture;
mod lagging;
mod live;
mod notes;
mod properties;
mod python_entries;
mod quirks;
mod retries;
#[path = "../torture/rng.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod rng;
mod round_trips;
mod servers;
mod verbs;
