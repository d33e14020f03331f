//! What is known of the vector store: its entries as a tree of files and directories.
//!
//! A service that keeps a flat list is asked for all of it, a hundred entries at a time, and the answers are kept for `cache_ttl`.
//! Those who need a fresh look at the same time share one. What this process writes is known at once: an answer that was under
//! way, or that the service gives from before, does not undo it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{self, BoxFuture, Shared, WeakShared};

use super::api::Client;
use super::attributes::Entry;
use super::claims::{Handle, Turns};
use crate::tree::{Node, Tree, dir_key};
use crate::{Error, ErrorKind, FilePath, Result, offload};

mod own;

pub(super) use own::Own;

/// Directories that no entry stands for are on the way to others.
pub(super) type Entries = Tree<Option<Entry>, Entry>;

#[derive(Debug)]
pub(super) struct Index {
    client: Client,
    ttl: Duration,
    turns: Arc<Turns>,
    handle: Handle,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    entries: Entries,
    hidden: Vec<Hidden>,
    /// When the look that `entries` is from began; `None` before the first.
    looked: Option<Instant>,
    refresh: Option<Refresh>,
    /// Shared by the handles of this process.
    own: Arc<Own>,
}

/// An entry that is not seen.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    pub(super) path: FilePath,
    pub(super) entry: Entry,
    /// Whether it is the only one of its path, and a directory with entries stands in its way. All others are older than what is seen.
    pub(super) is_shadowed: bool,
}

/// A look at the whole store that many wait for.
struct Refresh {
    /// When it began: whoever asks later needs another.
    began: Arc<OnceLock<Instant>>,
    /// It belongs to those who wait: when none does any more, it ends.
    look: WeakShared<BoxFuture<'static, Result<()>>>,
}

type Look = Shared<BoxFuture<'static, Result<()>>>;

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("looked", &self.looked).finish_non_exhaustive()
    }
}

impl Index {
    pub(super) fn new(client: Client, ttl: Duration, turns: Arc<Turns>) -> Arc<Self> {
        let own = Arc::clone(&turns.own);
        let known = Mutex::new(Known { own, ..Known::default() });
        Arc::new(Self { client, ttl, turns, handle: Handle::new(), known })
    }

    /// Makes sure that nothing is unknown of what was done in this process, and that what is known is no older than `cache_ttl`.
    pub(super) async fn fresh(self: &Arc<Self>) -> Result<()> {
        self.fresh_within(self.believed_for(self.ttl)).await
    }

    /// The same for a writer whose turn it is, who need not look again if he looked a second ago.
    pub(super) async fn fresh_for_writing(self: &Arc<Self>) -> Result<()> {
        let age = self.ttl.max(Duration::from_secs(1));
        self.fresh_within(self.believed_for(age)).await
    }

    /// For how long what is known is believed: for `age`, or not at all where others have changed something since.
    fn believed_for(&self, age: Duration) -> Duration {
        let looked = self.known().looked;
        let is_outdated =
            looked.is_some_and(|looked| self.turns.changed_by_others(self.handle, looked));
        if is_outdated { Duration::ZERO } else { age }
    }

