//! An OpenAI of one's own: the server that tests of vector stores talk to.

mod answer;
mod attributes;
mod batches;
mod call;
mod chunks;
mod dispatch;
mod faults;
mod files;
mod filters;
mod log;
mod receive;
mod register;
mod routes;
mod rules;
mod search;
mod server;
mod simulator;
mod state;
#[cfg(test)]
mod tests;
mod uploads;
mod vector_store_files;
mod vector_stores;

pub use faults::{Fault, FaultKind, Retry};
pub use log::{Request, SentFile};
pub use routes::Route;
pub use rules::{
    AttributeUpdates, BetaHeader, ChunkOrder, DeletedFiles, DoubleAttach, ErrorShape,
    IndexingFailure, PageIds, Rules, TextShape, UnknownAfter,
};
pub use simulator::{AttachedFile, OpenAISimulator, StoredFile};
