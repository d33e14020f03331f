//! Backends as object stores: the suite of the crate `object_store`, and more tests.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests fail by a panic")]
#![allow(clippy::single_range_in_vec_init, reason = "a list of one range is intended")]

mod errors;
mod listings;
mod reads;
mod scripted;
mod stores;
mod suite;
mod uploads;
mod writes;