    /// Makes sure that what is known is no older than `age`.
    pub(super) async fn fresh_within(self: &Arc<Self>, age: Duration) -> Result<()> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Unsupported).with_message("it needs a Tokio runtime"));
        }
        if self.known().looked.is_some_and(|looked| looked.elapsed() < age) {
            return Ok(());
        }
        let asked = Instant::now();
        // Those who ask at the same time have all asked before a look begins that is then for all of them.
        tokio::task::yield_now().await;
        let Some(look) = self.look_since(asked) else { return Ok(()) };
        match look.await {
            // The runtime that it ran on has ended, which need not be that of all who wait.
            Err(error) if error.kind() == ErrorKind::Cancelled => match self.look_since(asked) {
                Some(look) => look.await,
                None => Ok(()),
            },
            looked => looked,
        }
    }

    /// A look that begins after `asked`, for all who want one; `None` if one has ended already.
    fn look_since(self: &Arc<Self>, asked: Instant) -> Option<Look> {
        let mut known = self.known();
        if known.looked.is_some_and(|looked| looked >= asked) {
            return None;
        }
        let under_way = known.refresh.as_ref().and_then(|refresh| {
            let look = refresh.look.upgrade().filter(|look| look.peek().is_none())?;
            Some((look, refresh.began.get().is_none_or(|&began| began >= asked)))
        });
        let before = match under_way {
            Some((look, true)) => return Some(look),
            before => before.map(|(look, _)| look),
        };
        let began = Arc::new(OnceLock::new());
        let (index, begins) = (Arc::clone(self), Arc::clone(&began));
        let look = async move {
            if let Some(before) = before {
                // Its failure is told to those who wait for it.
                drop(before.await);
            }
            index.look(*begins.get_or_init(Instant::now)).await
        };
        // It takes turns at calls, which others wait for, also while none of those polls who wait for it.
        let look = offload::detached(look).boxed().shared();
        known.refresh = look.downgrade().map(|look| Refresh { began, look });
        Some(look)
    }

    /// Looks at the whole store. `began` is now.
    async fn look(&self, began: Instant) -> Result<()> {
        let mut listed = self.client.list(|entry| Entry::from_attachment(&entry)).await?;
        let missing = self.turns.own.missing(&listed, began);
        let asked = future::try_join_all(missing.iter().map(|id| self.unlisted(id)));
        listed.extend(asked.await?.into_iter().flatten());
        let may_be_expired = listed.is_empty() && self.known().is_new_or_had_entries();
        if may_be_expired && self.client.vector_store().await?.expired {
            // Its entries are gone, and must not pass for files that somebody has deleted.
            return Err(
                Error::new(ErrorKind::RootGone).with_message("the vector store has expired")
            );
        }
        self.known().install(listed, began);
        Ok(())
    }

    /// What was attached a moment ago and is not listed, if it is there all the same.
    async fn unlisted(&self, id: &str) -> Result<Option<(FilePath, Entry)>> {
        // Listed or not, an attachment that answers is there.
        if let Some(attachment) = self.client.attached_now(id).await? {
            return Ok(Entry::from_attachment(&attachment));
        }
        // Whoever removes it deletes the file as well: as long as that is there, the service is only behind. Of one who died between the
        // two, that is believed for a moment too long.
        Ok(self.client.file(id).await?.and_then(|_| self.turns.own.entry(id)))
    }

    /// Looks something up.
    pub(super) fn read<T>(&self, look_up: impl FnOnce(&Entries) -> T) -> T {
        look_up(&self.known().entries)
    }

    /// The entries that are not seen.
    pub(super) fn hidden(&self) -> Vec<Hidden> {
        self.known().hidden.clone()
    }

    /// Remembers an entry that is new at `path`. What was there before is hidden until it is [removed](Self::remove).
    pub(super) fn insert(&self, path: &FilePath, entry: Entry) {
        self.known().insert(path, entry);
        self.turns.changed_by(self.handle);
    }

    /// Removes the entry at `path` from the vector store, and tells whether it was there.
    pub(super) async fn detach(&self, path: &FilePath, id: &str) -> Result<bool> {
        self.turns.own.doubt(id);
        let was_there = self.change(self.client.detach(id)).await?;
        self.remove(path, id);
        Ok(was_there)
    }

    /// Remembers that the entry at `path` is no more.
    pub(super) fn remove(&self, path: &FilePath, id: &str) {
        let uncovers = self.known().remove(path, id);
        self.turns.changed_by(self.handle);
        if uncovers {
            self.doubt();
        }
    }

    /// Remembers that the entry at `from` is at `to` now.
    pub(super) fn rename(&self, from: &FilePath, to: &FilePath, entry: Entry) {
        let uncovers = self.known().rename(from, to, entry);
        self.turns.changed_by(self.handle);
        if uncovers {
            self.doubt();
        }
    }

    /// Waits for a change. One that fails may have been made all the same, and one that is given up may be made yet.
    pub(super) async fn change<T>(&self, change: impl Future<Output = Result<T>>) -> Result<T> {
        let mut open = Open { index: self, is_certain: false };
        let changed = change.await;
        open.is_certain = changed.is_ok();
        changed
    }

    /// Believes nothing any more, in whichever handle.
    pub(super) fn doubt(&self) {
        self.turns.changed_by(Handle::UNKNOWN);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic under this mutex leaves a part of what is known, which the next look replaces.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of which it is open what becomes of it, also when the runtime that makes it is dropped.
struct Open<'a> {
    index: &'a Index,
    is_certain: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.is_certain {
            self.index.doubt();
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.turns.forget(self.handle);
    }
}

impl Known {
    fn is_new_or_had_entries(&self) -> bool {
        self.looked.is_none() || self.entries.iter().next().is_some()
    }

