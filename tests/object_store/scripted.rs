//! A memory backend that records its calls and fails as a test requires.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use f9::compat::object_store::FileBackendStore;
use f9::prelude::*;
use f9::*;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::MultipartUpload;
use tokio::sync::Semaphore;

#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) files: MemoryFileBackend,
    pub(crate) without: Option<Capability>,
    pub(crate) hides_etags: bool,
    /// Reports files one byte larger than they are.
    pub(crate) overstates: bool,
    /// The error of every call.
    pub(crate) fails: Option<ErrorKind>,
    /// The error of reads and writes after their first chunk.
    pub(crate) fails_half_way: Option<ErrorKind>,
    /// Streamed writes panic after their first chunk.
    pub(crate) panics: bool,
    /// A directory whose listing fails.
    pub(crate) unreadable: Option<&'static str>,
    /// How many reads are preceded by a change of the file.
    pub(crate) replaces: AtomicUsize,
    /// A permit for each chunk that a write may read.
    pub(crate) takes: Option<Semaphore>,
    pub(crate) calls: Mutex<Vec<&'static str>>,
    /// An upload that is dropped during a write.
    pub(crate) drops: Mutex<Option<Box<dyn MultipartUpload>>>,
    /// The chunks that streamed writes have read.
    pub(crate) written: Mutex<Vec<Bytes>>,
    /// How many entries of listings were read.
    pub(crate) entries: Arc<AtomicUsize>,
}

impl Scripted {
    /// Returns the store, and the script to inspect.
    pub(crate) fn store(self) -> (FileBackendStore, Arc<Self>) {
        let script = Arc::new(self);
        (FileBackendStore::new(Arc::clone(&script)), script)
    }

    /// Returns the calls since the last call of this function.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn record(&self, call: &'static str, path: &str) -> Result<()> {
        self.calls.lock().unwrap().push(call);
        self.fails.map_or(Ok(()), |kind| Err(failure(kind, path)))
    }

    /// Appends one byte to the file if a change is left.
    async fn replace(&self, path: &str) {
        let one_less = |left: usize| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.replaces.fetch_update(order, order, one_less).is_ok() {
            self.files.update_with(path, "+", UpdateOptions::append()).await.unwrap();
        }
    }

    fn adjusted(&self, mut info: FileInfo) -> FileInfo {
        info.etag.take_if(|_| self.hides_etags);
        info.size = info.size.map(|size| size + u64::from(self.overstates));
        info
    }
}

fn failure(kind: ErrorKind, path: &str) -> Error {
    Error::new(kind).with_operation("play").with_path(path).with_message("scripted")
}

#[async_trait]
impl AsyncFileBackend for Scripted {
    fn capabilities(&self) -> Capabilities {
        let all = self.files.capabilities();
        self.without.map_or(all, |without| all.without(without))
    }

    async fn stream_write_with(
        &self,
        path: &str,
        mut data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.record("stream_write", path)?;
        let mut chunks = Vec::new();
        loop {
            if let Some(takes) = &self.takes {
                takes.acquire().await.unwrap().forget();
            }
            let Some(chunk) = data.try_next().await? else { break };
            chunks.push(chunk.clone());
            self.written.lock().unwrap().push(chunk);
            drop(self.drops.lock().unwrap().take());
            assert!(!self.panics, "scripted");
            if let Some(kind) = self.fails_half_way {
                return Err(failure(kind, path));
            }
        }
        let data = futures::stream::iter(chunks).map(Ok).boxed();
        self.files.stream_write_with(path, data, options).await.map(|info| self.adjusted(info))
    }

    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.record("write", path)?;
        self.files.write_with(path, data, options).await.map(|info| self.adjusted(info))
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.record("create_dir", path)?;
        self.files.create_dir_with(path, options).await
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        self.record("open", path)?;
        self.replace(path).await;
        let mut content = self.files.open_with(path, options).await?;
        content.info = self.adjusted(content.info);
        if let Some(kind) = self.fails_half_way {
            let failure = futures::stream::iter([Err(failure(kind, path))]);
            content.stream = content.stream.take(1).chain(failure).boxed();
        }
        Ok(content)
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        self.record("read", path)?;
        self.replace(path).await;
        self.files.read_with(path, options).await
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.record("delete", path)?;
        self.files.delete_with(path, options).await
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.record("info", path)?;
        self.files.info_with(path, options).await.map(|info| self.adjusted(info))
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.record("list", prefix)?;
        if self.unreadable == Some(prefix) {
            return Err(failure(ErrorKind::PermissionDenied, prefix));
        }
        let taken = Arc::clone(&self.entries);
        let entries = self.files.list_with(prefix, options).await?;
        let count = move |_: &_| {
            taken.fetch_add(1, Ordering::Relaxed);
        };
        Ok(entries.inspect(count).boxed())
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        self.record("copy", from)?;
        self.files.copy_with(from, to, options).await
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.record("rename", from)?;
        self.files.rename_with(from, to, options).await
    }
}
