//! One holder at a time within the process, re-entrant, first come first served.
//!
//! Who holds the lock is told by the Tokio task, or outside of tasks by the thread, so that a function that opens a session may
//! call another that does. The lock is free again when all its guards are gone, in whatever order and on whatever thread.

use std::fs::File;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{Either, select};
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task;
use tokio::time::Instant;

use crate::{Error, ErrorKind, Result, SessionHandle};

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

/// How long may still be waited, by the clock of the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLeft {
    /// `None` when the timeout is longer than the clock reaches.
    deadline: Option<Instant>,
}

impl TimeLeft {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(timeout) }
    }

    /// What is left, zero when the time is over.
    pub(crate) fn get(self) -> Duration {
        self.deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

#[derive(Debug)]
struct Holder {
    owner: Owner,
    guards: usize,
    since: Instant,
    /// The lock that other processes see. It is let go before the permit, else the next one here would find it taken.
    file: Option<File>,
    permit: OwnedSemaphorePermit,
}

/// How a session begins.
enum Turn {
    First(OwnedSemaphorePermit),
    /// Within another of the same owner.
    Within(SessionGuard),
}

#[derive(Debug)]
pub(crate) struct SessionLock {
    gate: Arc<Semaphore>,
    holder: Mutex<Option<Holder>>,
    /// Tells those in the queue that there is a new holder.
    entered: Notify,
}

impl Default for SessionLock {
    fn default() -> Self {
        Self { gate: Arc::new(Semaphore::new(1)), holder: Mutex::new(None), entered: Notify::new() }
    }
}

impl SessionLock {
    /// Waits for the lock within this process, then for the file lock that `other_processes` gets.
    pub(crate) async fn lock<F>(
        self: &Arc<Self>,
        timeout: Duration,
        other_processes: impl FnOnce(TimeLeft) -> F,
    ) -> Result<SessionGuard>
    where
        F: Future<Output = Result<Option<File>>>,
    {
        let owner = Owner::current();
        let left = TimeLeft::new(timeout);
        let permit = match self.wait(owner, left).await? {
            Turn::Within(guard) => return Ok(guard),
            Turn::First(permit) => permit,
        };
        let file = other_processes(left).await?;
        *self.holder() = Some(Holder { owner, guards: 1, since: Instant::now(), file, permit });
        self.entered.notify_waiters();
        Ok(SessionGuard(Arc::clone(self)))
    }

    /// One more guard, if `owner` is the holder.
    fn enter_within(self: &Arc<Self>, owner: Owner) -> Option<SessionGuard> {
        let mut holder = self.holder();
        holder.as_mut().filter(|holder| holder.owner == owner)?.guards += 1;
        Some(SessionGuard(Arc::clone(self)))
    }

    async fn wait(self: &Arc<Self>, owner: Owner, left: TimeLeft) -> Result<Turn> {
        if let Some(guard) = self.enter_within(owner) {
            return Ok(Turn::Within(guard));
        }
        if let Ok(permit) = Arc::clone(&self.gate).try_acquire_owned() {
            return Ok(Turn::First(permit));
        }
        if left.get().is_zero() {
            return Err(self.timed_out());
        }
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Unsupported)
                .with_message("waiting for a session needs a Tokio runtime"));
        }
        let queued = tokio::time::timeout(left.get(), self.queue(owner));
        queued.await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Waits in turn, or until the same owner has got the lock: of two futures that one task polls side by side, one may be in the
    /// queue while the other enters.
    async fn queue(self: &Arc<Self>, owner: Owner) -> Result<Turn> {
        let mut turn = pin!(Arc::clone(&self.gate).acquire_owned());
        loop {
            let mut entered = pin!(self.entered.notified());
            entered.as_mut().enable();
            if let Some(guard) = self.enter_within(owner) {
                return Ok(Turn::Within(guard));
            }
            if let Either::Left((permit, _)) = select(turn.as_mut(), entered).await {
                let closed = |closed| Error::new(ErrorKind::Internal).with_source(closed);
                return permit.map(Turn::First).map_err(closed);
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
        // Nothing under this mutex can panic half-way.
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the holder's guards.
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
        if let Some(Holder { file, permit, .. }) = held.take() {
            if let Some(file) = file {
                // Unlocked before it is closed, so that a waiter woken by the close finds it free.
                drop(file.unlock());
            }
            drop(permit);
        }
    }
}

#[async_trait]
impl SessionHandle for SessionGuard {
    async fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
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
    async fn another_task_waits_and_then_gets_it() {
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
    async fn the_same_task_enters_again_and_leaves_in_any_order() {
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
    async fn futures_side_by_side_in_one_task_share_the_lock() {
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
