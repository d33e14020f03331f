//! The two traits of the contract. They are in one file because each refers to the other.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::TryStreamExt as _;

use crate::core::change::ChangeStream;
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::core::content::FileContent;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, DeleteOptions, GlobOptions, InfoChanges, InfoOptions,
    ListOptions, PullOptions, PushOptions, ReadOptions, RenameOptions, SessionOptions, SyncOptions,
    VersionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::{FilePath, shortened};
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::core::stream::{ByteStream, InfoStream, PathStream, single};
use crate::core::upload::ResumableUpload;

use super::capabilities::Capabilities;
use super::conflict::SyncConflict;
use super::limits::{Limits, StoreIdentity};
use super::session::SyncSession;
use super::sync_report::SyncReport;

/// A store of files, with the same promises for every kind of store.
///
/// Paths follow the grammar of [`FilePath`]; every verb checks them before it does anything else. Only [`info_with`](Self::info_with),
/// [`list_with`](Self::list_with), [`exists`](Self::exists), [`glob_with`](Self::glob_with) and [`watch_with`](Self::watch_with) accept the
/// root. Every error names the operation and the path. Every write is all-or-nothing: readers, and processes that start after a crash,
/// see the old content or the new one, never a part or a mix.
///
/// This trait has the full form of each verb. It is object-safe: `Arc<dyn AsyncFileBackend>`, `Box<dyn AsyncFileBackend>` and
/// `&'static B` are backends too. Callers use [`AsyncFileBackendExt`](crate::AsyncFileBackendExt), which adds the short forms;
/// `use f9::prelude::*` brings both into scope. [`write_bytes`](Self::write_bytes) takes [`Bytes`] so that the trait stays object-safe;
/// callers use `write`, `create` and `update` of the extension trait, which take `impl Into<Bytes>`.
///
/// # Cost
///
/// The costs of the verbs count system calls of [`LocalFileBackend`](crate::LocalFileBackend) for a file of 4 KiB in a directory below
/// the root, and requests to OpenAI. A trip to Tokio's blocking pool costs about 15 µs, a system call about 1 µs.
/// [`f9::blocking`](crate::blocking) makes the same system calls and no trips, except in `checksum_many`. The OpenAI backend first
/// lists the store, with one request for every 100 entries, unless it did so within `cache_ttl`. The git backend starts no process,
/// except where a verb says so; automatic pulls and pushes add their own cost.
///
/// # Cancel safety
///
/// Dropping a future or stream of any method leaves the store as it was, or as the finished operation leaves it. Either may happen
/// while the operation runs. No half-done work, temporary file or lock stays behind. Methods that promise more say so.
#[doc = include_str!("implementing.md")]
#[async_trait]
pub trait AsyncFileBackend: Any + Debug + Send + Sync {
    /// Returns the sync interface if this backend has a remote. Use it on backends from [`resolve_backend`](crate::resolve_backend).
    fn as_sync(&self) -> Option<&dyn AsyncSyncFileBackend> {
        None
    }

    /// Returns the bounds of this store.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Returns the name of this store. Two handles of one store have the same name. `None` if the store has none.
    fn identity(&self) -> Option<StoreIdentity> {
        None
    }

    /// Returns a view of this store in which `.f9/<name>/` can be read and written, so that a service can keep its own files beside those of
    /// the users. Files can be moved in and out. Paths of users never reach that directory. A listing or glob shows it only if its path starts
    /// with `.f9/<name>`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported); [`InvalidPath`](ErrorKind::InvalidPath) if `name` is not a single name;
    /// [`ReservedPath`](ErrorKind::ReservedPath) for `uploads`, which f9 uses itself.
    fn private_view(&self, name: &str) -> Result<Arc<dyn AsyncFileBackend>> {
        Err(unsupported("open a private view", name))
    }

    /// Returns what this store can do. Other operations fail with [`Unsupported`](ErrorKind::Unsupported).
    fn capabilities(&self) -> Capabilities;

