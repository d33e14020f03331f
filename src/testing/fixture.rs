//! What the suite needs to know of a store beyond the contract.

use std::sync::Arc;

use async_trait::async_trait;

use crate::AsyncFileBackend;

/// The size of the cases whose cost grows with their size.
///
/// Every case runs at both scales and checks the same promise. The small scale uses fewer entries, fewer rounds of a race and less
/// content. It still crosses the usual limits: more than 256 entries in listings, more than 100 in other cases about many entries, and
/// more than 1 MiB in cases about large content. A store with larger pages or blocks than that should use the full scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Thousands of entries and hundreds of changes: a matter of seconds where a call takes less than a millisecond.
    #[default]
    Full,
    /// Hundreds of entries and tens of changes: for stores whose calls take some milliseconds, such as services.
    Small,
}

impl Scale {
    /// How many, or how much, at this scale.
    pub(super) fn pick(self, full: usize, small: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Small => small,
        }
    }
}

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

    /// The size of the cases about many entries, many changes or much content.
    fn scale(&self) -> Scale {
        Scale::Full
    }

    /// What the store is called in the suite's messages.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }
}
