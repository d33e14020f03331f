//! Files in a directory of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::fs::{
    self, Attempt, Draft, NewFile, OpenFile, Root, Stat, Walk, directory_lock_timeout,
};
use crate::lock::{SessionLock, TimeLeft};
use crate::offload::{self, Cancelled, Wait};
use crate::stream::{ByteStream, InfoStream};
use crate::{
    AsyncFileBackend, Capabilities, Capability, Checksum, ChecksumAlgorithm, CopyOptions,
    CreateDirOptions, CreateOptions, DeleteOptions, Encoding, EncodingMode, Error, ErrorKind,
    FileInfo, FilePath, GlobOptions, GlobPattern, InfoOptions, LinkMode, ListOptions, ReadOptions,
    RenameOptions, Result, SessionOptions, SyncSession, UpdateMode, UpdateOptions, WriteMode,
    WriteOptions,
};

mod builder;
mod checksums;
mod session;
mod stream;
#[cfg(test)]
mod tests;

pub use builder::{Durability, LocalFileBackendBuilder};

const NAME: &str = "local";

/// Files in a directory of this machine.
///
/// # Confinement
///
/// The root is an open directory, and every path is resolved beneath it by the kernel (`openat2`, `RESOLVE_BENEATH`). Symbolic
/// links are followed as long as they stay inside, and are relative; one that leads out is
/// [`PathEscapesRoot`](ErrorKind::PathEscapesRoot), also when it is swapped in while an operation runs. Writing to a link
/// replaces the file it leads to. FIFOs, sockets and devices are listed and never opened for their content. Hard links cannot be
/// told from files.
///
/// # Atomicity
///
/// A write goes to a file without a name, or with a reserved one, in the same directory, and takes its name in one step. A file that
/// is replaced keeps its mode, and where the system permits its owner and extended attributes; its hard links keep the old
/// content. An append writes the file anew, sharing the old blocks where the file system can, so it costs a copy elsewhere.
/// Conditional writes and appends are exact among all processes that use f9, by a lock on the directory that is held for a few
/// system calls; programs that write the same files by other means are seen, but not kept out.
///
/// # Durability
///
/// See [`Durability`]. Where a final sync fails, the change is visible and the error is
/// [`DurabilityUnknown`](ErrorKind::DurabilityUnknown).
///
/// # Runtime
///
/// What the kernel can read from its caches without waiting for a disk (`read`, `info`, `exists`, the chunks of `stream_read`; on ext4,
/// XFS, Btrfs, F2FS and tmpfs) is read where it is asked for; all else goes to Tokio's blocking pool, one trip each. Waiting for a
/// session, or for somebody else's conditional write in the same directory, needs a runtime with all drivers enabled: without its
/// timer Tokio panics there. Clones share the same root.
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
    /// Where the root was when it was opened, for people.
    path: PathBuf,
    new_file: NewFile,
    chunk_size: usize,
    session: Arc<SessionLock>,
}

impl LocalFileBackend {
    /// Opens the directory at `root`, making it if it is missing, with the default settings.
    ///
    /// # Errors
    ///
    /// Those of [`LocalFileBackendBuilder::open`].
    pub async fn new(root: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(root).open().await
    }

    /// Settings to open the directory at `root` with.
    pub fn builder(root: impl Into<PathBuf>) -> LocalFileBackendBuilder {
        LocalFileBackendBuilder::new(root.into())
    }

