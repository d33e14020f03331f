//! Opens `file` URIs.

use std::sync::Arc;

use super::BackendUri;
use super::file_uri::FileUri;
use crate::{AsyncFileBackend, CreateRoot, LocalFileBackend, Result};

/// The handler of the scheme `file`.
pub(super) async fn open(uri: BackendUri) -> Result<Arc<dyn AsyncFileBackend>> {
    let file = FileUri::from(&uri)?;
    let create_root = if file.create_root {
        CreateRoot::Create
    } else {
        CreateRoot::Require
    };
    let backend = LocalFileBackend::builder(file.root)
        .create_root(create_root)
        .durability(file.durability.parse()?)
        .open()
        .await?;
    Ok(Arc::new(backend))
}
