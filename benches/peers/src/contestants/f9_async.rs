//! f9 on Tokio.

use std::path::Path;

use bytes::Bytes;
use f9::prelude::*;
use f9::{Checksum, ChecksumAlgorithm, Durability, FileInfo, ListOptions, LocalFileBackend};
use futures::{TryStreamExt as _, executor, stream};

use super::{Files, Listed};
use crate::Result;
use crate::content::{Algorithm, Pieces, Sink};

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

    async fn overwrite(&self, path: &str, data: Bytes) -> Result<()> {
        self.write(path, data).await?;
        Ok(())
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        let mut chunks = AsyncFileBackendExt::stream_read(self, path).await?;
        while let Some(chunk) = chunks.try_next().await? {
            sink.take(&chunk);
        }
        Ok(())
    }

    async fn stream_write(&self, path: &str, pieces: Pieces) -> Result<()> {
        let pieces = stream::iter(pieces.map(Ok::<_, f9::Error>));
        AsyncFileBackendExt::stream_write(self, path, pieces).await?;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let mut entries = self.list_with("", ListOptions::recursive()).await?;
        let mut files = Vec::new();
        while let Some(entry) = entries.try_next().await? {
            files.extend(listed(entry));
        }
        Ok(files)
    }

    async fn rust_files(&self) -> Result<Vec<String>> {
        let found = self.glob("**/*.rs").await?;
        Ok(found.into_iter().map(String::from).collect())
    }

    async fn checksum(&self, path: &str, algorithm: Algorithm) -> Result<String> {
        Ok(AsyncFileBackend::checksum(self, path, known(algorithm)).await?.into_hex())
    }

    async fn checksum_many(&self, paths: &[String]) -> Result<Vec<String>> {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let found =
            AsyncFileBackend::checksum_many(self, &paths, ChecksumAlgorithm::Sha256).await?;
        Ok(found.into_values().map(Checksum::into_hex).collect())
    }
}

pub fn listed(entry: FileInfo) -> Option<Listed> {
    let (size, modified) = (entry.size?, entry.modified_at?);
    Some(Listed { path: entry.path.into(), size, modified })
}

pub fn known(algorithm: Algorithm) -> ChecksumAlgorithm {
    match algorithm {
        Algorithm::Sha256 => ChecksumAlgorithm::Sha256,
        Algorithm::Blake3 => ChecksumAlgorithm::Blake3,
    }
}
