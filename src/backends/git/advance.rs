//! Moving the working tree from one commit to the next, so that a crash in the middle does no harm.
//!
//! Git replaces the files of a tree one by one. Killed in between, it leaves some old and some new, and an index that knows nothing of
//! it: whoever commits then publishes a mixture. So a journal is written and synced before, and removed after. Who finds one puts back
//! what the dead process had replaced, told by its content: a file that holds anything but the new version, or the beginning of it, is
//! somebody's work and stays.

use std::fs;
use std::io::{ErrorKind as IoKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::to_the_end;
use super::failure::Failure;
use super::locks::Operation;
use super::names::is_protected;
use super::output::{self, Change, Oid, RawPath, SUBMODULE, SYMLINK};
use super::repository::Repository;
use crate::{ChecksumAlgorithm, FilePath, Hasher, Result, is_reserved_name, offload};

/// The name of the note that tells that the tree is being moved.
pub(super) const JOURNAL: &str = "journal";

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// `None` before the first commit.
    from: Option<Oid>,
    to: Oid,
}

/// What came of moving the tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advanced {
    Done,
    /// Nothing was touched: at these paths is something that no commit holds yet.
    InTheWay(Vec<RawPath>),
    /// Nothing was touched: somebody has committed by hand meanwhile.
    Overtaken,
}

impl Repository {
    /// Moves the branch, the index and the working tree to `to`, which descends from `from`. Once begun it goes on to its end.
    pub(super) async fn advance(
        self: &Arc<Self>,
        operation: &Operation,
        from: Option<&Oid>,
        to: &Oid,
    ) -> Result<Advanced> {
        let repository = Arc::clone(self);
        let (operation, journal) =
            (operation.clone(), Journal { from: from.cloned(), to: to.clone() });
        to_the_end(async move { repository.advance_here(&operation, &journal).await }).await
    }

    async fn advance_here(&self, operation: &Operation, journal: &Journal) -> Result<Advanced> {
        let changes = self.changes_of(journal).await?;
        let alone = self.locks.tree.alone(self.lock_timeout).await?;
        let work_tree = self.work_tree.clone();
        let (changes, in_the_way) = offload::run(move || {
            let in_the_way = uncommitted(&work_tree, &changes);
            Ok((changes, in_the_way))
        })
        .await?;
        if !in_the_way.is_empty() {
            return Ok(Advanced::InTheWay(in_the_way));
        }
        self.write_note(JOURNAL, journal).await?;
        let merge = ["merge", "--ff-only", "--no-overwrite-ignore", "--quiet", journal.to.as_str()];
        let merged = match self.git.local(merge).within(operation) {
            Ok(run) => run.output().await,
            Err(error) => Err(error),
        };
        let advanced = match merged {
            Ok(output) if output.is_success() => Ok(Advanced::Done),
            Ok(output) if output.failure() == Failure::InTheWay => {
                let paths = changes.iter().map(|change| change.path.clone());
                Ok(Advanced::InTheWay(paths.collect()))
            }
            Ok(output) if output.failure() == Failure::Rewritten => Ok(Advanced::Overtaken),
            Ok(output) => Err(output.error()),
            Err(error) => Err(error),
        };
        if advanced.is_err() {
            self.put_back(operation, journal, changes).await?;
        }
        self.remove_note(JOURNAL).await?;
        drop(alone);
        advanced
    }

