//! Entries of the index with the flag assume-unchanged or skip-worktree.
//!
//! Git does not look at the files of such entries, so `git add` would not stage what is saved there through the backend. Before a commit,
//! the flags of paths that were changed through the backend are removed. The flags of other files stay: what a person changes in them is
//! not published.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::locks::Operation;
use super::parse::{self, HiddenEntry, RawPath};
use super::repository::{Hidden, Repository};
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::core::error::Result;
use crate::core::path::FilePath;
use crate::sys::pool;

impl Repository {
    /// Reports whether the index may have hidden entries. Starts no process.
    pub(super) async fn may_hide(&self) -> Result<bool> {
        Ok(self.hidden().await?.is_none_or(|hidden| !hidden.is_empty()))
    }

    /// Removes the flags of the entries at the paths `touched` and below them. In a sparse checkout, missing files below them keep theirs.
    pub(super) async fn unhide(&self, operation: &Operation, touched: Vec<FilePath>) -> Result<()> {
        if touched.is_empty() {
            return Ok(());
        }
        let hidden = match self.hidden().await? {
            Some(hidden) => hidden,
            None => {
                let list = self.git.local(["ls-files", "-v", "--stage", "-z"]).stdout().await?;
                Arc::new(parse::listed_hidden_entries(&list)?)
            }
        };
        if hidden.is_empty() {
            return Ok(());
        }
        // In a sparse checkout (git-sparse-checkout(1)), missing files have the flag skip-worktree.
        let is_sparse = self.files.exists("info/sparse-checkout").await?;
        let (root, work_tree) = (Arc::clone(&self.root), self.work_tree.clone());
        let lines = pool::run(move || {
            let touched = with_targets(&work_tree, &touched);
            let is_missing =
                |path: &RawPath| !matches!(root.raw_stat(Path::new(path.as_os())), Ok(Some(_)));
            let stays = |hidden: &HiddenEntry| {
                is_sparse && hidden.is_skipped && is_missing(&hidden.entry.path)
            };
            let is_touched = |hidden: &&HiddenEntry| {
                let path = hidden.entry.path.0.as_slice();
                touched.contains(path) || (has_parent_in(&touched, path) && !stays(hidden))
            };
            Ok(hidden.iter().filter(is_touched).flat_map(line).collect::<Vec<u8>>())
        })
        .await?;
        if lines.is_empty() {
            return Ok(());
        }
        // An entry that is replaced loses both flags. The options of `update-index` for them cannot be combined.
        let update = self.git.local(["update-index", "-z", "--index-info"]);
        update.input(lines).within(operation)?.stdout().await.map(drop)
    }

    /// Returns the hidden entries of the index. While the index is the same, it is read once.
    async fn hidden(&self) -> Result<Hidden> {
        let Some(etag) = self.index_etag().await? else { return Ok(Some(Arc::default())) };
        let known = self.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, hidden)) = known.filter(|(known, _)| *known == etag) {
            return Ok(hidden);
        }
        let hidden = match self.head().await? {
            Some(head) => {
                let (index, id_bytes) = (self.files.read("index").await?, head.as_str().len() / 2);
                pool::run(move || Ok(parse::hidden_entries(&index, id_bytes))).await?
            }
            // Without a commit, the length of an object id is unknown.
            None => None,
        };
        let hidden = hidden.map(Arc::new);
        let read = Some((etag, hidden.clone()));
        *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(hidden)
    }
}

/// Adds the paths to which symbolic links lead. Only git's flags depend on them, so nothing is opened.
fn with_targets(work_tree: &Path, touched: &[FilePath]) -> HashSet<Vec<u8>> {
    let mut paths: HashSet<Vec<u8>> = touched.iter().map(|path| path.as_bytes().to_vec()).collect();
    for path in touched {
        let whole = work_tree.join(path.as_str()).canonicalize().ok();
        let whole = whole.as_deref().and_then(|whole| whole.strip_prefix(work_tree).ok());
        paths.extend(whole.map(|target| target.as_os_str().as_bytes().to_vec()));
        paths.extend(in_real_directory(work_tree, path).map(|path| path.as_bytes().to_vec()));
    }
    paths
}

/// Returns the path without symbolic links on the way, as git knows it; `None` if its directory is missing or not in the working tree.
pub(super) fn in_real_directory(work_tree: &Path, path: &FilePath) -> Option<FilePath> {
    let whole = work_tree.join(path.as_str());
    let directory = whole.parent()?.canonicalize().ok()?;
    let real = directory.strip_prefix(work_tree).ok()?.join(whole.file_name()?);
    Some(FilePath::found(real.to_str()?.to_owned()))
}

/// Reports whether one of `paths` is a directory above `path`.
fn has_parent_in(paths: &HashSet<Vec<u8>>, path: &[u8]) -> bool {
    let slashes = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    slashes.map(|(at, _)| &path[..at]).any(|parent| paths.contains(parent))
}

/// Returns the line with which `git update-index -z --index-info` sets an entry.
fn line(hidden: &HiddenEntry) -> Vec<u8> {
    let entry = &hidden.entry;
    let mut line = format!("{:06o} {}\t", entry.mode, entry.oid).into_bytes();
    line.extend_from_slice(&entry.path.0);
    line.push(0);
    line
}
