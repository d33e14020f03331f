//! The object store backend against the simulator of S3.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod bad_input;
mod budget;
mod conditions;
mod faults;
mod fixture;
mod foreign_keys;
mod large;
mod lost_answers;
mod presigned;
mod repair;
mod sessions;
mod uri;
