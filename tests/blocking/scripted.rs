//! A backend whose streams and sessions follow a script.

use async_trait::async_trait;
use bytes::Bytes;
use f9::blocking::Blocking;
use f9::stream::{ByteStream, InfoStream};
use f9::{
    AsyncFileBackend, AsyncSyncFileBackend, Capabilities, CreateDirOptions, DeleteOptions, Error,
    ErrorKind, FileContent, FileInfo, FilePath, FileType, InfoOptions, ListOptions, PullOptions,
    PushOptions, ReadOptions, RenameOptions, Result, SessionHandle, SessionOptions, SyncConflict,
    SyncReport, SyncSession, WriteOptions,
};
use futures::stream::{self, StreamExt as _};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// A backend whose streams return these items once. The streams and sessions panic if they are dropped outside a runtime.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) chunks: Mutex<VecDeque<Result<Bytes>>>,
    pub(crate) entries: Mutex<VecDeque<Result<FileInfo>>>,
    pub(crate) synced: Mutex<Vec<String>>,
}

impl Scripted {
    pub(crate) fn reading<const N: usize>(chunks: [Result<&'static str>; N]) -> Blocking<Self> {
        let chunks = chunks.map(|chunk| chunk.map(Bytes::from));
        let chunks = Mutex::new(chunks.into());
        let scripted = Self { chunks, ..Self::default() };
        Blocking::from_backend(Arc::new(scripted)).unwrap()
    }
}

struct NeedsRuntime;

impl Drop for NeedsRuntime {
    fn drop(&mut self) {
        Handle::current();
    }
}

/// Returns a stream of the items, which is pending once before each item. It panics if it is polled after its end.
fn play<T: Send + 'static>(items: &Mutex<VecDeque<T>>) -> stream::BoxStream<'static, T> {
    let state = (std::mem::take(&mut *items.lock().unwrap()), NeedsRuntime);
    stream::unfold(state, |(mut items, needs_runtime)| async {
        tokio::task::yield_now().await;
        let item = items.pop_front()?;
        Some((item, (items, needs_runtime)))
    })
    .boxed()
}

#[async_trait]
impl SessionHandle for NeedsRuntime {
    async fn finish(self: Box<Self>) -> Result<()> {
        tokio::task::yield_now().await;
        Err(Error::new(ErrorKind::QuotaExceeded))
    }
}

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported))
}

#[async_trait]
impl AsyncFileBackend for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    async fn stream_write_with(
        &self,
        _: &str,
        _: ByteStream<'_>,
        _: WriteOptions,
    ) -> Result<FileInfo> {
        unsupported()
    }
    async fn create_dir_with(&self, _: &str, _: CreateDirOptions) -> Result<()> {
        unsupported()
    }
    async fn open_with(&self, path: &str, _: ReadOptions) -> Result<FileContent> {
        let info = FileInfo::new(FilePath::parse(path)?, FileType::File);
        Ok(FileContent::new(info, 0..0, play(&self.chunks)))
    }
    async fn delete_with(&self, _: &str, _: DeleteOptions) -> Result<()> {
        unsupported()
    }
    async fn info_with(&self, _: &str, _: InfoOptions) -> Result<FileInfo> {
        unsupported()
    }
    async fn list_with(&self, _: &str, _: ListOptions) -> Result<InfoStream<'static>> {
        Ok(play(&self.entries))
    }
    async fn rename_with(&self, _: &str, _: &str, _: RenameOptions) -> Result<FileInfo> {
        unsupported()
    }
    async fn sync_session_with(&self, _: SessionOptions) -> Result<SyncSession> {
        Ok(SyncSession::new(NeedsRuntime))
    }
}

impl Scripted {
    fn record(&self, call: impl Into<String>) -> Result<()> {
        self.synced.lock().unwrap().push(call.into());
        Ok(())
    }
}

#[async_trait]
impl AsyncSyncFileBackend for Scripted {
    async fn push_with(&self, options: PushOptions) -> Result<SyncReport> {
        let message = options.message.unwrap_or_default();
        self.record(format!("push {message}")).map(|()| SyncReport::default())
    }
    async fn pull_with(&self, _: PullOptions) -> Result<SyncReport> {
        self.record("pull").map(|()| SyncReport::default())
    }
    async fn conflict_report(&self) -> Result<Vec<SyncConflict>> {
        self.record("report").map(|()| Vec::new())
    }
    async fn conflict_accept_local(&self, path: &str) -> Result<()> {
        self.record(format!("local {path}"))
    }
    async fn conflict_accept_remote(&self, path: &str) -> Result<()> {
        self.record(format!("remote {path}"))
    }
    async fn conflict_resolve(&self, path: &str, data: Bytes) -> Result<()> {
        self.record(format!("resolve {path} {}", data.len()))
    }
}
