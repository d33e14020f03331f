//! A cached tree of the entries in a vector store.
//!
//! The service only lists entries, a hundred per request. The tree is built from a whole listing and kept for `cache_ttl`. Concurrent
//! callers that need a fresh listing share one. Writes of this process are visible at once: a listing that started earlier, or that
//! lags behind, does not undo them.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{self, BoxFuture, Shared, WeakShared};

use super::api::Client;
use super::attributes::Entry;
use super::recent_writes::{Handle, RecentWrites};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::sys::pool;

mod snapshot;

use snapshot::Snapshot;
pub(super) use snapshot::{Entries, Hidden, entry_of};

pub(super) struct Index {
    client: Client,
    ttl: Duration,
    /// Shared by the handles of this process.
    recent_writes: Arc<RecentWrites>,
    handle: Handle,
    state: Mutex<State>,
}

struct State {
    snapshot: Snapshot,
    refresh: Option<Refresh>,
}

/// A listing in progress that several callers wait for.
struct Refresh {
    /// When it started: callers that ask later need another listing.
    began: Arc<OnceLock<Instant>>,
    /// Owned by its waiters: it is aborted when the last one is dropped.
    listing: WeakShared<BoxFuture<'static, Result<()>>>,
}

type SharedListing = Shared<BoxFuture<'static, Result<()>>>;

impl Index {
    pub(super) fn new(
        client: Client,
        ttl: Duration,
        recent_writes: Arc<RecentWrites>,
    ) -> Arc<Self> {
        let snapshot = Snapshot::new(Arc::clone(&recent_writes));
        let state = Mutex::new(State { snapshot, refresh: None });
        Arc::new(Self { client, ttl, recent_writes, handle: Handle::new(), state })
    }

    /// Refreshes the tree if it is older than `cache_ttl` or if another handle of this process has changed the store.
    pub(super) async fn refresh(self: &Arc<Self>) -> Result<()> {
        self.refresh_if_older(self.max_age(self.ttl)).await
    }

    /// As [`refresh`](Self::refresh), but a writer that holds its lock accepts a listing that ended within the last second, however
    /// long it took.
    pub(super) async fn refresh_for_writing(self: &Arc<Self>) -> Result<()> {
        let listed_at = self.state().snapshot.listed_at;
        let is_recent = listed_at.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
        let age = if is_recent { Duration::MAX } else { self.ttl };
        self.refresh_if_older(self.max_age(age)).await
    }

    /// Refreshes the tree in any case.
    pub(super) async fn refresh_now(self: &Arc<Self>) -> Result<()> {
        self.refresh_if_older(Duration::ZERO).await
    }

    /// Returns `age`, or zero if another handle has changed the store since the listing.
    fn max_age(&self, age: Duration) -> Duration {
        let refreshed_at = self.state().snapshot.refreshed_at;
        let is_outdated = refreshed_at
            .is_some_and(|since| self.recent_writes.changed_by_others(self.handle, since));
        if is_outdated { Duration::ZERO } else { age }
    }

