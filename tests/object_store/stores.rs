//! The tested stores. Each is new and empty.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use f9::compat::object_store::FileBackendStore;
use f9::{AsyncFileBackend, Durability, LocalFileBackend, MemoryFileBackend};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tempfile::TempDir;

/// A local directory as an object store.
pub(crate) struct Local {
    pub(crate) store: FileBackendStore,
    dir: TempDir,
}

impl Local {
    pub(crate) async fn new() -> Self {
        Self::with(Durability::Atomic).await
    }

    pub(crate) async fn with(durability: Durability) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let builder = LocalFileBackend::builder(dir.path()).durability(durability);
        Self { store: FileBackendStore::new(builder.open().await.unwrap()), dir }
    }

    /// Returns the path of a location on disk.
    pub(crate) fn on_disk(&self, location: &str) -> PathBuf {
        self.dir.path().join(location)
    }

    /// Returns all names in the directory in order, including hidden ones.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }
}

/// Returns a memory backend as an object store, and the backend itself.
pub(crate) fn memory() -> (FileBackendStore, MemoryFileBackend) {
    let files = MemoryFileBackend::new();
    let shared: Arc<dyn AsyncFileBackend> = Arc::new(files.clone());
    (FileBackendStore::new(shared), files)
}

pub(crate) async fn content(store: &dyn ObjectStore, location: &str) -> Vec<u8> {
    let got = store.get(&Path::parse(location).unwrap()).await.unwrap();
    got.bytes().await.unwrap().to_vec()
}

/// Returns the locations of all objects.
pub(crate) async fn locations(store: &dyn ObjectStore) -> Vec<String> {
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    objects.into_iter().map(|meta| meta.location.to_string()).collect()
}
