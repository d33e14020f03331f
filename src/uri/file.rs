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

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::{ErrorKind, resolve_backend};

    #[tokio::test]
    async fn a_directory_is_opened_by_uri() {
        let parent = tempfile::tempdir().unwrap();
        let uri = format!("file://{}/a%20b", parent.path().display());

        let error = resolve_backend(&format!("{uri}?create_root=false"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!parent.path().join("a b").exists());

        let backend = resolve_backend(&format!("{uri}?durability=synced"))
            .await
            .unwrap();
        backend.create("x", "1").await.unwrap();
        let content = std::fs::read_to_string(parent.path().join("a b/x")).unwrap();
        assert_eq!(content, "1");
    }
}
