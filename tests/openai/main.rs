//! The OpenAI backend against the simulator: what it asks of the service, and what it makes of what goes wrong there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod async_openai;
mod budget;
mod faults;
mod live;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod notes;
mod scene;
mod sdk;
mod verbs;
