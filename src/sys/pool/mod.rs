//! The only access to the blocking pool.
//!
//! A file operation is a few system calls that may wait for a disk. The whole operation is one closure. In async code it runs in
//! Tokio's blocking pool. In the blocking facade, and without a Tokio runtime, it runs on the calling thread, which may wait. No
//! closure waits for a lock for more than a few milliseconds, because that wait could not be cancelled and would keep a thread.
//!
//! A trip to the pool costs several times as much as a cached read. So an operation that the kernel can answer from its caches first
//! runs on the calling thread, in a way that never waits ([`Wait::Never`]). Only after `EAGAIN` does it go to the pool. `io_uring`
//! does the same before it uses its own pool.

use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use crate::core::error::{Error, ErrorKind, Result};

mod inline;
mod parallel;

pub(crate) use inline::{INLINE_LIMIT, Wait, inline_if_ready, try_inline};
pub(crate) use parallel::parallel_map;

tokio::task_local! {
    /// Set while the blocking facade polls a future, whose thread may block.
    static INLINE: ();
}

/// Runs the file operations of `future` on the thread that polls it.
#[cfg(feature = "blocking")]
pub(crate) fn inline<F: Future>(future: F) -> impl Future<Output = F::Output> {
    INLINE.scope((), future)
}

/// Returns the runtime whose pool is used; `None` if operations run on the calling thread.
fn handle() -> Option<Handle> {
    let inline = INLINE.try_with(|()| ()).is_ok();
    if inline { None } else { Handle::try_current().ok() }
}

/// A flag that tells a long operation to stop, because its future was dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    /// # Errors
    ///
    /// [`Cancelled`](ErrorKind::Cancelled) after the future of the operation was dropped.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::new(ErrorKind::Cancelled)) } else { Ok(()) }
    }
}

/// An operation in the pool. Dropping it prevents the start, or sets the flag of a running operation.
#[derive(Debug)]
struct PoolTask<T> {
    task: JoinHandle<T>,
    cancelled: Cancelled,
}

impl<T> Drop for PoolTask<T> {
    fn drop(&mut self) {
        self.cancelled.0.store(true, Ordering::Relaxed);
        self.task.abort();
    }
}

impl<T> Future for PoolTask<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(|done| done.map_err(join_error))
    }
}

/// Converts the error of a task without a result. A panic continues on this thread.
fn join_error(error: JoinError) -> Error {
    if error.is_panic() {
        panic::resume_unwind(error.into_panic());
    }
    Error::new(ErrorKind::Cancelled).with_message("the runtime is shutting down").with_source(error)
}

/// Runs `operation` where it may block. After it has started it runs to its end, even if the future is dropped.
///
/// # Errors
///
/// Those of `operation`, and [`Cancelled`](ErrorKind::Cancelled) if the runtime shuts down first.
pub(crate) async fn run<T, F>(operation: F) -> Result<T>
where
    F: FnOnce() -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    run_cancellable(|_| operation()).await
}

/// Like [`run`], for a long operation that checks for cancellation.
pub(crate) async fn run_cancellable<T, F>(operation: F) -> Result<T>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    start(operation).await
}

/// Runs `future` as a task of its own. So it makes progress even if the caller does not poll, and does not keep a lock or its place in
/// a queue for longer than needed. Dropping the returned future cancels it.
pub(crate) async fn spawn_abort_on_drop<T>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
{
    match handle() {
        None => future.await,
        Some(handle) => {
            PoolTask { task: handle.spawn(future), cancelled: Cancelled::default() }.await?
        }
    }
}

/// Runs `future` as a task of its own to its end, even if the returned future is dropped.
#[cfg(any(feature = "git", feature = "openai"))]
pub(crate) async fn spawn_to_completion<T>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
{
    // A task also in the blocking facade, whose wait may be cancelled too.
    match Handle::try_current() {
        Err(_) => future.await,
        Ok(handle) => handle.spawn(future).await.map_err(join_error)?,
    }
}

