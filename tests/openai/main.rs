//! The OpenAI backend against the simulator: what it asks of the service, and what it makes of what goes wrong there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod ambiguous;
mod budget;
mod coherence;
mod faults;
mod notes;
mod scene;
mod standing;
mod verbs;
