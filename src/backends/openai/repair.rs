//! Finds and removes the leftovers of crashes and races.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};
use serde::Serialize;

use super::OpenAIVectorStoreFileBackend;
use super::api::StoredFile;
use super::attributes::{Entry, Kind};
use super::error::CONTEXT;
use super::index::Hidden;
use super::indexing::IndexingStatus;
use super::list::at_and_below;
use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::sys::pool;

/// Files that expire within this time are reported: a person who checks once a month learns of them.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A younger upload may be about to be attached.
const MIN_UNATTACHED_AGE: Duration = Duration::from_secs(60 * 60);

/// The findings of [`repair`](super::OpenAIVectorStoreFileBackend::repair), with the ids of the service's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepairReport {
    /// Older versions of files. Damaged versions are not among them, because they may be newer. Versions behind a [dead](Self::dead) one
    /// are not listed either: the newest of them becomes visible once the dead one is removed.
    pub duplicates: Vec<(FilePath, String)>,
    /// Entries whose content the service has lost: it has neither the file nor any parsed text of it, not even text from which the
    /// content cannot be restored.
    pub dead: Vec<(FilePath, String)>,
    /// The names of f9's uploads for this vector store that were never attached.
    pub unattached: Vec<(String, String)>,
    /// Files that a directory with entries at the same path hides. They are never removed: they are the only copy.
    pub shadowed: Vec<(FilePath, String)>,
    /// Files that the service deletes within 30 days, or should have deleted. [`FileInfo::extra`](crate::FileInfo::extra) has the time as
    /// `expires_at`. A repair leaves them; write them again to get a new expiry.
    pub expiring: Vec<(FilePath, String)>,
}

impl RepairReport {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl OpenAIVectorStoreFileBackend {
    /// Reports what [`repair`](Self::repair) reports, and removes nothing. Blocks writers of this process meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the service, see [`ErrorKind`](crate::ErrorKind).
    pub async fn check(&self) -> Result<RepairReport> {
        self.store.repair(RepairMode::Report).await.map_err(CONTEXT.operation("check"))
    }

    /// Removes the leftovers of crashes, races and failed removals: older versions of files, entries whose content is lost, and
    /// uploads for this vector store that were not attached within an hour.
    ///
    /// Sends one request per hundred entries, one per ten thousand files of the project, up to three per entry without a file, and two per
    /// removal. Blocks writers of this process meanwhile. Do not run it while another *process* writes.
    ///
    /// # Errors
    ///
    /// Those of the service, see [`ErrorKind`](crate::ErrorKind). What was removed before the error stays removed.
    pub async fn repair(&self) -> Result<RepairReport> {
        self.store.repair(RepairMode::Remove).await.map_err(CONTEXT.operation("repair"))
    }
}

/// Whether a repair removes its findings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RepairMode {
    Report,
    Remove,
}