    /// Opens the file at `path`, or a range of it: the metadata and the content of one version.
    ///
    /// The content comes in chunks of 1 byte to `options.chunk_size`; all but the last one are full. A slice of a chunk keeps the whole
    /// chunk in memory; copy the part you keep. If the file is replaced meanwhile, the stream continues with the old content or fails. If
    /// it is truncated meanwhile, the stream ends with [`UnexpectedEof`](ErrorKind::UnexpectedEof).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`IsADirectory`](ErrorKind::IsADirectory); [`NotAFile`](ErrorKind::NotAFile) for a special
    /// file; [`InvalidRange`](ErrorKind::InvalidRange); [`PreconditionFailed`](ErrorKind::PreconditionFailed);
    /// [`NotModified`](ErrorKind::NotModified); [`InvalidInput`](ErrorKind::InvalidInput) for a chunk size of zero. A failure half-way is
    /// the last item of the stream.
    ///
    /// # Cost
    ///
    /// Local: 8 system calls and no trip for 1 MiB in the cache; one trip for each chunk from the first that is not. OpenAI: 1 request,
    /// or 2 for the first read where downloads are forbidden; none for an empty file.
    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent>;

    /// Writes the file at `path` from a stream, creates its parent directories, and returns its metadata.
    ///
    /// Needs constant memory. Nothing is visible before the last byte has been accepted. If the source fails, or its length differs
    /// from `options.size`, nothing changes.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if anything exists at `path` and the mode is [`Create`](crate::WriteMode::Create);
    /// [`NotFound`](ErrorKind::NotFound) if nothing does and the mode is [`Replace`](crate::WriteMode::Replace) or
    /// [`Append`](crate::WriteMode::Append); [`IsADirectory`](ErrorKind::IsADirectory) if a directory exists there and the mode is not
    /// `Create`; [`PreconditionFailed`](ErrorKind::PreconditionFailed) if the condition does not hold, or there is no file with the etag of
    /// [`IfMatch`](crate::WriteMode::IfMatch); [`Unsupported`](ErrorKind::Unsupported) for metadata that the store cannot keep, and without
    /// [`Append`](crate::Capability::Append) for an append; [`NotADirectory`](ErrorKind::NotADirectory) if a parent is a file;
    /// [`LengthMismatch`](ErrorKind::LengthMismatch); [`IntegrityMismatch`](ErrorKind::IntegrityMismatch);
    /// [`SourceFailed`](ErrorKind::SourceFailed) with the error of the stream as its cause ([`from_caller`](crate::stream::from_caller)).
    ///
    /// # Cost
    ///
    /// Local: one trip to begin, one to publish, and one for each batch of 256 KiB, 512 KiB, 1 MiB, 2 MiB, 2 MiB and so on; 13 system
    /// calls and 6 trips for 4 MiB. OpenAI: 2 requests, 4 to replace a file.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the source has ended leaves the store as it was.
    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo>;

    /// Creates a directory and its parents.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) on a store without [`EmptyDirectories`](crate::Capability::EmptyDirectories), unless
    /// another error comes first; [`AlreadyExists`](ErrorKind::AlreadyExists) if the directory exists and the mode is
    /// [`Create`](crate::DirMode::Create); [`NotADirectory`](ErrorKind::NotADirectory) if something else exists at `path` or a parent
    /// is not a directory.
    ///
    /// # Cost
    ///
    /// Local: one trip. OpenAI: 2 requests.
    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()>;

    /// Deletes a file, a directory or a link. Links are removed, never followed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), unless the options ignore it; [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty) for a directory
    /// with entries, unless the depth is [`All`](crate::Depth::All); [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    ///
    /// # Cost
    ///
    /// Local: one trip, 6 system calls for a file. OpenAI: 2 requests for each entry.
    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()>;

