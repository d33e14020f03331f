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
#[path = "../torture/dice.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod dice;
mod faults;
mod features;
mod lagging;
mod live;
mod notes;
mod properties;
mod python_entries;
mod round_trips;
mod scene;
mod standing;
mod together;
mod verbs;
