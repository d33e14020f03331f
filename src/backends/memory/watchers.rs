//! The watchers of a store.
//!
//! The verbs report each change while they hold the lock of the tree, so the changes are in their order.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use futures::future::select;
use tokio::sync::Notify;

use crate::core::change::Change;
use crate::core::options::{Depth, WatchOptions};
use crate::core::path::{FilePath, is_reserved_name};
use crate::core::settler::{Happened, Settler};
use crate::sys::pool;

/// The watchers of a store.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<Weak<Watcher>>);

#[derive(Debug)]
pub(super) struct Watcher {
    prefix: FilePath,
    depth: Depth,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    settler: Settler,
    /// Whether the directory is gone.
    is_over: bool,
}

impl Watchers {
    /// Starts to report the changes below `prefix`.
    pub(super) fn start(&mut self, prefix: FilePath, options: &WatchOptions) -> Arc<Watcher> {
        let settler = Settler::new(prefix.clone(), options.settle);
        let state = Mutex::new(State { settler, is_over: false });
        let watcher = Watcher { prefix, depth: options.depth, state, changed: Notify::new() };
        let watcher = Arc::new(watcher);
        self.0.push(Arc::downgrade(&watcher));
        watcher
    }

    /// Whether nobody watches. Forgets the watchers that were dropped.
    pub(super) fn are_none(&mut self) -> bool {
        self.0.retain(|watcher| watcher.strong_count() > 0);
        self.0.is_empty()
    }

    /// Reports what has happened to the entry at `path`.
    pub(super) fn report(&self, happened: Happened, path: &FilePath, is_dir: bool) {
        let now = Instant::now();
        for watcher in self.0.iter().filter_map(Weak::upgrade) {
            if happened == Happened::Removed && watcher.prefix.starts_with(path) {
                watcher.lose(now);
            } else if watcher.covers(path) {
                watcher.state().settler.add(happened, path.to_string(), is_dir, now);
            }
            watcher.changed.notify_one();
        }
    }

    /// Reports a rename. `moved` are the entries that moved, and whether each is a directory.
    pub(super) fn report_rename(
        &self,
        (from, to): (&FilePath, &FilePath),
        replaced: bool,
        moved: &[(FilePath, bool)],
    ) {
        let now = Instant::now();
        let is_dir = moved.first().is_some_and(|(_, is_dir)| *is_dir);
        for watcher in self.0.iter().filter_map(Weak::upgrade) {
            let is_replaced = replaced && watcher.prefix.starts_with(to);
            if is_replaced || watcher.prefix.starts_with(from) {
                watcher.lose(now);
            } else {
                let (covers_old, covers_new) = (watcher.covers(from), watcher.covers(to));
                let settler = &mut watcher.state().settler;
                match (covers_old, covers_new) {
                    (true, true) => {
                        let paths = (from.to_string(), to.to_string());
                        settler.add_rename(paths, is_dir, replaced, now);
                    }
                    (true, false) => settler.add(Happened::Removed, from.to_string(), is_dir, now),
                    (false, _) => {
                        for (path, is_dir) in moved.iter().filter(|(path, _)| watcher.covers(path))
                        {
                            let was_there = replaced && path == to;
                            let happened =
                                if was_there { Happened::Modified } else { Happened::Created };
                            settler.add(happened, path.to_string(), *is_dir, now);
                        }
                    }
                }
            }
            watcher.changed.notify_one();
        }
    }
}

impl Watcher {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether changes of the entry at `path` are reported.
    fn covers(&self, path: &FilePath) -> bool {
        if path == &self.prefix || !path.starts_with(&self.prefix) {
            return false;
        }
        let mut below = path[self.prefix.len()..].split('/');
        let is_hidden = below.any(is_reserved_name);
        let is_deep = path.parent().as_ref() != Some(&self.prefix);
        !is_hidden && (self.depth == Depth::All || !is_deep)
    }

    /// Ends the watch, because the directory was removed or moved.
    fn lose(&self, now: Instant) {
        let mut state = self.state();
        if !state.is_over {
            state.settler.add(Happened::Removed, self.prefix.to_string(), true, now);
            state.settler.release_all();
            state.is_over = true;
        }
    }

    /// Waits for the next change; `None` if the directory is gone.
    pub(super) async fn next(&self) -> Option<Change> {
        loop {
            let changed = pin!(self.changed.notified());
            let due = {
                let mut state = self.state();
                if let Some(change) = state.settler.next(Instant::now()) {
                    return Some(change);
                }
                if state.is_over {
                    return None;
                }
                state.settler.next_due()
            };
            match due {
                None => changed.await,
                Some(due) => {
                    let left = due.saturating_duration_since(Instant::now());
                    select(changed, pin!(pool::pause(left))).await;
                }
            }
        }
    }
}