    /// Puts own files in the place of which the history has others back to what is committed, or removes them: nothing of ours that is
    /// worth keeping is ever in them, and they must not keep others' changes out.
    pub(super) async fn give_up(&self, operation: &Operation, own: Vec<RawPath>) -> Result<()> {
        let _alone = self.locks.tree.alone(self.lock_timeout).await?;
        let input = output::listed(&own);
        let work_tree = self.work_tree.clone();
        offload::run(move || {
            for path in own.iter().filter_map(|path| beneath(&work_tree, path)) {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != IoKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
            Ok(())
        })
        .await?;
        let restore = ["checkout-index", "--force", "--quiet", "--index", "-z", "--stdin"];
        // It tells by its exit status that some were never committed.
        drop(self.git.local(restore).input(input).within(operation)?.output().await?);
        Ok(())
    }

    /// Undoes what a process that died while it moved the tree has left, if one did.
    pub(super) async fn recover(self: &Arc<Self>, operation: &Operation) -> Result<()> {
        if self.note::<Journal>(JOURNAL).await?.is_none() {
            return self.restore_index(operation).await;
        }
        let (repository, operation) = (Arc::clone(self), operation.clone());
        to_the_end(async move {
            let _alone = repository.locks.tree.alone(repository.lock_timeout).await?;
            let Some(journal) = repository.note::<Journal>(JOURNAL).await? else { return Ok(()) };
            let changes = repository.changes_of(&journal).await?;
            repository.put_back(&operation, &journal, changes).await?;
            repository.remove_note(JOURNAL).await
        })
        .await
    }

    async fn changes_of(&self, journal: &Journal) -> Result<Vec<Change>> {
        let empty = empty_tree(&journal.to);
        let from = journal.from.as_ref().map_or(empty, Oid::as_str);
        let diff = [
            "diff-tree",
            "-r",
            "-z",
            "--raw",
            "--no-renames",
            "--no-abbrev",
            from,
            journal.to.as_str(),
        ];
        output::changes(&self.git.local(diff).stdout().await?)
    }

    /// Puts the files that the move has replaced, and nothing else, back to what they were, if the branch has not moved.
    async fn put_back(
        &self,
        operation: &Operation,
        journal: &Journal,
        changes: Vec<Change>,
    ) -> Result<()> {
        if self.head().await? != journal.from {
            return Ok(());
        }
        // What is new goes first: if the disk is full, that makes room for the index; and what was a file may be a directory now, or the
        // other way round.
        let (added, replaced): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.old.is_null());
        for change in added {
            if self.is_replaced(&change).await? {
                let (work_tree, path) = (self.work_tree.clone(), change.path);
                offload::run(move || remove_with_parents(&work_tree, &path)).await?;
            }
        }
        let mut restored = Vec::new();
        for change in replaced {
            if self.is_replaced(&change).await? {
                restored.push(change.path);
            }
        }
        let reset = match &journal.from {
            Some(from) => vec!["read-tree", "--reset", from.as_str()],
            None => vec!["read-tree", "--empty"],
        };
        self.git.local(reset).within(operation)?.stdout().await?;
        if !restored.is_empty() {
            let restore = ["checkout-index", "--force", "-z", "--stdin"];
            self.git
                .local(restore)
                .input(output::listed(restored))
                .within(operation)?
                .stdout()
                .await?;
        }
        let refresh = ["update-index", "-q", "--refresh"];
        // It tells by its exit status that some files are changed, which they may be.
        drop(self.git.local(refresh).within(operation)?.output().await?);
        Ok(())
    }

    /// Whether what is in the tree is the doing of the move.
    async fn is_replaced(&self, change: &Change) -> Result<bool> {
        if change.new_mode == SUBMODULE || change.old_mode == SUBMODULE {
            return Ok(false);
        }
        let (work_tree, looked_at) = (self.work_tree.clone(), change.clone());
        let found = offload::run(move || look(&work_tree, &looked_at)).await?;
        match found {
            Found::Replaced => Ok(true),
            Found::NotReplaced => Ok(false),
            Found::Other(content) => {
                let new = ["cat-file", "blob", change.new.as_str()];
                Ok(self.git.local(new).stdout().await?.starts_with(&content))
            }
        }
    }
}

enum Found {
    Replaced,
    NotReplaced,
    /// A file of this content, which may be the beginning of the new one.
    Other(Vec<u8>),
}

/// Compares what is at the path of a change with its two sides.
fn look(work_tree: &Path, change: &Change) -> Result<Found> {
    let Some(path) = beneath(work_tree, &change.path) else { return Ok(Found::NotReplaced) };
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), IoKind::NotFound | IoKind::NotADirectory) => {
            // Unlinked, to be written anew. Deletions by others are committed before the tree is moved.
            return Ok(if change.old.is_null() { Found::NotReplaced } else { Found::Replaced });
        }
        Err(error) => return Err(error.into()),
    };
    let content = if metadata.is_symlink() {
        std::os::unix::ffi::OsStringExt::into_vec(fs::read_link(&path)?.into_os_string())
    } else if metadata.is_file() {
        let mut content = Vec::new();
        fs::File::open(&path)?.read_to_end(&mut content)?;
        content
    } else {
        // A directory without a file was made for those that were to come.
        let is_replaced = !change.old.is_null() && holds_no_file(&path);
        return Ok(if is_replaced { Found::Replaced } else { Found::NotReplaced });
    };
    let oid = blob_name(&content, &change.new)?;
    let is_link = |mode: u32| mode == SYMLINK;
    let is_executable = metadata.permissions().mode() & 0o100 != 0;
    let same_kind = |mode: u32| {
        is_link(mode) == metadata.is_symlink()
            && (is_link(mode) || (mode & 0o100 != 0) == is_executable)
    };
    if oid == change.old && same_kind(change.old_mode) {
        return Ok(Found::NotReplaced);
    }
    if oid == change.new && same_kind(change.new_mode) {
        return Ok(Found::Replaced);
    }
    if change.new.is_null() || metadata.is_symlink() {
        return Ok(Found::NotReplaced);
    }
    Ok(Found::Other(content))
}

