//! Which files were written through this backend since the last commit.
//!
//! Git leaves out what a `.gitignore` names. What a caller wrote is to be published all the same, so it is remembered, and where a
//! `.gitignore` might name it also noted in a file, for the next process. A path that was committed once is followed by git itself.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use futures::TryStreamExt as _;

use crate::prelude::*;
use crate::{Depth, ErrorKind, FileInfo, FilePath, ListOptions, LocalFileBackend, Result, offload};

#[derive(Debug)]
pub(super) struct Written {
    tree: LocalFileBackend,
    /// Each path with the number of its writing.
    paths: Mutex<(u64, BTreeMap<FilePath, Writing>)>,
    /// Whether more is ignored than what `.gitignore` files name.
    ignores_more: bool,
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Writing {
    number: u64,
    /// Whether it has to be looked at, whatever stands beside it.
    is_noted: bool,
}

/// What was written until some moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    paths: BTreeMap<FilePath, Writing>,
    /// How much of the file was read.
    noted: u64,
}

impl Written {
    pub(super) fn new(tree: LocalFileBackend, file: PathBuf, ignores_more: bool) -> Self {
        Self { tree, paths: Mutex::default(), ignores_more, file }
    }

    /// Remembers what has been written, as long as nobody can commit in between. A directory may have brought its own `.gitignore`.
    pub(super) async fn remember(&self, info: &FileInfo) -> Result<()> {
        let path = info.path.clone();
        let is_noted = info.is_dir() || self.may_be_ignored(&path, &mut HashMap::new()).await;
        {
            let mut written = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
            written.0 += 1;
            let writing = Writing { number: written.0, is_noted };
            let before = written.1.insert(path.clone(), writing);
            if !is_noted || before.is_some_and(|before| before.is_noted) {
                return Ok(());
            }
        }
        let file = self.file.clone();
        offload::run(move || {
            let line = [path.as_bytes(), b"\0"].concat();
            Ok(File::options().append(true).create(true).open(file)?.write_all(&line)?)
        })
        .await
    }

    /// Whether `path` was written and has not been committed since.
    pub(super) fn holds(&self, path: &FilePath) -> bool {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).1.contains_key(path)
    }

    /// What was written until now, here and by other processes.
    pub(super) async fn snapshot(&self) -> Result<Snapshot> {
        let file = self.file.clone();
        let noted = offload::run(move || match std::fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => Ok(read?),
        })
        .await?;
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        let texts =
            noted.split(|&byte| byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
        for path in texts.filter_map(|text| FilePath::parse_entry(text).ok()) {
            paths.entry(path).or_default().is_noted = true;
        }
        Ok(Snapshot { paths, noted: noted.len() as u64 })
    }

    /// The files among `snapshot` that git might ignore.
    pub(super) async fn to_be_forced(&self, snapshot: &Snapshot) -> Result<Vec<FilePath>> {
        let (mut forced, mut known) = (Vec::new(), HashMap::new());
        for (path, writing) in &snapshot.paths {
            if !writing.is_noted && !self.may_be_ignored(path, &mut known).await {
                continue;
            }
            match self.tree.info(path).await {
                Ok(info) if info.is_dir() => forced.extend(self.files_below(path).await?),
                Ok(_) => forced.push(path.clone()),
                Err(error) if is_not_there(error.kind()) => {}
                // It was refused when it was to be written.
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

    /// Forgets what has been committed. Nobody may write meanwhile to what is noted in the file.
    pub(super) fn forget(&self, snapshot: &Snapshot) {
        let mut written = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        written.1.retain(|path, writing| {
            let committed = snapshot.paths.get(path);
            committed.is_none_or(|committed| committed.number != writing.number)
        });
    }

    /// Removes the file, if nothing was added to it since.
    pub(super) async fn forget_noted(&self, snapshot: &Snapshot) -> Result<()> {
        let (file, noted) = (self.file.clone(), snapshot.noted);
        offload::run(move || {
            if std::fs::metadata(&file).is_ok_and(|found| found.len() == noted) {
                std::fs::remove_file(file)?;
            }
            Ok(())
        })
        .await
    }

    /// Whether any `.gitignore` has a say in what becomes of `path`.
    async fn may_be_ignored(&self, path: &FilePath, known: &mut HashMap<FilePath, bool>) -> bool {
        if self.ignores_more {
            return true;
        }
        let mut above = path.parent();
        while let Some(directory) = above {
            let ignores = match known.get(&directory) {
                Some(&ignores) => ignores,
                None => {
                    let name = FilePath::found(match directory.as_str() {
                        "" => ".gitignore".to_owned(),
                        directory => format!("{directory}/.gitignore"),
                    });
                    self.tree.exists(&name).await.unwrap_or(true)
                }
            };
            known.insert(directory.clone(), ignores);
            if ignores {
                return true;
            }
            above = directory.parent();
        }
        false
    }
}

impl Snapshot {
    /// Whether anything was read from the file.
    pub(super) fn is_noted(&self) -> bool {
        self.noted > 0
    }
}

fn is_refused(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ReservedPath | ErrorKind::PathEscapesRoot | ErrorKind::LinkLoop)
}

fn is_not_there(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
