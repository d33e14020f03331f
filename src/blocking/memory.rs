//! The blocking memory backend.

use std::sync::Arc;

use super::Blocking;
use crate::Result;

/// Files in memory; the twin of [`f9::MemoryFileBackend`](crate::MemoryFileBackend).
pub type MemoryFileBackend = Blocking<crate::MemoryFileBackend>;

impl MemoryFileBackend {
    /// An empty store of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`](super::Bridge::shared).
    pub fn new() -> Result<Self> {
        Self::from_backend(Arc::new(crate::MemoryFileBackend::new()))
    }

    /// The store of this name; see [`named`](crate::MemoryFileBackend::named).
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`](super::Bridge::shared).
    pub fn named(name: &str) -> Result<Self> {
        Self::from_backend(Arc::new(crate::MemoryFileBackend::named(name)))
    }
}
