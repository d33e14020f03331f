//! From a directory, in whatever state it is, to a repository that is in order.
//!
//! A clone is made step by step, and the note that it is ready is written last. Without that note nothing in the working tree is ever
//! taken for somebody's work: what a process left that died while it cloned is done again, instead of being published as deletions.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::{self, Access, Git, Place};
use super::config::CheckedConfig;
use super::failure::Failure;
use super::locks::{LOCK, Locks, Operation};
use super::output::{self, Oid};
use super::repository::{ADOPT_INDEX, FETCH, Fetched, Repository, START, damaged};
use super::sync::FRESH;
use crate::{Durability, Error, ErrorKind, GitTimeouts, LocalFileBackend, Result, offload};

/// The note that is written when a clone is complete.
const READY: &str = "ready";

/// The note that a clone has been begun.
const CLONING: &str = "cloning";

/// Overrides what a `.gitattributes` says about changing the bytes of files on their way (gitattributes(5)).
const ATTRIBUTES: &str = "* -text !eol -ident !filter !working-tree-encoding\n";

/// How often opening begins anew because somebody else's clone failed and was removed meanwhile.
const ATTEMPTS: usize = 20;

#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    /// Without secrets.
    remote: String,
}

/// Opens the repository that `config` describes, cloning it if it is not there.
pub(super) async fn open(config: &CheckedConfig, timeouts: GitTimeouts) -> Result<Arc<Repository>> {
    // Without git, nothing is touched.
    command::program().await?;
    let mut made = None;
    let mut last = ErrorKind::RootGone.into();
    for _ in 0..ATTEMPTS {
        match open_once(config, timeouts, &mut made).await {
            // Somebody else began to clone here, failed, and removed everything.
            Err(error) if error.kind() == ErrorKind::RootGone => last = error,
            opened => return opened,
        }
    }
    Err(last)
}

/// `made` is the topmost directory that this attempt, or one before, had to make.
async fn open_once(
    config: &CheckedConfig,
    timeouts: GitTimeouts,
    made: &mut Option<PathBuf>,
) -> Result<Arc<Repository>> {
    let path = config.path.clone();
    let now_made = offload::run(move || look(&path)).await.map_err(gone)?;
    *made = made.take().into_iter().chain(now_made).min_by_key(|path| path.as_os_str().len());
    let repository = repository(config, timeouts).await?;
    let operation = repository.operation().await.map_err(gone)?;
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
            let (work_tree, made) = (repository.work_tree.clone(), made.take());
            // Why there is no clone is worth more than what may be left of it.
            drop(offload::run(move || remove(&work_tree, made.as_deref())).await);
            return Err(error);
        }
    } else {
        adopt(&repository, config, &operation).await?;
    }
    repository.recover(&operation).await?;
    repository.check_state().await?;
    Ok(repository)
}

/// What is missing here was there a moment ago: somebody whose clone failed has removed it.
fn gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_kind(ErrorKind::RootGone),
        _ => error,
    }
}

/// Looks at the directory and makes it if it is missing, with a place for f9's notes. Tells the topmost directory that it had to make.
///
/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists), with everything untouched, if something else than a repository is there.
fn look(path: &Path) -> Result<Option<PathBuf>> {
    let missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    let made = missing.last().map(|made| made.to_path_buf());
    fs::create_dir_all(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => taken("a file is there").with_source(error),
        // It was being removed.
        _ if error.kind() == IoKind::AlreadyExists => ErrorKind::RootGone.into(),
        _ => error.into(),
    })?;
    let git_dir = path.join(".git");
    match fs::symlink_metadata(&git_dir) {
        Err(error) if error.kind() == IoKind::NotFound => {
            if !is_empty(path)? {
                return Err(taken("the directory is not empty, and no repository"));
            }
        }
        Err(error) => return Err(error.into()),
        Ok(found) if !found.is_dir() => {
            return Err(Error::new(ErrorKind::Unsupported).with_message(
                "`.git` is a file or a link: submodules and linked working trees cannot be opened",
            ));
        }
        Ok(_) => {
            // At one moment: others may be making or removing it.
            let names: Vec<_> =
                fs::read_dir(&git_dir)?.flatten().map(|entry| entry.file_name()).collect();
            let is_there = |name: &str| names.iter().any(|found| found == name);
            if is_there("reftable") {
                return Err(Error::new(ErrorKind::Unsupported)
                    .with_message("its refs are kept as a reftable, which f9 does not read"));
            }
            if git_dir.join("info/sparse-checkout").exists() && !is_there("f9") {
                return Err(Error::new(ErrorKind::Unsupported).with_message(
                    "only a part of it is checked out (git-sparse-checkout); clone anew",
                ));
            }
            if is_there("lfs") && !is_there("f9") {
                return Err(Error::new(ErrorKind::Unsupported).with_message(
                    "it is a clone with git-lfs, whose files f9 would publish in place of the pointers; clone anew",
                ));
            }
            // What git itself takes for a repository (gitrepository-layout(5)).
            let is_repository = ["HEAD", "objects", "refs"].into_iter().all(is_there);
            if !(is_repository || is_there("f9") || names.is_empty()) {
                return Err(taken("the directory is not empty, and its `.git` is no repository"));
            }
        }
    }
    fs::create_dir_all(git_dir.join("f9/home"))?;
    Ok(made)
}

