//! The blocking URI factory.

use super::{Blocking, Bridge, FileBackend};
use crate::core::error::Result;

/// Opens the backend that `uri` names; the twin of [`f9::resolve_backend`](crate::resolve_backend).
///
/// # Errors
///
/// Those of the async function, and of [`Bridge::shared`].
pub fn resolve_backend(uri: &str) -> Result<FileBackend> {
    let bridge = Bridge::shared()?;
    let backend = bridge.wait(async { crate::services::uri::resolve_backend(uri).await })?;
    Ok(Blocking::with_bridge(backend, bridge))
}
