//! The OpenAI backend against the simulator, and the simulator against clients that others have written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod ambiguous;
mod async_openai;
mod budget;
mod coherence;
#[path = "../torture/dice.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod dice;
mod faults;
mod features;
mod lagging;
mod live;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod notes;
mod properties;
mod python_entries;
mod round_trips;
mod scene;
mod sdk;
mod standing;
mod together;
mod verbs;