    fn insert(&mut self, path: &FilePath, entry: Entry) {
        self.own.note(&entry.id, Some((path.clone(), entry.clone())));
        if let Some(old) = self.entries.file(path).filter(|old| old.id != entry.id) {
            let (path, entry) = (path.clone(), old.clone());
            self.hidden.push(Hidden { path, entry, is_shadowed: false });
        }
        put(&mut self.entries, path, entry);
    }

    /// Whether something that was hidden may have to be seen now.
    fn remove(&mut self, path: &FilePath, id: &str) -> bool {
        self.own.note(id, None);
        self.hidden.retain(|hidden| hidden.entry.id != id);
        self.take(path, id)
    }

    /// Under one lock, so that nobody sees the entry at neither place. As [`remove`](Self::remove) otherwise.
    fn rename(&mut self, from: &FilePath, to: &FilePath, entry: Entry) -> bool {
        let uncovers = self.take(from, &entry.id);
        self.insert(to, entry);
        uncovers
    }

    /// Takes the entry out, with the directories that were there for its sake alone. Whether it was seen, and has hidden another.
    fn take(&mut self, path: &FilePath, id: &str) -> bool {
        let mut was_seen = false;
        for key in [path.to_string(), dir_key(path)] {
            if self.entries.at(&key).is_some_and(|node| id_of(node) == Some(id)) {
                was_seen = true;
                self.entries.remove(&key);
                if key.ends_with('/') && self.entries.has_entries(path) {
                    self.entries.insert_dir(path, None, || None);
                }
            }
        }
        let mut above = path.parent();
        while let Some(path) = above {
            let is_on_the_way = matches!(self.entries.directory(&path), Some(None));
            if !is_on_the_way || self.entries.has_entries(&path) {
                break;
            }
            self.entries.remove(&dir_key(&path));
            above = path.parent();
        }
        was_seen && self.hidden.iter().any(|hidden| path.starts_with(&hidden.path))
    }

    /// Replaces what is known by what a look that began at `began` has found.
    fn install(&mut self, mut listed: Vec<(FilePath, Entry)>, began: Instant) {
        self.own.correct(&mut listed, began);
        // The newest of each path and kind first.
        listed.sort_unstable_by(|(a, one), (b, other)| {
            a.cmp(b)
                .then_with(|| one.is_dir().cmp(&other.is_dir()))
                .then_with(|| other.age().cmp(&one.age()))
        });
        self.hidden.clear();
        let mut newest: Vec<(FilePath, Entry)> = Vec::with_capacity(listed.len());
        for (path, entry) in listed {
            let last = newest.last();
            if last.is_some_and(|(other, newer)| *other == path && newer.is_dir() == entry.is_dir())
            {
                self.hidden.push(Hidden { path, entry, is_shadowed: false });
            } else {
                newest.push((path, entry));
            }
        }
        let stays: Vec<bool> =
            newest.iter().map(|(path, entry)| stays(&newest, path, entry)).collect();
        self.entries = Entries::default();
        for ((path, entry), stays) in newest.into_iter().zip(stays) {
            if stays {
                put(&mut self.entries, &path, entry);
            } else {
                let is_shadowed = !entry.is_dir();
                self.hidden.push(Hidden { path, entry, is_shadowed });
            }
        }
        self.looked = Some(began);
    }
}

fn id_of(node: &Node<Option<Entry>, Entry>) -> Option<&str> {
    match node {
        Node::Directory(entry) => entry.as_ref().map(|entry| entry.id.as_str()),
        Node::File(entry) => Some(&entry.id),
    }
}

fn put(entries: &mut Entries, path: &FilePath, entry: Entry) {
    if entry.is_dir() {
        entries.insert_dir(path, Some(entry), || None);
    } else {
        entries.insert_file(path, entry, || None);
    }
}

/// Whether an entry is seen beside the others, which are sorted: a file in the way of a directory with entries is not, nor is an empty
/// directory where a file is.
fn stays(all: &[(FilePath, Entry)], path: &FilePath, entry: &Entry) -> bool {
    let below = dir_key(path);
    let first = all.partition_point(|(other, _)| other.as_str() < below.as_str());
    let is_in_use = all.get(first).is_some_and(|(other, _)| other.as_str().starts_with(&below));
    if !entry.is_dir() {
        return !is_in_use;
    }
    let same = all.partition_point(|(other, _)| other < path);
    let is_a_file_too =
        all.get(same).is_some_and(|(other, first)| other == path && !first.is_dir());
    is_in_use || !is_a_file_too
}

#[cfg(test)]
mod tests;
