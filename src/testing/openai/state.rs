//! The state of the service, and the vector stores that a call may use.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Map;

use super::collection::Collection;
use super::fault_queue::FaultQueue;
use super::log::Log;
use super::records::{File, Store};
use super::response::ApiError;
use super::rules::Rules;
use super::splitmix::splitmix64;

/// The state of the service. A mutex around it runs one call at a time.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rules: Arc<Rules>,
    pub(super) faults: FaultQueue,
    pub(super) log: Log,
    pub(super) files: Collection<File>,
    pub(super) stores: Collection<Store>,
    /// How many requests never get a response.
    pub(super) unanswered: usize,
    /// How many ids were generated.
    ids: u64,
    /// The last time returned, in seconds since 1970. It never goes back, so that the order of creation is the order of times.
    now: u64,
}

impl State {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules: Arc::new(rules),
            faults: FaultQueue::default(),
            log: Log::default(),
            files: Collection::default(),
            stores: Collection::default(),
            unanswered: 0,
            ids: 0,
            now: 0,
        }
    }

    /// Returns a unique id. The order of ids is not the order of creation.
    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        let (high, low) = (splitmix64(self.ids), splitmix64(!self.ids));
        format!("{prefix}{high:016x}{low:08.8}", low = low % 100_000_000)
    }

    /// Returns the seconds since 1970, never less than before.
    pub(super) fn now(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.now = self.now.max(now);
        self.now
    }

    /// Adds a file and returns its id.
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
            misses_left: self.rules.missing_after_upload,
        });
        id
    }

    /// Adds an empty vector store and returns its id.
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
            entries: Collection::default(),
            batches: Collection::default(),
            deleted_but_counted: 0,
        });
        id
    }

    /// Returns a vector store, also if it has expired.
    pub(super) fn store(&self, id: &str) -> Result<&Store, ApiError> {
        if !id.starts_with("vs_") {
            return Err(ApiError::wrong_prefix("vector_store_id", id, "vs_"));
        }
        self.stores.get(id).ok_or_else(|| ApiError::no_vector_store(id))
    }

    /// Returns a vector store that has not expired.
    pub(super) fn active_store(&self, id: &str) -> Result<&Store, ApiError> {
        let store = self.store(id)?;
        if store.expired {
            return Err(ApiError::invalid(format!("Vector store '{id}' has expired")));
        }
        Ok(store)
    }

    /// Returns a vector store that has not expired, for a change.
    pub(super) fn active_store_mut(&mut self, id: &str) -> Result<&mut Store, ApiError> {
        self.active_store(id)?;
        self.stores.get_mut(id).ok_or_else(|| ApiError::no_vector_store(id))
    }
}
