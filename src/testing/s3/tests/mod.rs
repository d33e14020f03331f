//! Tests of the simulator through a plain client that signs its requests.

mod client;
mod core;
