//! f9 on Tokio.

use std::path::Path;

use bytes::Bytes;
use f9::prelude::*;
use f9::{Durability, LocalFileBackend};
use futures::{TryStreamExt as _, executor, stream};

use super::Files;
use crate::Result;
use crate::content::Sink;

pub fn open(root: &Path, synced: bool) -> Result<LocalFileBackend> {
    let durability = if synced { Durability::Synced } else { Durability::Atomic };
    Ok(executor::block_on(LocalFileBackend::builder(root).durability(durability).open())?)
}

impl Files for LocalFileBackend {
    type Content = Bytes;

    async fn read(&self, path: &str) -> Result<Bytes> {
        Ok(AsyncFileBackendExt::read(self, path).await?)
    }

    async fn info(&self, path: &str) -> Result<u64> {
        Ok(AsyncFileBackendExt::info(self, path).await?.size.unwrap_or(0))
    }

    async fn create(&self, path: &str, data: Bytes) -> Result<()> {
        AsyncFileBackendExt::create(self, path, data).await?;
        Ok(())
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        let mut chunks = AsyncFileBackendExt::stream_read(self, path).await?;
        while let Some(chunk) = chunks.try_next().await? {
            sink.take(&chunk);
        }
        Ok(())
    }

    async fn stream_write(
        &self,
        path: &str,
        pieces: impl Iterator<Item = Bytes> + Clone + Send + Sync + 'static,
    ) -> Result<()> {
        let pieces = stream::iter(pieces.map(Ok::<_, f9::Error>));
        AsyncFileBackendExt::stream_write(self, path, pieces).await?;
        Ok(())
    }
}
