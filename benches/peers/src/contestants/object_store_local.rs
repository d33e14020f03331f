//! `object_store::local::LocalFileSystem`.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, WriteMultipart};

use super::{Files, Listed};
use crate::Result;
use crate::content::{Pieces, Sink};

/// The number of concurrent parts of a multipart upload.
const PARTS_AHEAD: usize = 2;

pub fn open(root: &std::path::Path, fsync: bool) -> Result<Arc<LocalFileSystem>> {
    Ok(Arc::new(LocalFileSystem::new_with_prefix(root)?.with_fsync(fsync)))
}

impl Files for Arc<LocalFileSystem> {
    type Content = Bytes;

    async fn read(&self, path: &str) -> Result<Bytes> {
        Ok(self.get(&Path::from(path)).await?.bytes().await?)
    }

    async fn info(&self, path: &str) -> Result<u64> {
        Ok(self.head(&Path::from(path)).await?.size)
    }

    async fn create(&self, path: &str, data: Bytes) -> Result<()> {
        self.put(&Path::from(path), data.into()).await?;
        Ok(())
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        let mut chunks = self.get(&Path::from(path)).await?.into_stream();
        while let Some(chunk) = chunks.try_next().await? {
            sink.take(&chunk);
        }
        Ok(())
    }

    async fn stream_write(&self, path: &str, pieces: Pieces) -> Result<()> {
        let mut upload = WriteMultipart::new(self.put_multipart(&Path::from(path)).await?);
        for piece in pieces {
            upload.wait_for_capacity(PARTS_AHEAD).await?;
            upload.put(piece);
        }
        upload.finish().await?;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let found: Vec<_> = ObjectStore::list(self, None).try_collect().await?;
        let listed = |meta: ObjectMeta| Listed {
            path: meta.location.into(),
            size: meta.size,
            modified: meta.last_modified.into(),
        };
        let mut files: Vec<Listed> = found.into_iter().map(listed).collect();
        files.sort_unstable();
        Ok(files)
    }

    async fn rust_files(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut listing = ObjectStore::list(self, None);
        while let Some(meta) = listing.try_next().await? {
            if meta.location.as_ref().ends_with(".rs") {
                found.push(meta.location.into());
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}
