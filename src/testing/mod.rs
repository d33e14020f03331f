//! The conformance suite: one case for each promise of the contract. Every backend must pass all of them.
//!
//! The suite is public, so your own backend can be tested with it. Write a [`Fixture`] that opens an empty store, and pass it to
//! [`every_case!`]: each case becomes a `#[test]`. A case that needs a [`Capability`](crate::Capability) passes if the backend does
//! not have it, and prints `skipped appends_are_added_to_the_end: needs append`.
//!
//! With the feature `openai`, the module `openai` holds `OpenAISimulator`: an HTTP server that follows the rules of OpenAI's vector
//! stores and fails where a test asks it to.
//!
//! With the feature `object-store`, the module `s3` holds `S3Simulator`: the same for Amazon S3.
//!
//! The name of a case is its promise. The functions in [`cases`] show what exactly is checked. Minor releases may add cases for new
//! promises.
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
    reason = "a case fails by a panic"
)]

mod content;
mod every_case;
mod expect;
#[cfg(feature = "blocking")]
mod facade;
mod fixture;
mod run;
mod state;

pub mod cases;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(feature = "object-store")]
pub mod s3;

#[doc(inline)]
pub use crate::__every_case as every_case;
pub use cases::all_cases;
#[cfg(feature = "blocking")]
pub use facade::FacadeBackend;
pub use fixture::{Fixture, Scale};
pub use run::{Case, Outcome, run};
