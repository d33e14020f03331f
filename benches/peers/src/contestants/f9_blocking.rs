//! f9 without a runtime of the caller's.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use f9::blocking::LocalFileBackend;

use super::Files;
use crate::Result;
use crate::content::Sink;

pub fn open(root: &Path) -> Result<Arc<LocalFileBackend>> {
    Ok(Arc::new(LocalFileBackend::new(root)?))
}

impl Files for Arc<LocalFileBackend> {
    type Content = Bytes;

    async fn read(&self, path: &str) -> Result<Bytes> {
        Ok(LocalFileBackend::read(self, path)?)
    }

    async fn info(&self, path: &str) -> Result<u64> {
        Ok(LocalFileBackend::info(self, path)?.size.unwrap_or(0))
    }

    async fn create(&self, path: &str, data: Bytes) -> Result<()> {
        LocalFileBackend::create(self, path, data)?;
        Ok(())
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        for chunk in LocalFileBackend::stream_read(self, path)? {
            sink.take(&chunk?);
        }
        Ok(())
    }

    async fn stream_write(
        &self,
        path: &str,
        pieces: impl Iterator<Item = Bytes> + Clone + Send + Sync + 'static,
    ) -> Result<()> {
        LocalFileBackend::stream_write(self, path, pieces.map(Ok::<_, f9::Error>))?;
        Ok(())
    }
}
