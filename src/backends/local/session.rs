//! Sessions on a local root.

use std::sync::Arc;

use super::LocalFileBackend;
use crate::backend::SyncSession;
use crate::core::error::Result;
use crate::core::options::SessionOptions;
use crate::core::registry::Registry;
use crate::sys::lock::{LockMode, SessionLock, TimeLeft, lock_file};

type RootId = (u32, u32, u64);

/// Returns the session lock that all backends of this process share for one root directory, whatever its path.
pub(super) fn lock_of_root(root: RootId) -> Arc<SessionLock> {
    static LOCKS: Registry<RootId, SessionLock> = Registry::new();
    LOCKS.get(root)
}

/// Waits for exclusive use, first within this process and then among processes.
pub(super) async fn open(
    backend: &LocalFileBackend,
    options: SessionOptions,
) -> Result<SyncSession> {
    let shared = &backend.shared;
    let lock_among_processes = |left: TimeLeft| {
        let (opening, checking) = (Arc::clone(shared), Arc::clone(shared));
        async move {
            let open = move || opening.root.open_lock_file();
            let is_current = move |file: &_| checking.root.is_lock_file(file);
            lock_file(open, is_current, LockMode::Exclusive, left).await.map(Some)
        }
    };
    let guard = shared.session.lock(options.timeout, lock_among_processes).await;
    guard.map(SyncSession::new).map_err(|error| shared.error_of("open a session", error))
}
