//! Clones the remote, or finishes a clone that another process began.

use serde::{Deserialize, Serialize};

use super::config::CheckedConfig;
use super::error::corrupted;
use super::fetch::Fetched;
use super::locks::Operation;
use super::parse::Oid;
use super::repository::Repository;
use super::sync::FRESH;
use crate::core::error::Result;
use crate::sys::pool;

/// The note that the clone is complete. It is written last.
pub(super) const READY: &str = "ready";

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
    let init = ["init", "--quiet", "--template=", "--initial-branch", &repository.branch];
    repository.git.local(init).within(operation)?.stdout().await?;
    write_attributes(repository).await?;
    write_config(repository, config).await?;
    // If an earlier process died during the checkout, it left files that are not in the index. This adds them to the index, so that
    // files that the remote has deleted since are not mistaken for local ones.
    if let Some(commit) = repository.unfinished_checkout().await? {
        reset_to(repository, operation, &commit).await?;
    }
    let start = match repository.fetch(operation, None).await? {
        Fetched::Branch => repository.tracking().await?,
        Fetched::NoBranch => repository.fetch_default_branch(operation).await?,
    };
    match start {
        Some(start) => reset_to(repository, operation, &start).await?,
        None => repository.write_note(FRESH, &()).await?,
    }
    write_ready(repository, config).await?;
    repository.remove_note(CLONING).await
}

pub(super) async fn write_ready(repository: &Repository, config: &CheckedConfig) -> Result<()> {
    repository.write_note(READY, &Ready { remote: config.remote.url() }).await
}

/// Resets the branch, the index and the working tree to a commit, and discards their old content.
async fn reset_to(repository: &Repository, operation: &Operation, commit: &Oid) -> Result<()> {
    let reset = ["reset", "--hard", "--quiet", commit.as_str()];
    repository.git.local(reset).within(operation)?.stdout().await.map(drop)
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