    /// Where the root was when it was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.path
    }

    /// The paths of a copy or rename.
    fn parse_two(&self, from: &str, to: &str) -> Result<(FilePath, FilePath)> {
        let root = &self.shared.root;
        Ok((root.parse_entry(from)?, root.parse_entry(to)?))
    }

    /// Completes the errors of one verb.
    fn failing(&self, operation: &'static str, path: &str) -> impl Fn(Error) -> Error + 'static {
        let (shared, path) = (Arc::clone(&self.shared), path.to_owned());
        move |error| {
            shared
                .root_gone_or(error)
                .with_operation(operation)
                .with_path(path.as_str())
                .with_backend(NAME)
        }
    }

    /// Does one act in one trip to the pool.
    async fn act<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl FnOnce(&Shared, &FilePath, &Cancelled) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let acted = async {
            let parsed = self.shared.root.parse(path)?;
            let shared = Arc::clone(&self.shared);
            offload::run_cancellable(move |cancelled| act(&shared, &parsed, cancelled)).await
        };
        acted.await.map_err(|error| self.failing(operation, path)(error))
    }

    /// Does one act on the spot if the kernel's caches suffice, else in one trip to the pool. `copied` tells how many bytes it took.
    async fn look<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl Fn(&Shared, &FilePath, Wait, &Cancelled) -> Result<T> + Send + Sync + 'static,
        copied: fn(&T) -> usize,
    ) -> Result<T> {
        let acted = async {
            let parsed = self.shared.root.parse(path)?;
            let shared = Arc::clone(&self.shared);
            let act = move |wait, cancelled: &Cancelled| act(&shared, &parsed, wait, cancelled);
            offload::attempt_or_run(act, copied).await
        };
        acted.await.map_err(|error| self.failing(operation, path)(error))
    }

    /// Does one act that may find a directory in use, and then waits outside of the pool.
    async fn settle<T: Send + 'static, S: Send + 'static>(
        &self,
        mut state: Option<S>,
        step: impl Fn(&Shared, Option<S>, &Cancelled) -> Result<Attempt<T, S>> + Send + Sync + 'static,
    ) -> Result<T> {
        let step = Arc::new(step);
        let mut deadline = None;
        let mut pause = Duration::from_millis(1);
        loop {
            let (step, shared) = (Arc::clone(&step), Arc::clone(&self.shared));
            let tried = offload::run_cancellable(move |cancelled| step(&shared, state, cancelled));
            match tried.await? {
                Attempt::Done(done) => return Ok(done),
                Attempt::Busy(again) => state = Some(again),
            }
            let left = deadline.get_or_insert_with(|| TimeLeft::new(directory_lock_timeout()));
            if left.get().is_zero() {
                return Err(Error::new(ErrorKind::LockTimeout)
                    .with_message("another process keeps the directory locked"));
            }
            offload::pause(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Writes a file and publishes it at `path`.
    async fn publish(
        &self,
        path: FilePath,
        mode: WriteMode,
        write: impl Fn(&Shared, &Cancelled) -> Result<Draft> + Send + Sync + 'static,
    ) -> Result<FileInfo> {
        self.settle(None, move |shared, draft: Option<Draft>, cancelled| {
            let draft = draft.map_or_else(|| write(shared, cancelled), Ok)?;
            let committed = draft.commit(&shared.root, &path, &mode)?;
            Ok(committed.map(|stat| stat.info(path.clone())))
        })
        .await
    }
}

impl fmt::Debug for LocalFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFileBackend").field("root", &self.shared.path).finish_non_exhaustive()
    }
}

impl Shared {
    /// In a root that has been removed, look-ups and changes fail in many ways that all mean the same.
    fn root_gone_or(&self, error: Error) -> Error {
        let doubtful = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::Io
        );
        if doubtful && self.root.is_gone() { error.with_kind(ErrorKind::RootGone) } else { error }
    }

    fn begin(&self, path: &FilePath, mode: &WriteMode) -> Result<Draft> {
        Draft::begin(&self.root, path, mode, self.new_file)
    }

    fn open(&self, path: &FilePath, options: &ReadOptions, wait: Wait) -> Result<OpenFile> {
        let file = fs::open_file(&self.root, path, wait)?;
        options.check_etag(Some(&file.stat.etag()))?;
        Ok(file)
    }

    fn info(
        &self,
        path: &FilePath,
        options: &InfoOptions,
        wait: Wait,
        cancelled: &Cancelled,
    ) -> Result<FileInfo> {
        let stat = fs::look_up(&self.root, path, options.links, wait)?;
        let wants_content = options.checksum.is_some() || options.encoding == EncodingMode::Detect;
        if !wants_content || !stat.is_file() {
            return Ok(stat.info(path.clone()));
        }
        wait.expect_disk()?;
        let file = fs::open_file(&self.root, path, wait)?;
        let mut info = file.stat.info(path.clone());
        if options.encoding == EncodingMode::Detect {
            let (sample, complete) = file.sample(Encoding::SAMPLE_BYTES)?;
            info.encoding = Some(Encoding::detect(&sample, complete));
        }
        if let Some(algorithm) = options.checksum {
            info.checksum = Some(file.checksum(algorithm, cancelled)?);
        }
        Ok(info)
    }

    /// Writes `old` and then `data` in its place; `Busy` if the file changed or the directory is in use meanwhile.
    fn append(
        &self,
        path: &FilePath,
        data: &[u8],
        options: &UpdateOptions,
        cancelled: &Cancelled,
    ) -> Result<Attempt<Stat, ()>> {
        let old = fs::open_file(&self.root, path, Wait::Disk)?;
        let etag = old.stat.etag();
        check_update(&old.stat, options)?;
        let mode = WriteMode::IfMatch(etag);
        let draft = match self.begin(path, &mode) {
            Err(error) if is_overtaken(&error, options) => return Ok(Attempt::Busy(())),
            draft => draft?,
        };
        old.copy_to(&draft, cancelled)?;
        draft.append(data)?;
        match draft.commit(&self.root, path, &mode) {
            Ok(Attempt::Done(stat)) => Ok(Attempt::Done(stat)),
            Ok(Attempt::Busy(_)) => Ok(Attempt::Busy(())),
            Err(error) if is_overtaken(&error, options) => Ok(Attempt::Busy(())),
            Err(error) => Err(error),
        }
    }
}

