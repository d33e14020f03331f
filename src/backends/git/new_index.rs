//! Changes the index in several steps that nobody else sees.
//!
//! Each command of git replaces the index as a whole. But between two commands a person could commit what is only there for a moment, or
//! this program could die. So the steps change a copy while the index is locked, and the copy takes its place in the end.

use std::fs::{self, File};
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::locks::Operation;
use super::repository::{NEW_INDEX, Repository};
use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::lock::TimeLeft;
use crate::sys::pool;

/// The pause between two attempts to lock the index.
const PAUSE: Duration = Duration::from_millis(20);

/// A copy of the index. The index is locked until this is dropped.
#[derive(Debug)]
pub(super) struct NewIndex {
    path: PathBuf,
    index: PathBuf,
    lock: PathBuf,
    /// No other operation of f9 uses the copy.
    _operation: Operation,
}

impl Repository {
    /// Returns the path of the index.
    pub(super) fn index_path(&self) -> PathBuf {
        self.git_dir.join("index")
    }

    /// Runs `change` on a copy of the index while the index is locked. Meanwhile no command may write to the index itself.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if another git keeps the index locked.
    pub(super) async fn with_new_index<T>(
        &self,
        operation: &Operation,
        change: impl AsyncFnOnce(&NewIndex) -> Result<T>,
    ) -> Result<T> {
        let index = self.new_index(operation).await?;
        let result = change(&index).await;
        // Removing the lock may wait for the disk.
        let unlocked = pool::run(move || {
            drop(index);
            Ok(())
        })
        .await;
        let result = result?;
        unlocked.map(|()| result)
    }

    /// Locks the index and copies it.
    ///
    /// # Errors
    ///
    /// [`LockTimeout`](ErrorKind::LockTimeout) if another git keeps the index locked.
    async fn new_index(&self, operation: &Operation) -> Result<NewIndex> {
        let left = TimeLeft::new(self.lock_timeout);
        let (path, index) = (self.git_dir.join(NEW_INDEX), self.index_path());
        loop {
            let (path, index, operation) = (path.clone(), index.clone(), operation.clone());
            let begun = pool::run(move || NewIndex::begin(path, index, operation)).await?;
            if let Some(begun) = begun {
                return Ok(begun);
            }
            if left.get().is_zero() {
                return Err(Error::new(ErrorKind::LockTimeout)
                    .with_message("another git keeps the index of the working tree locked"));
            }
            pool::pause(PAUSE.min(left.get())).await;
        }
    }
}

impl NewIndex {
    /// Returns `None` while another git has locked the index.
    fn begin(path: PathBuf, index: PathBuf, operation: Operation) -> Result<Option<Self>> {
        let lock = index.with_extension("lock");
        match File::options().write(true).create_new(true).open(&lock) {
            Err(error) if error.kind() == IoKind::AlreadyExists => return Ok(None),
            created => drop(created?),
        }
        let begun = Self { path, index, lock, _operation: operation };
        remove(&begun.path)?;
        // The times of the files in it are as old as the index, so the copy must not look newer.
        match fs::metadata(&begun.index) {
            Err(error) if error.kind() == IoKind::NotFound => {}
            found => {
                let written = found?.modified()?;
                fs::copy(&begun.index, &begun.path)?;
                File::options().write(true).open(&begun.path)?.set_modified(written)?;
            }
        }
        Ok(Some(begun))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the copy in the place of the index, which stays locked.
    pub(super) async fn install(&self) -> Result<()> {
        let (path, index) = (self.path.clone(), self.index.clone());
        pool::run(move || Ok(fs::rename(path, index)?)).await
    }
}

impl Drop for NewIndex {
    fn drop(&mut self) {
        // What is left is removed by the next operation.
        drop(remove(&self.path));
        drop(remove(&self.lock));
    }
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != IoKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
