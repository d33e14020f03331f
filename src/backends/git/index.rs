//! The index: stages changes of the working tree and writes them as a tree.

use super::diagnosis::Failure;
use super::error::may_be_collected;
use super::locks::Operation;
use super::parse::{self, Oid, RawPath};
use super::repository::Repository;
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::path::FilePath;

/// The names that f9 reserves, which are never committed.
const NEVER_COMMITTED: [&str; 5] = [
    ":(exclude,glob)**/.backend.lock",
    ":(exclude,glob)**/.f9",
    ":(exclude,glob)**/.f9/**",
    ":(exclude,glob)**/.f9tmp-*",
    ":(exclude,glob)**/.f9tmp-*/**",
];

/// How often staging is tried if a file or an object disappears meanwhile.
const STAGE_ATTEMPTS: usize = 5;

impl Repository {
    /// Stages every change that git sees, and the files in `forced` even if git ignores them.
    pub(super) async fn stage(&self, operation: &Operation, forced: &[FilePath]) -> Result<()> {
        // Before the first commit, all entries are from this file system.
        if self.head().await?.is_some() {
            self.leave_out(operation).await?;
        }
        let mut attempts = 0;
        loop {
            // In a sparse checkout, also files outside of its patterns.
            let add = ["add", "--all", "--sparse", "--", "."].into_iter().chain(NEVER_COMMITTED);
            let output = self.git.local(add).patterns().within(operation)?.output().await?;
            attempts += 1;
            if output.is_success() {
                self.refuse_nested(operation, &output.stderr).await?;
                break;
            }
            let error = output.error();
            let has_vanished =
                output.failure() == Failure::FileVanished || may_be_collected(&error);
            if !has_vanished || attempts == STAGE_ATTEMPTS {
                return Err(error);
            }
        }
        if forced.is_empty() {
            return Ok(());
        }
        let paths = parse::nul_terminated(forced.iter().map(|path| path.as_bytes()));
        let update = ["update-index", "--add", "--remove", "-z", "--stdin"];
        self.git.local(update).input(paths).within(operation)?.stdout().await?;
        Ok(())
    }

    /// Refuses a repository inside the working tree: git would publish only its commit id, without its files.
    async fn refuse_nested(&self, operation: &Operation, stderr: &str) -> Result<()> {
        const WARNING: &str = "warning: adding embedded git repository: ";
        let nested: Vec<&str> =
            stderr.lines().filter_map(|line| line.strip_prefix(WARNING)).collect();
        let Some(first) = nested.first() else { return Ok(()) };
        let paths = parse::nul_terminated(&nested);
        let unstage = ["update-index", "--force-remove", "-z", "--stdin"];
        self.git.local(unstage).input(paths).within(operation)?.stdout().await?;
        Err(Error::new(ErrorKind::InvalidOperation).with_message(format!(
            "`{first}` is another git repository, whose files cannot be published; move it away or add it to .gitignore"
        )))
    }

    /// Changes entries of the index.
    pub(super) async fn change_index(
        &self,
        operation: &Operation,
        changes: IndexInfo,
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let update = self.git.local(["update-index", "-z", "--index-info"]);
        update.input(changes.into_bytes()).within(operation)?.stdout().await.map(drop)
    }

    /// Writes the index as a tree and returns its id.
    pub(super) async fn write_tree(&self, operation: &Operation) -> Result<Oid> {
        parse::oid(&self.git.local(["write-tree"]).within(operation)?.stdout().await?)
    }

    /// Returns the etag of the index file; `None` if there is no index.
    pub(super) async fn index_etag(&self) -> Result<Option<Etag>> {
        match self.files.info("index").await {
            Ok(info) => Ok(info.etag),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Restores a missing index from the last commit. Without an index, git treats ignored files as deleted.
    pub(super) async fn restore_index(&self, operation: &Operation) -> Result<()> {
        if self.files.exists("index").await? {
            return Ok(());
        }
        let Some(head) = self.head().await? else { return Ok(()) };
        self.git.local(["read-tree", head.as_str()]).within(operation)?.stdout().await.map(drop)
    }
}

/// The input of `git update-index -z --index-info`.
#[derive(Clone, Default)]
pub(super) struct IndexInfo(Vec<u8>);

impl IndexInfo {
    /// Adds an entry. With the mode 0, it is removed.
    pub(super) fn add(&mut self, mode: u32, oid: &Oid, path: &RawPath) {
        self.0.extend_from_slice(format!("{mode:06o} {oid}\t").as_bytes());
        self.0.extend_from_slice(&path.0);
        self.0.push(0);
    }

    /// Removes the entry at `path`. `null` is the id of no object.
    pub(super) fn remove(&mut self, path: &RawPath, null: &Oid) {
        self.add(0, null, path);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
