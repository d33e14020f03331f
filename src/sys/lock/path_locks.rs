//! Locks on paths for the writers of this process.
//!
//! Writers of one process take turns here where a service cannot order them. A writer locks the paths that it changes,
//! with everything below them, and waits while another holds a lock on one of them, or above or below it. Readers take no lock.
//! Other processes are not affected.

use std::collections::BTreeSet;
use std::iter;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::core::path::FilePath;
use crate::core::tree::dir_key;

#[derive(Debug, Default)]
pub(crate) struct PathLocks(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// In order of arrival. A request goes before later ones even while it waits, so that none starves.
    requests: Vec<Request>,
    next: u64,
}

#[derive(Debug)]
struct Request {
    number: u64,
    paths: BTreeSet<FilePath>,
    /// `None` once the lock is granted.
    grant: Option<oneshot::Sender<()>>,
}

impl PathLocks {
    /// Waits until no other writer holds a lock on `paths`, or above or below them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue.
    pub(crate) async fn lock(self: &Arc<Self>, paths: Vec<FilePath>) -> PathGuard {
        let (grant, granted) = oneshot::channel();
        let guard = {
            let mut queue = self.queue();
            let number = queue.next;
            queue.next += 1;
            let paths = paths.into_iter().collect();
            queue.requests.push(Request { number, paths, grant: Some(grant) });
            queue.grant();
            PathGuard { locks: Arc::clone(self), number }
        };
        // The sender stays in the queue until it has sent or the guard is dropped.
        drop(granted.await);
        guard
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code under this mutex panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Grants all locks that no earlier request conflicts with.
    fn grant(&mut self) {
        for at in 0..self.requests.len() {
            let (earlier, rest) = self.requests.split_at_mut(at);
            let Some(this) = rest.first_mut().filter(|this| this.grant.is_some()) else { continue };
            if earlier.iter().any(|earlier| overlap(&earlier.paths, &this.paths)) {
                continue;
            }
            if let Some(grant) = this.grant.take() {
                // A waiter that was dropped removes its request next.
                let _ = grant.send(());
            }
        }
    }
}

/// Up to this many pairs of paths are compared directly, without allocations: a thousand writers of one file each make half a million
/// pairs.
const MAX_DIRECT_PAIRS: usize = 4;

/// Whether a path of one set equals a path of the other, or lies above or below it. Looks up the paths of the smaller set in the larger
/// one, to avoid comparing thousands with thousands.
fn overlap(one: &BTreeSet<FilePath>, other: &BTreeSet<FilePath>) -> bool {
    if one.len() * other.len() <= MAX_DIRECT_PAIRS {
        return one.iter().any(|a| other.iter().any(|b| a.starts_with(b) || b.starts_with(a)));
    }
    let (smaller, larger) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let is_at_or_above = |path: &FilePath| {
        iter::successors(Some(path.clone()), FilePath::parent).any(|above| larger.contains(&above))
    };
    let is_below = |path: &FilePath| {
        let key = dir_key(path);
        let mut from = larger.range::<str, _>((Bound::Excluded(key.as_str()), Bound::Unbounded));
        from.next().is_some_and(|next| next.as_str().starts_with(&key))
    };
    smaller.iter().any(|path| is_at_or_above(path) || is_below(path))
}

/// A lock on some paths, until it is dropped.
#[derive(Debug)]
pub(crate) struct PathGuard {
    locks: Arc<PathLocks>,
    number: u64,
}

impl Drop for PathGuard {
    fn drop(&mut self) {
        let mut queue = self.locks.queue();
        queue.requests.retain(|request| request.number != self.number);
        queue.grant();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn paths(paths: &[&str]) -> Vec<FilePath> {
        paths.iter().map(|path| FilePath::parse(path).unwrap()).collect()
    }

    #[test]
    fn overlapping_paths_wait_and_others_do_not() {
        let locks = Arc::new(PathLocks::default());
        let held = locks.lock(paths(&["a/b"])).now_or_never().unwrap();
        for touching in [&["a/b"][..], &["a"], &["a/b/c"], &["x", "a/b/c/d"]] {
            assert!(locks.lock(paths(touching)).now_or_never().is_none(), "{touching:?}");
        }
        for free in [&["a/c"][..], &["a/b.txt"], &["b"], &["a/bc", "x"]] {
            assert!(locks.lock(paths(free)).now_or_never().is_some(), "{free:?}");
        }
        drop(held);
        assert!(locks.lock(paths(&["a"])).now_or_never().is_some());
        assert!(locks.queue().requests.is_empty(), "dropped requests have left the queue");
    }

    #[tokio::test]
    async fn locks_are_granted_in_order_of_arrival() {
        let locks = Arc::new(PathLocks::default());
        let file = locks.lock(paths(&["a/b"])).await;
        let mut directory = Box::pin(locks.lock(paths(&["a"])));
        assert!(directory.as_mut().now_or_never().is_none());
        let mut other = Box::pin(locks.lock(paths(&["a/c"])));
        assert!(other.as_mut().now_or_never().is_none(), "the directory was requested first");
        drop(file);
        let directory = directory.now_or_never().unwrap();
        assert!(other.as_mut().now_or_never().is_none());
        drop(directory);
        assert!(other.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_dropped_waiter_blocks_nobody() {
        let locks = Arc::new(PathLocks::default());
        let held = locks.lock(paths(&["a"])).await;
        let mut waiting = Box::pin(locks.lock(paths(&["a"])));
        assert!(waiting.as_mut().now_or_never().is_none());
        let mut last = Box::pin(locks.lock(paths(&["a"])));
        assert!(last.as_mut().now_or_never().is_none());
        drop(held);
        drop(waiting);
        assert!(last.now_or_never().is_some());
    }

    /// Comparing each with each would take minutes.
    #[test]
    fn locks_on_many_paths_are_compared_quickly() {
        let many =
            |name: &str| (0..100_000).map(|n| format!("{name}/{n}").parse().unwrap()).collect();
        let locks = Arc::new(PathLocks::default());
        let one = locks.lock(many("a")).now_or_never().unwrap();
        let other = locks.lock(many("b")).now_or_never().unwrap();
        assert!(locks.lock(many("b")).now_or_never().is_none());
        drop((one, other));
    }

    proptest! {
        #[test]
        fn equal_and_nested_paths_overlap(
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
}
