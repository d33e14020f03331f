//! Adopts a clone that was made with git.

use std::collections::HashSet;

use super::clone::{write_attributes, write_ready};
use super::config::CheckedConfig;
use super::directory::already_exists;
use super::locks::Operation;
use super::parse;
use super::repository::{ADOPT_INDEX, Repository};
use super::sync::FRESH;
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

/// Adopts a clone. Uncommitted changes stay.
pub(super) async fn adopt(
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
    // First, because the commands that read files run the filters that the clone configures.
    write_attributes(repository).await?;
    let status = ["status", "--porcelain=v2", "--untracked-files=no"];
    repository.git.local(status).within(operation)?.stdout().await.map_err(|error| {
        if error.kind() == ErrorKind::Io { error.with_kind(ErrorKind::Corrupted) } else { error }
    })?;
    if repository.head().await?.is_some() {
        undo_conversions(repository, operation).await?;
    } else if repository.tracking().await?.is_none() {
        // `git init`, or a clone that died before it received anything. Local commits have no ancestor at the remote.
        repository.write_note(FRESH, &()).await?;
    }
    write_ready(repository, config).await
}

/// Replaces files whose bytes git converted at checkout (line endings, encoding, filters) by the bytes in the repository. Files that
/// were changed since stay as they are.
async fn undo_conversions(repository: &Repository, operation: &Operation) -> Result<()> {
    let git = &repository.git;
    let modified = ["diff-files", "--name-only", "--diff-filter=M", "-z"];
    // A new index has no file times, so git has to read the files.
    let index = repository.git_dir.join(ADOPT_INDEX);
    let tree = repository.write_tree(operation).await?;
    git.local(["read-tree", tree.as_str()]).index(&index).stdout().await?;
    // It exits with an error if some files differ.
    let refresh = ["update-index", "-q", "--refresh"];
    drop(git.local(refresh).index(&index).output().await?);
    let differing = parse::paths(&git.local(modified).index(&index).stdout().await?);
    // Changed files are determined last, to leave little time for another change.
    let mut changed: HashSet<_> =
        parse::paths(&git.local(modified).stdout().await?).into_iter().collect();
    let flagged = git.local(["ls-files", "-v", "-z"]).stdout().await?;
    changed.extend(parse::flagged_paths(&flagged));
    let converted = differing.into_iter().filter(|path| !changed.contains(path));
    let converted = parse::nul_terminated(converted);
    if !converted.is_empty() {
        let restore = ["checkout-index", "--force", "-z", "--stdin"];
        git.local(restore).index(&index).input(converted).within(operation)?.stdout().await?;
        drop(git.local(refresh).within(operation)?.output().await?);
    }
    pool::run(move || Ok(std::fs::remove_file(index)?)).await
}

/// Checks that one of the clone's remotes is the configured one, or that it has none.
///
/// # Errors
///
/// [`AlreadyExists`](ErrorKind::AlreadyExists) if it is a clone of another repository.
pub(super) async fn check_remote(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    let list = ["config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$"];
    let output = repository.git.local(list).output().await?;
    let text = match output.code() {
        Some(0) => output.stdout,
        Some(1) => return Ok(()),
        _ => return Err(output.error()),
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut urls = text.split('\0').filter_map(|line| line.split_once('\n')).map(|(_, url)| url);
    if urls.any(|url| config.remote.is_same_as(url)) {
        return Ok(());
    }
    Err(already_exists(
        "it is a clone of another repository; if the remote has moved, run `git remote set-url origin`",
    ))
}
