//! Files in a working tree of git, kept in step with a branch of a remote.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use crate::prelude::*;
use crate::stream::{ByteStream, InfoStream};
use crate::{
    Capabilities, Capability, ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions,
    DeleteOptions, Error, ErrorKind, Etag, FileInfo, FilePath, GlobOptions, InfoOptions,
    ListOptions, LocalFileBackend, ReadOptions, RenameOptions, Result, SessionOptions,
    SyncConflict, SyncSession, UpdateOptions, WriteOptions, offload,
};

mod advance;
mod branch;
mod command;
mod config;
mod credentials;
mod failure;
mod history;
mod locks;
mod merge;
mod names;
mod open;
mod output;
mod remote;
mod repository;
mod session;
mod sync;
mod written;

pub(crate) use config::Bases;
pub use config::{GitConfig, GitTimeouts};
pub use history::Revision;

use history::{History, Times};
use locks::Sharing;
use merge::Choice;
use output::{Oid, RawPath, SUBMODULE, Stage};
use repository::Repository;
use session::Refresh;
use written::Written;

const NAME: &str = "git";

/// How many entries of a listing are taken at one moment, so that no change of the tree comes in between.
const AT_ONE_MOMENT: usize = 16 * 1024;

/// Files in a working tree of git, kept in step with a branch of a remote.
///
/// Verbs work on the files of the tree, as [`LocalFileBackend`] does and with its guarantees. [`push`](AsyncSyncFileBackend::push)
/// commits what has changed and publishes it; [`pull`](AsyncSyncFileBackend::pull) brings in what others have published. The
/// program `git` (2.38 or newer) does the work; nothing of the caller's environment or of git's configuration files changes what
/// it does. For people, the directory is a clone like any other.
///
/// # What git does not carry
///
/// Directories without files stay where they were made. Of permissions only the executable bit travels; owners and extended
/// attributes do not. Files that git-lfs keeps elsewhere are read and written as what is in the repository: the pointers.
/// Directories of submodules are empty, and nothing can be written there ([`Unsupported`](ErrorKind::Unsupported)). `.git` in every
/// spelling that git protects is a [`ReservedPath`](ErrorKind::ReservedPath). What a `.gitignore` names stays local, unless it was
/// written through this backend.
///
/// A listing of up to 16,384 entries is of one moment; what a longer one tells after these may be changed by a pull that comes in
/// between.
///
/// # Merging
///
/// A merge is computed beside the tree, and the tree moves to it when it is complete: readers see the state before or after, and
/// never marks of conflicts. Where local and remote changes contradict each other, `pull` fails with [`Conflict`](ErrorKind::Conflict),
/// and files keep their local content until each conflict of [`conflict_report`](AsyncSyncFileBackend::conflict_report) is settled;
/// the next `push`, `pull` or `sync` then concludes the merge. What is open is known also after a restart.
///
/// # Crashes
///
/// At whatever moment a process is killed, the next [`open`](Self::open), or the next call of another process, puts the repository
/// in order and loses nothing that was saved. What was written and not yet committed survives a power loss as files of the local
/// backend do.
///
/// # Times
///
/// `created_at` and `modified_at` are the author's dates of the first and last commit that touched a path, following renames; of what
/// is not committed yet, they are the file's. The history is read once, and then again as far as it has grown;
/// [`GitConfig::history_times`] turns that off.
///
/// # Runtime
///
/// A Tokio runtime with all drivers is needed. Network commands end when their future is dropped; steps that change the
/// repository go on to their end.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// use f9::{GitConfig, GitSyncFileBackend};
/// # fn bare_repository() -> tempfile::TempDir {
/// #     let dir = tempfile::tempdir().unwrap();
/// #     let made = std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(dir.path()).status();
/// #     assert!(made.unwrap().success());
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

/// What is done without being asked for.
struct Automatic {
    pull: bool,
    push: bool,
    max_staleness: Duration,
}

struct Shared {
    repository: Arc<Repository>,
    tree: LocalFileBackend,
    written: Written,
    history: Option<History>,
    automatic: Automatic,
    /// Sessions that are open here.
    sessions: AtomicUsize,
    refresh: Mutex<Refresh>,
    /// A commit, and the index that held the same: while neither has changed, there is nothing to be committed.
    committed: Mutex<Option<(Oid, Etag)>>,
    /// How often something was published.
    pushes: AtomicU64,
}

