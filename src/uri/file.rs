//! The scheme `file`: a directory.

use std::path::PathBuf;
use std::sync::Arc;

use super::BackendUri;
use crate::{AsyncFileBackend, Durability, LocalFileBackend, Result};

/// What a `file` URI says, before anything is opened.
#[derive(Debug)]
pub(super) struct FileUri {
    /// Absolute, or relative to the working directory.
    pub(super) root: PathBuf,
    /// Whether a root that is missing is made.
    pub(super) create_root: bool,
    pub(super) durability: Durability,
    /// Whether the temporaries of dead processes are removed.
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
                uri.invalid("a directory is needed, as in `file:///srv/data` or `file://data`")
            );
        }
        // Elsewhere `file://localhost/srv` is /srv; here it would quietly make a directory of that name.
        if uri.authority().eq_ignore_ascii_case("localhost") {
            return Err(uri.invalid(
                "an absolute directory has three slashes, as in `file:///srv/data`; \
                 a relative one of that name is `file://./localhost`",
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

/// The handler.
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
