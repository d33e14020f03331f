//! Files in a directory of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{
    AsyncFileBackend, Capabilities, Capability, Limits, StoreIdentity, SyncSession,
};
use crate::core::change::ChangeStream;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, DeleteOptions, GlobOptions, InfoChanges, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, SessionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, InfoStream};
use crate::core::upload::ResumableUpload;
use crate::sys::fs::{NewFile, Root};
use crate::sys::lock::SessionLock;

mod checksum;
mod config;
mod copy;
mod error;
mod list;
mod many;
mod metadata;
mod open;
mod open_files;
mod read;
mod read_stream;
mod remove;
mod remove_many;
mod rename;
mod run;
mod session;
#[cfg(test)]
mod tests;
mod upload;
mod watch;
mod write;
mod write_many;
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
/// A write goes to a file in the same directory, without a name or with a reserved one, and gets its final name in one step. A replaced
/// file keeps its mode and its ACL, and its owner, capabilities and extended attributes if the system permits that. A new file inherits the
/// default ACL of its directory. The other hard links of a replaced file keep the old content. An append writes a new file and shares the
/// old blocks if the file system supports it; otherwise it copies them. Conditional writes and appends are exact among all processes that
/// use f9, by a lock on the directory that is held for a few system calls. Writes of other programs are noticed but not prevented.
///
/// Any user who can read a directory can lock it for ever (`flock(2)`). So after two seconds a verb goes on in spite of such a lock. A
/// conditional verb then locks a file in the directory that only users who may change the directory can open. Other verbs go on without
/// a lock: until the stranger releases its lock, a plain write may come between the check and the write of a conditional one.
///
/// A file that is a mount point, as containers have for single files, cannot be replaced.
/// [`WriteMethod::InPlace`](crate::WriteMethod::InPlace) writes into it, which is not atomic.
///
/// Two names of one file (hard links) can be renamed to each other. No write to the old name is lost meanwhile, and in a directory that
/// ignores case the last name of a file stays.
///
/// A recursive deletion first moves the directory aside, so that all of it disappears in one step. On an overlay file system, as
/// containers have it, a directory of a lower layer cannot be moved: its entries are deleted one by one, so that others may see a part of
/// them, and a failure leaves the rest; `rename` of it is [`Unsupported`](crate::ErrorKind::Unsupported).
///
/// # Files that do not tell their size
///
/// A file with content may have the size 0 in its metadata, as in `/proc`, or that of a page, as in `/sys`. Such a file is read to its end,
/// as a whole and up to 64 MiB; a longer one is [`TooLarge`](crate::ErrorKind::TooLarge). `info` has the size in the metadata, `open` that
/// of the content. An empty file on a file system without a local disk costs one more system call.
///
/// # File systems
///
/// ext4, XFS, Btrfs, F2FS and tmpfs have every step that f9 uses. On any other file system each step is tried when the root is opened,
/// with files that have reserved names, and [`capabilities`](crate::AsyncFileBackend::capabilities) has the result. Nothing is claimed
/// for a root that cannot be written to. The conformance suite passes on each of these, except for
/// what the list below says:
///
/// | capability | ext4, XFS, Btrfs, tmpfs | overlayfs | bindfs | sshfs |
/// | --- | --- | --- | --- | --- |
/// | `ExclusiveCreate`, `AtomicRename` | yes | yes | by the lock | by the lock |
/// | `ConditionalWrite`, `Append`, `CrossProcessWrites`, `CrossProcessSessions` | yes | yes | yes | yes |
/// | `ContentType`, `UserMetadata` | yes | yes | yes | no |
/// | `ModificationTime` | yes | yes | yes | no: whole seconds |
/// | `Permissions` | yes | yes | yes | yes |
/// | `Links` | yes | yes | yes | no: it does not read all targets |
/// | `LongPaths` | yes | yes | no: 1,024 bytes | no: 1,024 bytes |
///
/// - On FUSE, such as bindfs and sshfs, a name is created exclusively by the lock on the directory, which holds among all processes that
///   use the same mount. Another mount of the same directory, another machine and another program do not share it.
/// - An etag from sshfs notices a change by another machine only if the size or the second of the modification time differs.
/// - On FUSE, a directory with an open file cannot be deleted
///   ([`DirectoryNotEmpty`](crate::ErrorKind::DirectoryNotEmpty)), because FUSE keeps the file in it as `.fuse_hidden…` until it is
///   closed. Such files are not listed.
/// - On sshfs, of several renames to one name in a missing directory, one wins, but another one may fail with
///   [`NotFound`](crate::ErrorKind::NotFound) instead of [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
/// - Where an etag does not stay the same after the file is closed, as with NTFS-3G, a write returns none, and `ConditionalWrite` is not
///   claimed.
/// - Without `RENAME_NOREPLACE` and without a lock on the directory, as on NFS, a new file gets its name by a hard link. A kill may then
///   leave its temporary name, too.
///
/// # Temporary files
///
/// Opening a root removes temporary files whose owner is dead. The name tells the owner: the boot of the machine, the namespace of
/// process ids, the process id and its start. One whose process runs stays, whichever mount shows it. One whose process has ended is
/// removed at once. Whether an owner in another container, on another machine or of an earlier boot is alive is unknown, so its files are
/// removed when nothing has changed them for a day. A locked file always stays. See [`LocalConfig::sweep`].
///
/// # Durability
///
/// See [`Durability`]. If the final sync fails, the change is visible and the error is
/// [`DurabilityUnknown`](crate::ErrorKind::DurabilityUnknown).
///
/// # Runtime
///
/// `read`, `info`, `exists` and the chunks of `stream_read` run on the calling thread if the kernel can answer from its caches (on
/// ext4, XFS, Btrfs, F2FS and tmpfs). All other operations make one trip each to the threads of f9, which serve all runtimes of the
/// process. A wait for a session, or for a conditional write of another process in the same directory, needs a runtime with its timer
/// enabled; Tokio panics without it. Clones share the same root.
///
/// # Load
///
/// Any number of futures may be in flight. Operations start in the order of their first poll, on at most 64 threads. Together they have at
/// most half as many files open as the process may have (`RLIMIT_NOFILE`, which is read while it runs); an operation belongs to a thread
/// only while it runs, so a future that is not polled keeps nothing from others. If the system allows no thread at all, an operation
/// fails with [`QuotaExceeded`](crate::ErrorKind::QuotaExceeded).
///
/// A stream that reads more than a chunk, or a listing of more than 1,024 entries, keeps one file open, and a stream that writes keeps two.
/// The files of all streams that read may use an eighth of the limit of the process, and those of all that write another eighth. Further
/// streams wait for their turn. If none is closed for 30 seconds, the call fails with
/// [`TooManyOpenFiles`](crate::ErrorKind::TooManyOpenFiles), whose text names the oldest stream.
///
/// An operation that has started runs to its end, even if its future is dropped. A runtime that shuts down waits for its operations, also
/// in [`shutdown_background`](tokio::runtime::Runtime::shutdown_background), but for no more than a minute.
///
/// # Forks
///
/// A process that was made by `fork` without `exec` starts threads of its own. It neither releases nor keeps the locks of its parent. If the
/// parent is killed, the kernel keeps its session lock until the child ends, because both share it (`flock(2)`); the text of
/// [`LockTimeout`](crate::ErrorKind::LockTimeout) then says so.
///
/// # Watching
///
/// `watch` sees the changes of every process. It needs a Tokio runtime with I/O and a timer, and its stream must be polled: the kernel
/// keeps 16,384 events (`fs.inotify.max_queued_events`), and reports a [`Rescan`](crate::Change::Rescan) if there are more. It keeps at
/// most 16 MiB of changes that the caller has not taken, 18 bytes for each of the first 524,288 names, and about 300 bytes for each
/// directory. Further names are not known, so a file that is replaced there by a rename is `Created`.
///
/// A file that is written all the time is reported once in 20 settle times. A name that is not UTF-8 has no path, so its changes are a
/// `Rescan` of its directory. A directory that this process must not read is not watched until it may. Changes through a hard link
/// elsewhere or of a mapped file are not seen, nor are changes of other machines on a network file system. If the directory is removed or
/// moved, the stream ends after `Removed`; for the root it ends with [`RootGone`](crate::ErrorKind::RootGone). Links in the prefix are
/// followed once, at the start. More directories than `fs.inotify.max_user_watches` are
/// [`QuotaExceeded`](crate::ErrorKind::QuotaExceeded).
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
    limits: Limits,
    identity: StoreIdentity,
}

