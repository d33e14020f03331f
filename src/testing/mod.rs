//! The conformance suite: each promise of the contract is one case, and every backend must pass all of them.
//!
//! It is public, so that a backend of yours can be held to the same promises. Write a [`Fixture`] that opens an empty store,
//! and name it in [`every_case!`]; each case becomes a `#[test]`. A case that needs a [`Capability`](crate::Capability)
//! which the backend does not have passes, and says so on its standard output:
//! `skipped appends_are_added_to_the_end: needs append`.
//!
//! With the feature `openai` there is also `OpenAISimulator`, a server that keeps to the rules of OpenAI's vector stores and fails in
//! whatever way a test wants.
//!
//! The names of the cases are the promises; read the functions in [`cases`] for what exactly is checked. New promises become
//! new cases in minor releases.
//!
//! # Examples
//!
//! In a file below `tests/` of your crate, with f9's feature `testing` among the dev-dependencies:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use f9::testing::Fixture;
//! use f9::{AsyncFileBackend, MemoryFileBackend};
//!
//! #[derive(Default)]
//! struct Memory(MemoryFileBackend);
//!
//! #[async_trait]
//! impl Fixture for Memory {
//!     async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
//!         Arc::new(self.0.clone())
//!     }
//! }
//!
//! f9::testing::every_case!(memory, Memory::default());
//! # fn main() {
//! #     for case in f9::testing::all_cases().into_iter().filter(|case| case.name().starts_with("create_")) {
//! #         f9::testing::run(case, Memory::default());
//! #     }
//! # }
//! ```

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a case fails by panicking"
)]

mod content;
mod expect;
#[cfg(feature = "blocking")]
mod facade;
mod fixture;
#[cfg(feature = "openai")]
mod openai;
mod run;
mod state;

pub mod cases;

#[doc(inline)]
pub use crate::__every_case as every_case;
pub use cases::all_cases;
#[cfg(feature = "blocking")]
pub use facade::ThroughFacade;
pub use fixture::{Fixture, Scale};
#[cfg(feature = "openai")]
pub use openai::{
    AttachedFile, AttributeUpdates, BetaHeader, ChunkOrder, DeletedFiles, DoubleAttach, ErrorShape,
    Fault, FaultKind, IndexingFailure, OpenAISimulator, PageIds, Request, Retry, Route, Rules,
    SentFile, StoredFile, TextShape, UnknownAfter,
};
pub use run::{Case, Outcome, run};
