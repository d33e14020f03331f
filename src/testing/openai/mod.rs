//! A simulator of OpenAI's vector stores, for tests of backends and of other clients.
//!
//! [`OpenAISimulator`] is the server. [`Rules`] set its behaviour, [`Fault`]s make single requests fail, and a [`Request`] is an entry
//! of its log.

mod attachment;
mod attributes;
mod batches;
mod call;
mod chunks;
mod collection;
mod dispatch;
mod fault;
mod fault_queue;
mod files;
mod filters;
mod log;
mod paging;
mod receive;
mod records;
mod reply;
mod response;
mod routes;
mod rules;
mod search;
mod server;
mod service;
mod simulator;
mod splitmix;
mod state;
#[cfg(test)]
mod tests;
mod vector_store_files;
mod vector_stores;

pub use fault::{Fault, FaultKind, Retry};
pub use log::{Request, SentFile};
pub use routes::Route;
pub use rules::{
    AttributeUpdates, Batches, BetaHeader, ChunkOrder, DeletedFiles, DoubleAttach, ErrorShape,
    IndexingFailure, KeptAttributes, PageIds, Rules, SearchIds, TextShape, UnknownAfter,
};
pub use simulator::{AttachedFile, OpenAISimulator, StoredFile};