impl LocalFileBackend {
    /// Returns the path of the root when it was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.path
    }

    /// Parses a path as the verbs do, and refuses the root.
    pub(crate) fn parse_entry(&self, path: &str) -> Result<FilePath> {
        self.shared.root.parse_entry(path)
    }

    /// Parses the paths of a copy or rename.
    pub(crate) fn parse_two(&self, from: &str, to: &str) -> Result<(FilePath, FilePath)> {
        Ok((self.parse_entry(from)?, self.parse_entry(to)?))
    }
}

impl fmt::Debug for LocalFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFileBackend").field("root", &self.shared.path).finish_non_exhaustive()
    }
}

fn check_not_root(path: &FilePath) -> Result<()> {
    path.expect_entry(path)
}

#[async_trait]
impl AsyncFileBackend for LocalFileBackend {
    fn limits(&self) -> Limits {
        self.shared.limits.clone()
    }

    /// The device and the inode of the root, so that it does not depend on the path.
    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.shared.identity.clone())
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::of(&[
            Capability::InPlace,
            Capability::EmptyDirectories,
            Capability::PersistentDirectories,
            Capability::ServerSideCopy,
            Capability::SetInfo,
            Capability::Resumable,
            Capability::PrivateViews,
            Capability::Watch,
        ]);
        let has = self.shared.root.file_system();
        for (is_there, capability) in [
            (has.creates_exclusively, Capability::ExclusiveCreate),
            (has.keeps_etags && has.locks_directories, Capability::ConditionalWrite),
            (has.locks_directories, Capability::Append),
            (has.locks_directories, Capability::CrossProcessWrites),
            (has.renames_at_once, Capability::AtomicRename),
            (has.locks_files, Capability::Sessions),
            (has.locks_files, Capability::CrossProcessSessions),
            (has.has_long_paths, Capability::LongPaths),
            (has.keeps_times, Capability::ModificationTime),
            (has.keeps_permissions, Capability::Permissions),
            (has.has_links, Capability::Links),
            (self.shared.new_file.sync, Capability::Durable),
        ] {
            if is_there {
                capabilities = capabilities.with(capability);
            }
        }
        if self.shared.root.keeps_metadata() {
            let metadata = [Capability::ContentType, Capability::UserMetadata];
            capabilities = capabilities | Capabilities::of(&metadata);
        }
        capabilities
    }

    fn private_view(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        FilePath::check_view(name)?;
        let shared = Shared {
            root: self.shared.root.with_view(name)?,
            path: self.shared.path.clone(),
            new_file: self.shared.new_file,
            chunk_size: self.shared.chunk_size,
            session: Arc::clone(&self.shared.session),
            limits: self.shared.limits.clone(),
            identity: self.shared.identity.clone(),
        };
        Ok(Arc::new(Self { shared: Arc::new(shared) }))
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        read::open(self, path, options).await
    }

    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        write::write(self, path, data, options).await
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
        copy::copy(self, from, to, options).await
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

    async fn set_info(&self, path: &str, changes: InfoChanges) -> Result<FileInfo> {
        metadata::set_info(self, path, changes).await
    }

    async fn create_link(&self, path: &str, target: &str) -> Result<FileInfo> {
        metadata::create_link(self, path, target).await
    }

    async fn read_link(&self, path: &str) -> Result<String> {
        metadata::read_link(self, path).await
    }

    async fn copy_from(
        &self,
        source: &dyn AsyncFileBackend,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        copy::copy_from(self, source, from, to, options).await
    }

    async fn begin_upload(&self, path: &str, options: WriteOptions) -> Result<ResumableUpload> {
        upload::begin(self, path, options).await
    }

    async fn continue_upload(
        &self,
        upload: &ResumableUpload,
        data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        upload::resume(self, upload, data).await
    }

    async fn upload_state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        upload::state(self, upload).await
    }

    async fn finish_upload(&self, upload: &ResumableUpload) -> Result<FileInfo> {
        upload::finish(self, upload).await
    }

    async fn abandon_upload(&self, upload: &ResumableUpload) -> Result<()> {
        upload::abandon(self, upload).await
    }

    async fn write_many_with(
        &self,
        files: Vec<(String, Bytes)>,
        options: WriteOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        write_many::write_many(self, files, options).await
    }

    async fn delete_many_with(
        &self,
        paths: &[&str],
        options: DeleteOptions,
    ) -> Result<Vec<Result<()>>> {
        remove_many::delete_many(self, paths, options).await
    }

    async fn read_ranges_with(
        &self,
        path: &str,
        ranges: &[ByteRange],
        options: ReadOptions,
    ) -> Result<Vec<Bytes>> {
        read::read_ranges(self, path, ranges, options).await
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        session::open(self, options).await
    }

    async fn watch_with(
        &self,
        prefix: &str,
        options: WatchOptions,
    ) -> Result<ChangeStream<'static>> {
        watch::watch(self, prefix, options).await
    }
}
