//! A simulator of Amazon S3, for tests of backends and of other clients.
//!
//! [`S3Simulator`] is the server. [`Rules`] set its behaviour, [`Fault`]s make single requests fail, and a [`Request`] is an entry of
//! its log.

mod access;
mod buckets;
mod checksums;
mod conditions;
mod content;
mod copies;
mod deletes;
mod errors;
mod fault;
mod fault_queue;
mod listings;
mod log;
mod operation;
mod operations;
mod paging;
mod reads;
mod records;
mod reply;
mod rules;
mod server;
mod service;
mod simulator;
mod state;
#[cfg(test)]
mod tests;
mod uploads;
mod writes;

pub use fault::{Fault, FaultKind, Retry};
pub use log::Request;
pub use operation::Operation;
pub use rules::{Conditions, Rules};
pub use simulator::{S3Simulator, StoredObject, UnfinishedUpload};
