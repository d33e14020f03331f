//! Everything the service knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::faults::Faults;
use super::log::Log;
use super::register::{Named, Register};
use super::rules::{DoubleAttach, IndexingFailure, Rules};
use super::uploads::Upload;

/// Everything the service knows. It changes by one call at a time.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Arc<Rules>,
    pub(super) faults: Faults,
    pub(super) log: Log,
    pub(super) files: Register<File>,
    pub(super) stores: Register<Store>,
    pub(super) uploads: Register<Upload>,
    /// How many requests get no answer.
    pub(super) unanswered: usize,
    /// How many ids were given away.
    ids: u64,
    /// Seconds since 1970, as they were last looked up: they never go back, so the order of creation is that of time.
    now: u64,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) filename: String,
    pub(super) purpose: String,
    pub(super) content: Bytes,
    pub(super) created_at: u64,
    pub(super) expires_at: Option<u64>,
    /// How many attachments still do not find it.
    pub(super) missing: u32,
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
    pub(super) entries: Register<Entry>,
    pub(super) batches: Register<Batch>,
    /// Entries that are gone and still counted.
    pub(super) ghosts: u64,
}

/// A file in a vector store.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) file_id: String,
    pub(super) filename: String,
    /// Shared with the file, which may be deleted before.
    pub(super) content: Bytes,
    pub(super) attributes: Map<String, Value>,
    pub(super) created_at: u64,
    pub(super) chunking: Chunking,
    pub(super) batch: Option<String>,
    /// How many answers still say `in_progress`.
    pub(super) polls_left: u32,
    pub(super) outcome: Outcome,
    /// How many requests still do not find it.
    pub(super) missing: u32,
    /// How many listings do not show it yet.
    pub(super) unlisted: u32,
    /// How many listings still show it though it is detached.
    pub(super) detached: Option<u32>,
}

/// In tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunking {
    pub(super) size: u32,
    pub(super) overlap: u32,
}

/// What indexing comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
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

impl Named for File {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for Store {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for Entry {
    fn id(&self) -> &str {
        &self.file_id
    }
}

impl Named for Batch {
    fn id(&self) -> &str {
        &self.id
    }
}

impl State {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules: Arc::new(rules),
            faults: Faults::default(),
            log: Log::default(),
            files: Register::default(),
            stores: Register::default(),
            uploads: Register::default(),
            unanswered: 0,
            ids: 0,
            now: 0,
        }
    }

    /// An id that nothing else has. Ids do not sort in the order in which they are given.
    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        let (high, low) = (scrambled(self.ids), scrambled(!self.ids));
        format!("{prefix}{high:016x}{low:08.8}", low = low % 100_000_000)
    }

    /// Seconds since 1970, never less than before.
    pub(super) fn now(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.now = self.now.max(now);
        self.now
    }

    /// Makes a file and gives its id.
    pub(super) fn add_file(&mut self, filename: &str, purpose: &str, content: Bytes) -> String {
        let id = self.new_id("file-");
        let created_at = self.now();
        self.files.insert(File {
            id: id.clone(),
            filename: filename.to_owned(),
            purpose: purpose.to_owned(),
            content,
            created_at,
            expires_at: None,
            missing: self.rules.missing_after_upload,
        });
        id
    }

    /// Makes an empty vector store and gives its id.
    pub(super) fn add_store(&mut self) -> String {
        let id = self.new_id("vs_");
        let created_at = self.now();
        self.stores.insert(Store {
            id: id.clone(),
            created_at,
            name: None,
            description: None,
            metadata: Map::new(),
            expires_after: None,
            expired: false,
            entries: Register::default(),
            batches: Register::default(),
            ghosts: 0,
        });
        id
    }
}

impl Store {
    /// Takes a new entry, by the rule for what is there already.
    pub(super) fn attach(&mut self, entry: Entry, rules: &Rules) {
        let attached = self.entry(&entry.file_id).is_some();
        match rules.double_attach {
            DoubleAttach::KeepsOld if attached => return,
            DoubleAttach::ListsTwice => {}
            // Also what was detached and is still listed makes way.
            _ => drop(self.entries.remove(&entry.file_id)),
        }
        self.entries.insert(entry);
    }

    /// The entry of a file that has not been detached.
    pub(super) fn entry(&self, file_id: &str) -> Option<&Entry> {
        self.entries.get(file_id).filter(|entry| entry.detached.is_none())
    }

    pub(super) fn entry_mut(&mut self, file_id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(file_id).filter(|entry| entry.detached.is_none())
    }

    /// The entries that have not been detached.
    pub(super) fn attached(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.detached.is_none())
    }

    /// How many entries there are of each status.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        counts(self.attached())
    }
}

/// How many entries there are of each status.
pub(super) fn counts<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<_, _> =
        ["in_progress", "completed", "failed", "cancelled"].map(|status| (status, 0)).into();
    for entry in entries {
        *counts.entry(entry.status()).or_default() += 1;
    }
    counts
}

impl Entry {
    pub(super) fn status(&self) -> &'static str {
        match self.outcome {
            _ if self.polls_left > 0 => "in_progress",
            Outcome::Completed => "completed",
            Outcome::Failed { .. } => "failed",
            Outcome::Cancelled => "cancelled",
        }
    }

    /// Brings indexing one answer further.
    pub(super) fn poll(&mut self) {
        self.polls_left = self.polls_left.saturating_sub(1);
    }
}

/// What becomes of a file that is indexed.
pub(super) fn indexed(filename: &str, content: &[u8], rules: &Rules) -> Outcome {
    let failed = |code: &str, message: &str| Outcome::Failed {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    let applies = |failure: &&IndexingFailure| failure.applies_to(filename, content);
    if let Some(failure) = rules.fail_indexing.iter().find(applies) {
        return failed(&failure.code, &failure.message);
    }
    match super::chunks::parsed(filename, content) {
        Some(_) => Outcome::Completed,
        None => failed("invalid_file", "The file could not be parsed because it is not valid."),
    }
}

/// A number that depends on another in no visible way (splitmix64).
pub(super) fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