/// Starts `operation` at once in the pool, so that it runs beside the caller. Without a pool it runs when the future is polled.
pub(crate) fn start<T, F>(operation: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let cancelled = Cancelled::default();
    let started = match handle() {
        None => Err(operation),
        Some(handle) => {
            let flag = cancelled.clone();
            #[expect(clippy::disallowed_methods, reason = "this is the only access to the pool")]
            let task = handle.spawn_blocking(move || operation(&flag));
            Ok(PoolTask { task, cancelled: cancelled.clone() })
        }
    };
    async move {
        match started {
            Ok(task) => task.await?,
            Err(operation) => operation(&cancelled),
        }
    }
}

/// Drops `value` in the pool, because that may block: closing the last handle of a large unlinked file frees its blocks.
pub(crate) fn discard<T: Send + 'static>(value: T) {
    if let Some(handle) = handle() {
        #[expect(clippy::disallowed_methods, reason = "this is the only access to the pool")]
        drop(handle.spawn_blocking(move || drop(value)));
    }
}

/// Lets other tasks run if this task has had its share. For an operation that never waits.
pub(crate) async fn give_way() {
    tokio::task::coop::consume_budget().await;
}

/// Waits for `duration`, without keeping a thread of the pool or of the runtime.
pub(crate) async fn pause(duration: Duration) {
    // The facade enters its runtime while it polls, so it has a timer too.
    if Handle::try_current().is_ok() {
        tokio::time::sleep(duration).await;
    } else {
        thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn async_code_runs_an_operation_in_the_pool() {
        let here = thread::current().id();
        let there = run(move || Ok(thread::current().id())).await.unwrap();
        assert_ne!(here, there);
    }

    #[tokio::test]
    #[cfg(feature = "blocking")]
    async fn the_blocking_facade_runs_an_operation_on_its_own_thread() {
        let here = thread::current().id();
        let there = inline(run(move || Ok(thread::current().id()))).await.unwrap();
        assert_eq!(here, there);
    }

    #[test]
    fn without_a_runtime_an_operation_runs_on_the_calling_thread() {
        let value = futures::executor::block_on(run(|| Ok(thread::current().id()))).unwrap();
        assert_eq!(value, thread::current().id());
    }

    #[tokio::test]
    async fn dropping_the_future_cancels_a_running_operation() {
        let (begun, wait_begun) = mpsc::channel();
        let (report, wait_report) = mpsc::channel();
        let task = start(move |cancelled| {
            begun.send(()).unwrap();
            while cancelled.check().is_ok() {
                thread::yield_now();
            }
            report.send(cancelled.check().unwrap_err().kind()).unwrap();
            Ok(())
        });
        wait_begun.recv().unwrap();
        drop(task);
        assert_eq!(wait_report.recv().unwrap(), ErrorKind::Cancelled);
    }

    #[tokio::test]
    #[cfg(all(feature = "blocking", any(feature = "git", feature = "openai")))]
    async fn a_task_runs_to_its_end_after_the_blocking_facade_dropped_it() {
        let (report, reported) = tokio::sync::oneshot::channel();
        let mut task = std::pin::pin!(Some(inline(spawn_to_completion(async move {
            tokio::task::yield_now().await;
            report.send(()).map_err(|()| ErrorKind::Internal.into())
        }))));
        let polled = futures::poll!(task.as_mut().as_pin_mut().unwrap());
        assert!(polled.is_pending());
        task.set(None);
        reported.await.unwrap();
    }

    #[test]
    fn an_operation_that_is_dropped_before_it_starts_never_runs() {
        let builder = || tokio::runtime::Builder::new_current_thread();
        let runtime = builder().max_blocking_threads(1).build().unwrap();
        let (go, wait) = mpsc::channel::<()>();
        let (ran, has_run) = mpsc::channel();
        runtime.block_on(async {
            let occupying = start(move |_| wait.recv().map_err(|_| ErrorKind::Internal.into()));
            let waiting = start(move |_| ran.send(()).map_err(|_| ErrorKind::Internal.into()));
            drop(waiting);
            go.send(()).unwrap();
            occupying.await.unwrap();
            run(|| Ok(())).await.unwrap();
        });
        assert!(has_run.recv().is_err(), "the closure was dropped without being called");
    }

    #[test]
    fn an_operation_on_a_runtime_that_is_shut_down_is_cancelled() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        let error = futures::executor::block_on(run(|| Ok(()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