    /// Returns the metadata of `path`. Reads the content only if the options ask for something that needs it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`NotADirectory`](ErrorKind::NotADirectory) if a parent is a file;
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed); [`NotModified`](ErrorKind::NotModified).
    ///
    /// # Cost
    ///
    /// Local: 3 system calls and no trip if the kernel has the metadata cached. OpenAI: none. Git: one process after the branch has
    /// moved, to read the new history.
    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo>;

    /// Lists the directory at `prefix` in byte order of the paths, where a directory sorts as `name/`.
    ///
    /// The order is that of whole paths, so recursive listings of two stores can be merged as they arrive. Memory is bounded for
    /// directories of any size. Links are listed and not followed. An entry that cannot be represented, such as a name that is not
    /// UTF-8, or a directory that cannot be read, is one `Err` item, and the stream continues. Entries that appear or disappear
    /// meanwhile may be listed or not.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`NotADirectory`](ErrorKind::NotADirectory) if `prefix` is a file.
    ///
    /// # Cost
    ///
    /// Local: 9 system calls and one per returned entry; 8 or more for each further directory; two trips for each 1,024 entries or 32
    /// directories after the first. OpenAI: none. Git: as [`info_with`](Self::info_with).
    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>>;

    /// Moves a file, a directory with its content, or a link to `to`, creates the parents of `to`, and returns the new metadata.
    ///
    /// The move is atomic if the store has [`AtomicRename`](crate::Capability::AtomicRename). With
    /// [`Overwrite`](crate::WriteMode::Overwrite) a file may replace a file, and a directory an empty directory; a move onto itself
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if nothing exists at `from`; [`PreconditionFailed`](ErrorKind::PreconditionFailed) for either;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists),
    /// [`IsADirectory`](ErrorKind::IsADirectory), [`NotADirectory`](ErrorKind::NotADirectory),
    /// [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty) or [`PreconditionFailed`](ErrorKind::PreconditionFailed) for `to`;
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a move of a directory into itself.
    ///
    /// # Cost
    ///
    /// Local: one trip, 12 system calls. OpenAI: 1 request for each entry, and 2 to remove a replaced file.
    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo>;

    /// Writes the file at `path` with `data`, creates its parent directories, and returns its metadata.
    ///
    /// This is the object-safe form of [`write_with`](crate::AsyncFileBackendExt::write_with),
    /// [`create_with`](crate::AsyncFileBackendExt::create_with) and [`update_with`](crate::AsyncFileBackendExt::update_with), which take
    /// `impl Into<Bytes>`.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](Self::stream_write_with).
    ///
    /// # Cost
    ///
    /// Local: one trip; 8 system calls for a new file, 15 with [`Synced`](crate::Durability::Synced), 14 to replace one, 27 to append, which
    /// copies the file unless the file system can share its blocks. OpenAI: 2 requests, 4 to replace a file, 5 to append.
    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.stream_write_with(path, single(data), options).await
    }

    /// Reads the file at `path`, or a range of it.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with).
    ///
    /// # Cost
    ///
    /// Local: 4 system calls and no trip if the kernel has the content cached; 7 and one trip for more than 256 KiB. OpenAI: as
    /// [`open_with`](Self::open_with).
    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        self.open_with(path, options).await?.bytes().await
    }

    /// Streams the file at `path`, or a range of it, as [`open_with`](Self::open_with) does.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with).
    ///
    /// # Cost
    ///
    /// That of [`open_with`](Self::open_with).
    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        Ok(self.open_with(path, options).await?.stream)
    }

    /// Reads several ranges of the file at `path`, all of one version, and returns them in the given order.
    ///
    /// A range that reaches past the end is clipped. The range of the options must be `None`.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with); [`InvalidRange`](ErrorKind::InvalidRange) if one of the ranges starts past the end or ends
    /// before it starts; [`Contention`](ErrorKind::Contention) if the file was replaced during each of several attempts.
    ///
    /// # Cost
    ///
    /// Local: one trip at most, none for up to 256 KiB in the cache, and one system call for each range. Other stores read ranges that are
    /// close together as one. OpenAI: a read for each.
    async fn read_ranges_with(
        &self,
        path: &str,
        ranges: &[ByteRange],
        options: ReadOptions,
    ) -> Result<Vec<Bytes>> {
        super::provided::read_ranges(self, path, ranges, options).await
    }

    /// Copies the file at `from` to `to`, creates the parents of `to`, and returns the metadata of the copy.
    ///
    /// Later changes of one file do not affect the other. Copying a file onto itself with [`Overwrite`](crate::WriteMode::Overwrite)
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) and [`IsADirectory`](ErrorKind::IsADirectory) for `from`; those of
    /// [`stream_write_with`](Self::stream_write_with) for `to`.
    ///
    /// # Cost
    ///
    /// Local: one trip, 14 system calls; the kernel copies the content or shares its blocks. OpenAI: a read and 2 requests, 4 if it
    /// replaces a file.
    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        super::provided::copy(self, from, to, options).await
    }

    /// Returns whether there is a file or directory at `path`, or a link to one. Below a file there is nothing.
    ///
    /// # Errors
    ///
    /// Any failure that leaves the answer unknown, such as [`PermissionDenied`](ErrorKind::PermissionDenied).
    ///
    /// # Cost
    ///
    /// Local: 3 system calls, and one trip for a missing file whose name the kernel has not cached. OpenAI: none.
    async fn exists(&self, path: &str) -> Result<bool> {
        super::provided::exists(self, path).await
    }

    /// Returns the paths that match a [`GlobPattern`](crate::GlobPattern), in byte order.
    ///
    /// Reads only directories below the literal prefix of the pattern. Links are followed in that prefix only. Names that cannot be
    /// represented match nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`](ErrorKind::InvalidPattern), and any failure to read a directory.
    ///
    /// # Cost
    ///
    /// Local: 21 system calls and one trip for 10 files in 2 directories, and none per entry. OpenAI: none.
    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        super::provided::glob(self, pattern, options).await
    }

    /// Computes the checksum of the file at `path`.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with).
    ///
    /// # Cost
    ///
    /// Local: one trip, one `pread64` per 256 KiB. OpenAI: none for SHA-256 of a file that f9 wrote, else a read.
    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        let mut content = self.stream_read_with(path, ReadOptions::default()).await?;
        let mut hasher = Hasher::new(algorithm);
        while let Some(chunk) = content.try_next().await? {
            hasher.update(&chunk);
        }
        Ok(hasher.finish())
    }

    /// Computes the checksums of many files concurrently. Skips missing files and directories.
    ///
    /// # Errors
    ///
    /// The first failure of any other kind.
    ///
    /// # Cost
    ///
    /// That of [`checksum`](Self::checksum) for each file. The number of open files is bounded.
    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, Checksum>> {
        super::provided::checksum_many(self, paths, algorithm).await
    }

    /// Writes many files, and returns one result for each, in the given order. A file that fails does not affect the others.
    ///
    /// The options apply to every file, so they must not have a size, a checksum or an etag.
    ///
    /// # Errors
    ///
    /// A failure that concerns all files, such as [`RootGone`](ErrorKind::RootGone); [`InvalidInput`](ErrorKind::InvalidInput) for options
    /// of a single file. All other errors are in the results: those of [`stream_write_with`](Self::stream_write_with), and `InvalidInput`
    /// for a path that is given twice.
    ///
    /// # Cost
    ///
    /// Local: one trip in all, and about 6 system calls for each new file, on as many threads as processors are idle; with
    /// [`Synced`](crate::Durability::Synced), two waits for the disk for every 250 files, or fewer in many directories. OpenAI: 100
    /// attachments in one request, if that needs fewer requests. Git: at most one automatic push. Other stores: a write for each,
    /// concurrently.
    ///
    /// # Cancel safety
    ///
    /// Each file is written whole or not at all.
    async fn write_many_with(
        &self,
        files: Vec<(String, Bytes)>,
        options: WriteOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        super::provided::write_many(self, files, options).await
    }

    /// Deletes many files, and returns one result for each, in the given order. The options apply to every path.
    ///
    /// # Errors
    ///
    /// A failure that concerns all files. All other errors are in the results: those of [`delete_with`](Self::delete_with).
    ///
    /// # Cost
    ///
    /// That of [`delete_with`](Self::delete_with) for each, concurrently. Local: one trip in all, and one
    /// system call for each file, on as many threads as processors are idle; with [`Synced`](crate::Durability::Synced), each directory is
    /// synced once. Git: at most one automatic push.
    ///
    /// # Cancel safety
    ///
    /// Each file is deleted or not.
    async fn delete_many_with(
        &self,
        paths: &[&str],
        options: DeleteOptions,
    ) -> Result<Vec<Result<()>>> {
        super::provided::delete_many(self, paths, options).await
    }

    /// Returns the paths that match a pattern as a stream, in the order of a listing.
    ///
    /// # Errors
    ///
    /// Those of [`glob_with`](Self::glob_with), here or in the stream.
    ///
    /// # Cost
    ///
    /// That of a listing of the literal prefix of the pattern.
    async fn glob_stream_with(
        &self,
        pattern: &str,
        options: GlobOptions,
    ) -> Result<PathStream<'static>> {
        super::provided::glob_stream(self, pattern, options).await
    }

    /// Changes metadata of an entry and leaves its content. Returns the new metadata, with another etag in stores whose etag covers them.
    /// A store that changes one field after the other, as the local one does, may fail with some of them changed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`Unsupported`](ErrorKind::Unsupported) if the store cannot change one of the fields, before any is
    /// changed; [`PermissionDenied`](ErrorKind::PermissionDenied); [`PreconditionFailed`](ErrorKind::PreconditionFailed);
    /// [`InvalidInput`](ErrorKind::InvalidInput).
    ///
    /// # Cost
    ///
    /// Local: one trip.
    async fn set_info(&self, path: &str, changes: InfoChanges) -> Result<FileInfo> {
        drop(changes);
        Err(unsupported("set info of", path))
    }

    /// Creates a symbolic link at `path` that holds the path `target`, and the parents of `path`.
    ///
    /// The target is relative to the parent of the link and need not exist. A target that leads out of the root is refused.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists); [`PathEscapesRoot`](ErrorKind::PathEscapesRoot);
    /// [`Unsupported`](ErrorKind::Unsupported) without [`Links`](crate::Capability::Links).
    ///
    /// # Cost
    ///
    /// Local: one trip.
    async fn create_link(&self, path: &str, target: &str) -> Result<FileInfo> {
        let _ = target;
        Err(unsupported("create link", path))
    }

    /// Returns the path in a symbolic link.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`InvalidInput`](ErrorKind::InvalidInput) if `path` is not a link;
    /// [`Unsupported`](ErrorKind::Unsupported) without [`Links`](crate::Capability::Links).
    ///
    /// # Cost
    ///
    /// Local: one trip.
    async fn read_link(&self, path: &str) -> Result<String> {
        Err(unsupported("read link", path))
    }

    /// Copies a file of another store to `to` in this one, with its metadata as far as this store keeps them.
    ///
    /// The content goes through this process, unless both stores are of a kind that can do better. It is verified to be of one version.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with) for the source, and of [`stream_write_with`](Self::stream_write_with) for the target.
    ///
    /// # Cost
    ///
    /// Between two local stores: one trip; the kernel copies the content or shares its blocks. Else a read and a write.
    async fn copy_from(
        &self,
        source: &dyn AsyncFileBackend,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        super::provided::copy_from(self, source, from, to, options).await
    }

    /// Lists the versions of the file at `path`, the newest first, also of a file that was deleted.
    ///
    /// The options of `open`, `info` and `copy` take the id of a version. Any text that is not the id of a version of this file, and the
    /// id of a deletion, is [`NotFound`](ErrorKind::NotFound) there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there never was a file; [`Unsupported`](ErrorKind::Unsupported) without
    /// [`Versions`](crate::Capability::Versions).
    ///
    /// # Cost
    ///
    /// Git: 3 processes. To open a version, 2 processes.
    async fn list_versions_with(
        &self,
        path: &str,
        options: VersionOptions,
    ) -> Result<VersionStream<'static>> {
        let _ = options;
        Err(unsupported("list versions of", path))
    }

    /// Reports changes below the directory at `prefix` as they happen, from the return of this call on.
    ///
    /// If changes may have been missed, a [`Rescan`](crate::Change::Rescan) names the directory concerned. Several changes of one entry in a
    /// short time may be one change. Temporary files of f9 are not reported. Links are reported and not followed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`NotADirectory`](ErrorKind::NotADirectory); [`Unsupported`](ErrorKind::Unsupported) without
    /// [`Watch`](crate::Capability::Watch).
    ///
    /// # Cost
    ///
    /// Local: one inotify watch for each directory.
    async fn watch_with(
        &self,
        prefix: &str,
        options: WatchOptions,
    ) -> Result<ChangeStream<'static>> {
        let _ = options;
        Err(unsupported("watch", prefix))
    }

    /// Returns a request for one operation on `path` that works without f9 and without credentials, for as long as `expires_in`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) without [`Presign`](crate::Capability::Presign).
    async fn presign(
        &self,
        path: &str,
        operation: PresignOperation,
        expires_in: Duration,
    ) -> Result<PresignedRequest> {
        let _ = (operation, expires_in);
        Err(unsupported("presign", path))
    }

    /// Begins an upload that can continue in another process.
    ///
    /// Nothing is visible before [`finish_upload`](Self::finish_upload).
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](Self::stream_write_with) before it takes content; [`Unsupported`](ErrorKind::Unsupported) without
    /// [`Resumable`](crate::Capability::Resumable).
    async fn begin_upload(&self, path: &str, options: WriteOptions) -> Result<ResumableUpload> {
        drop(options);
        Err(unsupported("begin an upload of", path))
    }

    /// Adds content to an upload after `upload.offset`, and returns the new state. If the source fails, what was taken before is kept; the
    /// next call may continue with the state that [`upload_state`](Self::upload_state) returns.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the upload was finished or abandoned; [`InvalidInput`](ErrorKind::InvalidInput) if the store has
    /// less than `upload.offset`; [`InvalidOperation`](ErrorKind::InvalidOperation) while another caller works on the upload.
    async fn continue_upload(
        &self,
        upload: &ResumableUpload,
        data: ByteStream<'_>,
    ) -> Result<ResumableUpload> {
        drop(data);
        Err(unsupported("upload", &upload.path))
    }

    /// Returns the state of an upload as the store has it, also while another caller works on it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the upload was finished or abandoned.
    async fn upload_state(&self, upload: &ResumableUpload) -> Result<ResumableUpload> {
        Err(unsupported("upload", &upload.path))
    }

    /// Publishes an upload, as [`stream_write_with`](Self::stream_write_with) publishes a file with the same options.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](Self::stream_write_with); [`NotFound`](ErrorKind::NotFound) if the upload was finished or abandoned;
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the store has not exactly `upload.offset` bytes;
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) while another caller works on the upload. The upload stays.
    async fn finish_upload(&self, upload: &ResumableUpload) -> Result<FileInfo> {
        Err(unsupported("upload", &upload.path))
    }

    /// Removes the content of an upload that is not wanted any more. Succeeds if there is none.
    ///
    /// # Errors
    ///
    /// Any failure to remove it.
    async fn abandon_upload(&self, upload: &ResumableUpload) -> Result<()> {
        Err(unsupported("upload", &upload.path))
    }

    /// Waits for exclusive use of the store for a sequence of operations. See [`SyncSession`].
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout), which names the holder if it is known; [`Unsupported`](ErrorKind::Unsupported) if the
    /// store has no sessions.
    ///
    /// # Cost
    ///
    /// Local: a `flock` of `.backend.lock`. OpenAI: none. Git: with `auto_pull` a pull, and with `auto_push` a push at the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue. A future that is kept but not polled when its turn comes is passed over until its next poll.
    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        drop(options);
        Err(SyncSession::unsupported())
    }
}