/// Whether another writer was faster, which only a caller that named an etag wants to know.
fn is_overtaken(error: &Error, options: &UpdateOptions) -> bool {
    error.kind() == ErrorKind::PreconditionFailed && options.if_match.is_none()
}

fn check_update(old: &Stat, options: &UpdateOptions) -> Result<()> {
    old.expect_file()?;
    let expected = ReadOptions { if_match: options.if_match.clone(), ..ReadOptions::default() };
    expected.check_etag(Some(&old.etag()))
}

fn not_root(path: &FilePath) -> Result<()> {
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
            Capability::LastingDirectories,
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

    async fn create_with(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        let created = async {
            let file = self.shared.root.parse_entry(path)?;
            let CreateOptions { mode, checksum } = options;
            self.publish(file.clone(), mode.clone(), move |shared, _| {
                let draft = shared.begin(&file, &mode)?;
                if let Some(expected) = &checksum {
                    expected.expect(&Checksum::of(expected.algorithm(), &data))?;
                }
                draft.append(&data)?;
                Ok(draft)
            })
            .await
        };
        created.await.map_err(|error| self.failing("create", path)(error))
    }

    async fn stream_write_with(
        &self,
        path: &str,
        mut data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let written = async {
            let file = self.shared.root.parse_entry(path)?;
            let (shared, mode) = (Arc::clone(&self.shared), options.mode.clone());
            let begun = file.clone();
            let draft = offload::run(move || shared.begin(&begun, &mode)).await?;
            let writer = stream::Writer::new(draft, &options);
            let written = stream::write(writer, &mut data, &options).await?;
            self.settle(Some(State::Written(Box::new(written))), move |shared, state, _| {
                let draft = match state {
                    Some(State::Written(written)) => {
                        let (writer, last) = *written;
                        writer.finish(&last, options.checksum.as_ref())?
                    }
                    Some(State::Complete(draft)) => draft,
                    None => return Err(ErrorKind::Internal.into()),
                };
                Ok(match draft.commit(&shared.root, &file, &options.mode)? {
                    Attempt::Done(stat) => Attempt::Done(stat.info(file.clone())),
                    Attempt::Busy(draft) => Attempt::Busy(State::Complete(draft)),
                })
            })
            .await
        };
        written.await.map_err(|error| self.failing("write", path)(error))
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.act("create directory", path, move |shared, path, _| {
            not_root(path)?;
            fs::make_directory(&shared.root, path, options.mode, shared.new_file.sync)
        })
        .await
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        let read = move |shared: &Shared, path: &FilePath, wait, _: &Cancelled| {
            not_root(path)?;
            options.chunk_size_or(shared.chunk_size)?;
            let file = shared.open(path, &options, wait)?;
            file.read(&options.resolve_range(file.stat.size())?, wait)
        };
        self.look("read", path, read, Bytes::len).await
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let open = move |shared: &Shared, path: &FilePath, wait, _: &Cancelled| {
            not_root(path)?;
            let chunk_size = options.chunk_size_or(shared.chunk_size)?;
            let file = shared.open(path, &options, wait)?;
            let range = options.resolve_range(file.stat.size())?;
            stream::Reader::begin(file, range, chunk_size, wait)
        };
        let reader = self.look("read", path, open, stream::Reader::begun).await?;
        Ok(reader.into_stream(self.failing("read", path)))
    }

    async fn update_with(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        let updated = async {
            let file = self.shared.root.parse_entry(path)?;
            if options.mode == UpdateMode::Append {
                let append = move |shared: &Shared, _, cancelled: &Cancelled| {
                    let appended = shared.append(&file, &data, &options, cancelled)?;
                    Ok(appended.map(|stat| stat.info(file.clone())))
                };
                return self.settle(None, append).await;
            }
            let mode = options.if_match.clone().map_or(WriteMode::Overwrite, WriteMode::IfMatch);
            self.publish(file.clone(), mode.clone(), move |shared, _| {
                let old = fs::look_up(&shared.root, &file, LinkMode::Follow, Wait::Disk)?;
                check_update(&old, &options)?;
                let draft = shared.begin(&file, &mode)?.replacing();
                draft.append(&data)?;
                Ok(draft)
            })
            .await
        };
        updated.await.map_err(|error| self.failing("update", path)(error))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        let deleted = async {
            let entry = self.shared.root.parse_entry(path)?;
            let step = move |shared: &Shared, _: Option<()>, _: &Cancelled| {
                fs::remove(&shared.root, &entry, options.depth, shared.new_file.sync)
            };
            self.settle(None, step).await
        };
        deleted.await.map_err(|error| self.failing("delete", path)(error))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let look = move |shared: &Shared, path: &FilePath, wait, cancelled: &Cancelled| {
            shared.info(path, &options, wait, cancelled)
        };
        self.look("get info of", path, look, |_| 0).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        let begun = self.act("list", prefix, move |shared, path, _| {
            Ok(stream::begin_list(Walk::start(&shared.root, path, options.depth)?))
        });
        let (first, rest) = begun.await?;
        Ok(stream::list(first, rest, self.failing("list", prefix)))
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        let found = async {
            let (shared, pattern) = (Arc::clone(&self.shared), GlobPattern::parse(pattern)?);
            offload::run_cancellable(move |cancelled| {
                fs::glob(&shared.root, &pattern, options.kind, cancelled)
            })
            .await
        };
        found.await.map_err(|error| self.failing("glob", pattern)(error))
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        let copied = async {
            let (source, target) = self.parse_two(from, to)?;
            let mode = options.mode;
            if source == target && mode == WriteMode::Overwrite {
                let shared = Arc::clone(&self.shared);
                let open = move || fs::open_file(&shared.root, &source, Wait::Disk);
                return Ok(offload::run(open).await?.stat.info(target));
            }
            self.publish(target.clone(), mode.clone(), move |shared, cancelled| {
                let file = fs::open_file(&shared.root, &source, Wait::Disk)?;
                let new_file = file.copied(shared.new_file);
                let draft = Draft::begin(&shared.root, &target, &mode, new_file)?;
                file.copy_to(&draft, cancelled)?;
                Ok(draft)
            })
            .await
        };
        copied.await.map_err(|error| self.failing("copy", from)(error.between(from, to)))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        let renamed = async {
            let (source, target) = self.parse_two(from, to)?;
            let step = move |shared: &Shared, _: Option<()>, _: &Cancelled| {
                let sync = shared.new_file.sync;
                let moved = fs::rename(&shared.root, &source, &target, &options.mode, sync)?;
                Ok(moved.map(|stat| stat.info(target.clone())))
            };
            self.settle(None, step).await
        };
        renamed.await.map_err(|error| self.failing("rename", from)(error.between(from, to)))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<String> {
        // However many callers there are, only so many files are open.
        static OPEN: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(checksums::AT_A_TIME));
        let (backend, path) = (self.clone(), path.to_owned());
        offload::detached(async move {
            let _permit = OPEN.acquire().await;
            let hash = move |shared: &Shared, path: &FilePath, cancelled: &Cancelled| {
                not_root(path)?;
                let file = fs::open_file(&shared.root, path, Wait::Disk)?;
                let checksum = file.checksum(algorithm, cancelled)?;
                Ok(checksum.into_hex())
            };
            backend.act("checksum", &path, hash).await
        })
        .await
    }

    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, String>> {
        let checked = |path: &&str| {
            let parsed = self.shared.root.parse_entry(path);
            parsed.map_err(|error| self.failing("checksum", path)(error))
        };
        let paths = paths.iter().map(checked).collect::<Result<Vec<_>>>()?;
        let shared = Arc::clone(&self.shared);
        let failing = self.failing("checksum", "");
        offload::run_cancellable(move |cancelled| {
            checksums::many(&shared.root, &paths, algorithm, cancelled)
        })
        .await
        .map_err(failing)
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let opened = session::open(&self.shared, options.timeout).await;
        opened.map_err(|error| {
            self.shared.root_gone_or(error).with_operation("open a session").with_backend(NAME)
        })
    }
}

/// How far a streamed write has come when it is to be published.
enum State {
    Written(Box<(stream::Writer, Vec<Bytes>)>),
    Complete(Draft),
}
