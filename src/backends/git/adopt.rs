//! Adopts a clone that was made with git.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::clone::{write_attributes, write_ready};
use super::clone_config::CloneConfig;
use super::config::CheckedConfig;
use super::directory::already_exists;
use super::locks::Operation;
use super::names::Reason;
use super::parse::{self, RawPath};
use super::repository::{ADOPT_INDEX, Repository};
use super::sync::FRESH;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

/// Lists files that differ from the index, also those that became a link or are no link any more.
const DIFFERING: [&str; 4] = ["diff-files", "--name-only", "--diff-filter=MT", "-z"];

/// Adopts a clone. Uncommitted changes stay.
pub(super) async fn adopt(
    repository: &Repository,
    config: &CheckedConfig,
    operation: &Operation,
) -> Result<()> {
    let clone = CloneConfig::read(repository).await?;
    check_remote(repository, config, &clone).await?;
    let has_unborn_branch = repository.has_unborn_branch().await?;
    if has_unborn_branch {
        repository.expect_nothing_in_progress().await?;
    } else {
        repository.check_state().await?;
    }
    repository.create_common_dir_of(&clone).await?;
    let is_complete = repository.git_dir.join("index").exists();
    if !is_complete && repository.head().await?.is_some() {
        return Err(Error::new(ErrorKind::InvalidOperation).with_message(
            "the clone was never finished: it has no index; remove it, or complete it with `git reset --hard`",
        ));
    }
    let begin = SystemTime::now();
    let conversions = clone.conversions();
    // Also tells git which files are unchanged: a file as new as the index may have been changed without a trace.
    let status = ["status", "--porcelain=v2", "--untracked-files=no"];
    let status = repository.git.local(status).options(&conversions).within(operation)?;
    status.stdout().await.map_err(|error| {
        if error.kind() == ErrorKind::Io { error.with_kind(ErrorKind::Corrupted) } else { error }
    })?;
    if repository.head().await?.is_some() {
        let changed = changed_files(repository, &conversions).await?;
        refuse_filtered(repository, &changed).await?;
        refuse_twins(repository).await?;
        write_attributes(repository).await?;
        undo_conversions(repository, operation, &changed, begin).await?;
    } else {
        if has_unborn_branch {
            // Nothing refuses the clone any more.
            repository.name_branch(operation).await?;
        }
        write_attributes(repository).await?;
        if repository.tracking().await?.is_none() {
            // `git init`, or a clone that died before it received anything. Local commits have no ancestor at the remote.
            repository.write_note(FRESH, &()).await?;
        }
    }
    write_ready(repository, config).await
}

/// Returns the files that were changed since the checkout, and those at which git does not look.
async fn changed_files(
    repository: &Repository,
    conversions: &[(&'static str, String)],
) -> Result<HashSet<RawPath>> {
    let git = &repository.git;
    let changed = git.local(DIFFERING).options(conversions).stdout().await?;
    let flagged = git.local(["ls-files", "-v", "-z"]).stdout().await?;
    Ok(parse::paths(&changed).into_iter().chain(parse::flagged_paths(&flagged)).collect())
}

/// Refuses files that look changed and have a filter (gitattributes(5)): what a filter wrote at checkout, such as decrypted text, would be
/// published.
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported).
async fn refuse_filtered(repository: &Repository, changed: &HashSet<RawPath>) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let check = ["check-attr", "-z", "--stdin", "filter"];
    let check = repository.git.local(check).input(parse::nul_terminated(changed));
    let attributes = check.stdout().await?;
    match parse::filtered_path(&attributes) {
        None => Ok(()),
        Some((path, filter)) => Err(Error::new(ErrorKind::Unsupported).with_message(format!(
            "`{path}` looks changed and has the filter `{filter}`, which f9 does not run; commit it with git, or run \
             `git status` if it is not changed"
        ))),
    }
}

/// Refuses a clone with twins: git has written one over the other, and nobody knows which.
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported).
async fn refuse_twins(repository: &Repository) -> Result<()> {
    if !repository.names.folds() {
        return Ok(());
    }
    let special = repository.special_entries().await?;
    let twins = special.left_out.iter().find_map(|file| match &file.reason {
        Reason::Twin(twin) => Some((file.entry.path.to_text(), twin.to_text())),
        _ => None,
    });
    match twins {
        None => Ok(()),
        Some((path, twin)) => Err(Error::new(ErrorKind::Unsupported).with_message(format!(
            "its file system takes `{path}` for `{twin}`, and git has written one over the other; let f9 clone it again"
        ))),
    }
}

/// Replaces files that git converted at checkout (line endings, encoding, filters, links, modes) by what is in the repository. Files in
/// `changed`, and those that were changed after `begin`, stay as they are.
async fn undo_conversions(
    repository: &Repository,
    operation: &Operation,
    changed: &HashSet<RawPath>,
    begin: SystemTime,
) -> Result<()> {
    let git = &repository.git;
    // A new index has no file times, so git has to read the files.
    let index = repository.git_dir.join(ADOPT_INDEX);
    let tree = repository.write_tree(operation).await?;
    git.local(["read-tree", tree.as_str()]).index(&index).unprotected().stdout().await?;
    // It exits with an error if some files differ.
    let refresh = ["update-index", "-q", "--refresh"];
    drop(git.local(refresh).index(&index).output().await?);
    let differing = parse::paths(&git.local(DIFFERING).index(&index).stdout().await?);
    let converted: Vec<_> = differing.into_iter().filter(|path| !changed.contains(path)).collect();
    let root = Arc::clone(&repository.root);
    let converted = pool::run(move || {
        let is_unchanged_since = |path: &RawPath| {
            let stat = root.raw_stat(Path::new(path.as_os())).ok().flatten();
            stat.and_then(|stat| stat.changed_at()).is_some_and(|changed_at| changed_at < begin)
        };
        Ok(parse::nul_terminated(converted.into_iter().filter(is_unchanged_since)))
    })
    .await?;
    if !converted.is_empty() {
        let restore = ["checkout-index", "--force", "-z", "--stdin"];
        git.local(restore).index(&index).input(converted).within(operation)?.stdout().await?;
        drop(git.local(refresh).within(operation)?.output().await?);
    }
    pool::run(move || Ok(std::fs::remove_file(index)?)).await
}

/// Checks that the clone's `origin` is the configured remote. Without an `origin`, another remote may be, or the clone may have none.
///
/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists) if it is a clone of another repository.
pub(super) async fn check_remote(
    repository: &Repository,
    config: &CheckedConfig,
    clone: &CloneConfig,
) -> Result<()> {
    // What is fetched goes to the branches of `origin`, so no other repository may be fetched there.
    let mut urls = clone.urls("remote.origin.");
    if urls.is_empty() {
        urls = clone.urls("remote.");
    }
    let (remote, work_tree) = (config.remote.clone(), repository.work_tree.clone());
    let is_clone =
        move || Ok(urls.is_empty() || urls.iter().any(|url| remote.is_at(url, &work_tree)));
    if pool::run(is_clone).await? {
        return Ok(());
    }
    Err(already_exists(
        "it is a clone of another repository; if the remote has moved, run `git remote set-url origin`",
    ))
}
