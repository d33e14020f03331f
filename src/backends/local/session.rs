//! Sessions on a local root.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::Shared;
use crate::lock::{Hold, SessionLock, TimeLeft, lock_file};
use crate::{Result, SyncSession};

type RootId = (u32, u32, u64);

/// The lock that all backends of this process on one root directory share, whatever path they opened it by.
pub(super) fn of_root(root: RootId) -> Arc<SessionLock> {
    static LOCKS: LazyLock<Mutex<HashMap<RootId, Weak<SessionLock>>>> =
        LazyLock::new(Mutex::default);
    let mut locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    locks.retain(|_, lock| lock.strong_count() > 0);
    if let Some(lock) = locks.get(&root).and_then(Weak::upgrade) {
        return lock;
    }
    let lock = Arc::<SessionLock>::default();
    locks.insert(root, Arc::downgrade(&lock));
    lock
}

/// Waits for exclusive use, first within this process, then among processes.
pub(super) async fn open(
    shared: &Arc<Shared>,
    timeout: std::time::Duration,
) -> Result<SyncSession> {
    let other_processes = |left: TimeLeft| {
        let (opening, checking) = (Arc::clone(shared), Arc::clone(shared));
        async move {
            let open = move || opening.root.open_lock_file();
            let is_current = move |file: &_| checking.root.is_lock_file(file);
            lock_file(open, is_current, Hold::Alone, left).await.map(Some)
        }
    };
    Ok(SyncSession::new(shared.session.lock(timeout, other_processes).await?))
}
