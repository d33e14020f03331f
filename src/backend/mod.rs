//! The contract: what every backend promises, whatever it keeps its files in.
//!
//! [`AsyncFileBackend`] holds the verbs in their full form. What a backend must know how to do is required; what follows from
//! that is provided and overridden where a store can do better. The short forms are in [`AsyncFileBackendExt`], so that an
//! implementor never sees them and no backend can have its own idea of them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::stream::{ByteStream, InfoStream, collect};
use crate::{
    ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Depth, Error,
    ErrorKind, FileInfo, FilePath, GlobOptions, GlobPattern, Hasher, InfoOptions, ListOptions,
    ReadOptions, RenameOptions, Result, SessionOptions, UpdateOptions, WriteOptions,
};

mod capabilities;
mod ext;
mod forward;
mod session;
mod sync;

pub use capabilities::{Capabilities, Capability};
pub use ext::AsyncFileBackendExt;
pub use session::{SessionHandle, SyncSession};
pub use sync::{AsyncSyncFileBackend, ConflictKind, ConflictStatus, SyncConflict};

/// How many checksums the provided [`checksum_many`](AsyncFileBackend::checksum_many) computes at a time.
const CHECKSUMS_AT_A_TIME: usize = 8;

/// A store of files, with the same promises wherever the files live.
///
/// Paths follow the grammar of [`FilePath`]; each verb refuses what that refuses, before anything else happens. The root is
/// accepted by [`info_with`](Self::info_with), [`list_with`](Self::list_with), [`exists`](Self::exists) and
/// [`glob_with`](Self::glob_with) alone. Every error names the operation and the path. Every write is all-or-nothing: readers,
/// and processes that start after a crash, see the old content or the new, never a mix and never a part.
///
/// Call the short forms of [`AsyncFileBackendExt`]; `use f9::prelude::*` brings both into scope. The trait is object-safe:
/// `Arc<dyn AsyncFileBackend>`, `Box<dyn AsyncFileBackend>` and `&'static B` are backends too.
///
/// # Cancel safety
///
/// Dropping a future or stream of any method leaves the store as it was, or as the finished operation leaves it. Which of the
/// two is open while the operation is under way; no half-done work, temporary or lock stays behind. Where a method says no more,
/// nothing but this is promised.
///
/// # Implementing a backend
///
/// Implement the nine required methods; the conformance suite in `f9::testing` tells whether all promises are kept.
///
/// - Check paths with [`FilePath::parse_entry`], or [`FilePath::parse`] where the root is accepted.
/// - Declare in [`capabilities`](Self::capabilities) what the store can do; sessions come only from an own
///   [`sync_session_with`](Self::sync_session_with).
/// - The options hold what is easily forgotten: [`WriteOptions::check_size`] and [`WriteOptions::checksum`],
///   [`ReadOptions::check_etag`], and what [`InfoOptions`] asks for.
/// - A backend that wraps another forwards also the provided methods that the other may do better (`copy_with`, `checksum`,
///   `checksum_many`, `glob_with`), unless it changes what they would see, and renames paths with [`Error::map_paths`].
#[async_trait]
pub trait AsyncFileBackend: Debug + Send + Sync + 'static {
    /// This backend as one that syncs with a remote, if it does: for who holds a backend of any kind, such as
    /// [`resolve_backend`](crate::resolve_backend) gives.
    ///
    /// # Examples
    ///
    /// ```
    /// use f9::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// let files = f9::resolve_backend("memory://notes").await?;
    /// if let Some(files) = files.as_sync() {
    ///     files.pull().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn as_sync(&self) -> Option<&dyn AsyncSyncFileBackend> {
        None
    }

    /// What this store can do. What it cannot do fails with [`Unsupported`](ErrorKind::Unsupported).
    fn capabilities(&self) -> Capabilities;

    /// Creates the file at `path` from a stream, with the directories on the way, and tells what it became.
    ///
    /// Needs constant memory. Nothing is visible before the last byte has been accepted; when the source fails, or gives another
    /// number of bytes than `options.size`, everything stays as it was.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if anything is there and the mode is
    /// [`Create`](crate::WriteMode::Create); [`IsADirectory`](ErrorKind::IsADirectory) if a directory is there and the mode is
    /// another; [`PreconditionFailed`](ErrorKind::PreconditionFailed) if the file does not have the etag of
    /// [`IfMatch`](crate::WriteMode::IfMatch), also because there is none; [`NotADirectory`](ErrorKind::NotADirectory) if a file
    /// stands where a directory is needed; [`LengthMismatch`](ErrorKind::LengthMismatch);
    /// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch); the source's own.
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

    /// Creates a directory, with those on the way.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported), where nothing stands in the way, on a store without
    /// [`EmptyDirectories`](Capability::EmptyDirectories);
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) if the directory exists and the mode is
    /// [`Create`](crate::DirMode::Create); [`NotADirectory`](ErrorKind::NotADirectory) if something else is there or on the way.
    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()>;

    /// Streams the file at `path`, or a range of it, in chunks of 1 byte to `options.chunk_size`, all but the last full.
    ///
    /// Keeping a part of a chunk keeps the whole chunk in memory; copy what is kept.
    ///
    /// The file may be replaced meanwhile: the stream then goes on with the old content or fails. One that is truncated
    /// meanwhile ends with [`UnexpectedEof`](ErrorKind::UnexpectedEof).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`IsADirectory`](ErrorKind::IsADirectory), [`NotAFile`](ErrorKind::NotAFile) for a
    /// special file, [`InvalidRange`](ErrorKind::InvalidRange), [`PreconditionFailed`](ErrorKind::PreconditionFailed),
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a chunk size of zero. A failure half-way is the last item of the stream.
    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>>;

    /// Replaces the content of an existing file, or adds to its end, and tells what it became.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`IsADirectory`](ErrorKind::IsADirectory), [`NotAFile`](ErrorKind::NotAFile),
    /// [`PreconditionFailed`](ErrorKind::PreconditionFailed).
    async fn update_with(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo>;

    /// Deletes a file, a directory or a link. Links are removed, never followed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty) for a directory with entries,
    /// unless the depth is [`All`](Depth::All).
    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()>;

    /// Tells what is at `path`: one look-up, unless the options ask for what needs the content.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`NotADirectory`](ErrorKind::NotADirectory) if a file stands on the way.
    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo>;

    /// Lists the directory at `prefix`, in byte order of the paths, where a directory sorts as `name/`.
    ///
    /// The order is that of the whole paths, so a recursive listing of two stores can be merged as it comes. Memory is bounded
    /// whatever the size of the directories. Links are listed and not followed. An entry that cannot be represented, such as a
    /// name that is not UTF-8, or a directory that cannot be read, is one `Err` item, and the stream goes on. Entries that come or
    /// go meanwhile may be listed or not.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound); [`NotADirectory`](ErrorKind::NotADirectory) if `prefix` is a file.
    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>>;

    /// Moves a file, a directory with all it holds, or a link to `to`, making the directories on the way, and tells what is there
    /// now.
    ///
    /// Atomic where the store can, see [`AtomicRename`](Capability::AtomicRename). With
    /// [`Overwrite`](crate::WriteMode::Overwrite) a file may replace a file, a directory an empty directory, and a move onto itself
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if nothing is at `from`; [`AlreadyExists`](ErrorKind::AlreadyExists),
    /// [`IsADirectory`](ErrorKind::IsADirectory), [`NotADirectory`](ErrorKind::NotADirectory),
    /// [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty), [`PreconditionFailed`](ErrorKind::PreconditionFailed) for what is at
    /// `to`; [`InvalidInput`](ErrorKind::InvalidInput) for a move of a directory into itself.
    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo>;

    /// Creates the file at `path` with `data`, with the directories on the way, and tells what it became.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](Self::stream_write_with).
    async fn create_with(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        let chunks = (!data.is_empty()).then_some(Ok(data));
        self.stream_write_with(path, stream::iter(chunks).boxed(), options.into()).await
    }

    /// Reads the file at `path`, or a range of it.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](Self::stream_read_with).
    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        collect(self.stream_read_with(path, options).await?).await
    }

    /// Copies the file at `from` to `to`, making the directories on the way, and tells what is there now. Neither later shows
    /// changes of the other. A file copied onto itself with [`Overwrite`](crate::WriteMode::Overwrite) stays as it is.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) and [`IsADirectory`](ErrorKind::IsADirectory) for what is at `from`; those of
    /// [`stream_write_with`](Self::stream_write_with) for `to`.
    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        let failing = |error: Error| error.with_operation("copy").between(from, to);
        let source = FilePath::parse_entry(from).map_err(failing)?;
        let target = FilePath::parse_entry(to).map_err(failing)?;
        if source == target && options.mode == crate::WriteMode::Overwrite {
            let info = self.info_with(&source, InfoOptions::default()).await?;
            return if info.is_dir() {
                Err(failing(ErrorKind::IsADirectory.into()))
            } else {
                Ok(info)
            };
        }
        let data = self.stream_read_with(&source, ReadOptions::default()).await?;
        let options = WriteOptions::default().with_mode(options.mode);
        self.stream_write_with(&target, data, options).await
    }

    /// Whether anything is at `path`. A link that leads nowhere is there too.
    ///
    /// # Errors
    ///
    /// Whatever keeps the answer from being known, such as [`PermissionDenied`](ErrorKind::PermissionDenied).
    async fn exists(&self, path: &str) -> Result<bool> {
        match self.info_with(path, InfoOptions::default()).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Finds the paths that match a [`GlobPattern`], in byte order.
    ///
    /// Only directories below the pattern's literal prefix are read, links are not followed, and names that cannot be represented
    /// match nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`](ErrorKind::InvalidPattern), and what keeps a directory from being read.
    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        let pattern = GlobPattern::parse(pattern).map_err(|error| error.with_operation("glob"))?;
        let (base, deep) = pattern.base();
        let depth = if deep { Depth::All } else { Depth::One };
        let mut entries =
            match self.list_with(&base, ListOptions::default().with_depth(depth)).await {
                Ok(entries) => entries,
                Err(error) if is_no_directory(&error) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
        let mut found = Vec::new();
        while let Some(entry) = entries.next().await {
            match entry {
                Ok(info) if options.kind.accepts(info.is_dir()) && pattern.matches(&info.path) => {
                    found.push(info.path);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::InvalidPath => {}
                Err(error) => return Err(error),
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Computes the checksum of the file at `path`, as lower-case hexadecimal digits.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](Self::stream_read_with).
    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<String> {
        let mut content = self.stream_read_with(path, ReadOptions::default()).await?;
        let mut hasher = Hasher::new(algorithm);
        while let Some(chunk) = content.try_next().await? {
            hasher.update(&chunk);
        }
        Ok(hasher.finish().into_hex())
    }

    /// Computes the checksums of many files, some at a time, and leaves out those that are missing or are directories.
    ///
    /// # Errors
    ///
    /// The first failure of another kind than these two.
    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, String>> {
        let paths = paths.iter().map(|path| FilePath::parse_entry(path));
        let paths: Result<Vec<FilePath>> = paths.collect();
        let paths = paths.map_err(|error| error.with_operation("checksum"))?;
        let checksums = stream::iter(paths).map(|path| async move {
            match self.checksum(&path, algorithm).await {
                Ok(checksum) => Ok(Some((path, checksum))),
                Err(error) if is_skipped(&error) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let found = checksums.buffer_unordered(CHECKSUMS_AT_A_TIME);
        found.try_filter_map(|found| async move { Ok(found) }).try_collect().await
    }

    /// Waits for exclusive use of the store for a sequence of operations.
    ///
    /// The session excludes other sessions, not single operations: those are safe without. The same Tokio task, or outside of tasks
    /// the same thread, may open sessions within its own. End it with [`finish`](SyncSession::finish), which reports errors;
    /// dropping the guard releases it and does nothing else.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout), naming the holder where known; [`Unsupported`](ErrorKind::Unsupported) where the
    /// store has no sessions.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue. One that is kept but no longer polled keeps its place there, and others waiting.
    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let _ = options;
        Err(SyncSession::unsupported())
    }
}

/// Whether the directory that a pattern begins with is not there to be searched.
pub(crate) fn is_no_directory(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether [`checksum_many`](AsyncFileBackend::checksum_many) leaves a path out for this.
pub(crate) fn is_skipped(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory)
}
