//! Files in memory: the reference implementation of the contract, for tests and for caches.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use crate::backend::{AsyncFileBackend, Capabilities, Capability, StoreIdentity, SyncSession};
use crate::core::change::ChangeStream;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, DeleteOptions, InfoChanges, InfoOptions, ListOptions,
    ReadOptions, RenameOptions, SessionOptions, VersionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::selection::Selection;
use crate::core::stream::{ByteStream, InfoStream};
use crate::core::tree::listing;
use crate::core::upload::ResumableUpload;
use crate::sys::lock::SessionLock;
use crate::sys::pool;

mod config;
mod content;
mod error;
mod history;
mod identity;
mod open;
mod read;
mod tree;
mod upload;
mod uploads;
mod watch;
mod watchers;
mod write;

use error::CONTEXT;
use identity::Identity;
use tree::Tree;
use uploads::Uploads;

pub use config::MemoryConfig;

/// Files in the memory of this process, with every promise of the contract.
///
/// Clones share the same files. The files are dropped with the last clone, unless the backend is [named](Self::named). Content is
/// stored as [`Bytes`], so reads do not copy. Writes are atomic, conditional writes are exact, and sessions are exclusive within the
/// process. With [`MemoryConfig::keep_versions`], every write, copy, rename and deletion adds a version, and old content stays in memory.
/// `watch` keeps at most 16 MiB of changes that the caller has not taken, and ends after `Removed` if the directory is removed or
/// moved.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::MemoryFileBackend::new();
/// backend.create("a/b.txt", "hello").await?;
/// assert_eq!(backend.read("a/b.txt").await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryFileBackend {
    shared: Arc<Shared>,
    /// The name of the private directory that this handle shows.
    view: Option<Arc<str>>,
}

#[derive(Default)]
struct Shared {
    tree: Mutex<Tree>,
    uploads: Uploads,
    session: Arc<SessionLock>,
    identity: Identity,
}

impl MemoryFileBackend {
    fn parse(&self, path: &str) -> Result<FilePath> {
        FilePath::parse_in_view(path, self.view.as_deref())
    }

    fn parse_entry(&self, text: &str) -> Result<FilePath> {
        let path = self.parse(text)?;
        path.expect_entry(text)?;
        Ok(path)
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // Every change is checked before it starts, so a panic cannot leave the tree in the middle of a change.
        self.shared.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFileBackend").finish_non_exhaustive()
    }
}

