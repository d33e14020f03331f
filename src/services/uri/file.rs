//! The scheme `file`: a directory.

use std::path::PathBuf;
use std::sync::Arc;

use super::BackendUri;
use crate::backend::AsyncFileBackend;
use crate::backends::local::{Durability, LocalFileBackend};
use crate::core::error::Result;

/// The settings in a `file` URI.
#[derive(Debug)]
pub(super) struct FileUri {
    /// Absolute, or relative to the working directory.
    pub(super) root: PathBuf,
    /// Creates a missing root.
    pub(super) create_root: bool,
    pub(super) durability: Durability,
    /// Removes temporary files of dead processes.
    pub(super) sweep: bool,
}

impl FileUri {
    pub(super) fn from(uri: &BackendUri) -> Result<Self> {
        let mut parameters = uri.parameters();
        let create_root = parameters.bool("create_root")?;
        let durability = parameters.parse("durability", "atomic or synced")?;
        let sweep = parameters.bool("sweep")?;
        parameters.finish()?;
        if uri.location().is_empty() {
            return Err(
                uri.invalid("the directory is missing; write `file:///srv/data` or `file://data`")
            );
        }
        // Other programs take `file://localhost/srv` for /srv; here it would silently create a directory named `localhost`.
        if uri.authority().eq_ignore_ascii_case("localhost") {
            return Err(uri.invalid(
                "write an absolute directory with three slashes, as in `file:///srv/data`, \
                 or a relative directory of that name as `file://./localhost`",
            ));
        }
        Ok(Self {
            root: uri.location().into(),
            create_root: create_root.unwrap_or(true),
            durability: durability.unwrap_or_default(),
            sweep: sweep.unwrap_or(true),
        })
    }
}

/// Opens a `file` URI.
pub(super) async fn open(uri: BackendUri) -> Result<Arc<dyn AsyncFileBackend>> {
    let file = FileUri::from(&uri)?;
    let backend = LocalFileBackend::builder(file.root)
        .create_root(file.create_root)
        .durability(file.durability)
        .sweep(file.sweep)
        .open()
        .await?;
    Ok(Arc::new(backend))
}
