//! The session lock: one holder within the process, re-entrant, first in, first out.
//!
//! The holder is a Tokio task, or a thread outside of tasks. So a function with a session may call another that opens a session. The
//! lock is released after all guards of the holder are dropped, in any order and on any thread.

use std::fs::File;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task;
use tokio::time::Instant;

use super::semaphore::{Permit, Semaphore};
use super::time_left::TimeLeft;
use crate::core::error::{Error, ErrorKind, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Task(task::Id),
    Thread(ThreadId),
}

impl Owner {
    fn current() -> Self {
        task::try_id().map_or_else(|| Self::Thread(thread::current().id()), Self::Task)
    }
}

#[derive(Debug)]
struct Holder {
    owner: Owner,
    guards: usize,
    since: Instant,
    /// The lock among processes. It is released before the permit, so that the next holder in this process finds it free.
    file: Option<File>,
    permit: Permit,
    /// The process that took the lock. One that it forked must not release it.
    process: u32,
}

/// The start of a session.
enum Entered {
    New(Permit),
    /// A session of the same owner is open.
    Nested(SessionGuard),
}

#[derive(Debug)]
pub(crate) struct SessionLock {
    gate: Arc<Semaphore>,
    holder: Mutex<Option<Holder>>,
    /// Notifies the waiters about a new holder.
    new_holder: Notify,
}

impl Default for SessionLock {
    fn default() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(|| 1)),
            holder: Mutex::new(None),
            new_holder: Notify::new(),
        }
    }
}

impl SessionLock {
    /// Waits for the lock within this process, and then for the file lock that `lock_file` returns.
    pub(crate) async fn lock<F>(
        self: &Arc<Self>,
        timeout: Duration,
        lock_file: impl FnOnce(TimeLeft) -> F,
    ) -> Result<SessionGuard>
    where
        F: Future<Output = Result<Option<File>>>,
    {
        let owner = Owner::current();
        let left = TimeLeft::new(timeout);
        let permit = match self.wait(owner, left).await? {
            Entered::Nested(guard) => return Ok(guard),
            Entered::New(permit) => permit,
        };
        let file = lock_file(left).await?;
        let (since, process) = (Instant::now(), std::process::id());
        *self.holder() = Some(Holder { owner, guards: 1, since, file, permit, process });
        self.new_holder.notify_waiters();
        Ok(SessionGuard(Arc::clone(self)))
    }

    /// Whether this task, or outside of tasks this thread, holds the lock.
    #[cfg(feature = "object-store")]
    pub(crate) fn is_held_here(&self) -> bool {
        let owner = Owner::current();
        self.holder().as_ref().is_some_and(|holder| holder.owner == owner)
    }

    /// Returns a further guard if `owner` is the holder.
    fn enter_nested(self: &Arc<Self>, owner: Owner) -> Option<SessionGuard> {
        let mut holder = self.holder();
        holder.as_mut().filter(|holder| holder.owner == owner)?.guards += 1;
        Some(SessionGuard(Arc::clone(self)))
    }

