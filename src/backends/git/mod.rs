//! Files in a git working tree that syncs with a branch of a remote.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use self::error::{CONTEXT, NAME};
use self::report::Recorder;
use self::shared::Shared;
use crate::backend::{
    AsyncFileBackend, AsyncSyncFileBackend, Capabilities, Capability, Limits, StoreIdentity,
    SyncConflict, SyncReport, SyncSession, copy_keeping, open_each_range,
};
use crate::core::change::ChangeStream;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::{ErrorKind, Result};
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, DeleteOptions, GlobOptions, InfoChanges, InfoOptions,
    ListOptions, PullOptions, PushOptions, ReadOptions, RenameOptions, SessionOptions, SyncOptions,
    VersionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, InfoStream};

mod adopt;
mod branch;
mod checkout;
mod clone;
mod clone_config;
mod command;
mod commit;
mod common_dir;
mod config;
mod conflict_kinds;
mod conflicts;
mod credentials;
mod diagnosis;
mod directory;
mod error;
mod fetch;
mod gc_lock;
mod hidden;
mod history;
mod index;
mod info;
mod kept_merge;
mod left_out;
mod list;
mod locks;
mod many;
mod merge;
mod metadata;
mod names;
mod new_index;
mod notes;
mod objects;
mod open;
mod parse;
mod partial_checkout;
mod pending_merge;
mod pending_paths;
mod protected_names;
mod push;
mod read;
mod remote;
mod remove;
mod rename;
mod report;
mod repository;
mod session;
mod shared;
mod special;
mod stale_locks;
mod sync;
mod tracked;
mod turn;
mod twins;
mod uncommitted;
mod versions;
mod watch;
mod work_tree;
mod write;

pub(crate) use config::Bases;
pub use config::{GitConfig, GitTimeouts, OnUnreachable};
pub use conflicts::ConflictVersions;
pub use history::Revision;
pub use left_out::LeftOut;

/// Files in a git working tree that syncs with a branch of a remote.
///
/// The verbs work on the files of the working tree, with the guarantees of [`LocalFileBackend`](crate::LocalFileBackend).
/// [`push`](AsyncSyncFileBackend::push) commits and publishes local changes; [`pull`](AsyncSyncFileBackend::pull) merges the changes of
/// others. The program `git` (2.38 or newer) does the work. The caller's environment and git's configuration files, the clone's included,
/// do not change what it does. For people, the directory is an ordinary clone.
///
/// # What git does not store
///
/// - Empty directories are local. Of the permissions, git stores only the executable bit; it stores neither owners nor extended
///   attributes.
/// - Files under git-lfs are read and written as pointers, as they are in the repository.
/// - Directories of submodules are empty, and a write there fails with [`Unsupported`](crate::ErrorKind::Unsupported).
/// - Files that the working tree cannot hold are left out of it and stay in the branch: those with a name or path that is too long, those
///   with a name that git protects, and all but one of those whose names are one name on a file system that ignores case. See
///   [`left_out`](Self::left_out).
/// - `.git`, in every spelling that git protects, fails with [`ReservedPath`](crate::ErrorKind::ReservedPath).
/// - Files that a `.gitignore` names are local, unless they were written through this backend. So are changes by hand of files with the
///   flag assume-unchanged or skip-worktree (git-update-index(1)).
///
#[doc = include_str!("guide.md")]
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use f9::{GitConfig, GitSyncFileBackend};
/// # fn bare_repository() -> tempfile::TempDir {
/// #     let dir = tempfile::tempdir().unwrap();
/// #     let init = std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(dir.path()).status();
/// #     assert!(init.unwrap().success());
/// #     dir
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// # let remote = bare_repository();
/// # let dir = tempfile::tempdir().unwrap();
/// # let (url, here) = (remote.path().to_str().unwrap(), dir.path());
/// let mine = GitSyncFileBackend::open(GitConfig::new(url, here.join("mine"))).await?;
/// mine.create("notes/a.md", "hello").await?;
/// mine.push("Add a note").await?;
///
/// let yours = GitSyncFileBackend::open(GitConfig::new(url, here.join("yours"))).await?;
/// assert_eq!(yours.read("notes/a.md").await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GitSyncFileBackend {
    shared: Arc<Shared>,
}

