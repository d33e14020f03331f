//! What the suite needs to know of a store beyond the contract.

use std::sync::Arc;

use async_trait::async_trait;

use crate::AsyncFileBackend;

/// One store to run one case on.
///
/// A fixture is made afresh for every case; dropping it should remove the store.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// Opens the store, which must be empty. Called once per case.
    async fn backend(&self) -> Arc<dyn AsyncFileBackend>;

    /// Another handle onto the same store, opened as another user of it would; `None` where there cannot be one. Called after
    /// [`backend`](Self::backend).
    async fn second(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        None
    }

    /// What lies in the store that the contract hides and that should not be there once nothing is under way, such as
    /// temporaries of writes. A file that sessions lock is no litter.
    async fn litter(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a call can be dropped half-way. It cannot where each call keeps its thread, as through the blocking facade.
    fn is_cancellable(&self) -> bool {
        true
    }

    /// What the store is called in the suite's messages.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }
}
