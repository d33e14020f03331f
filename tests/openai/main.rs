//! Clients that others have written agree with the simulator of OpenAI.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod async_openai;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod sdk;
