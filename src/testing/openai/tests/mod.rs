//! Tests of the simulator through a plain HTTP client.

mod client;
mod connections;
mod core;
mod faults;
mod indexing;
mod rules;
mod shapes;
