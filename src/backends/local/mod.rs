//! Files in a directory of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{AsyncFileBackend, Capabilities, Capability, SyncSession};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, GlobOptions, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, SessionOptions, UpdateOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, InfoStream};
use crate::sys::fs::{NewFile, Root};
use crate::sys::lock::SessionLock;

mod checksum;
mod config;
mod error;
mod list;
mod open;
mod read;
mod read_stream;
mod remove;
mod rename;
mod run;
mod session;
#[cfg(test)]
mod tests;
mod write;
mod write_stream;

pub use config::{Durability, LocalConfig};
pub use open::LocalFileBackendBuilder;

const NAME: &str = "local";

/// Files in a directory of this machine.
///
/// # Confinement
///
/// The root is an open directory, and the kernel resolves every path beneath it (`openat2`, `RESOLVE_BENEATH`). Relative symbolic
/// links within the root are followed. A link that leads out is [`PathEscapesRoot`](crate::ErrorKind::PathEscapesRoot), even if it is
/// swapped in during an operation. A write to a link replaces its target. FIFOs, sockets and devices are listed, but their content is
/// never opened. Hard links are treated like any other file.
///
/// # Atomicity
///
/// A write goes to a file in the same directory, without a name or with a reserved one, and gets its final name in one step. A
/// replaced file keeps its mode, and its owner and extended attributes if the system permits that. Its other hard links keep the old
/// content. An append writes a new file and shares the old blocks if the file system supports it; otherwise it copies them.
/// Conditional writes and appends are exact among all processes that use f9, by a lock on the directory that is held for a few system
/// calls. Writes of other programs are noticed but not prevented.
///
/// # Durability
///
/// See [`Durability`]. If the final sync fails, the change is visible and the error is
/// [`DurabilityUnknown`](crate::ErrorKind::DurabilityUnknown).
///
/// # Runtime
///
/// `read`, `info`, `exists` and the chunks of `stream_read` run on the calling thread if the kernel can answer from its caches (on
/// ext4, XFS, Btrfs, F2FS and tmpfs). All other operations make one trip each to Tokio's blocking pool. A wait for a session, or for a
/// conditional write of another process in the same directory, needs a runtime with its timer enabled; Tokio panics without it. Clones
/// share the same root.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("notes");
/// let backend = f9::LocalFileBackend::new(path).await?;
/// backend.create("2026/a.txt", "hello").await?;
/// assert_eq!(backend.read_text("2026/a.txt").await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalFileBackend {
    shared: Arc<Shared>,
}

struct Shared {
    root: Root,
    /// The path of the root when it was opened, for error texts and people.
    path: PathBuf,
    new_file: NewFile,
    chunk_size: usize,
    session: Arc<SessionLock>,
}

impl LocalFileBackend {
    /// Returns the path of the root when it was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.path
    }

    /// Parses the paths of a copy or rename.
    fn parse_two(&self, from: &str, to: &str) -> Result<(FilePath, FilePath)> {
        let root = &self.shared.root;
        Ok((root.parse_entry(from)?, root.parse_entry(to)?))
    }
}

impl fmt::Debug for LocalFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFileBackend").field("root", &self.shared.path).finish_non_exhaustive()
    }
}

fn check_not_root(path: &FilePath) -> Result<()> {
    FilePath::parse_entry(path).map(drop)
}

#[async_trait]
impl AsyncFileBackend for LocalFileBackend {
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
            Capability::CrossProcessSessions,
            Capability::CrossProcessWrites,
            Capability::LongPaths,
        ]);
        if self.shared.new_file.sync {
            capabilities.with(Capability::Durable)
        } else {
            capabilities
        }
    }

    async fn create_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        write::create(self, path, data, options).await
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
        write::create_dir(self, path, options).await
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        read::read(self, path, options).await
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        read::stream_read(self, path, options).await
    }

    async fn update_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        write::update(self, path, data, options).await
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        remove::delete(self, path, options).await
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        read::info(self, path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        list::list(self, prefix, options).await
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        list::glob(self, pattern, options).await
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        write::copy(self, from, to, options).await
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        rename::rename(self, from, to, options).await
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        checksum::checksum(self, path, algorithm).await
    }

    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, Checksum>> {
        checksum::checksum_many(self, paths, algorithm).await
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        session::open(self, options).await
    }
}
