//! Tests of the simulator through a plain client that signs its requests.

mod client;
mod conditions;
mod core;
mod faults;
mod listings;
mod rules;
mod uploads;
mod versions;
