//! Opens a working tree: clones the remote, adopts a clone that git made, or opens what was opened before.
//!
//! The note that a clone is complete is written last. Until then, no file in the working tree counts as a local change: if a
//! process died during a clone, the clone is repeated. Otherwise the missing files would be published as deletions.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use super::adopt::{adopt, check_remote};
use super::clone::{CLONING, Ready, clone, write_ready};
use super::clone_config::CloneConfig;
use super::command::{self, Access, Git, RepositorySettings};
use super::config::{Bases, CheckedConfig, GitConfig, GitTimeouts};
use super::directory::{self, READY, gone_if_missing};
use super::history::History;
use super::locks::Locks;
use super::names::Names;
use super::pending_paths::PendingPaths;
use super::protected_names;
use super::repository::{Repository, read_if_present};
use super::shared::{AutoPull, AutoSync, Shared};
use super::turn::line_name;
use crate::backends::local::{Durability, LocalFileBackend};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::fs::{Reserved, Root};
use crate::sys::lock::Semaphore;
use crate::sys::pool;

/// The number of attempts to open while other processes fail to clone into the same directory and remove it.
const ATTEMPTS: usize = 20;

impl Shared {
    pub(super) async fn open(config: GitConfig) -> Result<Self> {
        // Without a current directory, relative paths fail later.
        let directory = std::env::current_dir().unwrap_or_default();
        let home = std::env::home_dir();
        let bases = Bases { directory: &directory, home: home.as_deref() };
        let checked = config.check(bases, config.read_password().await?)?;
        let ssh_files =
            [("ssh_key_path", &checked.ssh_key_path), ("known_hosts", &checked.known_hosts)]
                .map(|(field, file)| (field, file.clone()));
        pool::run(move || {
            ssh_files.iter().try_for_each(|(field, file)| check_ssh_file(field, file.as_deref()))
        })
        .await?;
        let repository = open_repository(&checked, config.timeouts).await?;
        let tree = LocalFileBackend::builder(&repository.work_tree).create_root(false);
        let tree = tree.reserving(|name| protected_names::is_protected(name.as_bytes()));
        let tree = tree.open().await?;
        let ignores_more = has_excludes(&repository).await?;
        let record = repository.git_dir.join("f9/written");
        Ok(Self {
            pending_paths: PendingPaths::new(tree.clone(), record, ignores_more),
            tree,
            repository,
            history: config.history_times.then(History::default),
            auto_sync: AutoSync {
                pull: config.auto_pull,
                push: config.auto_push,
                max_staleness: config.max_staleness.unwrap_or_default(),
                on_unreachable: config.on_unreachable,
            },
            auto_pull: Mutex::new(AutoPull::default()),
            sessions: AtomicUsize::new(0),
            committed: Mutex::default(),
            pushing: Arc::new(Semaphore::new(|| 1)),
            saves: AtomicU64::new(0),
            published: AtomicU64::new(0),
            pushes: AtomicU64::new(0),
        })
    }
}

async fn open_repository(config: &CheckedConfig, timeouts: GitTimeouts) -> Result<Arc<Repository>> {
    // Runs first, so that nothing is changed if git is missing.
    command::program().await?;
    let mut created = None;
    let mut last = ErrorKind::RootGone.into();
    for _ in 0..ATTEMPTS {
        match Box::pin(try_open(config, timeouts, &mut created)).await {
            // Another process began to clone here, failed, and removed everything.
            Err(error) if error.kind() == ErrorKind::RootGone => last = error,
            opened => return opened,
        }
    }
    Err(last)
}

/// `created` is the topmost directory that this attempt or an earlier one created.
async fn try_open(
    config: &CheckedConfig,
    timeouts: GitTimeouts,
    created: &mut Option<PathBuf>,
) -> Result<Arc<Repository>> {
    let path = config.path.clone();
    let now = pool::run(move || directory::prepare(&path)).await.map_err(gone_if_missing)?;
    *created = created.take().into_iter().chain(now).min_by_key(|path| path.as_os_str().len());
    let repository = new_repository(config, timeouts).await?;
    let operation = repository.operation().await.map_err(gone_if_missing)?;
    if !repository.locks.are_current() {
        return Err(ErrorKind::RootGone.into());
    }
    let repository = Arc::new(repository);
    if let Some(ready) = repository.note::<Ready>(READY).await? {
        reopen(&repository, config, &ready).await?;
    } else if repository.note::<()>(CLONING).await?.is_some()
        || !repository.git_dir.join("HEAD").exists()
    {
        if let Err(error) = clone(&repository, config, &operation).await {
            let (work_tree, created) = (repository.work_tree.clone(), created.take());
            // The reason for the failure matters more than leftovers that could not be removed.
            drop(pool::run(move || directory::remove(&work_tree, created.as_deref())).await);
            return Err(error);
        }
    } else if let Err(error) = adopt(&repository, config, &operation).await {
        let root = Arc::clone(&repository.root);
        drop(pool::run(move || directory::remove_own(&root)).await);
        return Err(error);
    }
    repository.recover(&operation).await?;
    repository.check_state().await?;
    Ok(repository)
}