/// The versions of a file that local and remote changes have made of it. A directory, and what does not exist on a side, is `None`; a
/// symbolic link is the text of where it leads, a submodule the name of its commit.
pub struct ConflictVersions {
    /// What both started from.
    pub base: Option<ByteStream<'static>>,
    /// What is committed here.
    pub local: Option<ByteStream<'static>>,
    /// What the remote has.
    pub remote: Option<ByteStream<'static>>,
}

impl fmt::Debug for ConflictVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConflictVersions")
            .field("base", &self.base.is_some())
            .field("local", &self.local.is_some())
            .field("remote", &self.remote.is_some())
            .finish()
    }
}

impl GitSyncFileBackend {
    /// Opens the working tree that `config` describes.
    ///
    /// An empty or missing directory becomes a clone; a clone, whoever made it, is taken over. A branch that the remote does not have
    /// starts where its default branch stands, or empty where it has none, and is made by the first push. A clone that a dead process
    /// has left half-finished is finished.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists), with everything untouched, if the directory holds anything else, or a clone of
    /// another repository; [`InvalidOperation`](ErrorKind::InvalidOperation) if another branch or none is checked out, or a merge or
    /// rebase begun by hand is under way; [`InvalidInput`](ErrorKind::InvalidInput) naming the field of the configuration that
    /// cannot be; [`Unsupported`](ErrorKind::Unsupported) if there is no git or one that is too old;
    /// [`Corrupted`](ErrorKind::Corrupted); those of [`pull`](AsyncSyncFileBackend::pull).
    ///
    /// # Cancel safety
    ///
    /// A clone that was begun goes on with the next call.
    pub async fn open(config: GitConfig) -> Result<Self> {
        let shown = config.path.to_string_lossy().into_owned();
        let opened = Shared::open(config).await.map(|shared| Self { shared: Arc::new(shared) });
        opened.map_err(|error| error.with_operation("open").with_path(shown).with_backend(NAME))
    }

    /// Where the working tree is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.repository.work_tree
    }

    /// The branch.
    #[must_use]
    pub fn branch(&self) -> &str {
        &self.shared.repository.branch
    }

    /// How many processes this backend has started so far: what an operation costs.
    #[must_use]
    pub fn processes_started(&self) -> u64 {
        self.shared.repository.git.spawned()
    }

    /// The commits that touched `path`, the newest first, at most `limit`; of the root, all commits. Renames of a file are followed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if no commit ever touched the path.
    pub async fn log(&self, path: &str, limit: Option<usize>) -> Result<Vec<Revision>> {
        let logged = async {
            let (path, head) = (FilePath::parse(path)?, self.shared.repository.head().await?);
            history::log(&self.shared.repository.git, head.as_ref(), &path, limit).await
        };
        logged.await.map_err(failing("log", path))
    }

    /// The file that was at `path` in a commit: a [`Revision::id`], a branch, a tag, or anything of gitrevisions(7).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if there is no such revision; [`NotFound`](ErrorKind::NotFound) if nothing was there,
    /// [`IsADirectory`](ErrorKind::IsADirectory).
    pub async fn read_at(&self, path: &str, revision: &str) -> Result<Bytes> {
        let read = async {
            let path = FilePath::parse_entry(path)?;
            history::read_at(&self.shared.repository.git, &path, revision).await
        };
        read.await.map_err(failing("read", path))
    }

    /// The versions of the file in conflict at `path`.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if there is no conflict at `path`. A failure half-way is the last item of a
    /// stream.
    pub async fn conflict_versions(&self, path: &str) -> Result<ConflictVersions> {
        let versions = async {
            let sides = self.shared.repository.sides(path).await?;
            let stream = |stage: Option<Stage>| stage.map(|stage| self.content(&stage)).transpose();
            Ok(ConflictVersions {
                base: stream(sides.base)?,
                local: stream(sides.local)?,
                remote: stream(sides.remote)?,
            })
        };
        versions.await.map_err(failing("read the versions of", path))
    }

    fn content(&self, stage: &Stage) -> Result<ByteStream<'static>> {
        if stage.mode == SUBMODULE {
            let name = Bytes::from(stage.oid.as_str().to_owned());
            return Ok(stream::iter([Ok(name)]).boxed());
        }
        self.shared.repository.git.local(["cat-file", "blob", stage.oid.as_str()]).stream()
    }

    /// Settles a conflict, and publishes if it was the last one and that is wanted.
    async fn settle(
        &self,
        path: &str,
        choice: impl Future<Output = Result<Choice>> + Send,
    ) -> Result<()> {
        let operation = self.shared.begin().await?;
        // What is not in conflict is refused before anything is kept.
        self.shared.repository.sides(path).await?;
        let pending = self.shared.repository.settle(path, choice.await?).await?;
        drop(operation);
        if pending.open().next().is_some() {
            return Ok(());
        }
        self.shared.push_after("Settle", path).await
    }
}