impl GitSyncFileBackend {
    /// Opens the working tree that `config` describes.
    ///
    /// A missing or empty directory becomes a clone. A clone that was made with git is adopted. A clone that a dead process left
    /// half-finished is finished. A branch that the remote does not have starts at the remote's default branch, or empty if there is
    /// none; the first push creates it.
    ///
    /// # Errors
    ///
    /// - [`AlreadyExists`](crate::ErrorKind::AlreadyExists), with nothing changed, if the directory holds something else or a clone of
    ///   another repository.
    /// - [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if another branch or none is checked out, or a merge or rebase is in
    ///   progress.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput) for an invalid setting; the message names the field.
    /// - [`Unsupported`](crate::ErrorKind::Unsupported) if git is missing or too old.
    /// - [`Corrupted`](crate::ErrorKind::Corrupted) if the repository is damaged.
    /// - The errors of [`pull`](AsyncSyncFileBackend::pull).
    ///
    /// # Cancel safety
    ///
    /// A dropped call may leave an unfinished clone. The next call finishes it.
    pub async fn open(config: GitConfig) -> Result<Self> {
        let path = config.path.to_string_lossy().into_owned();
        let opened = Shared::open(config).await.map(|shared| Self { shared: Arc::new(shared) });
        opened.map_err(|error| error.with_operation("open").with_path(path).with_backend(NAME))
    }

    /// Returns the path of the working tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.repository.work_tree
    }

    /// Returns the name of the branch.
    #[must_use]
    pub fn branch(&self) -> &str {
        &self.shared.repository.branch
    }

    /// Returns how many processes this backend has started. The difference around a call is the cost of the call.
    #[must_use]
    pub fn processes_started(&self) -> u64 {
        self.shared.repository.git.spawned()
    }

    /// Returns when the remote last answered a fetch or accepted a push of this working tree; `None` if it never did. All processes share
    /// this time.
    ///
    /// # Errors
    ///
    /// A failure to read the file with that time.
    pub async fn last_contact(&self) -> Result<Option<SystemTime>> {
        let contact = self.shared.repository.last_contact().await;
        contact.map_err(CONTEXT.operation("read the time of the last contact"))
    }

    /// Returns the files of the branch that the working tree cannot hold, and why: a name or path is too long, git protects the name, or it
    /// is the name of another file on this file system. They stay in the branch, and reads do not find them. A pull counts them in
    /// [`SyncReport::files_left_out`](crate::SyncReport::files_left_out), and checks them out when nothing is in their way any more.
    ///
    /// # Errors
    ///
    /// [`Corrupted`](crate::ErrorKind::Corrupted) if the index is damaged.
    pub async fn left_out(&self) -> Result<Vec<LeftOut>> {
        let left_out = self.shared.repository.left_out().await;
        left_out.map_err(CONTEXT.operation("list the files that were left out"))
    }

    /// Returns the commits that touched `path`, newest first and at most `limit`. The root returns all commits. Renames of a file are
    /// followed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) if no commit ever touched the path.
    pub async fn log(&self, path: &str, limit: Option<usize>) -> Result<Vec<Revision>> {
        let log = async {
            let (path, head) = (FilePath::parse(path)?, self.shared.repository.head().await?);
            history::log(&self.shared.repository.git, head.as_ref(), &path, limit).await
        };
        log.await.map_err(CONTEXT.at("log", path))
    }

    /// Returns the content of the file at `path` in a revision: a [`Revision::id`], a branch, a tag, or another expression of
    /// gitrevisions(7). A tag that is not here yet is fetched from the remote.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there is no such revision; [`NotFound`](crate::ErrorKind::NotFound) if it
    /// does not contain the path; [`IsADirectory`](crate::ErrorKind::IsADirectory).
    pub async fn read_at(&self, path: &str, revision: &str) -> Result<Bytes> {
        let read = async {
            let path = FilePath::parse_entry(path)?;
            let git = &self.shared.repository.git;
            match history::read_at(git, &path, revision).await {
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    self.shared.repository.fetch_tag(revision, error).await?;
                    history::read_at(git, &path, revision).await
                }
                read => read,
            }
        };
        read.await.map_err(CONTEXT.at("read", path))
    }

    /// Returns the versions of the file in conflict at `path`.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](crate::ErrorKind::InvalidOperation) if there is no conflict at `path`. A failure while a version is read is the
    /// last item of its stream.
    pub async fn conflict_versions(&self, path: &str) -> Result<ConflictVersions> {
        self.shared.conflict_versions(path).await
    }
}

