//! The simulator of OpenAI's vector stores, used by third-party clients.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod async_openai;
#[path = "../machine/mod.rs"]
#[allow(dead_code, reason = "each test binary needs another part of it")]
mod machine;
mod python;
