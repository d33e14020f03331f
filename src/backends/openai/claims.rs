//! Who may change what at the moment.
//!
//! The service knows no conditions, so writers of one process take turns here: a writer claims the paths it changes, with all that
//! lies below them, and waits while another has claimed one of them, or something above or below. Readers claim nothing. Handles onto
//! one vector store share their claims and their sessions, and what they did a moment ago; other processes know nothing of that.

use std::collections::{BTreeSet, HashMap};
use std::iter;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

use super::api::Attached;
use super::index::Own;
use crate::FilePath;
use crate::lock::SessionLock;
use crate::tree::dir_key;

/// What the handles of this process onto one vector store share.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) session: Arc<SessionLock>,
    claims: Mutex<Claims>,
    pub(super) own: Arc<Own>,
    pub(super) attached: Arc<Attached>,
    /// When each handle has last changed something.
    changes: Mutex<HashMap<Handle, Instant>>,
}

/// One of the handles of this process onto a vector store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handle(u64);

impl Handle {
    /// Whose changes no handle knows.
    pub(super) const UNKNOWN: Self = Self(0);

    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
struct Claims {
    /// In the order in which they came. An earlier one that is still waiting goes before a later one, so none waits for ever.
    queue: Vec<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    paths: BTreeSet<FilePath>,
    /// `None` once it has been granted.
    turn: Option<oneshot::Sender<()>>,
}

impl Turns {
    /// Those of the vector store of this name, for all who ask within the process.
    pub(super) fn of(store: &str) -> Arc<Self> {
        static STORES: LazyLock<Mutex<HashMap<String, Weak<Turns>>>> =
            LazyLock::new(Mutex::default);
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = stores.get(store).and_then(Weak::upgrade) {
            return known;
        }
        stores.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Self::default());
        stores.insert(store.to_owned(), Arc::downgrade(&turns));
        turns
    }

    /// Waits until nobody else changes what is at `paths`, above or below.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue.
    pub(super) async fn claim(self: &Arc<Self>, paths: Vec<FilePath>) -> Claim {
        let (sender, turn) = oneshot::channel();
        let claim = {
            let mut claims = self.claims();
            let number = claims.next;
            claims.next += 1;
            let paths = paths.into_iter().collect();
            claims.queue.push(Waiting { number, paths, turn: Some(sender) });
            claims.grant();
            Claim { turns: Arc::clone(self), number }
        };
        // The sender is in the queue for as long as the claim is, so it cannot be gone before it has sent.
        drop(turn.await);
        claim
    }

    /// Remembers that a handle has changed something.
    pub(super) fn changed_by(&self, handle: Handle) {
        self.changes().insert(handle, Instant::now());
    }

    /// Whether another handle has changed something since.
    pub(super) fn changed_by_others(&self, handle: Handle, since: Instant) -> bool {
        self.changes().iter().any(|(other, &at)| *other != handle && at >= since)
    }

    /// Keeps no account of a handle that is gone. What it has changed is known of nobody now.
    pub(super) fn forget(&self, handle: Handle) {
        let mut changes = self.changes();
        if let Some(changed) = changes.remove(&handle) {
            let unknown = changes.entry(Handle::UNKNOWN).or_insert(changed);
            *unknown = changed.max(*unknown);
        }
    }

    fn changes(&self) -> MutexGuard<'_, HashMap<Handle, Instant>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        // Nothing under this mutex can panic half-way.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claims {
    /// Tells those whose turn has come.
    fn grant(&mut self) {
        for at in 0..self.queue.len() {
            let (before, rest) = self.queue.split_at_mut(at);
            let Some(this) = rest.first_mut().filter(|this| this.turn.is_some()) else { continue };
            if before.iter().any(|earlier| overlap(&earlier.paths, &this.paths)) {
                continue;
            }
            if let Some(turn) = this.turn.take() {
                // Whoever no longer waits lets go of the claim next.
                let _ = turn.send(());
            }
        }
    }
}

/// Up to so many pairs of paths are compared as they are, which takes no memory: a thousand writers of one file each make half a million.
const FEW: usize = 4;

/// Whether a path of the one is a path of the other, or lies above or below it. The shorter one is looked up in the longer, so that
/// thousands of paths are not compared with thousands.
fn overlap(one: &BTreeSet<FilePath>, other: &BTreeSet<FilePath>) -> bool {
    if one.len() * other.len() <= FEW {
        return one.iter().any(|a| other.iter().any(|b| a.starts_with(b) || b.starts_with(a)));
    }
    let (few, many) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let is_at_or_above = |path: &FilePath| {
        iter::successors(Some(path.clone()), FilePath::parent).any(|above| many.contains(&above))
    };
    let is_below = |path: &FilePath| {
        let key = dir_key(path);
        let mut from = many.range::<str, _>((Bound::Excluded(key.as_str()), Bound::Unbounded));
        from.next().is_some_and(|next| next.as_str().starts_with(&key))
    };
    few.iter().any(|path| is_at_or_above(path) || is_below(path))
}