    async fn wait(self: &Arc<Self>, owner: Owner, left: TimeLeft) -> Result<Entered> {
        if let Some(guard) = self.enter_nested(owner) {
            return Ok(Entered::Nested(guard));
        }
        if let Some(permit) = self.gate.try_acquire(1) {
            return Ok(Entered::New(permit));
        }
        if left.get().is_zero() {
            return Err(self.timed_out());
        }
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("waiting for a session needs a Tokio runtime"));
        }
        let mut permit = pin!(self.gate.acquire(1, left));
        loop {
            let mut new_holder = pin!(self.new_holder.notified());
            new_holder.as_mut().enable();
            // One task may poll two futures that both open a session.
            if let Some(guard) = self.enter_nested(owner) {
                return Ok(Entered::Nested(guard));
            }
            if let Either::Left((permit, _)) = select(permit.as_mut(), new_holder).await {
                return permit.map(Entered::New).ok_or_else(|| self.timed_out());
            }
        }
    }

    fn timed_out(&self) -> Error {
        let held = self.holder().as_ref().map_or(Duration::ZERO, |holder| holder.since.elapsed());
        Error::new(ErrorKind::LockTimeout).with_message(format!(
            "held by another task or thread of this process for {:.1} s",
            held.as_secs_f32()
        ))
    }

    fn holder(&self) -> MutexGuard<'_, Option<Holder>> {
        // No code under this mutex can panic in the middle of a change.
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard of the holder.
#[derive(Debug)]
pub(crate) struct SessionGuard(Arc<SessionLock>);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let mut held = self.0.holder();
        let Some(holder) = held.as_mut() else { return };
        holder.guards -= 1;
        if holder.guards > 0 {
            return;
        }
        if let Some(Holder { file, permit, process, .. }) = held.take() {
            // A forked child may have a copy of the handle, so closing it is not enough to release the lock. The child itself must not
            // release it.
            if let Some(file) = file
                && process == std::process::id()
            {
                drop(file.unlock());
            }
            drop(permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lock(lock: &Arc<SessionLock>, timeout: Duration) -> Result<SessionGuard> {
        lock.lock(timeout, async |_| Ok(None)).await
    }

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn another_task_waits_and_then_gets_the_lock() {
        let shared = Arc::new(SessionLock::default());
        let guard = lock(&shared, SOON).await.unwrap();
        let other = Arc::clone(&shared);
        let error = tokio::spawn(async move { lock(&other, SOON).await.map(drop) }).await.unwrap();
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout);
        assert!(error.to_string().contains("this process"), "{error}");
        let other = Arc::clone(&shared);
        let waiter = tokio::spawn(async move { lock(&other, Duration::MAX).await.map(drop) });
        tokio::time::sleep(SOON).await;
        drop(guard);
        waiter.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_task_enters_again_and_drops_its_guards_in_any_order() {
        let shared = Arc::new(SessionLock::default());
        let outer = lock(&shared, SOON).await.unwrap();
        let inner = lock(&shared, SOON).await.unwrap();
        drop(outer);
        let other = Arc::clone(&shared);
        let still = tokio::spawn(async move { lock(&other, SOON).await.is_err() }).await.unwrap();
        assert!(still, "the inner guard still holds the lock");
        thread::spawn(move || drop(inner)).join().unwrap();
        let other = Arc::clone(&shared);
        tokio::spawn(async move { lock(&other, SOON).await.map(drop) }).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_futures_of_one_task_share_the_lock() {
        let shared = Arc::new(SessionLock::default());
        let slow = || {
            shared.lock(Duration::from_secs(5), async |_| {
                tokio::time::sleep(SOON).await;
                Ok(None)
            })
        };
        let (one, two) = tokio::join!(slow(), slow());
        let (one, two) = (one.unwrap(), two.unwrap());
        drop(one);
        assert!(shared.holder().is_some());
        drop(two);
        assert!(shared.holder().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_waiter_leaves_the_queue() {
        let shared = Arc::new(SessionLock::default());
        let guard = lock(&shared, SOON).await.unwrap();
        let other = Arc::clone(&shared);
        let waiter = tokio::spawn(async move { lock(&other, Duration::MAX).await.map(drop) });
        tokio::time::sleep(SOON).await;
        waiter.abort();
        drop(waiter.await);
        drop(guard);
        let other = Arc::clone(&shared);
        tokio::spawn(async move { lock(&other, SOON).await.map(drop) }).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_lock_that_fails_leaves_the_lock_free() {
        let shared = Arc::new(SessionLock::default());
        let failed =
            shared.lock(SOON, async |_| Err(Error::new(ErrorKind::PermissionDenied))).await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::PermissionDenied);
        let other = Arc::clone(&shared);
        tokio::spawn(async move { lock(&other, SOON).await.map(drop) }).await.unwrap().unwrap();
    }
}