impl Store {
    async fn repair(&self, mode: RepairMode) -> Result<RepairReport> {
        let store = self.clone();
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![FilePath::root()]).await;
            store.index.refresh_now().await?;
            let report = store.find_leftovers().await?;
            if mode == RepairMode::Remove {
                store.remove_leftovers(&report).await?;
            }
            Ok(report)
        })
        .await
    }

    /// Finds leftovers and changes nothing.
    async fn find_leftovers(&self) -> Result<RepairReport> {
        let mut report = RepairReport::default();
        let hidden = self.index.hidden();
        let (directories, files) =
            self.index.read(|entries| at_and_below(entries, &FilePath::root()));
        let entries = [directories, files].concat();
        let listed =
            self.client.files(|file| Some(file).filter(|file| !file.id.is_empty())).await?;
        let files: BTreeMap<&str, &StoredFile> =
            listed.iter().map(|file| (file.id.as_str(), file)).collect();
        for (path, entry) in &entries {
            // A directory has no content, and f9 cannot verify the content of a corrupted entry.
            if entry.meta().is_none() {
                continue;
            }
            if entry.expires_at.is_some_and(|time| time < SystemTime::now() + EXPIRES_SOON) {
                report.expiring.push((path.clone(), entry.id.clone()));
            }
            // A file that is missing in the list of all files may still exist.
            if !files.contains_key(entry.id.as_str())
                && self.client.file(&entry.id).await?.is_none()
                && self.is_lost(entry).await?
            {
                report.dead.push((path.clone(), entry.id.clone()));
            }
        }
        let lost: BTreeSet<&FilePath> = report.dead.iter().map(|(path, _)| path).collect();
        // An entry without an id cannot be removed.
        for Hidden { path, entry, is_shadowed } in
            hidden.iter().filter(|hidden| !hidden.entry.id.is_empty())
        {
            let found = match is_shadowed {
                true => &mut report.shadowed,
                // The newest of these replaces the dead entry.
                false if lost.contains(path) => continue,
                // It may be a newer version that has lost some attributes.
                false if entry.kind == Kind::Corrupted => continue,
                false => &mut report.duplicates,
            };
            found.push((path.clone(), entry.id.clone()));
        }
        let visible = entries.iter().map(|(_, entry)| entry);
        let attached = visible.chain(hidden.iter().map(|hidden| &hidden.entry));
        let attached: BTreeSet<&str> = attached.map(|entry| entry.id.as_str()).collect();
        let tag = self.store_tag();
        for file in files.values() {
            let is_ours = has_tag(&file.filename, &tag) && is_old(file);
            if is_ours
                && !attached.contains(file.id.as_str())
                && self.client.attached(&file.id).await?.is_none()
            {
                report.unattached.push((file.filename.clone(), file.id.clone()));
            }
        }
        Ok(report)
    }

    /// Whether nothing is left of an entry without its file: the text that the service parsed may be the last copy, even if it is not the
    /// content byte for byte. Does not wait for that text.
    async fn is_lost(&self, entry: &Entry) -> Result<bool> {
        let status = self.client.attached(&entry.id).await?.map(IndexingStatus::of);
        if status == Some(IndexingStatus::InProgress) {
            return Ok(false);
        }
        match self.client.text(&entry.id).await {
            Ok(chunks) => Ok(chunks.iter().all(String::is_empty)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) if error.is_temporary() => Err(error),
            // A file that was never parsed has no text.
            Err(_) => Ok(matches!(
                status,
                Some(IndexingStatus::Failed { .. } | IndexingStatus::Cancelled)
            )),
        }
    }

    async fn remove_leftovers(&self, report: &RepairReport) -> Result<()> {
        let attached = report.duplicates.iter().chain(&report.dead);
        let attached = attached.map(|(path, id)| self.remove_entry(path, id).boxed());
        let unattached = report.unattached.iter().map(|(_, id)| {
            let deleted = self.client.delete_file(id);
            deleted.map_err(Error::without_unknown_outcome).boxed()
        });
        let removals = self.concurrently(attached.chain(unattached));
        let removed = removals.try_collect().await;
        // Versions behind a dead entry become visible.
        self.index.invalidate();
        removed
    }
}

/// Whether this is the name of an upload for the vector store with this tag. The part before the first dot comes from the path and
/// may look like a tag.
fn has_tag(name: &str, tag: &str) -> bool {
    let tag_of_name = name.split('.').nth(1).and_then(|found| found.strip_prefix(tag));
    tag_of_name.is_some_and(|rest| rest.starts_with('-'))
}

fn is_old(file: &StoredFile) -> bool {
    let uploaded = UNIX_EPOCH.checked_add(Duration::from_secs(file.created_at));
    let age = uploaded.and_then(|time| SystemTime::now().duration_since(time).ok());
    // Without a reported time, the upload may be recent.
    file.created_at > 0 && age.is_some_and(|age| age > MIN_UNATTACHED_AGE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_serialized_with_paths_and_ids() {
        let dead = vec![("a.txt".parse().unwrap(), "file-1".to_owned())];
        let report = RepairReport { dead, ..RepairReport::default() };
        let expected = json!({"duplicates": [], "dead": [["a.txt", "file-1"]], "unattached": [], "shadowed": [], "expiring": []});
        assert_eq!(serde_json::to_value(report).unwrap(), expected);
    }
}
