//! Files in memory: the reference implementation of the contract, and what tests of others stand on.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::lock::SessionLock;
use crate::offload;
use crate::stream::{ByteStream, InfoStream, chunked};
use crate::tree::{PAGE, listing};
use crate::{
    AsyncFileBackend, Capabilities, Capability, Checksum, ChecksumAlgorithm, CopyOptions,
    CreateDirOptions, CreateOptions, DEFAULT_CHUNK_SIZE, DeleteOptions, Encoding, EncodingMode,
    Error, FileInfo, FilePath, InfoOptions, ListOptions, ReadOptions, RenameOptions, Result,
    SessionOptions, SyncSession, UpdateOptions, WriteOptions,
};

mod tree;

use tree::Tree;

const NAME: &str = "memory";

/// Files in the memory of this process, with every promise of the contract.
///
/// Clones share the same files; they are gone with the last clone, unless the backend is [named](Self::named). Content is
/// kept as [`Bytes`], so a read copies nothing. Writes are atomic and conditional writes exact; sessions exclude each other
/// within the process.
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
    /// An empty store of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The store of this name, shared by all who ask for it within the process. It lives as long as the process.
    #[must_use]
    pub fn named(name: &str) -> Self {
        static NAMED: LazyLock<Mutex<HashMap<String, MemoryFileBackend>>> =
            LazyLock::new(Mutex::default);
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.entry(name.to_owned()).or_default().clone()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // Each change of the tree is checked before it begins, so a panic cannot leave it half-changed.
        self.shared.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFileBackend").finish_non_exhaustive()
    }
}

/// Completes the errors of one verb.
fn failing<'a>(operation: &'static str, path: &'a str) -> impl Fn(Error) -> Error + 'a {
    move |error| error.with_operation(operation).with_path(path).with_backend(NAME)
}

/// The same for a verb of two paths.
fn failing_pair<'a>(
    operation: &'static str,
    from: &'a str,
    to: &'a str,
) -> impl Fn(Error) -> Error + 'a {
    move |error| failing(operation, from)(error.between(from, to))
}

/// Hashing keeps a core busy for long where the content is.
async fn hash(algorithm: ChecksumAlgorithm, content: Bytes) -> Result<Checksum> {
    offload::run(move || Ok(Checksum::of(algorithm, &content))).await
}

#[async_trait]
impl AsyncFileBackend for MemoryFileBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[
            Capability::ExclusiveCreate,
            Capability::ConditionalWrite,
            Capability::Append,
            Capability::EmptyDirectories,
            Capability::LastingDirectories,
            Capability::AtomicRename,
            Capability::ServerSideCopy,
            Capability::Sessions,
            Capability::LongPaths,
        ])
    }

    async fn create_with(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        let created = || {
            let path = FilePath::parse_entry(path)?;
            self.tree().check_write(&path, &options.mode)?;
            if let Some(expected) = &options.checksum {
                expected.expect(&Checksum::of(expected.algorithm(), &data))?;
            }
            self.tree().write(&path, data, &options.mode)
        };
        created().map_err(failing("create", path))
    }

    async fn stream_write_with(
        &self,
        path: &str,
        mut data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let written = async {
            let file = FilePath::parse_entry(path)?;
            self.tree().check_write(&file, &options.mode)?;
            let mut content = Vec::new();
            while let Some(chunk) = data.try_next().await? {
                content.extend_from_slice(&chunk);
                options.check_size_so_far(content.len() as u64)?;
            }
            options.check_size(content.len() as u64)?;
            if let Some(expected) = &options.checksum {
                expected.expect(&Checksum::of(expected.algorithm(), &content))?;
            }
            self.tree().write(&file, content.into(), &options.mode)
        };
        written.await.map_err(failing("write", path))
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        FilePath::parse_entry(path)
            .and_then(|dir| self.tree().create_dir(&dir, options.mode))
            .map_err(failing("create directory", path))
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        let read = || {
            let file = FilePath::parse_entry(path)?;
            options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
            self.tree().read(&file, &options)
        };
        read().map_err(failing("read", path))
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        // One of zero is refused by the read.
        let chunk_size = options.chunk_size.unwrap_or(DEFAULT_CHUNK_SIZE);
        let content = self.read_with(path, options).await?;
        Ok(chunked(content, chunk_size))
    }

    async fn update_with(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        FilePath::parse_entry(path)
            .and_then(|file| self.tree().update(&file, data, &options))
            .map_err(failing("update", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        FilePath::parse_entry(path)
            .and_then(|entry| self.tree().delete(&entry, options.depth))
            .map_err(failing("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let failing = failing("get info of", path);
        let look_up = || {
            let path = FilePath::parse(path)?;
            let tree = self.tree();
            let info = tree.info(&path)?;
            // At the same moment, so that size, etag and checksum are those of one content.
            let whole = info.is_file().then(|| tree.read(&path, &ReadOptions::default()));
            Ok((info, whole.transpose()?))
        };
        let (mut info, content) = look_up().map_err(&failing)?;
        let Some(content) = content else { return Ok(info) };
        if options.encoding == EncodingMode::Detect {
            let sample = &content[..content.len().min(Encoding::SAMPLE_BYTES)];
            info.encoding = Some(Encoding::detect(sample, sample.len() == content.len()));
        }
        if let Some(algorithm) = options.checksum {
            info.checksum = Some(hash(algorithm, content).await.map_err(failing)?);
        }
        Ok(info)
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        let failing = failing("list", prefix);
        let directory = FilePath::parse(prefix).map_err(&failing)?;
        let backend = self.clone();
        let page = move |after: Option<&FileInfo>| {
            backend.tree().page(&directory, options.depth, after, PAGE)
        };
        listing(page).map_err(failing)
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        let copied = || {
            let (from, to) = (FilePath::parse_entry(from)?, FilePath::parse_entry(to)?);
            self.tree().copy(&from, &to, &options.mode)
        };
        copied().map_err(failing_pair("copy", from, to))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        let renamed = || {
            let (from, to) = (FilePath::parse_entry(from)?, FilePath::parse_entry(to)?);
            self.tree().rename(&from, &to, &options.mode)
        };
        renamed().map_err(failing_pair("rename", from, to))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<String> {
        let read = FilePath::parse_entry(path)
            .and_then(|file| self.tree().read(&file, &ReadOptions::default()));
        let content = read.map_err(failing("checksum", path))?;
        let hashed = hash(algorithm, content).await;
        hashed.map(Checksum::into_hex).map_err(failing("checksum", path))
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let guard = self.shared.session.lock(options.timeout, async |_| Ok(None)).await;
        let named = |error: Error| error.with_operation("open a session").with_backend(NAME);
        Ok(SyncSession::new(guard.map_err(named)?))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn info_is_of_one_moment() {
        let backend = MemoryFileBackend::new();
        let content = |byte, size| Bytes::from(vec![byte; size]);
        let write = |data| backend.tree().write(&file(), data, &crate::WriteMode::Overwrite);
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