impl fmt::Debug for GitSyncFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitSyncFileBackend")
            .field("root", &self.shared.repository.work_tree)
            .field("branch", &self.shared.repository.branch)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl AsyncFileBackend for GitSyncFileBackend {
    fn as_sync(&self) -> Option<&dyn AsyncSyncFileBackend> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        (self.shared.tree.capabilities() - metadata::NOT_KEPT).with(Capability::Versions)
    }

    fn limits(&self) -> Limits {
        let mut limits = self.shared.tree.limits();
        limits.user_metadata_bytes = 0;
        limits
    }

    /// The identity of the working tree. Two clones of one remote are two stores, because a change in one is not visible in the other
    /// before both sync.
    fn identity(&self) -> Option<StoreIdentity> {
        let tree = self.shared.tree.identity()?;
        Some(StoreIdentity::new(format!("git:{tree}")))
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        self.shared.open_file(path, options).await
    }

    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.shared.write(path, data, options).await
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.shared.stream_write(path, data, options).await
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        if options.version.is_none() {
            return self.shared.copy(from, to, options).await;
        }
        self.copy_from(self, from, to, options).await
    }

    async fn copy_from(
        &self,
        source: &dyn AsyncFileBackend,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        let copied = async {
            // The store of the source cannot know which names git protects.
            self.shared.tree.parse_entry(to)?;
            copy_keeping(self, source, (from, to), options, metadata::kept).await
        };
        copied.await.map_err(|error| CONTEXT.operation("copy")(error.between(from, to)))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.shared.rename(from, to, options).await
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.shared.delete(path, options).await
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.shared.create_dir(path, options).await
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        self.shared.read(path, options).await
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        self.shared.stream(path, options).await
    }

    async fn read_ranges_with(
        &self,
        path: &str,
        ranges: &[ByteRange],
        options: ReadOptions,
    ) -> Result<Vec<Bytes>> {
        match read::is_of_tree(&options) {
            true => self.shared.read_ranges(path, ranges, options).await,
            false => open_each_range(self, path, ranges, options).await,
        }
    }

    async fn write_many_with(
        &self,
        files: Vec<(String, Bytes)>,
        options: WriteOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.shared.write_many(files, options).await
    }

    async fn delete_many_with(
        &self,
        paths: &[&str],
        options: DeleteOptions,
    ) -> Result<Vec<Result<()>>> {
        self.shared.delete_many(paths, options).await
    }

    async fn exists(&self, path: &str) -> Result<bool> {
        self.shared.exists(path).await
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.shared.info(path, options).await
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.shared.list(prefix, options).await
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        self.shared.glob(pattern, options).await
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        self.shared.checksum(path, algorithm).await
    }

    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, Checksum>> {
        self.shared.checksum_many(paths, algorithm).await
    }

    async fn set_info(&self, path: &str, changes: InfoChanges) -> Result<FileInfo> {
        self.shared.set_info(path, changes).await
    }

    async fn create_link(&self, path: &str, target: &str) -> Result<FileInfo> {
        self.shared.create_link(path, target).await
    }

    async fn read_link(&self, path: &str) -> Result<String> {
        self.shared.read_link(path).await
    }

    async fn list_versions_with(
        &self,
        path: &str,
        options: VersionOptions,
    ) -> Result<VersionStream<'static>> {
        self.shared.list_versions(path, options).await
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let session = self.shared.open_session(options).await;
        session.map(SyncSession::new).map_err(CONTEXT.operation("open a session"))
    }

    async fn watch_with(
        &self,
        prefix: &str,
        options: WatchOptions,
    ) -> Result<ChangeStream<'static>> {
        self.shared.watch(prefix, options).await
    }
}

#[async_trait]
impl AsyncSyncFileBackend for GitSyncFileBackend {
    async fn push_with(&self, options: PushOptions) -> Result<SyncReport> {
        let recorder = Recorder::new(options.progress);
        let pushed = self.shared.push(options.message.as_deref(), &recorder).await;
        pushed.map_err(CONTEXT.operation("push"))?;
        Ok(recorder.into_report(&self.shared.repository).await)
    }

    async fn pull_with(&self, options: PullOptions) -> Result<SyncReport> {
        let recorder = Recorder::new(options.progress);
        self.shared.pull(None, &recorder).await.map_err(CONTEXT.operation("pull"))?;
        Ok(recorder.into_report(&self.shared.repository).await)
    }

    async fn sync_with(&self, options: SyncOptions) -> Result<SyncReport> {
        let (message, recorder) = (options.message.as_deref(), Recorder::new(options.progress));
        self.shared.pull(message, &recorder).await.map_err(CONTEXT.operation("pull"))?;
        self.shared.push(message, &recorder).await.map_err(CONTEXT.operation("push"))?;
        Ok(recorder.into_report(&self.shared.repository).await)
    }

    async fn conflict_report(&self) -> Result<Vec<SyncConflict>> {
        self.shared.conflict_report().await
    }

    async fn conflict_accept_local(&self, path: &str) -> Result<()> {
        self.shared.accept_local(path).await
    }

    async fn conflict_accept_remote(&self, path: &str) -> Result<()> {
        self.shared.accept_remote(path).await
    }

    async fn conflict_resolve(&self, path: &str, data: Bytes) -> Result<()> {
        self.shared.resolve_with(path, data).await
    }
}