async fn new_repository(config: &CheckedConfig, timeouts: GitTimeouts) -> Result<Repository> {
    let path = config.path.clone();
    let (work_tree, root, names) = pool::run(move || {
        let work_tree = path.canonicalize()?;
        let root = Root::open(&work_tree, Reserved::default())?;
        let longest = root.name_bytes().unwrap_or(usize::MAX);
        let names = Names::probe(&work_tree.join(".git/f9/names"), longest);
        Ok((work_tree, root, names))
    })
    .await
    .map_err(gone_if_missing)?;
    let git_dir = work_tree.join(".git");
    let remote = &config.remote;
    let access = Access {
        url: remote.url(),
        protocol: remote.protocol(),
        credentials: remote.credential_scope().zip(remote.credentials()),
        ssh_key: config.ssh_key_path.clone(),
        known_hosts: config.known_hosts.clone(),
    };
    let settings = RepositorySettings {
        work_tree: &work_tree,
        git_dir: &git_dir,
        branch: &config.branch,
        author: (&config.author_name, &config.author_email),
    };
    let limits = (timeouts.local, timeouts.network, timeouts.lock);
    let git = Git::new(settings, access, limits).await?;
    let own = git_dir.join("f9");
    let files = LocalFileBackend::builder(&git_dir).create_root(false).sweep(false).open();
    let files = files.await.map_err(gone_if_missing)?;
    let notes = LocalFileBackend::builder(&own).create_root(false).durability(Durability::Synced);
    let notes = notes.open().await.map_err(gone_if_missing)?;
    let locks = pool::run(move || Locks::of(&own)).await.map_err(gone_if_missing)?;
    Ok(Repository {
        git,
        locks,
        work_tree,
        root: Arc::new(root),
        names,
        git_dir,
        branch: config.branch.clone(),
        lock_timeout: timeouts.lock,
        push_timeout: timeouts.push,
        line: line_name(&remote.url(), &config.branch),
        files,
        notes,
        tree_of: Mutex::default(),
        submodules: tokio::sync::Mutex::default(),
        kept_merge: Mutex::default(),
        special: Mutex::default(),
    })
}

/// Opens a working tree that was opened before.
async fn reopen(repository: &Repository, config: &CheckedConfig, ready: &Ready) -> Result<()> {
    let (is_same, has_common_dir) =
        (config.remote.is_same_as(&ready.remote), repository.has_common_dir().await?);
    if is_same && has_common_dir {
        return Ok(());
    }
    let clone = CloneConfig::read(repository).await?;
    if !has_common_dir {
        repository.create_common_dir_of(&clone).await?;
    }
    if is_same {
        return Ok(());
    }
    // `git remote set-url` confirms that the remote has moved.
    check_remote(repository, config, &clone).await?;
    write_ready(repository, config).await
}

/// Whether the repository ignores files by its own list, `info/exclude` (gitignore(5)).
async fn has_excludes(repository: &Repository) -> Result<bool> {
    let Some(text) = read_if_present(&repository.files, "info/exclude").await? else {
        return Ok(false);
    };
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')))
}

/// Checks a file for ssh, to report a problem early and with a clear message.
fn check_ssh_file(field: &str, file: Option<&Path>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(file) = file else { return Ok(()) };
    let reason = match std::fs::metadata(file) {
        Ok(found) if !found.is_file() => "not a regular file".to_owned(),
        Ok(found) if field == "ssh_key_path" && found.permissions().mode() & 0o077 != 0 => {
            "others may read it; run `chmod 600` on it".to_owned()
        }
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    let message = format!("`{field}`: {}: {reason}", file.display());
    Err(Error::new(ErrorKind::InvalidInput).with_message(message))
}
