//! Files in memory: the reference implementation of the contract, for tests and for caches.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{AsyncFileBackend, Capabilities, Capability, SyncSession};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, InfoOptions, ListOptions,
    ReadOptions, RenameOptions, SessionOptions, UpdateOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, DEFAULT_CHUNK_SIZE, InfoStream, chunked};
use crate::core::tree::{PAGE, listing};
use crate::sys::lock::SessionLock;

mod config;
mod error;
mod open;
mod read;
mod tree;
mod write;

use error::CONTEXT;
use tree::Tree;

pub use config::MemoryConfig;

/// Files in the memory of this process, with every promise of the contract.
///
/// Clones share the same files. The files are dropped with the last clone, unless the backend is [named](Self::named). Content is
/// stored as [`Bytes`], so reads do not copy. Writes are atomic, conditional writes are exact, and sessions are exclusive within the
/// process.
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
}

#[derive(Default)]
struct Shared {
    tree: Mutex<Tree>,
    session: Arc<SessionLock>,
}

impl MemoryFileBackend {
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
    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[
            Capability::ExclusiveCreate,
            Capability::ConditionalWrite,
            Capability::Append,
            Capability::EmptyDirectories,
            Capability::PersistentDirectories,
            Capability::AtomicRename,
            Capability::ServerSideCopy,
            Capability::Sessions,
            Capability::LongPaths,
        ])
    }

    async fn create_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        write::create(self, path, data, &options)
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        write::stream_write(self, path, data, options).await
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        FilePath::parse_entry(path)
            .and_then(|dir| self.tree().create_dir(&dir, options.mode))
            .map_err(CONTEXT.at("create directory", path))
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        read::read(self, path, &options)
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let content = read::read(self, path, &options)?;
        Ok(chunked(content, options.chunk_size.unwrap_or(DEFAULT_CHUNK_SIZE)))
    }

    async fn update_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        FilePath::parse_entry(path)
            .and_then(|file| self.tree().update(&file, data, &options))
            .map_err(CONTEXT.at("update", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        FilePath::parse_entry(path)
            .and_then(|entry| self.tree().delete(&entry, options.depth))
            .map_err(CONTEXT.at("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        read::info(self, path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        let failing = CONTEXT.at("list", prefix);
        let directory = FilePath::parse(prefix).map_err(&failing)?;
        let backend = self.clone();
        let page = move |after: Option<&FileInfo>| {
            backend.tree().page(&directory, options.depth, after, PAGE)
        };
        listing(page).map_err(failing)
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        let copy = || {
            let (from, to) = (FilePath::parse_entry(from)?, FilePath::parse_entry(to)?);
            self.tree().copy(&from, &to, &options.mode)
        };
        copy().map_err(CONTEXT.between("copy", from, to))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        let rename = || {
            let (from, to) = (FilePath::parse_entry(from)?, FilePath::parse_entry(to)?);
            self.tree().rename(&from, &to, &options.mode)
        };
        rename().map_err(CONTEXT.between("rename", from, to))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        read::checksum(self, path, algorithm).await
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let guard = self.shared.session.lock(options.timeout, async |_| Ok(None)).await;
        guard.map(SyncSession::new).map_err(CONTEXT.operation("open a session"))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::core::options::WriteMode;

    #[test]
    fn the_fields_of_an_info_belong_to_the_same_content() {
        let backend = MemoryFileBackend::new();
        let content = |byte, size| Bytes::from(vec![byte; size]);
        let write = |data| backend.tree().write(&file(), data, &WriteMode::Overwrite);
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
