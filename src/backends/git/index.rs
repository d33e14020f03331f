//! The index: stages changes of the working tree and writes them as a tree.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::diagnosis::Failure;
use super::error::may_be_collected;
use super::locks::Operation;
use super::names::Reason;
use super::parse::{self, Oid, RawPath};
use super::repository::Repository;
use super::tracked::TrackedFiles;
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::path::FilePath;
use crate::sys::pool;

/// The names that f9 reserves, which are never committed.
const NEVER_COMMITTED: [&str; 5] = [
    ":(exclude,glob)**/.backend.lock",
    ":(exclude,glob)**/.f9",
    ":(exclude,glob)**/.f9/**",
    ":(exclude,glob)**/.f9tmp-*",
    ":(exclude,glob)**/.f9tmp-*/**",
];

/// How often staging is tried if a file or an object disappears meanwhile, or if another git changes the index.
const STAGE_ATTEMPTS: usize = 5;

impl Repository {
    /// Stages every change that git sees, and the files in `forced` even if git ignores them.
    pub(super) async fn stage(&self, operation: &Operation, forced: &[FilePath]) -> Result<()> {
        // Before the first commit, all entries are from this file system.
        if self.head().await?.is_none() {
            return self.stage_in(operation, &self.index_path(), forced).await;
        }
        self.tidy_up(operation).await?;
        if !self.names.folds() {
            let special = self.special_entries().await?;
            self.refuse_files_as_directories(&special).await?;
            return self.stage_in(operation, &self.index_path(), forced).await;
        }
        for _ in 0..STAGE_ATTEMPTS {
            if self.stage_beside_twins(operation, forced).await? {
                return Ok(());
            }
            // A person's git has changed the index in the meantime.
            self.tidy_up(operation).await?;
        }
        Err(Error::new(ErrorKind::Contention)
            .with_message("another git keeps changing the index of the working tree; try again"))
    }

    /// Stages changes without twins that are left out: git would stage the content of a file for its twin. Does nothing and returns `false`
    /// if [`tidy_up`](Self::tidy_up) has to come first.
    async fn stage_beside_twins(&self, operation: &Operation, forced: &[FilePath]) -> Result<bool> {
        self.with_new_index(operation, async |index| {
            let special = self.special_entries().await?;
            if special.is_disturbed() {
                return Ok(false);
            }
            self.refuse_files_as_directories(&special).await?;
            let mut left_out: Vec<_> = special.entries().cloned().collect();
            self.remove_entries(operation, index.path(), &left_out).await?;
            self.stage_in(operation, index.path(), forced).await?;
            if special.returning().next().is_some() {
                // Somebody has written where the other twin was.
                let staged = self.git.local(["ls-files", "-z"]).index(index.path());
                let staged: HashSet<RawPath> =
                    parse::paths(&staged.stdout().await?).into_iter().collect();
                let returning: HashSet<_> = special.returning().map(|entry| &entry.path).collect();
                left_out.retain(|entry| {
                    !(returning.contains(&entry.path) && staged.contains(&entry.path))
                });
            }
            self.add_left_out(operation, index.path(), &left_out).await?;
            index.install().await?;
            Ok(true)
        })
        .await
    }

    async fn stage_in(
        &self,
        operation: &Operation,
        index: &Path,
        forced: &[FilePath],
    ) -> Result<()> {
        let mut attempts = 0;
        loop {
            // In a sparse checkout, also files outside of its patterns.
            let add = ["add", "--all", "--sparse", "--", "."].into_iter().chain(NEVER_COMMITTED);
            let add = self.git.local(add).index(index).patterns();
            let output = add.within(operation)?.output().await?;
            attempts += 1;
            if output.is_success() {
                self.refuse_nested(operation, index, &output.stderr).await?;
                break;
            }
            let error = output.error();
            let has_vanished =
                output.failure() == Failure::FileVanished || may_be_collected(&error);
            if !has_vanished || attempts == STAGE_ATTEMPTS {
                return Err(error);
            }
        }
        let forced = self.without_aliases(index, forced).await?;
        if forced.is_empty() {
            return Ok(());
        }
        let paths = parse::nul_terminated(forced.iter().map(|path| path.as_bytes()));
        let update = ["update-index", "--add", "--remove", "-z", "--stdin"];
        let update = self.git.local(update).index(index).input(paths);
        update.within(operation)?.stdout().await.map(drop)
    }

    /// Returns those of `paths` that are not other names of files in the index. Git has staged these under their names.
    async fn without_aliases(&self, index: &Path, paths: &[FilePath]) -> Result<Vec<FilePath>> {
        let mut paths = paths.to_vec();
        if paths.is_empty() || !self.names.folds() {
            return Ok(paths);
        }
        let tracked = self.git.local(["ls-files", "-z"]).index(index).stdout().await?;
        let root = Arc::clone(&self.root);
        pool::run(move || {
            let tracked = TrackedFiles::new(parse::paths(&tracked), true);
            paths.retain(|path| !tracked.has_by_another_name(&root, Path::new(path.as_str())));
            Ok(paths)
        })
        .await
    }

    /// Refuses a repository inside the working tree: git would publish only its commit id, without its files.
    async fn refuse_nested(&self, operation: &Operation, index: &Path, stderr: &str) -> Result<()> {
        const WARNING: &str = "warning: adding embedded git repository: ";
        let nested: Vec<&str> =
            stderr.lines().filter_map(|line| line.strip_prefix(WARNING)).collect();
        let Some(first) = nested.first() else { return Ok(()) };
        let paths = parse::nul_terminated(&nested);
        let unstage = ["update-index", "--force-remove", "-z", "--stdin"];
        let unstage = self.git.local(unstage).index(index).input(paths);
        unstage.within(operation)?.stdout().await?;
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
        self.change_index_at(operation, &self.index_path(), changes).await
    }

    /// Changes entries of the index in the file `index`.
    pub(super) async fn change_index_at(
        &self,
        operation: &Operation,
        index: &Path,
        changes: IndexInfo,
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let update = self.git.local(["update-index", "-z", "--index-info"]).index(index);
        let update = update.unprotected().input(changes.into_bytes());
        update.within(operation)?.stdout().await.map(drop)
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
        self.with_new_index(operation, async |index| {
            if self.files.exists("index").await? {
                return Ok(());
            }
            let read = self.git.local(["read-tree", head.as_str()]).index(index.path());
            read.unprotected().within(operation)?.stdout().await?;
            let left_out = self.left_out_of(&head).await?;
            self.note_left_out(left_out.iter()).await?;
            self.skip(operation, index.path(), &left_out).await?;
            index.install().await
        })
        .await
    }

    /// Returns the files of a commit that are left out if it is checked out and the note of twins is all that is known.
    async fn left_out_of(&self, commit: &Oid) -> Result<Vec<RawPath>> {
        let (entries, noted) = (self.all_entries(commit).await?, self.noted_as_left_out().await?);
        let (names, root) = (self.names.clone(), Arc::clone(&self.root));
        pool::run(move || {
            let left_out = names.left_out(entries, |path| noted.contains(path))?;
            let paths = left_out.into_iter().map(|entry| entry.path);
            // Some file systems hold longer names than they say.
            let is_held = |path: &RawPath| {
                matches!(names.objection(path), Some(Reason::Long(_)))
                    && matches!(root.raw_stat(Path::new(path.as_os())), Ok(Some(_)))
            };
            Ok(paths.filter(|path| !is_held(path)).collect())
        })
        .await
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
