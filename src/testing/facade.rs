//! The blocking facade dressed as an async backend, so that the one suite tests both.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use crate::blocking::{self, Blocking, FileBackend};
use crate::stream::{ByteStream, InfoStream};
use crate::{
    AsyncFileBackend, AsyncSyncFileBackend, Capabilities, ChecksumAlgorithm, CopyOptions,
    CreateDirOptions, CreateOptions, DeleteOptions, FileInfo, FilePath, GlobOptions, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, Result, SessionHandle, SessionOptions, SyncSession,
    UpdateOptions, WriteOptions,
};

/// Any backend, called through its blocking facade.
///
/// A call keeps the thread that polls it until it is done, so that no future of this backend can be dropped half-way, and what a
/// call waits for must not depend on that thread: use it on a multi-thread runtime.
#[derive(Debug)]
pub struct ThroughFacade {
    inner: FileBackend,
}

impl ThroughFacade {
    /// `backend`, called through its facade.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::shared`](blocking::Bridge::shared).
    pub fn new(backend: Arc<dyn AsyncFileBackend>) -> Result<Self> {
        let inner = Blocking::from_backend(backend)?;
        Ok(Self { inner })
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl AsyncFileBackend for ThroughFacade {
    fn as_sync(&self) -> Option<&dyn AsyncSyncFileBackend> {
        // What syncs is called through the facade's own methods.
        None
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn stream_write_with(
        &self,
        path: &str,
        mut data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        // A source that is itself async is waited for inside the write's own wait.
        let chunks = iter::from_fn(|| self.inner.bridge().wait(data.next()));
        self.inner.stream_write_with(path, chunks, options)
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.inner.create_dir_with(path, options)
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let chunks = self.inner.stream_read_with(path, options)?;
        Ok(stream::iter(chunks).boxed())
    }

    async fn update_with(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        self.inner.update_with(path, data, options)
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.inner.delete_with(path, options)
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.inner.info_with(path, options)
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        let entries = self.inner.list_with(prefix, options)?;
        Ok(stream::iter(entries).boxed())
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.inner.rename_with(from, to, options)
    }

    async fn create_with(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        self.inner.create_with(path, data, options)
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        self.inner.read_with(path, options)
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        self.inner.copy_with(from, to, options)
    }

    async fn exists(&self, path: &str) -> Result<bool> {
        self.inner.exists(path)
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        self.inner.glob_with(pattern, options)
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<String> {
        self.inner.checksum(path, algorithm)
    }

    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, String>> {
        self.inner.checksum_many(paths, algorithm)
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let session = self.inner.sync_session_with(options)?;
        Ok(SyncSession::new(ThroughGuard(session)))
    }
}

struct ThroughGuard(blocking::SyncSession);

#[async_trait]
impl SessionHandle for ThroughGuard {
    async fn finish(self: Box<Self>) -> Result<()> {
        self.0.finish()
    }
}
