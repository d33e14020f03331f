//! Recent changes of this process, for which the service's listings and responses may lag behind.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::Instant as TokioInstant;

use super::attributes::Entry;
use crate::core::path::FilePath;

/// How long the changes of this process override the service's listings.
pub(super) const LISTINGS_LAG: Duration = Duration::from_secs(60);

/// How long an attachment that is not listed is looked up individually.
pub(super) const ATTACHING_LAG: Duration = Duration::from_secs(10);

/// When more changes are kept, those that no listing can miss any more are dropped. Listings drop them as well.
const MAX_CHANGES: usize = 16 * 1024;

/// Attachments beyond this number are not remembered: a 404 for them is believed at once.
const MAX_ATTACHMENTS: usize = 16 * 1024;

/// The recent changes that the handles of this process made to one vector store.
#[derive(Debug, Default)]
pub(super) struct RecentWrites(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the ids of the entries.
    changes: HashMap<String, Change>,
    /// How many changes were left after the last cleanup.
    kept: usize,
    /// When the service confirmed an attachment, by the id of the file.
    attached_at: HashMap<String, TokioInstant>,
    /// When a handle last changed the store, and when a handle other than that one last did.
    last_change: Option<(Handle, Instant)>,
    last_of_another: Option<(Handle, Instant)>,
}

#[derive(Debug)]
struct Change {
    at: Instant,
    /// The entry after the change; `None` if it was removed.
    entry: Option<(FilePath, Entry)>,
    /// Whether a removal has started since.
    is_ambiguous: bool,
}

/// A handle of this process for a vector store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handle(u64);

