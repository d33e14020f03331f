//! Rules that the source keeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failure of the test")]

mod layers;
mod twins;