/// Completes the errors of one call.
fn failing(operation: &'static str, path: &str) -> impl Fn(Error) -> Error + 'static {
    let path = crate::path::shortened(path);
    move |error| error.with_operation(operation).with_path(path.as_str()).in_backend(NAME)
}

fn whole(operation: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.with_operation(operation).in_backend(NAME)
}

impl Shared {
    async fn open(config: GitConfig) -> Result<Self> {
        // Without one only absolute paths lead anywhere.
        let directory = std::env::current_dir().unwrap_or_default();
        let home = std::env::home_dir();
        let bases = Bases { directory: &directory, home: home.as_deref() };
        let checked = config.check(bases, config.read_password().await?)?;
        let ssh_files =
            [("ssh_key_path", &checked.ssh_key_path), ("known_hosts", &checked.known_hosts)]
                .map(|(field, file)| (field, file.clone()));
        offload::run(move || {
            ssh_files.iter().try_for_each(|(field, file)| check_ssh_file(field, file.as_deref()))
        })
        .await?;
        let repository = open::open(&checked, config.timeouts).await?;
        let tree = LocalFileBackend::builder(&repository.work_tree).create_root(false);
        let tree = tree.reserving(names::is_protected).open().await?;
        let ignores_more = ignores_more(&repository).await?;
        let noted = repository.git_dir.join("f9/written");
        Ok(Self {
            written: Written::new(tree.clone(), noted, ignores_more),
            tree,
            repository,
            history: config.history_times.then(History::default),
            automatic: Automatic {
                pull: config.auto_pull,
                push: config.auto_push,
                max_staleness: config.max_staleness.unwrap_or_default(),
            },
            sessions: AtomicUsize::new(0),
            refresh: Mutex::default(),
            committed: Mutex::default(),
            pushes: AtomicU64::new(0),
        })
    }

    /// Waits until nobody changes the tree as a whole, and keeps others from it.
    async fn share(&self) -> Result<Sharing> {
        let repository = &self.repository;
        loop {
            let sharing = repository.locks.tree.share(repository.lock_timeout).await?;
            if sharing.is_sound() {
                return Ok(sharing);
            }
            if !repository.notes.exists(advance::JOURNAL).await? {
                sharing.found_sound();
                return Ok(sharing);
            }
            // Somebody died while changing it.
            drop(sharing);
            let operation = repository.operation().await?;
            repository.recover(&operation).await?;
        }
    }

    /// Prepares for a read.
    async fn before_read(self: &Arc<Self>) -> Result<Sharing> {
        self.pull_before().await?;
        self.share().await
    }

    /// Prepares for taking away what is at `path`.
    async fn before_removal(&self, path: &str) -> Result<Sharing> {
        self.refuse_submodule(path, true).await?;
        self.share().await
    }

    /// Prepares for a write at `path`.
    async fn before_write(&self, path: &str) -> Result<Sharing> {
        self.refuse_submodule(path, false).await?;
        self.share().await
    }

    /// Ends a write. Only what was really written is published in spite of a `.gitignore`.
    async fn after_write(&self, info: &FileInfo, sharing: Sharing) -> Result<()> {
        self.written.remember(info).await?;
        drop(sharing);
        Ok(())
    }

    /// Refuses what lies in a submodule, and if `itself` the submodule too.
    async fn refuse_submodule(&self, path: &str, itself: bool) -> Result<()> {
        // What is no path is refused by the verb itself.
        let Ok(path) = FilePath::parse(path) else { return Ok(()) };
        let submodules = self.repository.submodules().await?;
        let is_within = |submodule: &RawPath| {
            let rest = path.as_bytes().strip_prefix(submodule.0.as_slice());
            rest.is_some_and(|rest| rest.starts_with(b"/") || (itself && rest.is_empty()))
        };
        if submodules.iter().any(is_within) {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("it is in a submodule, whose files are in another repository"));
        }
        Ok(())
    }

    /// What the history tells of times, and since when files count as changed.
    async fn times(&self) -> Result<Option<Known>> {
        let Some(history) = &self.history else { return Ok(None) };
        let Some(head) = self.repository.head().await? else { return Ok(None) };
        let times = history.times(&self.repository.git, &head).await?;
        let index = self.repository.files.info("index").await;
        let committed_at = index.ok().and_then(|index| index.modified_at);
        Ok(committed_at.map(|committed_at| Known { times, committed_at }))
    }

    /// Puts the times of the history in place of the file's, unless it has been changed since the last commit.
    fn date(&self, info: &mut FileInfo, known: Option<&Known>) {
        let Some(known) = known else { return };
        let is_newer = info.modified_at.is_none_or(|modified| modified > known.committed_at);
        if is_newer || self.written.holds(&info.path) {
            return;
        }
        let times = if info.is_dir() {
            known.times.of_directory(&info.path)
        } else {
            known.times.of(&info.path)
        };
        if let Some(times) = times {
            info.created_at = Some(times.created);
            info.modified_at = Some(times.modified);
        }
    }
}

