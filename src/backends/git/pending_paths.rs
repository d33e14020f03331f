//! The paths that were written through this backend since the last commit.
//!
//! Git skips files that a `.gitignore` names. Files that were written through the backend are still published, so their paths are kept
//! here until they are committed, as are paths that were removed. A path that a `.gitignore` might name is also recorded in a file, for
//! the next process. Git tracks a file after its first commit.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use futures::TryStreamExt as _;

use crate::backend::AsyncFileBackend as _;
use crate::backends::local::LocalFileBackend;
use crate::core::error::{ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{Depth, InfoOptions, LinkMode, ListOptions};
use crate::core::path::FilePath;
use crate::sys::pool;

#[derive(Debug)]
pub(super) struct PendingPaths {
    tree: LocalFileBackend,
    paths: Mutex<Paths>,
    /// Whether the repository ignores files that no `.gitignore` names.
    ignores_more: bool,
    /// The record for the next process: paths that each end in NUL, after a slash if they were removed. It is in the git directory.
    record: PathBuf,
}

#[derive(Debug, Default)]
struct Paths {
    last_number: u64,
    writes: BTreeMap<FilePath, LastWrite>,
}

/// The last write of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LastWrite {
    number: u64,
    /// Whether the path is in the record. Then it is staged without another search for a `.gitignore`.
    is_recorded: bool,
    /// Whether the path was removed.
    is_removed: bool,
}

/// The paths that were pending at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    writes: BTreeMap<FilePath, LastWrite>,
    /// The length of the record.
    recorded_bytes: u64,
}

impl PendingPaths {
    pub(super) fn new(tree: LocalFileBackend, record: PathBuf, ignores_more: bool) -> Self {
        Self { tree, paths: Mutex::default(), ignores_more, record }
    }

    /// Adds paths that were written. The caller holds the lock of the tree, so no commit contains the writes yet. `may_hide` is whether
    /// git may not look at some files.
    pub(super) async fn add(&self, written: &[&FileInfo], may_hide: bool) -> Result<()> {
        let (mut lines, mut cached) = (Vec::new(), HashMap::new());
        for info in written {
            // A directory that was moved or copied here may contain a `.gitignore`.
            let is_recorded =
                may_hide || info.is_dir() || self.may_be_ignored(&info.path, &mut cached).await;
            self.insert(&info.path, is_recorded, false, &mut lines);
        }
        self.append_to_record(lines).await
    }

    /// Adds paths that were removed. See [`add`](Self::add).
    pub(super) async fn add_removed(&self, removed: &[&FilePath], may_hide: bool) -> Result<()> {
        let mut lines = Vec::new();
        for path in removed {
            self.insert(path, may_hide, true, &mut lines);
        }
        self.append_to_record(lines).await
    }