    async fn refresh_if_older(self: &Arc<Self>, age: Duration) -> Result<()> {
        // A look at a tree that is new enough does not wait.
        pool::give_way().await;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("the operation must run in a Tokio runtime"));
        }
        let refreshed_at = self.state().snapshot.refreshed_at;
        if refreshed_at.is_some_and(|at| at.elapsed() < age) {
            return Ok(());
        }
        let asked = Instant::now();
        // Lets all concurrent callers ask before the listing starts, so that they share it.
        tokio::task::yield_now().await;
        let Some(listing) = self.listing_since(asked) else { return Ok(()) };
        match listing.await {
            // The runtime of the listing has shut down, but the waiter may run on another one.
            Err(error) if error.kind() == ErrorKind::Cancelled => match self.listing_since(asked) {
                Some(listing) => listing.await,
                None => Ok(()),
            },
            listed => listed,
        }
    }

    /// Returns a listing that starts after `asked`, shared by all callers; `None` if one has finished already.
    fn listing_since(self: &Arc<Self>, asked: Instant) -> Option<SharedListing> {
        let mut state = self.state();
        if state.snapshot.refreshed_at.is_some_and(|at| at >= asked) {
            return None;
        }
        let in_progress = state.refresh.as_ref().and_then(|refresh| {
            let listing = refresh.listing.upgrade().filter(|listing| listing.peek().is_none())?;
            Some((listing, refresh.began.get().is_none_or(|&began| began >= asked)))
        });
        let previous = match in_progress {
            Some((listing, true)) => return Some(listing),
            previous => previous.map(|(listing, _)| listing),
        };
        let began = Arc::new(OnceLock::new());
        let (index, start) = (Arc::clone(self), Arc::clone(&began));
        let listing = async move {
            if let Some(previous) = previous {
                // Its own waiters receive its error.
                drop(previous.await);
            }
            index.list(*start.get_or_init(Instant::now)).await
        };
        // A task of its own, because it holds slots for calls even while no waiter polls it.
        let listing = pool::spawn_abort_on_drop(listing).boxed().shared();
        state.refresh = listing.downgrade().map(|listing| Refresh { began, listing });
        Some(listing)
    }

    /// Lists the whole store. `began` is the current time.
    async fn list(&self, began: Instant) -> Result<()> {
        let mut listed = self.client.list(|entry| Entry::from_attachment(&entry)).await?;
        let missing = self.recent_writes.missing(&listed, began);
        let found = future::try_join_all(missing.iter().map(|id| self.find_unlisted(id)));
        listed.extend(found.await?.into_iter().flatten());
        let may_be_expired = listed.is_empty() && self.state().snapshot.is_new_or_had_entries();
        if may_be_expired && self.client.is_vector_store_expired().await? {
            // An expired store has lost its entries; they must not count as deleted files.
            return Err(
                Error::new(ErrorKind::RootGone).with_message("the vector store has expired")
            );
        }
        self.state().snapshot.install(listed, began);
        Ok(())
    }

    /// Returns an entry that was attached recently and is not listed, if it exists.
    async fn find_unlisted(&self, id: &str) -> Result<Option<(FilePath, Entry)>> {
        // An attachment that can be fetched exists, listed or not.
        if let Some(attachment) = self.client.attached_now(id).await? {
            return Ok(Entry::from_attachment(&attachment));
        }
        // Removal also deletes the file. While the file exists, the listing only lags behind. If a process died between the two steps,
        // the entry stays visible a little longer.
        Ok(self.client.file(id).await?.and_then(|_| self.recent_writes.entry(id)))
    }

    /// Reads from the tree.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Entries) -> T) -> T {
        read(&self.state().snapshot.entries)
    }

    /// Returns the entries that are not visible in the tree.
    pub(super) fn hidden(&self) -> Vec<Hidden> {
        self.state().snapshot.hidden.clone()
    }

    /// Records a new entry at `path`. The previous entry is hidden until it is [detached](Self::detach).
    pub(super) fn insert(&self, path: &FilePath, entry: Entry) {
        self.state().snapshot.insert(path, entry);
        self.recent_writes.record_change_by(self.handle);
    }

    /// Detaches the entry at `path` from the vector store and returns whether it was attached.
    pub(super) async fn detach(&self, path: &FilePath, id: &str) -> Result<bool> {
        self.recent_writes.start_removal(id);
        let was_attached = self.change(self.client.detach(id)).await?;
        let uncovers = self.state().snapshot.remove(path, id);
        self.record_change(uncovers);
        Ok(was_attached)
    }

    /// Records that the entry at `from` was moved to `to`.
    pub(super) fn rename(&self, from: &FilePath, to: &FilePath, entry: Entry) {
        let uncovers = self.state().snapshot.rename(from, to, entry);
        self.record_change(uncovers);
    }

    fn record_change(&self, uncovers: bool) {
        self.recent_writes.record_change_by(self.handle);
        if uncovers {
            self.invalidate();
        }
    }

    /// Awaits a change. If it fails or is dropped, the service may still have made it, so the tree is invalidated.
    pub(super) async fn change<T>(&self, change: impl Future<Output = Result<T>>) -> Result<T> {
        let pending = PendingChange(self);
        let changed = change.await;
        if changed.is_ok() {
            mem::forget(pending);
        }
        changed
    }

    /// Invalidates the tree of every handle.
    pub(super) fn invalidate(&self) {
        self.recent_writes.record_change_by(Handle::UNKNOWN);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this mutex leaves a partial tree, which the next listing replaces.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change in progress. Dropping it invalidates the tree, also if the runtime does so.
struct PendingChange<'a>(&'a Index);

impl Drop for PendingChange<'_> {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}