struct Known {
    times: Arc<Times>,
    /// When git last looked at the tree.
    committed_at: SystemTime,
}

/// Whether the repository itself names files to be ignored (gitignore(5)).
async fn ignores_more(repository: &Repository) -> Result<bool> {
    match repository.files.read("info/exclude").await {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            Ok(text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells early, and in plain words, what ssh would refuse.
fn check_ssh_file(field: &str, file: Option<&Path>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(file) = file else { return Ok(()) };
    let reason = match std::fs::metadata(file) {
        Ok(found) if !found.is_file() => "it is no file".to_owned(),
        Ok(found) if field == "ssh_key_path" && found.permissions().mode() & 0o077 != 0 => {
            "others may read it; ssh wants `chmod 600`".to_owned()
        }
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    let message = format!("`{field}`: {}: {reason}", file.display());
    Err(Error::new(ErrorKind::InvalidInput).with_message(message))
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
        self.shared.tree.capabilities().without(Capability::Durable)
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let written = async {
            let shared = &self.shared;
            // Held only from the end of the source on: however slow that is, it keeps nobody waiting.
            drop(shared.before_write(path).await?);
            let held = Mutex::new(None);
            let hold = async {
                match shared.share().await {
                    Ok(sharing) => {
                        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(sharing);
                        None
                    }
                    Err(error) => Some(Err(error)),
                }
            };
            let end = stream::once(hold).filter_map(std::future::ready);
            let info =
                shared.tree.stream_write_with(path, data.chain(end).boxed(), options).await?;
            shared.written.remember(&info).await?;
            drop(held);
            Ok(info)
        };
        let info = written.await.map_err(failing("write", path))?;
        self.shared.push_after("Write", path).await.map_err(failing("write", path))?;
        Ok(info)
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let made = async {
            // Nothing to be published: git carries no directories.
            let _sharing = self.shared.before_write(path).await?;
            self.shared.tree.create_dir_with(path, options).await
        };
        made.await.map_err(failing("create directory", path))
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let read = async {
            let _sharing = self.shared.before_read().await?;
            self.shared.tree.stream_read_with(path, options).await
        };
        read.await.map_err(failing("read", path))
    }

    async fn update_with(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        let updated = async {
            let sharing = self.shared.before_write(path).await?;
            let info = self.shared.tree.update_with(path, data, options).await?;
            self.shared.after_write(&info, sharing).await?;
            self.shared.push_after("Update", path).await?;
            Ok(info)
        };
        updated.await.map_err(failing("update", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        let deleted = async {
            let sharing = self.shared.before_removal(path).await?;
            self.shared.tree.delete_with(path, options).await?;
            drop(sharing);
            self.shared.push_after("Delete", path).await
        };
        deleted.await.map_err(failing("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let looked = async {
            let sharing = self.shared.before_read().await?;
            let mut info = self.shared.tree.info_with(path, options).await?;
            drop(sharing);
            self.shared.date(&mut info, self.shared.times().await?.as_ref());
            Ok(info)
        };
        looked.await.map_err(failing("get info of", path))
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        let listed = async {
            let sharing = self.shared.before_read().await?;
            let mut entries = self.shared.tree.list_with(prefix, options).await?;
            let first: Vec<_> = entries.by_ref().take(AT_ONE_MOMENT).collect().await;
            drop(sharing);
            let known = self.shared.times().await?;
            let shared = Arc::clone(&self.shared);
            let dated = stream::iter(first).chain(entries).map(move |entry| {
                entry.map(|mut info| {
                    shared.date(&mut info, known.as_ref());
                    info
                })
            });
            Ok(dated.boxed())
        };
        listed.await.map_err(failing("list", prefix))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        let renamed = async {
            self.shared.refuse_submodule(from, true).await?;
            let sharing = self.shared.before_write(to).await?;
            let info = self.shared.tree.rename_with(from, to, options).await?;
            self.shared.after_write(&info, sharing).await?;
            self.shared.push_after("Rename", &format!("{from} to {to}")).await?;
            Ok(info)
        };
        renamed.await.map_err(|error: Error| failing("rename", from)(error.with_target(to)))
    }

    async fn create_with(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        let created = async {
            let sharing = self.shared.before_write(path).await?;
            let info = self.shared.tree.create_with(path, data, options).await?;
            self.shared.after_write(&info, sharing).await?;
            self.shared.push_after("Create", path).await?;
            Ok(info)
        };
        created.await.map_err(failing("create", path))
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        let read = async {
            let _sharing = self.shared.before_read().await?;
            self.shared.tree.read_with(path, options).await
        };
        read.await.map_err(failing("read", path))
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        let copied = async {
            let sharing = self.shared.before_write(to).await?;
            let info = self.shared.tree.copy_with(from, to, options).await?;
            self.shared.after_write(&info, sharing).await?;
            self.shared.push_after("Copy", &format!("{from} to {to}")).await?;
            Ok(info)
        };
        copied.await.map_err(|error: Error| failing("copy", from)(error.with_target(to)))
    }

    async fn exists(&self, path: &str) -> Result<bool> {
        let looked = async {
            let _sharing = self.shared.before_read().await?;
            self.shared.tree.exists(path).await
        };
        looked.await.map_err(failing("get info of", path))
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        let found = async {
            let _sharing = self.shared.before_read().await?;
            self.shared.tree.glob_with(pattern, options).await
        };
        found.await.map_err(failing("glob", pattern))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<String> {
        let computed = async {
            let _sharing = self.shared.before_read().await?;
            self.shared.tree.checksum(path, algorithm).await
        };
        computed.await.map_err(failing("checksum", path))
    }

    async fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, String>> {
        let computed = async {
            let _sharing = self.shared.before_read().await?;
            self.shared.tree.checksum_many(paths, algorithm).await
        };
        computed.await.map_err(whole("checksum"))
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let session = self.shared.open_session(options.timeout).await;
        session.map(SyncSession::new).map_err(whole("open a session"))
    }
}

#[async_trait]
impl AsyncSyncFileBackend for GitSyncFileBackend {
    async fn push(&self, message: &str) -> Result<()> {
        self.shared.push(message).await.map_err(whole("push"))
    }

    async fn pull(&self) -> Result<()> {
        self.shared.pull().await.map_err(whole("pull"))
    }

    async fn sync(&self, message: &str) -> Result<()> {
        self.shared.pull_with(message).await.map_err(whole("pull"))?;
        self.push(message).await
    }

    async fn conflict_report(&self) -> Result<Vec<SyncConflict>> {
        let pending = self.shared.repository.pending().await.map_err(whole("report conflicts"))?;
        let open = pending.iter().flat_map(|pending| pending.open());
        Ok(open.map(|conflict| conflict.report()).collect())
    }

    async fn conflict_accept_local(&self, path: &str) -> Result<()> {
        let settled = self.settle(path, async { Ok(Choice::Local) }).await;
        settled.map_err(failing("accept the local version of", path))
    }

    async fn conflict_accept_remote(&self, path: &str) -> Result<()> {
        let settled = self.settle(path, async { Ok(Choice::Remote) }).await;
        settled.map_err(failing("accept the remote version of", path))
    }

    async fn conflict_resolve(&self, path: &str, data: Bytes) -> Result<()> {
        let keep = async { Ok(Choice::Content(self.shared.repository.keep_content(data).await?)) };
        self.settle(path, keep).await.map_err(failing("resolve the conflict at", path))
    }
}
