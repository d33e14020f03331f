//! Merges changes of one entry that follow each other closely, with bounded memory.
//!
//! A change waits until its entry was quiet for some time, and later changes of the entry are merged into it. Changes below a directory
//! never come before the change that creates the directory. If there are more changes than fit into the memory, a single
//! [`Rescan`](Change::Rescan) replaces all of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::core::change::Change;
use crate::core::path::FilePath;

/// An entry that is never quiet is reported after this many times of the settle time.
const LONGEST_WAIT: u32 = 20;

/// Longer settle times count as this one, so that no time overflows.
const MAX_SETTLE: Duration = Duration::from_hours(24);

/// The bytes of changes that wait until their entry is quiet. If there are more, the oldest are reported early.
const WAITING_LIMIT: usize = 4 * 1024 * 1024;

/// The bytes of changes that the caller has not taken.
const READY_LIMIT: usize = 12 * 1024 * 1024;

/// What a change takes beside the bytes of its paths.
const WAITING_BYTES: usize = 256;
const READY_BYTES: usize = 64;

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Created,
    Modified,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Of(Happened),
    Rescan,
}

#[derive(Debug)]
struct Waiting {
    report: Report,
    is_dir: bool,
    first: Instant,
    last: Instant,
    ticket: Ticket,
}

/// The time at which a waiting change is looked at, and a number that makes it unique.
type Ticket = (Instant, u64);

/// What becomes of a waiting change and a new change of the same entry.
enum Merged {
    One(Happened),
    Neither,
    Both,
}

#[derive(Debug)]
pub(crate) struct Settler {
    prefix: FilePath,
    settle: Duration,
    /// By path. The key of a rescan ends with a slash.
    waiting: BTreeMap<String, Waiting>,
    waiting_bytes: usize,
    /// The keys of `waiting` by their tickets.
    tickets: BTreeMap<Ticket, String>,
    last_ticket: u64,
    ready: VecDeque<Change>,
    ready_bytes: usize,
}

impl Settler {
    /// Starts without changes. `prefix` is the directory to list again if changes were missed.
    pub(crate) fn new(prefix: FilePath, settle: Duration) -> Self {
        Self {
            prefix,
            settle: settle.min(MAX_SETTLE),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            tickets: BTreeMap::new(),
            last_ticket: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
        }
    }

    pub(crate) fn prefix(&self) -> &FilePath {
        &self.prefix
    }

    /// Adds a change of the entry at `path`.
    pub(crate) fn add(&mut self, happened: Happened, path: String, is_dir: bool, now: Instant) {
        if happened == Happened::Removed && is_dir {
            self.discard_below(&path);
        }
        if let Some(old) = self.waiting.get_mut(&path)
            && let Report::Of(before) = old.report
        {
            match merge((before, old.is_dir), (happened, is_dir)) {
                Merged::One(merged) => {
                    old.report = Report::Of(merged);
                    // A new directory is reported before everything in it, so it never waits longer.
                    if !(is_dir && merged == Happened::Created) {
                        old.last = now;
                    }
                    return;
                }
                Merged::Neither => {
                    self.take(&path);
                    return;
                }
                Merged::Both => self.release(&path),
            }
        }
        self.wait(Report::Of(happened), path, is_dir, now);
    }

    /// Adds a rename. `replaced` is whether something was at the new path.
    pub(crate) fn add_rename(
        &mut self,
        (from, to): (String, String),
        is_dir: bool,
        replaced: bool,
        now: Instant,
    ) {
        let is_new = |old: &Waiting| old.report == Report::Of(Happened::Created) && !old.is_dir;
        if !is_dir && self.waiting.get(&from).is_some_and(is_new) {
            // Nobody has seen the old path.
            self.take(&from);
            let happened = if replaced { Happened::Modified } else { Happened::Created };
            return self.add(happened, to, false, now);
        }
        for path in [&from, &to] {
            self.release(path);
            if is_dir {
                self.keys_below(path).iter().for_each(|key| self.release(key));
            }
        }
        let (from, to) = (FilePath::found(from), FilePath::found(to));
        self.push(Change::Renamed { from, to });
    }

    /// Adds that changes directly in `directory` cannot be reported.
    pub(crate) fn add_rescan(&mut self, directory: &str, now: Instant) {
        let key = format!("{directory}/");
        match self.waiting.get_mut(&key) {
            Some(old) => old.last = now,
            None => self.wait(Report::Rescan, key, false, now),
        }
    }

    /// Replaces all changes by one rescan of the whole prefix.
    pub(crate) fn miss(&mut self) {
        self.waiting.clear();
        self.tickets.clear();
        self.ready.clear();
        (self.waiting_bytes, self.ready_bytes) = (0, 0);
        self.ready.push_back(Change::Rescan(self.prefix.clone()));
    }