#[async_trait]
impl AsyncFileBackend for MemoryFileBackend {
    /// Each store has its own number, and each process its own random part.
    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.shared.identity.get())
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::of(&[
            Capability::ExclusiveCreate,
            Capability::ConditionalWrite,
            Capability::Append,
            Capability::EmptyDirectories,
            Capability::PersistentDirectories,
            Capability::AtomicRename,
            Capability::ServerSideCopy,
            Capability::Sessions,
            Capability::LongPaths,
            Capability::ContentType,
            Capability::UserMetadata,
            Capability::ModificationTime,
            Capability::Permissions,
            Capability::SetInfo,
            Capability::Resumable,
            Capability::PrivateViews,
            Capability::Watch,
        ]);
        match self.tree().keeps_versions() {
            true => capabilities.with(Capability::Versions),
            false => capabilities,
        }
    }

    fn private_view(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        FilePath::check_view(name)?;
        Ok(Arc::new(Self { shared: Arc::clone(&self.shared), view: Some(name.into()) }))
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        pool::give_way().await;
        read::open(self, path, &options)
    }

    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        pool::give_way().await;
        write::write(self, path, data, &options)
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        pool::give_way().await;
        write::stream_write(self, path, data, options).await
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        pool::give_way().await;
        self.parse_entry(path)
            .and_then(|dir| self.tree().create_dir(&dir, options.mode))
            .map_err(CONTEXT.at("create directory", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        pool::give_way().await;
        let deleted = self.parse_entry(path).and_then(|entry| self.tree().delete(&entry, &options));
        options.ignore_missing(deleted).map_err(CONTEXT.at("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        pool::give_way().await;
        read::info(self, path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        pool::give_way().await;
        let failing = CONTEXT.at("list", prefix);
        let directory = self.parse(prefix).map_err(&failing)?;
        let selection = Selection::of(&options).map_err(failing)?;
        let backend = self.clone();
        let page = move |after: Option<&str>, size| {
            backend.tree().page(&directory, options.depth, after, size)
        };
        listing(selection, page).map_err(failing)
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        pool::give_way().await;
        let copy = || {
            let (from, to) = (self.parse_entry(from)?, self.parse_entry(to)?);
            self.tree().copy(&from, &to, &options)
        };
        copy().map_err(CONTEXT.between("copy", from, to))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        pool::give_way().await;
        let rename = || {
            let (from, to) = (self.parse_entry(from)?, self.parse_entry(to)?);
            self.tree().rename(&from, &to, &options)
        };
        rename().map_err(CONTEXT.between("rename", from, to))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        pool::give_way().await;
        read::checksum(self, path, algorithm).await
    }

    async fn set_info(&self, path: &str, changes: InfoChanges) -> Result<FileInfo> {
        pool::give_way().await;
        self.parse_entry(path)
            .and_then(|entry| self.tree().set_info(&entry, &changes))
            .map_err(CONTEXT.at("set info of", path))
    }

    async fn begin_upload(&self, path: &str, options: WriteOptions) -> Result<ResumableUpload> {
        pool::give_way().await;
        upload::begin(self, path, options)
    }

    async fn continue_upload(
        &self,
        upload: &ResumableUpload,
        data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        pool::give_way().await;
        let resumed = self.shared.uploads.resume(upload, data).await;
        resumed.map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn upload_state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        pool::give_way().await;
        self.shared.uploads.state(upload).map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn finish_upload(&self, upload: &ResumableUpload) -> Result<FileInfo> {
        pool::give_way().await;
        upload::finish(self, upload).map_err(CONTEXT.at("upload", &upload.path))
    }

    async fn abandon_upload(&self, upload: &ResumableUpload) -> Result<()> {
        pool::give_way().await;
        self.shared.uploads.remove(&upload.id);
        Ok(())
    }

    async fn list_versions_with(
        &self,
        path: &str,
        options: VersionOptions,
    ) -> Result<VersionStream<'static>> {
        pool::give_way().await;
        let versions =
            self.parse_entry(path).and_then(|file| self.tree().versions(&file, &options));
        let versions = versions.map_err(CONTEXT.at("list versions of", path))?;
        Ok(stream::iter(versions.into_iter().map(Ok)).boxed())
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        pool::give_way().await;
        let guard = self.shared.session.lock(options.timeout, async |_| Ok(None)).await;
        guard.map(SyncSession::new).map_err(CONTEXT.operation("open a session"))
    }

    async fn watch_with(
        &self,
        prefix: &str,
        options: WatchOptions,
    ) -> Result<ChangeStream<'static>> {
        pool::give_way().await;
        watch::watch(self, prefix, &options)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use futures::FutureExt as _;

    use super::*;
    use crate::backend::AsyncFileBackendExt as _;
    use crate::core::metadata::FileMetadata;
    use crate::core::options::WriteMode;
    use crate::core::target::WriteTarget;

    #[test]
    fn the_etags_of_two_stores_differ() {
        let etag = || {
            let written = MemoryFileBackend::new().write("a", "x").now_or_never();
            written.unwrap().unwrap().etag
        };
        assert_ne!(etag(), etag());
    }

    #[test]
    fn the_fields_of_an_info_belong_to_the_same_content() {
        let backend = MemoryFileBackend::new();
        let content = |byte, size| Bytes::from(vec![byte; size]);
        let target = WriteTarget::from(WriteMode::Overwrite);
        let none = FileMetadata::default();
        let write = |data| backend.tree().write(&file(), data, &target, &none);
        fn file() -> FilePath {
            FilePath::parse("a").unwrap()
        }
        write(content(b'a', 1)).unwrap();
        let options = InfoOptions::default().with_checksum(ChecksumAlgorithm::Md5);
        let sums = [1, 2].map(|size| Checksum::of(ChecksumAlgorithm::Md5, &content(b'a', size)));
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    write(content(b'a', 1 + round % 2)).unwrap();
                }
            });
            for _ in 0..2_000 {
                let info = backend.info_with("a", options.clone());
                let info = futures::executor::block_on(info).unwrap();
                let size = usize::try_from(info.size.unwrap()).unwrap();
                assert_eq!(info.checksum.as_ref(), Some(&sums[size - 1]));
            }
        });
    }
}
