//! The simulator as a plain HTTP client sees it.

mod client;
mod connections;
mod core;
mod faults;
mod rules;
mod shapes;
