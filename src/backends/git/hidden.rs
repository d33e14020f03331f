//! Entries of the index with the flag assume-unchanged or skip-worktree.
//!
//! Git does not look at the files of such entries, so `git add` would not stage what is saved there through the backend. Before a commit,
//! the flags of paths that were changed through the backend are removed. The flags of other files stay: what a person changes in them is
//! not published.
//!
//! Files that the working tree cannot hold are left out of it (`left_out.rs`). Their entries get the flag skip-worktree, because git would
//! take them for deleted.

use std::collections::HashSet;
use std::mem;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::index::IndexInfo;
use super::locks::Operation;
use super::names::{Names, Reason};
use super::parse::{self, IndexEntry, RawPath, TreeEntry};
use super::repository::{Repository, Special};
use super::special::{LeftOutEntry, SpecialEntries};
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::core::error::Result;
use crate::core::path::FilePath;
use crate::sys::pool;

impl Repository {
    /// Reports whether the index may have hidden entries, or twins that can be checked out. Starts no process.
    pub(super) async fn may_hide(&self) -> Result<bool> {
        let may_hide = |special: Arc<SpecialEntries>| {
            !special.hidden.is_empty() || special.returning().next().is_some()
        };
        Ok(self.special().await?.is_none_or(may_hide))
    }

    /// Removes the flags of the entries at the paths `touched` and below them. In a sparse checkout, missing files below them keep theirs.
    pub(super) async fn unhide(&self, operation: &Operation, touched: Vec<FilePath>) -> Result<()> {
        if touched.is_empty() {
            return Ok(());
        }
        let special = self.special_entries().await?;
        if special.hidden.is_empty() && special.returning().next().is_none() {
            return Ok(());
        }
        // In a sparse checkout (git-sparse-checkout(1)), missing files have the flag skip-worktree.
        let is_sparse = self.files.exists("info/sparse-checkout").await?;
        let (root, work_tree) = (Arc::clone(&self.root), self.work_tree.clone());
        let lines = pool::run(move || {
            let touched = with_targets(&work_tree, &touched);
            let is_missing =
                |path: &RawPath| !matches!(root.raw_stat(Path::new(path.as_os())), Ok(Some(_)));
            let stays = |hidden: &IndexEntry| {
                is_sparse && hidden.is_skipped && is_missing(&hidden.entry.path)
            };
            let is_touched = |hidden: &&IndexEntry| {
                let path = &hidden.entry.path;
                touched.contains(&path.0)
                    || (path.parents().any(|above| touched.contains(above)) && !stays(hidden))
            };
            let mut lines = IndexInfo::default();
            let hidden = special.hidden.iter().filter(is_touched).map(|hidden| &hidden.entry);
            // Somebody has written where the other twin was. If nothing is there, git would take the twin for deleted.
            let is_written =
                |entry: &&TreeEntry| touched.contains(&entry.path.0) && !is_missing(&entry.path);
            let written = special.returning().filter(is_written);
            for entry in hidden.chain(written) {
                lines.add(entry.mode, &entry.oid, &entry.path);
            }
            Ok(lines)
        })
        .await?;
        // An entry that is replaced loses both flags. The options of `update-index` for them cannot be combined.
        self.change_index(operation, lines).await
    }

    pub(super) async fn special_entries(&self) -> Result<Arc<SpecialEntries>> {
        if let Some(special) = self.special().await? {
            return Ok(special);
        }
        let etag = self.index_etag().await?;
        let list = ["ls-files", "-v", "--stage", "--debug", "-z"];
        let list = self.git.local(list).stdout().await?;
        let wanted = |path: &RawPath| may_be_special(&self.names, path);
        let entries = parse::listed_index_entries(&list, wanted)?;
        let special = self.sort_special(entries).await?;
        let read = etag.map(|etag| (etag, Some(Arc::clone(&special))));
        *self.special.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(special)
    }

    /// Returns the special entries of the index. While the index is the same, it is read once.
    async fn special(&self) -> Result<Special> {
        let Some(etag) = self.index_etag().await? else { return Ok(Some(Arc::default())) };
        let known = self.special.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, special)) = known.filter(|(known, _)| *known == etag) {
            return Ok(special);
        }
        let entries = match self.head().await? {
            Some(head) => {
                let (index, id_bytes) = (self.files.read("index").await?, head.as_str().len() / 2);
                let names = self.names.clone();
                let wanted = move |path: &RawPath| may_be_special(&names, path);
                pool::run(move || Ok(parse::index_entries(&index, id_bytes, wanted))).await?
            }
            // Without a commit, the length of an object id is unknown.
            None => None,
        };
        let special = match entries {
            Some(entries) => Some(self.sort_special(entries).await?),
            None => None,
        };
        let read = Some((etag, special.clone()));
        *self.special.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(special)
    }

    async fn sort_special(&self, entries: Vec<IndexEntry>) -> Result<Arc<SpecialEntries>> {
        if entries.is_empty() {
            return Ok(Arc::default());
        }
        let noted = self.noted_as_left_out().await?;
        let (names, root) = (self.names.clone(), Arc::clone(&self.root));
        pool::run(move || {
            let mut special = SpecialEntries::of(entries, &names, &noted)?;
            let is_there = |entry: &TreeEntry| {
                matches!(root.raw_stat(Path::new(entry.path.as_os())), Ok(Some(_)))
            };
            // Some file systems hold longer names than they say.
            special.left_out.retain(|file| {
                let is_long = matches!(file.reason, Reason::Long(_));
                file.is_skipped || !is_long || !is_there(&file.entry)
            });
            let checked_out = mem::take(&mut special.checked_out);
            let (there, gone) = checked_out.into_iter().partition(is_there);
            special.checked_out = there;
            let gone: Vec<TreeEntry> = gone;
            special.left_out.extend(gone.into_iter().map(LeftOutEntry::returning));
            Ok(Arc::new(special))
        })
        .await
    }
}

/// Whether a path may be one that the working tree cannot hold. Which paths are twins is known only when all are.
fn may_be_special(names: &Names, path: &RawPath) -> bool {
    names.folds() || names.objection(path).is_some()
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