    /// Adds a path, and a line for the record to `lines` if it is not in the record.
    fn insert(&self, path: &FilePath, is_recorded: bool, is_removed: bool, lines: &mut Vec<u8>) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.last_number += 1;
        let write = LastWrite { number: paths.last_number, is_recorded, is_removed };
        let earlier = paths.writes.insert(path.clone(), write);
        let has_line = |earlier: LastWrite| earlier.is_recorded && earlier.is_removed == is_removed;
        if is_recorded && !earlier.is_some_and(has_line) {
            lines.extend(is_removed.then_some(b'/'));
            lines.extend_from_slice(path.as_bytes());
            lines.push(0);
        }
    }

    async fn append_to_record(&self, lines: Vec<u8>) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let record = self.record.clone();
        pool::run(move || {
            Ok(File::options().append(true).create(true).open(record)?.write_all(&lines)?)
        })
        .await
    }

    /// Whether `path` was written and is not committed yet.
    pub(super) fn contains(&self, path: &FilePath) -> bool {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.writes.get(path).is_some_and(|write| !write.is_removed)
    }

    /// Returns the paths that are pending now, of this and of other processes.
    pub(super) async fn snapshot(&self) -> Result<Snapshot> {
        let record = self.record.clone();
        let recorded = pool::run(move || match std::fs::read(record) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => Ok(read?),
        })
        .await?;
        let mut writes = self.paths.lock().unwrap_or_else(PoisonError::into_inner).writes.clone();
        let texts =
            recorded.split(|&byte| byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
        for text in texts {
            let (is_removed, text) =
                text.strip_prefix('/').map_or((false, text), |text| (true, text));
            let Ok(path) = FilePath::parse_entry(text) else { continue };
            let write = writes.entry(path).or_default();
            write.is_recorded = true;
            // What this process did itself is newer than its lines.
            if write.number == 0 {
                write.is_removed = is_removed;
            }
        }
        Ok(Snapshot { writes, recorded_bytes: recorded.len() as u64 })
    }

    /// Returns the files in `snapshot` that git might ignore.
    pub(super) async fn paths_to_force(&self, snapshot: &Snapshot) -> Result<Vec<FilePath>> {
        let (mut forced, mut cached) = (Vec::new(), HashMap::new());
        for (path, write) in snapshot.writes.iter().filter(|(_, write)| !write.is_removed) {
            if !write.is_recorded && !self.may_be_ignored(path, &mut cached).await {
                continue;
            }
            // A link is published as such, and not what is in the directory to which it leads.
            let options = InfoOptions::default().with_links(LinkMode::Keep);
            match self.tree.info_with(path, options).await {
                Ok(info) if info.is_dir() => forced.extend(self.files_below(path).await?),
                Ok(_) => forced.push(path.clone()),
                Err(error) if is_not_there(error.kind()) => {}
                // The write was refused for the same reason.
                Err(error) if is_refused(error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(forced)
    }

    async fn files_below(&self, path: &FilePath) -> Result<Vec<FilePath>> {
        let all = ListOptions::default().with_depth(Depth::All);
        let entries = self.tree.list_with(path, all).await?.try_collect::<Vec<_>>().await?;
        Ok(entries.into_iter().filter(|info| !info.is_dir()).map(|info| info.path).collect())
    }

    /// Removes the paths in `snapshot`, which are committed now, unless they were written again. If the snapshot has recorded paths,
    /// the caller holds the lock of the tree.
    pub(super) fn remove_committed(&self, snapshot: &Snapshot) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.writes.retain(|path, write| {
            let committed = snapshot.writes.get(path);
            committed.is_none_or(|committed| committed.number != write.number)
        });
    }

    /// Removes the record, unless paths were added to it after `snapshot`.
    pub(super) async fn remove_record(&self, snapshot: &Snapshot) -> Result<()> {
        let (record, expected) = (self.record.clone(), snapshot.recorded_bytes);
        pool::run(move || {
            if std::fs::metadata(&record).is_ok_and(|found| found.len() == expected) {
                std::fs::remove_file(record)?;
            }
            Ok(())
        })
        .await
    }

    /// Whether there is a `.gitignore` that may apply to `path`.
    async fn may_be_ignored(&self, path: &FilePath, cached: &mut HashMap<FilePath, bool>) -> bool {
        if self.ignores_more {
            return true;
        }
        let mut above = path.parent();
        while let Some(directory) = above {
            let has_ignore_file = match cached.get(&directory) {
                Some(&has_ignore_file) => has_ignore_file,
                None => {
                    let name = FilePath::found(match directory.as_str() {
                        "" => ".gitignore".to_owned(),
                        directory => format!("{directory}/.gitignore"),
                    });
                    self.tree.exists(&name).await.unwrap_or(true)
                }
            };
            cached.insert(directory.clone(), has_ignore_file);
            if has_ignore_file {
                return true;
            }
            above = directory.parent();
        }
        false
    }
}

impl Snapshot {
    pub(super) fn paths(&self) -> Vec<FilePath> {
        self.writes.keys().cloned().collect()
    }

    /// Whether the record had any paths.
    pub(super) fn has_recorded(&self) -> bool {
        self.recorded_bytes > 0
    }
}

fn is_refused(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ReservedPath | ErrorKind::PathEscapesRoot | ErrorKind::LinkLoop)
}

fn is_not_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
