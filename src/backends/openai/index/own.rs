//! What this process did in the time that listings may lag behind.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::attributes::Entry;
use crate::FilePath;

/// For how long what this process wrote is believed against what the service lists.
pub(super) const LISTINGS_LAG: Duration = Duration::from_secs(60);

/// For how long an attachment that is not listed is asked for by itself.
pub(super) const ATTACHING_LAG: Duration = Duration::from_secs(10);

/// So many are kept before those are forgotten that no listing lags behind any more. Looks forget them as well.
const MANY: usize = 16 * 1024;

/// What the handles of this process onto one vector store did a while ago, by the ids of the entries: each corrects by it what is listed.
#[derive(Debug, Default)]
pub(in super::super) struct Own(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    entries: HashMap<String, Change>,
    /// How many there were when the old ones were last forgotten.
    kept: usize,
}

#[derive(Debug)]
struct Change {
    at: Instant,
    /// What the entry became; `None` if it was removed.
    entry: Option<(FilePath, Entry)>,
    /// Whether it may have been removed since.
    in_doubt: bool,
}

impl Own {
    pub(super) fn note(&self, id: &str, entry: Option<(FilePath, Entry)>) {
        let (mut changes, now) = (self.changes(), Instant::now());
        if changes.entries.len() >= MANY.max(2 * changes.kept) {
            changes.forget(now);
            changes.kept = changes.entries.len();
        }
        changes.entries.insert(id.to_owned(), Change { at: now, entry, in_doubt: false });
    }

    /// Remembers that an entry is about to be removed.
    pub(super) fn doubt(&self, id: &str) {
        if let Some(change) = self.changes().entries.get_mut(id) {
            change.in_doubt = true;
        }
    }

    /// What an entry became, if nothing was done to remove it.
    pub(super) fn entry(&self, id: &str) -> Option<(FilePath, Entry)> {
        let changes = self.changes();
        changes.entries.get(id).filter(|change| !change.in_doubt)?.entry.clone()
    }

    /// The entries that were attached a moment ago and that a listing does not have: it may be behind, or they have been removed by
    /// somebody else.
    pub(super) fn missing(&self, listed: &[(FilePath, Entry)], began: Instant) -> Vec<String> {
        let changes = self.changes();
        let is_recent = |change: &Change| {
            change.entry.is_some() && began.saturating_duration_since(change.at) < ATTACHING_LAG
        };
        let recent = changes.entries.iter().filter(|(_, change)| is_recent(change));
        let mut recent: BTreeSet<&str> = recent.map(|(id, _)| id.as_str()).collect();
        for (_, entry) in listed {
            recent.remove(entry.id.as_str());
        }
        recent.into_iter().map(str::to_owned).collect()
    }

    /// Brings a listing up to what this process did since it began, or a moment before.
    pub(super) fn correct(&self, listed: &mut Vec<(FilePath, Entry)>, began: Instant) {
        let mut changes = self.changes();
        if changes.entries.is_empty() {
            return;
        }
        let mut seen = BTreeSet::new();
        listed.retain_mut(|(path, entry)| {
            let Some(own) = changes.entries.get_mut(&entry.id) else { return true };
            seen.insert(entry.id.clone());
            match &own.entry {
                // As long as it is listed, it is to be left out.
                None => own.at = own.at.max(began),
                Some((now, changed))
                    if own.at >= began || changed.generation > entry.generation =>
                {
                    (*path, *entry) = (now.clone(), changed.clone());
                }
                Some(_) => {}
            }
            own.entry.is_some()
        });
        let missed = |(id, own): (&String, &Change)| {
            let is_newer = own.at >= began && !seen.contains(id);
            own.entry.clone().filter(|_| is_newer)
        };
        listed.extend(changes.entries.iter().filter_map(missed));
        changes.forget(began);
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // Nothing under this mutex can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    /// Forgets what a listing that begins now knows.
    fn forget(&mut self, now: Instant) {
        self.entries.retain(|_, own| now.saturating_duration_since(own.at) < LISTINGS_LAG);
    }
}

#[cfg(test)]
impl Own {
    /// Lets something that this process did have been done so much earlier.
    pub(super) fn back_date(&self, id: &str, by: Duration) {
        let mut changes = self.changes();
        let own = changes.entries.get_mut(id).unwrap();
        own.at = own.at.checked_sub(by).unwrap();
    }

    pub(super) fn len(&self) -> usize {
        self.changes().entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever writes for hours and looks once must not remember all of it twice.
    #[test]
    fn what_no_listing_lags_behind_any_more_is_forgotten_also_where_nobody_looks() {
        let own = Own::default();
        for number in 0..MANY {
            own.note(&number.to_string(), None);
        }
        let mut changes = own.changes();
        for change in changes.entries.values_mut() {
            change.at = change.at.checked_sub(LISTINGS_LAG).unwrap();
        }
        drop(changes);
        own.note("late", None);
        assert_eq!(own.len(), 1);
    }
}
