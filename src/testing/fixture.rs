//! The fixture: how the suite opens a store, and what it must know beyond the contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::AsyncFileBackend;

/// The size of the cases about many entries, many changes or much content.
///
/// Every case runs at both scales and checks the same promise. The small scale uses fewer entries, fewer rounds and less content. It
/// still exceeds the usual limits: listings have more than 256 entries, other cases about many entries more than 100, and cases about
/// large content more than 1 MiB. Use the full scale for a store with larger pages or blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Thousands of entries and hundreds of changes. Takes seconds if a call takes less than a millisecond.
    #[default]
    Full,
    /// Hundreds of entries and tens of changes, for stores whose calls take milliseconds, such as remote services.
    Small,
}

impl Scale {
    /// Returns the number for this scale.
    pub(super) fn pick(self, full: usize, small: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Small => small,
        }
    }
}

/// A store for one case.
///
/// The suite creates a new fixture for every case. Dropping it should remove the store.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// Opens the store, which must be empty. Called once in a case.
    async fn backend(&self) -> Arc<dyn AsyncFileBackend>;

    /// Opens another handle of the same store, as another process would, or returns `None` if that is impossible. Called after
    /// [`backend`](Self::backend).
    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        None
    }

    /// Returns the hidden files in the store that should be gone when no call is running, such as temporary files of writes. The lock
    /// file of sessions is not one of them.
    async fn leftovers(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes a version of everything that changed, for a store where a write alone is no [version](crate::Capability::Versions) yet.
    async fn make_version(&self) {}

    /// Returns whether a call can be dropped half-way. It cannot if a call blocks its thread, as with the blocking facade.
    fn is_cancellable(&self) -> bool {
        true
    }

    /// Returns the size of the cases about many entries, many changes or much content.
    fn scale(&self) -> Scale {
        Scale::Full
    }

    /// Returns the time limit of a case, which only ends a case that hangs. Five minutes by default: even a slow store on a busy machine
    /// exceeds it only if it hangs.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// Returns the name of the store for messages.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }
}
