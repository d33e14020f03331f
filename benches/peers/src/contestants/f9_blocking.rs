//! The blocking facade of f9, on a thread without a runtime.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use f9::blocking::LocalFileBackend;
use f9::{Checksum, ChecksumAlgorithm, ListOptions};

use super::f9_async::{known, listed};
use super::{Files, Listed};
use crate::Result;
use crate::content::{Algorithm, Pieces, Sink};

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

    async fn overwrite(&self, path: &str, data: Bytes) -> Result<()> {
        self.write(path, data)?;
        Ok(())
    }

    async fn stream_read(&self, path: &str, sink: &mut Sink) -> Result<()> {
        for chunk in LocalFileBackend::stream_read(self, path)? {
            sink.take(&chunk?);
        }
        Ok(())
    }

    async fn stream_write(&self, path: &str, pieces: Pieces) -> Result<()> {
        LocalFileBackend::stream_write(self, path, pieces.map(Ok::<_, f9::Error>))?;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let entries = self.list_with("", ListOptions::recursive())?;
        Ok(entries.filter_map(|entry| entry.map(listed).transpose()).collect::<f9::Result<_>>()?)
    }

    async fn rust_files(&self) -> Result<Vec<String>> {
        Ok(self.glob("**/*.rs")?.into_iter().map(String::from).collect())
    }

    async fn checksum(&self, path: &str, algorithm: Algorithm) -> Result<String> {
        Ok(LocalFileBackend::checksum(self, path, known(algorithm))?.into_hex())
    }

    async fn checksum_many(&self, paths: &[String]) -> Result<Vec<String>> {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let found = LocalFileBackend::checksum_many(self, &paths, ChecksumAlgorithm::Sha256)?;
        Ok(found.into_values().map(Checksum::into_hex).collect())
    }
}