/// Returns the error of a verb that a store does not have.
fn unsupported(operation: &'static str, path: &str) -> Error {
    Error::new(ErrorKind::Unsupported).with_operation(operation).with_path(shortened(path))
}

/// A backend whose files also live on a remote, and that merges local and remote changes on request.
///
/// Within a [session](AsyncFileBackend::sync_session_with), automatic pulls and pushes are batched: one pull when it begins, and one
/// push when it finishes. The costs of the verbs are processes that the git backend starts.
#[async_trait]
pub trait AsyncSyncFileBackend: AsyncFileBackend {
    /// Publishes all local changes. Does nothing if there are none.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the remote has contradicting changes; any failure to reach the remote. Local changes
    /// are kept in either case.
    ///
    /// # Cost
    ///
    /// 6 processes, and one more without a message; 1 or 2 and no network if there is nothing to publish.
    async fn push_with(&self, options: PushOptions) -> Result<SyncReport>;

    /// Merges all changes of the remote.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if local changes contradict them. [`conflict_report`](Self::conflict_report) then lists
    /// the files. They keep their local content until all are accepted or resolved and the next [`push`](Self::push),
    /// [`pull`](Self::pull) or [`sync`](Self::sync) concludes the merge.
    ///
    /// # Cost
    ///
    /// 1 process if the remote has nothing new, 4 to move to its changes, 7 to merge them with local commits.
    async fn pull_with(&self, options: PullOptions) -> Result<SyncReport>;

