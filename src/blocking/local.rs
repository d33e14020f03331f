//! The blocking local backend.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Blocking, Bridge};
use crate::{LocalFileBackendBuilder, Result};

/// Files in a folder; the twin of [`f9::LocalFileBackend`](crate::LocalFileBackend).
pub type LocalFileBackend = Blocking<crate::LocalFileBackend>;

impl LocalFileBackend {
    /// The files in the folder `root`; see [`new`](crate::LocalFileBackend::new).
    ///
    /// # Errors
    ///
    /// Those of the async constructor, and of [`Bridge::shared`].
    pub fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let backend = bridge.wait(async { crate::LocalFileBackend::new(root).await })?;
        Ok(Self::with_bridge(Arc::new(backend), bridge))
    }

    /// Where the root was when it was opened.
    #[must_use]
    pub fn root(&self) -> &std::path::Path {
        self.backend().root()
    }

    /// The files in the folder that `builder` describes; see [`open`](LocalFileBackendBuilder::open).
    ///
    /// # Errors
    ///
    /// Those of the async constructor, and of [`Bridge::shared`].
    pub fn open(builder: LocalFileBackendBuilder) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let backend = bridge.wait(async { builder.open().await })?;
        Ok(Self::with_bridge(Arc::new(backend), bridge))
    }
}