impl Handle {
    /// Stands for changes that no handle's tree contains.
    pub(super) const UNKNOWN: Self = Self(0);

    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl RecentWrites {
    /// Records an entry after a change; `None` if it was removed.
    pub(super) fn record(&self, id: &str, entry: Option<(FilePath, Entry)>) {
        let (mut state, now) = (self.state(), Instant::now());
        if state.changes.len() >= MAX_CHANGES.max(2 * state.kept) {
            state.drop_old_changes(now);
            state.kept = state.changes.len();
        }
        state.changes.insert(id.to_owned(), Change { at: now, entry, is_ambiguous: false });
    }

    /// Records that the removal of an entry has started.
    pub(super) fn start_removal(&self, id: &str) {
        if let Some(change) = self.state().changes.get_mut(id) {
            change.is_ambiguous = true;
        }
    }

    /// Returns the entry after the change, unless its removal has started.
    pub(super) fn entry(&self, id: &str) -> Option<(FilePath, Entry)> {
        let state = self.state();
        state.changes.get(id).filter(|change| !change.is_ambiguous)?.entry.clone()
    }

    /// Returns the ids of entries that were attached recently and are missing in a listing: the listing lags behind, or another process
    /// removed them.
    pub(super) fn missing(&self, listed: &[(FilePath, Entry)], began: Instant) -> Vec<String> {
        let state = self.state();
        let is_recent = |change: &Change| {
            change.entry.is_some() && began.saturating_duration_since(change.at) < ATTACHING_LAG
        };
        let recent = state.changes.iter().filter(|(_, change)| is_recent(change));
        let mut recent: BTreeSet<&str> = recent.map(|(id, _)| id.as_str()).collect();
        for (_, entry) in listed {
            recent.remove(entry.id.as_str());
        }
        recent.into_iter().map(str::to_owned).collect()
    }

    /// Applies the changes that this process made since the listing started, or shortly before.
    pub(super) fn apply_to(&self, listed: &mut Vec<(FilePath, Entry)>, began: Instant) {
        let mut state = self.state();
        if state.changes.is_empty() {
            return;
        }
        let mut seen = BTreeSet::new();
        listed.retain_mut(|(path, entry)| {
            let Some(change) = state.changes.get_mut(&entry.id) else { return true };
            seen.insert(entry.id.clone());
            match &change.entry {
                // The entry stays hidden for as long as it is listed.
                None => change.at = change.at.max(began),
                Some((now, changed))
                    if change.at >= began || changed.generation > entry.generation =>
                {
                    (*path, *entry) = (now.clone(), changed.clone());
                }
                Some(_) => {}
            }
            change.entry.is_some()
        });
        let unlisted = |(id, change): (&String, &Change)| {
            let is_newer = change.at >= began && !seen.contains(id);
            change.entry.clone().filter(|_| is_newer)
        };
        listed.extend(state.changes.iter().filter_map(unlisted));
        state.drop_old_changes(began);
    }

    /// Records that the service confirmed an attachment. Attachments older than `delay` are dropped if there are too many.
    pub(super) fn record_attachment(&self, file: &str, now: TokioInstant, delay: Duration) {
        let mut state = self.state();
        let attached = &mut state.attached_at;
        if attached.len() >= MAX_ATTACHMENTS {
            attached.retain(|_, at| *at + delay > now);
        }
        if attached.len() < MAX_ATTACHMENTS {
            attached.insert(file.to_owned(), now);
        }
    }

    pub(super) fn forget_attachment(&self, file: &str) {
        self.state().attached_at.remove(file);
    }

    /// Returns for how much longer a recent attachment may be invisible if the service needs up to `delay`; zero for other files.
    pub(super) fn may_be_invisible_for(
        &self,
        file: &str,
        now: TokioInstant,
        delay: Duration,
    ) -> Duration {
        let left = |at: &TokioInstant| (*at + delay).saturating_duration_since(now);
        self.state().attached_at.get(file).map_or(Duration::ZERO, left)
    }

    /// Records that a handle changed the store.
    pub(super) fn record_change_by(&self, handle: Handle) {
        let mut state = self.state();
        let last = state.last_change.replace((handle, Instant::now()));
        if last.is_some_and(|(last, _)| last != handle) {
            state.last_of_another = last;
        }
    }

    /// Whether another handle has changed the store since.
    pub(super) fn changed_by_others(&self, handle: Handle, since: Instant) -> bool {
        let state = self.state();
        let mut last = [state.last_change, state.last_of_another].into_iter().flatten();
        last.any(|(other, at)| other != handle && at >= since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this mutex panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops the changes that a listing that starts at `now` includes.
    fn drop_old_changes(&mut self, now: Instant) {
        self.changes.retain(|_, change| now.saturating_duration_since(change.at) < LISTINGS_LAG);
    }
}

#[cfg(test)]
impl RecentWrites {
    /// Dates a change back by `by`.
    pub(super) fn back_date(&self, id: &str, by: Duration) {
        let mut state = self.state();
        let change = state.changes.get_mut(id).unwrap();
        change.at = change.at.checked_sub(by).unwrap();
    }

    /// Returns the number of recorded changes.
    pub(super) fn len(&self) -> usize {
        self.state().changes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(10);

    /// A process that writes for hours without listing must not keep all its changes in memory.
    #[test]
    fn old_changes_are_dropped_even_without_a_listing() {
        let writes = RecentWrites::default();
        for number in 0..MAX_CHANGES {
            writes.record(&number.to_string(), None);
        }
        let mut state = writes.state();
        for change in state.changes.values_mut() {
            change.at = change.at.checked_sub(LISTINGS_LAG).unwrap();
        }
        drop(state);
        writes.record("late", None);
        assert_eq!(writes.len(), 1);
    }

    #[test]
    fn an_attachment_is_remembered_for_a_limited_time() {
        let (writes, now) = (RecentWrites::default(), TokioInstant::now());
        let left = |file, now| writes.may_be_invisible_for(file, now, DELAY);
        writes.record_attachment("a", now, DELAY);
        assert_eq!(left("a", now), DELAY);
        assert_eq!(left("a", now + DELAY / 2), DELAY / 2);
        assert_eq!(left("a", now + 2 * DELAY), Duration::ZERO);
        assert_eq!(left("b", now), Duration::ZERO);
        writes.forget_attachment("a");
        assert_eq!(left("a", now), Duration::ZERO);
    }

    #[test]
    fn old_attachments_make_room_when_the_limit_is_reached() {
        let (writes, now) = (RecentWrites::default(), TokioInstant::now());
        for n in 0..=MAX_ATTACHMENTS {
            writes.record_attachment(&n.to_string(), now, DELAY);
        }
        assert_eq!(writes.state().attached_at.len(), MAX_ATTACHMENTS);
        writes.record_attachment("late", now + DELAY, DELAY);
        assert_eq!(writes.may_be_invisible_for("late", now + DELAY, DELAY), DELAY);
        assert_eq!(writes.state().attached_at.len(), 1);
    }

    #[test]
    fn changes_of_other_handles_count() {
        let (writes, before) = (RecentWrites::default(), Instant::now());
        let [one, other, third] = [Handle::new(), Handle::new(), Handle::new()];
        let see_changes =
            |since| [one, other, third].map(|handle| writes.changed_by_others(handle, since));
        assert_eq!(see_changes(before), [false; 3]);
        writes.record_change_by(one);
        writes.record_change_by(one);
        assert_eq!(see_changes(before), [false, true, true]);
        writes.record_change_by(other);
        assert_eq!(see_changes(before), [true; 3]);
        let later = Instant::now();
        writes.record_change_by(other);
        writes.record_change_by(other);
        assert_eq!(see_changes(before), [true; 3]);
        assert_eq!(see_changes(later), [true, false, true]);
        assert_eq!(see_changes(Instant::now() + Duration::from_secs(1)), [false; 3]);
    }
}
