//! The blocking local backend.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Blocking, Bridge};
use crate::backends::local::LocalConfig;
use crate::core::error::Result;

/// Files in a directory; the twin of [`f9::LocalFileBackend`](crate::LocalFileBackend).
pub type LocalFileBackend = Blocking<crate::backends::local::LocalFileBackend>;

impl LocalFileBackend {
    /// Opens the directory `root`. See [`new`](crate::LocalFileBackend::new).
    ///
    /// # Errors
    ///
    /// Those of the async constructor, and of [`Bridge::shared`].
    pub fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let backend =
            bridge.wait(async { crate::backends::local::LocalFileBackend::new(root).await })?;
        Ok(Self::with_bridge(Arc::new(backend), bridge))
    }

    /// Returns the path of the root when it was opened.
    #[must_use]
    pub fn root(&self) -> &std::path::Path {
        self.backend().root()
    }

    /// Opens the directory that `config` describes, a [`LocalConfig`] or a builder. See [`open`](crate::LocalFileBackend::open).
    ///
    /// # Errors
    ///
    /// Those of the async constructor, and of [`Bridge::shared`].
    pub fn open(config: impl Into<LocalConfig>) -> Result<Self> {
        let (bridge, config) = (Bridge::shared()?, config.into());
        let backend =
            bridge.wait(async { crate::backends::local::LocalFileBackend::open(config).await })?;
        Ok(Self::with_bridge(Arc::new(backend), bridge))
    }
}