    /// Pulls, then pushes.
    ///
    /// # Errors
    ///
    /// Those of [`pull_with`](Self::pull_with) and [`push_with`](Self::push_with).
    ///
    /// # Cost
    ///
    /// That of [`pull_with`](Self::pull_with) and [`push_with`](Self::push_with).
    async fn sync_with(&self, options: SyncOptions) -> Result<SyncReport> {
        let pulled = self.pull_with(PullOptions { progress: options.progress.clone() }).await?;
        let SyncOptions { message, progress } = options;
        Ok(pulled + self.push_with(PushOptions { message, progress }).await?)
    }

    /// Publishes all local changes, described by `message`, as [`push_with`](Self::push_with) does.
    ///
    /// # Errors
    ///
    /// Those of [`push_with`](Self::push_with).
    ///
    /// # Cost
    ///
    /// That of [`push_with`](Self::push_with).
    async fn push(&self, message: &str) -> Result<SyncReport> {
        self.push_with(PushOptions::message(message)).await
    }

    /// Merges all changes of the remote, as [`pull_with`](Self::pull_with) does.
    ///
    /// # Errors
    ///
    /// Those of [`pull_with`](Self::pull_with).
    ///
    /// # Cost
    ///
    /// That of [`pull_with`](Self::pull_with).
    async fn pull(&self) -> Result<SyncReport> {
        self.pull_with(PullOptions::default()).await
    }

