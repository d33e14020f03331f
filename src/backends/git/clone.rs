//! Clones the remote, or finishes a clone that another process began.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clone_config::{CloneConfig, ObjectFormat};
use super::config::CheckedConfig;
use super::directory::{self, READY};
use super::error::corrupted;
use super::fetch::Fetched;
use super::locks::Operation;
use super::parse::Oid;
use super::repository::Repository;
use super::sync::FRESH;
use crate::core::error::{ErrorKind, Result};
use crate::sys::pool;

/// The note that a clone has begun.
pub(super) const CLONING: &str = "cloning";

/// Overrides the attributes of a `.gitattributes` that convert the bytes of files (gitattributes(5)).
const ATTRIBUTES: &str = "* -text !eol -ident !filter !working-tree-encoding\n";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    /// The URL of the remote, without secrets.
    pub(super) remote: String,
}

/// Clones the remote.
pub(super) async fn clone(
    repository: &Repository,
    config: &CheckedConfig,
    operation: &Operation,
) -> Result<()> {
    repository.write_note(CLONING, &()).await?;
    let format = CloneConfig::read(repository).await?.object_format();
    init(repository, config, operation, format).await?;
    // If an earlier process died during the checkout, it left files that are not in the index. This adds them to the index, so that
    // files that the remote has deleted since are not mistaken for local ones.
    if let Some(commit) = repository.unfinished_checkout().await? {
        reset_to(repository, operation, &commit).await?;
    }
    let start = match fetch_start(repository, operation).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            init_again(repository, config, operation, format.other()).await?;
            fetch_start(repository, operation).await.map_err(|_| error)?
        }
        Ok(None) => {
            let needed = format_of_empty_remote(repository, operation).await?;
            if needed != format {
                init_again(repository, config, operation, needed).await?;
            }
            None
        }
        start => start?,
    };
    match start {
        Some(start) => reset_to(repository, operation, &start).await?,
        None => repository.write_note(FRESH, &()).await?,
    }
    write_ready(repository, config).await?;
    repository.remove_note(CLONING).await
}

/// Creates the repository, or completes the creation.
async fn init(
    repository: &Repository,
    config: &CheckedConfig,
    operation: &Operation,
    format: ObjectFormat,
) -> Result<()> {
    let option = format!("--object-format={}", format.name());
    let init = ["init", "--quiet", "--template=", &option, "--initial-branch", &repository.branch];
    let init = repository.git.local(init).with_config_of_the_clone();
    init.within(operation)?.stdout().await?;
    repository.create_common_dir(format, None).await?;
    write_attributes(repository).await?;
    write_config(repository, config).await
}

/// Creates the repository again, for objects of another format. It has no objects yet.
async fn init_again(
    repository: &Repository,
    config: &CheckedConfig,
    operation: &Operation,
    format: ObjectFormat,
) -> Result<()> {
    let root = Arc::clone(&repository.root);
    pool::run(move || directory::remove_repository(&root)).await?;
    init(repository, config, operation, format).await
}

/// Fetches the commit at which the branch starts; `None` if the remote is empty.
async fn fetch_start(repository: &Repository, operation: &Operation) -> Result<Option<Oid>> {
    match repository.fetch(operation, None).await? {
        Fetched::Branch => repository.tracking().await,
        Fetched::NoBranch => repository.fetch_default_branch(operation).await,
    }
}

/// Returns the format of objects that an empty remote accepts. Only `git clone` finds that out.
async fn format_of_empty_remote(
    repository: &Repository,
    operation: &Operation,
) -> Result<ObjectFormat> {
    let dir = repository.git_dir.join("f9/empty.git");
    let remove = {
        let dir = dir.clone();
        move || match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    };
    pool::run(remove.clone()).await?;
    let clone = repository.git.clone_to(&dir).within(operation)?.output().await;
    let format = CloneConfig::read_file(repository, &dir.join("config")).await;
    pool::run(remove).await?;
    clone?.success()?;
    Ok(format?.object_format())
}

pub(super) async fn write_ready(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    repository.write_note(READY, &Ready { remote: config.remote.url() }).await
}

/// Resets the branch, the index and the working tree to a commit, and discards their old content. Files that the working tree cannot hold
/// are left out.
async fn reset_to(repository: &Repository, operation: &Operation, commit: &Oid) -> Result<()> {
    // Git would write one twin over the other.
    if repository.names.folds() && repository.reset_partially(operation, commit).await? {
        return Ok(());
    }
    let reset = repository.git.local(["reset", "--hard", "--quiet", commit.as_str()]);
    let Err(error) = reset.within(operation)?.stdout().await else { return Ok(()) };
    if repository.reset_partially(operation, commit).await? { Ok(()) } else { Err(error) }
}

/// Configures git to keep the bytes of files as they are in the repository.
pub(super) async fn write_attributes(repository: &Repository) -> Result<()> {
    let info = repository.git_dir.join("info");
    pool::run(move || {
        std::fs::create_dir_all(&info)?;
        let file = info.join("attributes");
        let mut text = std::fs::read_to_string(&file).unwrap_or_default();
        // The last line that matches a file wins.
        if !text.ends_with(ATTRIBUTES) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(ATTRIBUTES);
            std::fs::write(file, text)?;
        }
        Ok(())
    })
    .await
}

/// Adds the remote and the branch to `.git/config`, for people who use git there.
async fn write_config(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    let (file, url) = (repository.git_dir.join("config"), config.remote.url());
    let branch = repository.branch.clone();
    pool::run(move || {
        let mut text = std::fs::read_to_string(&file)
            .map_err(|error| corrupted("its `config` cannot be read").with_source(error))?;
        if text.contains("[remote \"origin\"]") {
            return Ok(());
        }
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (url, branch) = (quote(&url), quote(&branch));
        text.push_str(&format!(
            "[remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
             [branch \"{branch}\"]\n\tremote = origin\n\tmerge = \"refs/heads/{branch}\"\n"
        ));
        Ok(std::fs::write(file, text)?)
    })
    .await
}
