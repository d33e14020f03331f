//! Keeps a merge with conflicts, and the resolutions so far, until it is complete.
//!
//! The merge is a note, and each resolution is a line that is appended to a file beside it. So each of many conflicts costs as much as
//! a single one. The file has the merge in its name, because it may outlive the merge.

use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::objects::blob_oid;
use super::parse::{Oid, RawPath};
use super::pending_merge::{KeptMerge, PendingMerge, Resolution, Sides};
use super::repository::Repository;
use crate::backend::{AsyncFileBackend as _, AsyncFileBackendExt as _};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::{CreateOptions, DeleteOptions};
use crate::sys::pool;

/// The note that keeps a merge with conflicts.
const NOTE: &str = "merge.json";

/// The beginning of the name of the file with the resolutions of a merge: JSON lines.
const RESOLUTIONS: &str = "resolutions-";

/// The directory of notes with the content of resolutions, each named by the id of its blob. Git's own garbage collection removes a blob
/// to which no commit points.
pub(super) const CONTENTS: &str = "resolved";

/// How the caller resolves a conflict.
pub(super) enum Chosen {
    Local,
    Remote,
    Content(Bytes),
}

/// A line in the file with the resolutions.
#[derive(Serialize, Deserialize)]
struct Line {
    path: RawPath,
    resolution: Resolution,
}

impl Repository {
    /// Returns the merge whose conflicts are not resolved yet, if there is one.
    pub(super) async fn pending_merge(&self) -> Result<Option<PendingMerge>> {
        let etag = match self.notes.info(NOTE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found?.etag,
        };
        let known = self.kept_merge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = known.filter(|known| Some(&known.etag) == etag.as_ref());
        let (read_bytes, mut merge) = match known {
            Some(known) => (known.read_bytes, known.merge),
            None => match self.note::<PendingMerge>(NOTE).await? {
                Some(merge) => (0, merge),
                None => return Ok(None),
            },
        };
        let file = self.resolutions_of(&merge);
        let mut lines = pool::run(move || read_from(&file, read_bytes)).await?;
        // The rest may be a line that another process is writing.
        let end = lines.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        lines.truncate(end);
        for line in lines.split(|&byte| byte == b'\n') {
            // A line that a power loss cut off is skipped.
            if let Ok(Line { path, resolution }) = serde_json::from_slice(line) {
                merge.resolve(&path, resolution);
            }
        }
        if let Some(etag) = etag {
            let read_bytes = read_bytes + lines.len() as u64;
            let kept = KeptMerge { etag, read_bytes, merge: merge.clone() };
            *self.kept_merge.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Ok(Some(merge))
    }

    pub(super) async fn set_pending_merge(&self, pending: &PendingMerge) -> Result<()> {
        self.write_note(NOTE, pending).await?;
        self.remove_resolutions(Some(pending)).await
    }

    /// Removes the merge, which is complete.
    pub(super) async fn remove_pending_merge(&self) -> Result<()> {
        match self.notes.delete(NOTE).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed?,
        }
        *self.kept_merge.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.remove_resolutions(None).await?;
        match self.notes.delete_with(CONTENTS, DeleteOptions::recursive()).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the file with the resolutions of `merge`.
    fn resolutions_of(&self, merge: &PendingMerge) -> PathBuf {
        self.git_dir.join(format!("f9/{RESOLUTIONS}{}-{}", merge.ours, merge.theirs))
    }

    /// Removes the files with the resolutions of all merges but `kept`.
    async fn remove_resolutions(&self, kept: Option<&PendingMerge>) -> Result<()> {
        let kept = kept.map(|merge| self.resolutions_of(merge));
        let dir = self.git_dir.join("f9");
        pool::run(move || {
            for entry in fs::read_dir(dir)?.flatten() {
                let is_one =
                    entry.file_name().as_encoded_bytes().starts_with(RESOLUTIONS.as_bytes());
                if is_one && Some(entry.path()) != kept {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Records how the conflict at `path` is resolved.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if there is no conflict at `path`.
    pub(super) async fn resolve(&self, path: &str, chosen: Chosen) -> Result<PendingMerge> {
        let mut merge = self.pending_merge().await?.ok_or_else(|| no_conflict(path))?;
        let path = merge.find(path).ok_or_else(|| no_conflict(path))?.path.clone();
        let resolution = match chosen {
            Chosen::Local => Resolution::Local,
            Chosen::Remote => Resolution::Remote,
            Chosen::Content(content) => Resolution::Content(self.keep(content, &merge.ours).await?),
        };
        merge.resolve(&path, resolution.clone());
        let line = serde_json::to_string(&Line { path, resolution })
            .map_err(|error| Error::new(ErrorKind::Internal).with_source(error))?;
        let file = self.resolutions_of(&merge);
        pool::run(move || append(&file, &line)).await?;
        Ok(merge)
    }

    /// Keeps the content of a resolution until the merge is complete, and returns the id that its blob will have.
    async fn keep(&self, content: Bytes, like: &Oid) -> Result<Oid> {
        let (hashed, like) = (content.clone(), like.clone());
        let oid = pool::run(move || blob_oid(&hashed, &like)).await?;
        let note = format!("{CONTENTS}/{oid}");
        self.notes.create_with(&note, content, CreateOptions::overwrite()).await?;
        Ok(oid)
    }

    /// Returns the versions of the file in conflict at `path`.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`](ErrorKind::InvalidOperation) if there is no conflict at `path`.
    pub(super) async fn sides(&self, path: &str) -> Result<Sides> {
        let merge = self.pending_merge().await?.ok_or_else(|| no_conflict(path))?;
        merge.find(path).map(|conflict| conflict.sides()).ok_or_else(|| no_conflict(path))
    }
}

fn no_conflict(path: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation)
        .with_path(path)
        .with_message("there is no conflict at this path")
}

/// Reads a file after its first `read_bytes` bytes. A missing file is empty.
fn read_from(file: &Path, read_bytes: u64) -> Result<Vec<u8>> {
    let mut rest = Vec::new();
    match File::open(file) {
        Err(error) if error.kind() == IoKind::NotFound => {}
        file => {
            let mut file = file?;
            file.seek(SeekFrom::Start(read_bytes))?;
            file.read_to_end(&mut rest)?;
        }
    }
    Ok(rest)
}

/// Appends a line, which then survives a power loss.
fn append(path: &Path, line: &str) -> Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let is_new = file.metadata()?.len() == 0;
    // The first line break ends a line that a power loss cut off.
    file.write_all(format!("\n{line}\n").as_bytes())?;
    file.sync_data()?;
    if is_new && let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}