    /// Pulls, then pushes, as [`sync_with`](Self::sync_with) does. `message` describes the local changes.
    ///
    /// # Errors
    ///
    /// Those of [`sync_with`](Self::sync_with).
    ///
    /// # Cost
    ///
    /// That of [`sync_with`](Self::sync_with).
    async fn sync(&self, message: &str) -> Result<SyncReport> {
        self.sync_with(SyncOptions::message(message)).await
    }

    /// Returns the files whose local and remote changes contradict each other, in byte order.
    ///
    /// # Errors
    ///
    /// Any failure to read the state of the merge.
    ///
    /// # Cost
    ///
    /// None.
    async fn conflict_report(&self) -> Result<Vec<SyncConflict>>;

    /// Resolves the conflict at `path` with the local file.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`.
    ///
    /// # Cost
    ///
    /// None. With `auto_push`, resolving the last conflict pushes.
    async fn conflict_accept_local(&self, path: &str) -> Result<()>;

    /// Resolves the conflict at `path` with the remote's file.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`.
    ///
    /// # Cost
    ///
    /// As [`conflict_accept_local`](Self::conflict_accept_local).
    async fn conflict_accept_remote(&self, path: &str) -> Result<()>;

    /// Resolves the conflict at `path` with `data`.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`.
    ///
    /// # Cost
    ///
    /// 1 process; else as [`conflict_accept_local`](Self::conflict_accept_local).
    async fn conflict_resolve(&self, path: &str, data: Bytes) -> Result<()>;
}
