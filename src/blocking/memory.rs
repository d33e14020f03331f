//! The blocking memory backend.

use std::sync::Arc;

use super::{Blocking, Bridge};
use crate::backends::memory::MemoryConfig;
use crate::core::error::Result;

/// Files in memory; the twin of [`f9::MemoryFileBackend`](crate::MemoryFileBackend).
pub type MemoryFileBackend = Blocking<crate::backends::memory::MemoryFileBackend>;

impl MemoryFileBackend {
    /// Creates an empty store.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`](super::Bridge::shared).
    pub fn new() -> Result<Self> {
        Self::from_backend(Arc::new(crate::backends::memory::MemoryFileBackend::new()))
    }

    /// Returns the store of this name. See [`named`](crate::MemoryFileBackend::named).
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`](super::Bridge::shared).
    pub fn named(name: &str) -> Result<Self> {
        Self::from_backend(Arc::new(crate::backends::memory::MemoryFileBackend::named(name)))
    }

    /// Opens the store that `config` describes. See [`open`](crate::MemoryFileBackend::open).
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`].
    pub fn open(config: MemoryConfig) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let backend = bridge
            .wait(async { crate::backends::memory::MemoryFileBackend::open(config).await })?;
        Ok(Self::with_bridge(Arc::new(backend), bridge))
    }
}