/// Whether there is no file but what the backend keeps there for itself.
fn is_empty(work_tree: &Path) -> Result<bool> {
    let mut names = fs::read_dir(work_tree)?.flatten().map(|entry| entry.file_name());
    Ok(names.all(|name| name == ".git" || name == ".backend.lock"))
}

fn taken(reason: &'static str) -> Error {
    Error::new(ErrorKind::AlreadyExists).with_message(reason)
}

/// Removes a clone that was begun, if no file has been checked out yet, and the directories made for it. Those who wait for the lock
/// find it gone, which is why it goes last.
fn remove(work_tree: &Path, made: Option<&Path>) -> Result<()> {
    if !is_empty(work_tree)? {
        return Ok(());
    }
    let git_dir = work_tree.join(".git");
    let own = git_dir.join("f9");
    remove_all_but("f9", &git_dir)?;
    remove_all_but(LOCK, &own)?;
    fs::remove_file(own.join(LOCK))?;
    fs::remove_dir(own)?;
    fs::remove_dir(git_dir)?;
    let Some(made) = made else { return Ok(()) };
    for directory in work_tree.ancestors() {
        if fs::remove_dir(directory).is_err() || directory == made {
            break;
        }
    }
    Ok(())
}

fn remove_all_but(kept: &str, directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == kept {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

async fn repository(config: &CheckedConfig, timeouts: GitTimeouts) -> Result<Repository> {
    let work_tree = config.path.clone();
    let work_tree = offload::run(move || Ok(work_tree.canonicalize()?)).await.map_err(gone)?;
    let git_dir = work_tree.join(".git");
    let remote = &config.remote;
    let access = Access {
        url: remote.url(),
        protocol: remote.protocol().name(),
        credentials: remote.credential_scope().zip(remote.credentials()),
        ssh_key: config.ssh_key_path.clone(),
        known_hosts: config.known_hosts.clone(),
    };
    let place = Place {
        work_tree: &work_tree,
        git_dir: &git_dir,
        branch: &config.branch,
        author: (&config.author_name, &config.author_email),
    };
    let git = Git::new(place, access, (timeouts.local, timeouts.network)).await?;
    let own = git_dir.join("f9");
    let files = LocalFileBackend::builder(&git_dir).create_root(false).sweep(false).open();
    let files = files.await.map_err(gone)?;
    let notes = LocalFileBackend::builder(&own).create_root(false).durability(Durability::Synced);
    let notes = notes.open().await.map_err(gone)?;
    let locks = offload::run(move || Locks::of(&own)).await.map_err(gone)?;
    let branch = config.branch.clone();
    Ok(Repository::new(git, locks, (work_tree, git_dir), branch, timeouts.lock, (files, notes)))
}

/// Opens what was opened before.
async fn reopen(repository: &Repository, config: &CheckedConfig, ready: &Ready) -> Result<()> {
    if config.remote.is_same_as(&ready.remote) {
        return Ok(());
    }
    // Whoever moves a repository says so with `git remote set-url`.
    check_remote(repository, config).await?;
    write_ready(repository, config).await
}

async fn write_ready(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    repository.write_note(READY, &Ready { remote: config.remote.url() }).await
}

/// Takes over a clone that git made.
async fn adopt(
    repository: &Repository,
    config: &CheckedConfig,
    operation: &Operation,
) -> Result<()> {
    repository.check_state().await?;
    check_remote(repository, config).await?;
    let is_complete = repository.git_dir.join("index").exists();
    if !is_complete && repository.head().await?.is_some() {
        return Err(Error::new(ErrorKind::InvalidOperation).with_message(
            "the clone was never finished: it has no index; remove it, or complete it with `git reset --hard`",
        ));
    }
    // First: what looks at files runs the filters that the clone names.
    write_attributes(repository).await?;
    let status = ["status", "--porcelain=v2", "--untracked-files=no"];
    repository.git.local(status).within(operation)?.stdout().await.map_err(|error| {
        if error.kind() == ErrorKind::Io { error.with_kind(ErrorKind::Corrupted) } else { error }
    })?;
    if repository.head().await?.is_some() {
        check_out_as_committed(repository, operation).await?;
    } else if repository.tracking().await?.is_none() {
        // Made by `git init`, or by a clone that died before anything came: what is here has no ancestor at the remote.
        repository.write_note(FRESH, &()).await?;
    }
    write_ready(repository, config).await
}

/// Puts the bytes of the repository in place of what git made of them when it checked them out: another line end or encoding, what a
/// filter gave. Files that have been changed since stay as they are.
async fn check_out_as_committed(repository: &Repository, operation: &Operation) -> Result<()> {
    let git = &repository.git;
    let modified = ["diff-files", "--name-only", "--diff-filter=M", "-z"];
    // An index that has not seen the files yet, so that git has to read them.
    let index = repository.git_dir.join(ADOPT_INDEX);
    let tree = repository.write_tree(operation).await?;
    git.local(["read-tree", tree.as_str()]).index(&index).stdout().await?;
    // It tells by its exit status that some differ.
    let refresh = ["update-index", "-q", "--refresh"];
    drop(git.local(refresh).index(&index).output().await?);
    let differing = output::paths(&git.local(modified).index(&index).stdout().await?);
    // Last, so that hardly a moment is left for another change.
    let mut touched: HashSet<_> =
        output::paths(&git.local(modified).stdout().await?).into_iter().collect();
    let flagged = git.local(["ls-files", "-v", "-z"]).stdout().await?;
    touched.extend(output::passed_over(&flagged));
    let converted = differing.into_iter().filter(|path| !touched.contains(path));
    let converted = output::listed(converted);
    if !converted.is_empty() {
        let restore = ["checkout-index", "--force", "-z", "--stdin"];
        git.local(restore).index(&index).input(converted).within(operation)?.stdout().await?;
        drop(git.local(refresh).within(operation)?.output().await?);
    }
    offload::run(move || Ok(fs::remove_file(index)?)).await?;
    Ok(())
}

/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists) if the repository is a clone, but of none of the remotes it is a clone of this one.
async fn check_remote(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    let ask = ["config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$"];
    let output = repository.git.local(ask).output().await?;
    let told = match output.code() {
        Some(0) => output.stdout,
        Some(1) => return Ok(()),
        _ => return Err(output.error()),
    };
    let told = String::from_utf8_lossy(&told).into_owned();
    let mut urls = told.split('\0').filter_map(|line| line.split_once('\n')).map(|(_, url)| url);
    if urls.any(|url| config.remote.is_same_as(url)) {
        return Ok(());
    }
    Err(taken(
        "it is a clone of another repository; `git remote set-url origin` tells that a remote has moved",
    ))
}

/// Clones, or goes on with a clone that somebody else began and did not finish.
async fn clone(
    repository: &Repository,
    config: &CheckedConfig,
    operation: &Operation,
) -> Result<()> {
    repository.write_note(CLONING, &()).await?;
    let git = &repository.git;
    let branch = &repository.branch;
    let init = ["init", "--quiet", "--template=", "--initial-branch", branch];
    git.local(init).within(operation)?.stdout().await?;
    write_attributes(repository).await?;
    write_config(repository, config).await?;
    // Who died in the checkout has left files that no index names. They are brought under git's eyes first: what the remote has deleted
    // since must not stay and pass for somebody's.
    if let Some(begun) = repository.begun().await? {
        check_out(repository, operation, &begun).await?;
    }
    let start = match repository.fetch(operation).await? {
        Fetched::Branch => repository.tracking().await?,
        Fetched::Nothing => default_branch(repository, operation).await?,
    };
    match start {
        Some(start) => check_out(repository, operation, &start).await?,
        None => repository.write_note(FRESH, &()).await?,
    }
    write_ready(repository, config).await?;
    repository.remove_note(CLONING).await
}

/// Has branch, index and tree be those of a commit, whatever they were.
async fn check_out(repository: &Repository, operation: &Operation, commit: &Oid) -> Result<()> {
    let reset = ["reset", "--hard", "--quiet", commit.as_str()];
    repository.git.local(reset).within(operation)?.stdout().await.map(drop)
}

/// The commit that a new branch begins with: that of the remote's default branch; `None` where the remote is empty.
async fn default_branch(repository: &Repository, operation: &Operation) -> Result<Option<Oid>> {
    let refspec = format!("+HEAD:{START}");
    let asked = FETCH.into_iter().chain([repository.git.remote(), &refspec]);
    let output = repository.git.network(asked).within(operation)?.output().await?;
    if output.is_success() {
        return repository.start().await;
    }
    match output.failure() {
        Failure::NoSuchBranch => Ok(None),
        _ => Err(output.error()),
    }
}

/// Sees to it that the bytes of files are the bytes in the repository.
async fn write_attributes(repository: &Repository) -> Result<()> {
    let info = repository.git_dir.join("info");
    offload::run(move || {
        fs::create_dir_all(&info)?;
        let file = info.join("attributes");
        let mut text = fs::read_to_string(&file).unwrap_or_default();
        // The last line that fits a file counts.
        if !text.ends_with(ATTRIBUTES) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(ATTRIBUTES);
            fs::write(file, text)?;
        }
        Ok(())
    })
    .await
}

/// Tells git's configuration where the clone is from, for people who use git there.
async fn write_config(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    let (file, url) = (repository.git_dir.join("config"), config.remote.url());
    let branch = repository.branch.clone();
    offload::run(move || {
        let mut text = fs::read_to_string(&file)
            .map_err(|error| damaged("its `config` cannot be read".to_owned()).with_source(error))?;
        if text.contains("[remote \"origin\"]") {
            return Ok(());
        }
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (url, branch) = (quote(&url), quote(&branch));
        text.push_str(&format!(
            "[remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
             [branch \"{branch}\"]\n\tremote = origin\n\tmerge = \"refs/heads/{branch}\"\n"
        ));
        Ok(fs::write(file, text)?)
    })
    .await
}