/// The right to change what is at some paths, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    turns: Arc<Turns>,
    number: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self.turns.claims();
        claims.queue.retain(|waiting| waiting.number != self.number);
        claims.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn paths(paths: &[&str]) -> Vec<FilePath> {
        paths.iter().map(|path| FilePath::parse(path).unwrap()).collect()
    }

    #[test]
    fn what_touches_waits_and_what_does_not_goes_on() {
        let turns = Arc::new(Turns::default());
        let held = turns.claim(paths(&["a/b"])).now_or_never().unwrap();
        for touching in [&["a/b"][..], &["a"], &["a/b/c"], &["x", "a/b/c/d"]] {
            assert!(turns.claim(paths(touching)).now_or_never().is_none(), "{touching:?}");
        }
        for free in [&["a/c"][..], &["a/b.txt"], &["b"], &["a/bc", "x"]] {
            assert!(turns.claim(paths(free)).now_or_never().is_some(), "{free:?}");
        }
        drop(held);
        assert!(turns.claim(paths(&["a"])).now_or_never().is_some());
        assert!(turns.claims().queue.is_empty(), "whoever is gone has left the queue");
    }

    #[tokio::test]
    async fn an_earlier_waiter_goes_before_a_later_one() {
        let turns = Arc::new(Turns::default());
        let file = turns.claim(paths(&["a/b"])).await;
        let mut directory = Box::pin(turns.claim(paths(&["a"])));
        assert!(directory.as_mut().now_or_never().is_none());
        let mut other = Box::pin(turns.claim(paths(&["a/c"])));
        assert!(other.as_mut().now_or_never().is_none(), "the directory came first");
        drop(file);
        let directory = directory.now_or_never().unwrap();
        assert!(other.as_mut().now_or_never().is_none());
        drop(directory);
        assert!(other.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_waiter_that_is_dropped_keeps_nobody_waiting() {
        let turns = Arc::new(Turns::default());
        let held = turns.claim(paths(&["a"])).await;
        let mut waiting = Box::pin(turns.claim(paths(&["a"])));
        assert!(waiting.as_mut().now_or_never().is_none());
        let mut last = Box::pin(turns.claim(paths(&["a"])));
        assert!(last.as_mut().now_or_never().is_none());
        drop(held);
        drop(waiting);
        assert!(last.now_or_never().is_some());
    }

    #[test]
    fn a_change_of_a_handle_that_is_gone_is_still_one() {
        let (turns, before) = (Turns::default(), Instant::now());
        let (one, other) = (Handle::new(), Handle::new());
        turns.changed_by(one);
        turns.forget(one);
        assert!(turns.changed_by_others(other, before));
        turns.forget(other);
        assert!(turns.changed_by_others(Handle::new(), before));
        assert!(!turns.changed_by_others(Handle::new(), Instant::now() + Duration::from_secs(1)));
        assert_eq!(turns.changes().len(), 1);
    }

    /// Compared each with each, these would take minutes.
    #[test]
    fn claims_of_very_many_paths_are_compared_quickly() {
        let many =
            |name: &str| (0..100_000).map(|n| format!("{name}/{n}").parse().unwrap()).collect();
        let turns = Arc::new(Turns::default());
        let one = turns.claim(many("a")).now_or_never().unwrap();
        let other = turns.claim(many("b")).now_or_never().unwrap();
        assert!(turns.claim(many("b")).now_or_never().is_none());
        drop((one, other));
    }

    proptest! {
        #[test]
        fn what_overlaps_is_what_is_the_same_or_above_or_below(
            one in vec("[ab]{1,2}(/[a-]{1,2}){0,2}", 0..4),
            other in vec("[ab]{1,2}(/[a-]{1,2}){0,2}", 0..6),
        ) {
            let parsed = |paths: &[String]| -> BTreeSet<FilePath> {
                paths.iter().map(|path| path.parse().unwrap()).collect()
            };
            let (one, other) = (parsed(&one), parsed(&other));
            let touches = |a: &FilePath| other.iter().any(|b| a.starts_with(b) || b.starts_with(a));
            prop_assert_eq!(overlap(&one, &other), one.iter().any(touches));
            let root = BTreeSet::from([FilePath::root()]);
            prop_assert_eq!(overlap(&root, &other), !other.is_empty());
        }
    }

    #[test]
    fn handles_of_one_store_share_and_others_do_not() {
        let one = Turns::of("http://a/v1 vs_1");
        assert!(Arc::ptr_eq(&one, &Turns::of("http://a/v1 vs_1")));
        assert!(!Arc::ptr_eq(&one, &Turns::of("http://a/v1 vs_2")));
        let weak = Arc::downgrade(&one);
        drop(one);
        assert!(weak.upgrade().is_none());
    }
}
