//! Finding and removing what crashes and races have left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{FutureExt as _, TryFutureExt as _, TryStreamExt as _};

use super::api::StoredFile;
use super::attributes::Entry;
use super::index::Hidden;
use super::store::Store;
use crate::{FilePath, Result, offload};

/// An upload that is younger may be about to be attached.
const UNATTACHED_FOR: Duration = Duration::from_secs(60 * 60);

/// What [`repair`](super::OpenAIVectorStoreFileBackend::repair) has found, by the ids of the service's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// Older versions of files that there is a newer one of. Those behind a [dead](Self::dead) one are no duplicates: the newest of them is
    /// seen once that is gone.
    pub duplicates: Vec<(FilePath, String)>,
    /// Entries whose content the service has lost.
    pub dead: Vec<(FilePath, String)>,
    /// Uploads of f9's for this vector store that were never attached to it, with their names.
    pub unattached: Vec<(String, String)>,
    /// Files that cannot be seen, because a directory with entries has the same path. They are never removed: the content is nowhere
    /// else.
    pub shadowed: Vec<(FilePath, String)>,
}

impl RepairReport {
    /// Whether there was nothing to repair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a repair removes what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RepairMode {
    Report,
    Remove,
}

impl Store {
    pub(super) async fn repair(self: &Arc<Self>, mode: RepairMode) -> Result<RepairReport> {
        let store = Arc::clone(self);
        offload::to_the_end(async move {
            let _claim = store.turns.claim(vec![FilePath::root()]).await;
            store.index.fresh_within(Duration::ZERO).await?;
            let report = store.survey().await?;
            if mode == RepairMode::Remove {
                store.remove_all(&report).await?;
            }
            Ok(report)
        })
        .await
    }

    /// Finds what does not belong, and changes nothing.
    async fn survey(&self) -> Result<RepairReport> {
        let mut report = RepairReport::default();
        let hidden = self.index.hidden();
        let entries = self.entries();
        let listed = self.client.files(Some).await?;
        let files: BTreeMap<&str, &StoredFile> =
            listed.iter().map(|file| (file.id.as_str(), file)).collect();
        for (path, entry) in &entries {
            // A file that is not in the list of all files may still be there.
            if !files.contains_key(entry.id.as_str())
                && self.client.file(&entry.id).await?.is_none()
            {
                report.dead.push((path.clone(), entry.id.clone()));
            }
        }
        let lost: BTreeSet<&FilePath> = report.dead.iter().map(|(path, _)| path).collect();
        for Hidden { path, entry, is_shadowed } in &hidden {
            let found = match is_shadowed {
                true => &mut report.shadowed,
                // The newest that there is.
                false if lost.contains(path) => continue,
                false => &mut report.duplicates,
            };
            found.push((path.clone(), entry.id.clone()));
        }
        let seen = entries.iter().map(|(_, entry)| entry);
        let attached = seen.chain(hidden.iter().map(|hidden| &hidden.entry));
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

    async fn remove_all(&self, report: &RepairReport) -> Result<()> {
        let attached = report.duplicates.iter().chain(&report.dead);
        let attached = attached.map(|(path, id)| self.discard(path, id).map_ok(drop).boxed());
        let unattached =
            report.unattached.iter().map(|(_, id)| self.client.delete_file(id).boxed());
        let removals = self.side_by_side(attached.chain(unattached));
        let removed = removals.try_collect().await;
        // What a dead entry has hidden is seen now.
        self.index.doubt();
        removed
    }

    /// Every entry that is seen, with its path.
    fn entries(&self) -> Vec<(FilePath, Entry)> {
        self.index.read(|entries| {
            let (mut directories, files) = super::remove::at_and_below(entries, &FilePath::root());
            directories.extend(files);
            directories
        })
    }
}

/// Whether this is the name of an upload for the vector store with this tag. What stands before the first dot is of the path, and may
/// look like a tag.
fn has_tag(name: &str, tag: &str) -> bool {
    let given = name.split('.').nth(1).and_then(|given| given.strip_prefix(tag));
    given.is_some_and(|rest| rest.starts_with('-'))
}

fn is_old(file: &StoredFile) -> bool {
    let uploaded = UNIX_EPOCH + Duration::from_secs(file.created_at);
    // Where the service does not say when it was, it may have been a moment ago.
    file.created_at > 0
        && SystemTime::now().duration_since(uploaded).is_ok_and(|age| age > UNATTACHED_FOR)
}