/// Whether there are only directories at and below `path`.
fn holds_no_file(path: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(path) else { return false };
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|found| found.is_dir());
    entries
        .all(|entry| entry.is_ok_and(|entry| is_directory(&entry) && holds_no_file(&entry.path())))
}

/// The paths of `changes` at which something stands that no commit holds, as far as git itself would not see to it: files that were
/// deleted and would come back.
fn uncommitted(work_tree: &Path, changes: &[Change]) -> Vec<RawPath> {
    let gone = |change: &&Change| {
        let is_gone = |path: PathBuf| fs::symlink_metadata(path).is_err();
        !change.old.is_null() && beneath(work_tree, &change.path).is_none_or(is_gone)
    };
    let gone = changes.iter().filter(|change| change.old_mode != SUBMODULE).filter(gone);
    gone.map(|change| change.path.clone()).collect()
}

/// The files that stand at `path`, below it, or on the way to it instead of a directory.
pub(super) fn standing(work_tree: &Path, path: &RawPath) -> Vec<FilePath> {
    let whole = Path::new(path.as_os());
    let mut here = PathBuf::new();
    for part in whole.components() {
        here.push(part);
        match fs::symlink_metadata(work_tree.join(&here)) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return here
                    .to_str()
                    .map(|here| FilePath::found(here.to_owned()))
                    .into_iter()
                    .collect();
            }
            Err(_) => return Vec::new(),
        }
    }
    let mut files = Vec::new();
    add_files_below(work_tree, whole, &mut files);
    files
}

fn add_files_below(work_tree: &Path, directory: &Path, files: &mut Vec<FilePath>) {
    let Ok(entries) = fs::read_dir(work_tree.join(directory)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        // What is no text cannot be named here. What f9 and git keep for themselves is no part of the tree.
        let Some(name) = name.to_str().filter(|name| !is_own(name)) else { continue };
        let path = directory.join(name);
        if entry.file_type().is_ok_and(|found| found.is_dir()) {
            add_files_below(work_tree, &path, files);
        } else {
            files.extend(path.to_str().map(|path| FilePath::found(path.to_owned())));
        }
    }
}

fn is_own(name: &str) -> bool {
    is_reserved_name(name) || is_protected(name)
}

/// Where `path` is on disk, if no symbolic link stands on the way.
pub(super) fn beneath(work_tree: &Path, path: &RawPath) -> Option<PathBuf> {
    let whole = Path::new(path.as_os());
    let mut here = work_tree.to_owned();
    for part in whole.parent()?.components() {
        here.push(part);
        if fs::symlink_metadata(&here).is_ok_and(|found| !found.is_dir()) {
            return None;
        }
    }
    Some(work_tree.join(whole))
}

/// Removes a file, and the directories above it that are empty then.
fn remove_with_parents(work_tree: &Path, path: &RawPath) -> Result<()> {
    let Some(file) = beneath(work_tree, path) else { return Ok(()) };
    fs::remove_file(&file)?;
    for above in file.ancestors().skip(1).take_while(|above| *above != work_tree) {
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}

/// The name that git gives a file of this content, in the repository that `like` is from.
fn blob_name(content: &[u8], like: &Oid) -> Result<Oid> {
    let algorithm = match like.as_str().len() {
        40 => ChecksumAlgorithm::Sha1,
        _ => ChecksumAlgorithm::Sha256,
    };
    let mut hasher = Hasher::new(algorithm);
    hasher.update(format!("blob {}\0", content.len()).as_bytes());
    hasher.update(content);
    hasher.finish().into_hex().parse()
}

/// The tree without files, which every git knows.
pub(super) fn empty_tree(like: &Oid) -> &'static str {
    match like.as_str().len() {
        40 => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        _ => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
}
