//! Backends as object stores: the suite of the crate `object_store`, and what that does not ask.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]
#![allow(clippy::single_range_in_vec_init, reason = "one range is what is meant")]

mod errors;
mod listings;
mod reads;
mod scripted;
mod stores;
mod suite;
mod uploads;
mod writes;