    /// Lets no change wait any longer.
    pub(crate) fn release_all(&mut self) {
        while let Some((_, key)) = self.tickets.pop_first() {
            self.release(&key);
        }
    }

    /// Returns the next change whose entry was quiet for long enough.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Change> {
        if let Some(change) = self.ready.pop_front() {
            self.ready_bytes = self.ready_bytes.saturating_sub(ready_bytes(&change));
            if self.ready.is_empty() {
                // After a burst, the queue would keep its memory.
                self.ready = VecDeque::new();
            }
            return Some(change);
        }
        while let Some(entry) = self.tickets.first_entry()
            && entry.key().0 <= now
        {
            let key = entry.remove();
            let due = self.waiting.get(&key).map(|waiting| self.due(waiting));
            match due {
                Some(due) if due > now => {
                    let ticket = self.new_ticket(due);
                    if let Some(waiting) = self.waiting.get_mut(&key) {
                        waiting.ticket = ticket;
                    }
                    self.tickets.insert(ticket, key);
                }
                _ => {
                    let waiting = self.take(&key)?;
                    return Some(change_of(waiting.report, key));
                }
            }
        }
        None
    }

    /// Returns when the next change may be due. There is none before that if [`next`](Self::next) has just returned `None`.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.tickets.first_key_value().map(|((due, _), _)| *due)
    }

    fn due(&self, waiting: &Waiting) -> Instant {
        (waiting.last + self.settle).min(waiting.first + self.settle * LONGEST_WAIT)
    }

    fn new_ticket(&mut self, due: Instant) -> Ticket {
        self.last_ticket += 1;
        (due, self.last_ticket)
    }

    fn wait(&mut self, report: Report, key: String, is_dir: bool, now: Instant) {
        if self.settle.is_zero() {
            return self.push(change_of(report, key));
        }
        let ticket = self.new_ticket(now + self.settle);
        self.waiting_bytes += waiting_bytes(&key);
        self.tickets.insert(ticket, key.clone());
        let waiting = Waiting { report, is_dir, first: now, last: now, ticket };
        self.waiting.insert(key, waiting);
        while self.waiting_bytes > WAITING_LIMIT
            && let Some((_, key)) = self.tickets.pop_first()
        {
            self.release(&key);
        }
    }

    /// Removes a waiting change.
    fn take(&mut self, key: &str) -> Option<Waiting> {
        let waiting = self.waiting.remove(key)?;
        self.tickets.remove(&waiting.ticket);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting_bytes(key));
        Some(waiting)
    }

    /// Makes a waiting change ready, after the changes of the directories above it.
    fn release(&mut self, key: &str) {
        let above = key.match_indices('/').map(|(at, _)| &key[..at]);
        for key in above.chain([key]) {
            if let Some(waiting) = self.take(key) {
                self.push(change_of(waiting.report, key.to_owned()));
            }
        }
    }

    fn push(&mut self, change: Change) {
        self.ready_bytes += ready_bytes(&change);
        self.ready.push_back(change);
        if self.ready_bytes > READY_LIMIT {
            self.miss();
        }
    }

    fn keys_below(&self, path: &str) -> Vec<String> {
        // In ASCII, `0` is the character after `/`.
        let range = self.waiting.range(format!("{path}/")..format!("{path}0"));
        range.map(|(key, _)| key.clone()).collect()
    }

    fn discard_below(&mut self, path: &str) {
        for key in self.keys_below(path) {
            self.take(&key);
        }
    }
}

/// Merges two changes of one entry. The flags are whether it is a directory.
fn merge((old, was_dir): (Happened, bool), (new, is_dir): (Happened, bool)) -> Merged {
    use Happened::{Created, Modified, Removed};
    match (old, new) {
        _ if was_dir != is_dir => Merged::Both,
        (Created, Removed) => Merged::Neither,
        // Everything in the removed directory is gone, so the new directory cannot continue it.
        (Removed, Created) if is_dir => Merged::Both,
        (Created, _) => Merged::One(Created),
        (_, Removed) => Merged::One(Removed),
        (Modified | Removed, Created | Modified) => Merged::One(Modified),
    }
}

fn change_of(report: Report, mut key: String) -> Change {
    match report {
        Report::Rescan => {
            key.pop();
            Change::Rescan(FilePath::found(key))
        }
        Report::Of(Happened::Created) => Change::Created(FilePath::found(key)),
        Report::Of(Happened::Modified) => Change::Modified(FilePath::found(key)),
        Report::Of(Happened::Removed) => Change::Removed(FilePath::found(key)),
    }
}

fn waiting_bytes(key: &str) -> usize {
    WAITING_BYTES + 2 * key.len()
}

fn ready_bytes(change: &Change) -> usize {
    let old = if let Change::Renamed { from, .. } = change { from.len() } else { 0 };
    READY_BYTES + old + change.path().len()
}

#[cfg(test)]
mod tests;
