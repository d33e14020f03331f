//! The records that the service stores: files, vector stores, their entries and batches.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::chunks::{self, Chunking};
use super::collection::{Collection, HasId};
use super::rules::{DoubleAttach, IndexingFailure, Rules};

#[derive(Debug)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) filename: String,
    pub(super) purpose: String,
    pub(super) content: Bytes,
    pub(super) created_at: u64,
    pub(super) expires_at: Option<u64>,
    /// How many more attachments are refused as if the file did not exist.
    pub(super) misses_left: u32,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) id: String,
    pub(super) created_at: u64,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) metadata: Map<String, Value>,
    /// In days after the last use.
    pub(super) expires_after: Option<u64>,
    pub(super) expired: bool,
    pub(super) entries: Collection<Entry>,
    pub(super) batches: Collection<Batch>,
    /// How many deleted entries `file_counts.total` still includes.
    pub(super) deleted_but_counted: u64,
}

/// A file in a vector store.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) file_id: String,
    pub(super) filename: String,
    /// Shared with the file. The file may be deleted first.
    pub(super) content: Bytes,
    pub(super) attributes: Map<String, Value>,
    pub(super) created_at: u64,
    pub(super) chunking: Chunking,
    pub(super) batch: Option<String>,
    /// How many more responses report `in_progress`.
    pub(super) polls_left: u32,
    pub(super) outcome: IndexingOutcome,
    /// How many more requests for the entry are answered with 404.
    pub(super) misses_left: u32,
    /// How many more listings leave the entry out.
    pub(super) unlisted_left: u32,
    /// How many more listings include the entry although it is detached; `None` while it is attached.
    pub(super) stale_listings_left: Option<u32>,
}

/// The result of indexing a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IndexingOutcome {
    Completed,
    Failed { code: String, message: String },
    Cancelled,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) created_at: u64,
    pub(super) cancelled: bool,
    pub(super) file_ids: Vec<String>,
}

impl HasId for File {
    fn id(&self) -> &str {
        &self.id
    }
}

impl HasId for Store {
    fn id(&self) -> &str {
        &self.id
    }
}

impl HasId for Entry {
    fn id(&self) -> &str {
        &self.file_id
    }
}

impl HasId for Batch {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Store {
    /// Adds an entry, or keeps the present one if `double_attach` says so.
    pub(super) fn attach(&mut self, entry: Entry, rules: &Rules) {
        let attached = self.entry(&entry.file_id).is_some();
        match rules.double_attach {
            DoubleAttach::KeepsOld if attached => return,
            DoubleAttach::ListsTwice => {}
            // This also removes an entry that is detached but still listed.
            _ => drop(self.entries.remove(&entry.file_id)),
        }
        self.entries.insert(entry);
    }

    /// Returns the entry of a file that is attached.
    pub(super) fn entry(&self, file_id: &str) -> Option<&Entry> {
        self.entries.get(file_id).filter(|entry| entry.is_attached())
    }

    pub(super) fn entry_mut(&mut self, file_id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(file_id).filter(|entry| entry.is_attached())
    }

    /// Iterates over the attached entries.
    pub(super) fn attached(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_attached())
    }

    /// Counts the attached entries by status.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        counts(self.attached())
    }
}

/// Counts entries by status.
pub(super) fn counts<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<_, _> =
        ["in_progress", "completed", "failed", "cancelled"].map(|status| (status, 0)).into();
    for entry in entries {
        *counts.entry(entry.status()).or_default() += 1;
    }
    counts
}

impl Entry {
    pub(super) fn is_attached(&self) -> bool {
        self.stale_listings_left.is_none()
    }

    pub(super) fn status(&self) -> &'static str {
        match self.outcome {
            _ if self.polls_left > 0 => "in_progress",
            IndexingOutcome::Completed => "completed",
            IndexingOutcome::Failed { .. } => "failed",
            IndexingOutcome::Cancelled => "cancelled",
        }
    }

    /// Counts one response that reported the entry as `in_progress`.
    pub(super) fn poll(&mut self) {
        self.polls_left = self.polls_left.saturating_sub(1);
    }

    /// Returns how many bytes the index of the entry takes.
    pub(super) fn usage_bytes(&self) -> usize {
        if self.status() == "completed" { self.content.len() } else { 0 }
    }
}

impl IndexingOutcome {
    /// Returns the outcome of indexing a file under `rules`.
    pub(super) fn of(filename: &str, content: &[u8], rules: &Rules) -> Self {
        let failed = |code: &str, message: &str| Self::Failed {
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let applies = |failure: &&IndexingFailure| failure.applies_to(filename, content);
        if let Some(failure) = rules.fail_indexing.iter().find(applies) {
            return failed(&failure.code, &failure.message);
        }
        match chunks::parse(filename, content) {
            Some(_) => Self::Completed,
            None => failed("invalid_file", "The file could not be parsed because it is not valid."),
        }
    }
}
