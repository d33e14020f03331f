//! State that the handles of this process for one vector store share.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::path_locks::PathLocks;
use super::recent_writes::RecentWrites;
use crate::sys::lock::SessionLock;

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) session: Arc<SessionLock>,
    pub(super) path_locks: Arc<PathLocks>,
    pub(super) recent_writes: Arc<RecentWrites>,
    pub(super) kept_attributes: Mutex<KeptAttributes>,
}

/// Which attributes the service keeps, as far as the writes of this process have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeptAttributes {
    #[default]
    Unknown,
    All,
    /// It has dropped numbers and booleans.
    OnlyText,
}

impl Shared {
    /// Returns the state for the vector store of this name, which is dropped with its last handle.
    pub(super) fn of(store: &str) -> Arc<Self> {
        static STORES: LazyLock<Mutex<HashMap<String, Weak<Shared>>>> =
            LazyLock::new(Mutex::default);
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = stores.get(store).and_then(Weak::upgrade) {
            return shared;
        }
        stores.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Self::default());
        stores.insert(store.to_owned(), Arc::downgrade(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_one_store_share_state_and_others_do_not() {
        let one = Shared::of("http://a/v1 vs_1");
        assert!(Arc::ptr_eq(&one, &Shared::of("http://a/v1 vs_1")));
        assert!(!Arc::ptr_eq(&one, &Shared::of("http://a/v1 vs_2")));
        let weak = Arc::downgrade(&one);
        drop(one);
        assert!(weak.upgrade().is_none());
    }
}
