//! The one door to the blocking pool.
//!
//! A file operation is a few system calls that may wait for a disk. Each goes through here whole, as one closure: to Tokio's
//! blocking pool from async code, straight away on the calling thread from the blocking facade, whose thread may wait, and
//! where no Tokio runtime is running. No closure may wait for a lock for more than a moment: it could not be cancelled, and would keep a
//! thread.
//!
//! A trip to the pool costs several times what a cached read does. So what the kernel can answer from its caches is first asked for on
//! the spot, in a way that never waits ([`Wait::Never`]); only if the kernel says `EAGAIN` is the trip made. This is what `io_uring`
//! does too before it uses its own pool.

use std::panic;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, coop};

use crate::{Error, ErrorKind, Result};

tokio::task_local! {
    /// Set by the blocking facade while it polls: this thread may block.
    static INLINE: ();
}

/// Runs `future` so that its file operations execute where it is polled.
#[cfg(feature = "blocking")]
pub(crate) fn inline<F: Future>(future: F) -> impl Future<Output = F::Output> {
    INLINE.scope((), future)
}

fn handle() -> Option<Handle> {
    let inline = INLINE.try_with(|()| ()).is_ok();
    if inline { None } else { Handle::try_current().ok() }
}

/// Whether an operation may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It is `EAGAIN` ([`Error::would_wait`]) where it would have to.
    Never,
    Disk,
}

impl Wait {
    /// # Errors
    ///
    /// `EAGAIN` where it must not wait.
    pub(crate) fn expect_disk(self) -> Result<()> {
        if self == Self::Disk {
            Ok(())
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::WouldBlock).into())
        }
    }
}

/// How much an operation may copy on the spot: a trip to the pool costs about as much.
pub(crate) const MOST_ON_THE_SPOT: usize = 256 * 1024;

/// How much is copied on the spot for one unit of the task's budget, of which it has 128 before others get their turn.
const BYTES_PER_UNIT: usize = 16 * 1024;

/// Tells a long operation that nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

/// What is done on the spot is done before anybody could cancel it.
static NEVER_CANCELLED: LazyLock<Cancelled> = LazyLock::new(Cancelled::default);

impl Cancelled {
    /// # Errors
    ///
    /// [`Cancelled`](ErrorKind::Cancelled) once the future that waited has been dropped.
    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::new(ErrorKind::Cancelled)) } else { Ok(()) }
    }
}

/// An operation under way. Dropping it keeps one that has not begun from beginning, and cancels one that asks.
#[derive(Debug)]
struct Hop<T> {
    task: JoinHandle<T>,
    cancelled: Cancelled,
}

impl<T> Drop for Hop<T> {
    fn drop(&mut self) {
        self.cancelled.0.store(true, Ordering::Relaxed);
        self.task.abort();
    }
}

impl<T> Future for Hop<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(|done| match done {
            Ok(value) => Ok(value),
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            Err(error) => Err(Error::new(ErrorKind::Cancelled)
                .with_message("the runtime is shutting down")
                .with_source(error)),
        })
    }
}

/// Runs `operation` where it may block. Once it has begun it runs to its end, also when the future is dropped.
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

/// Like [`run`], for an operation that takes long and asks in between whether it is still wanted.
pub(crate) async fn run_cancellable<T, F>(operation: F) -> Result<T>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    start(operation).await
}

/// Runs `operation` on the spot if that needs no waiting, else where it may wait, with one trip to the pool. `copied` tells how many
/// bytes it took.
///
/// # Errors
///
/// As [`run`].
pub(crate) async fn attempt_or_run<T, F>(operation: F, copied: fn(&T) -> usize) -> Result<T>
where
    F: Fn(Wait, &Cancelled) -> Result<T> + Send + Sync + 'static,
    T: Send + 'static,
{
    match attempt(|| operation(Wait::Never, &NEVER_CANCELLED), copied).await {
        Some(answer) => answer,
        None => run_cancellable(move |cancelled| operation(Wait::Disk, cancelled)).await,
    }
}

/// Runs `operation`, which must not wait, on the spot. `None` if it would have to wait, and where the thread may wait anyway.
pub(crate) async fn attempt<T: Send>(
    operation: impl FnOnce() -> Result<T> + Send,
    copied: fn(&T) -> usize,
) -> Option<Result<T>> {
    handle()?;
    let answer = match operation() {
        Err(error) if error.would_wait() => return None,
        answer => answer,
    };
    // A task that is always answered at once would never let others on its thread have their turn.
    for _ in 0..=answer.as_ref().map_or(0, copied) / BYTES_PER_UNIT {
        coop::consume_budget().await;
    }
    Some(answer)
}

/// Drives `future` on, also while the caller does not poll: so what it waits for in a queue, or holds, keeps nobody else waiting.
/// Dropping it cancels it.
pub(crate) async fn detached<T>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
{
    match handle() {
        None => future.await,
        Some(handle) => Hop { task: handle.spawn(future), cancelled: Cancelled::default() }.await?,
    }
}

/// Starts `operation` at once where there is a pool, so that it runs beside the caller; else it runs when awaited.
pub(crate) fn start<T, F>(operation: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let cancelled = Cancelled::default();
    let started = match handle() {
        None => Err(operation),
        Some(handle) => {
            let seen = cancelled.clone();
            #[expect(clippy::disallowed_methods, reason = "this is the door")]
            let task = handle.spawn_blocking(move || operation(&seen));
            Ok(Hop { task, cancelled: cancelled.clone() })
        }
    };
    async move {
        match started {
            Ok(hop) => hop.await?,
            Err(operation) => operation(&cancelled),
        }
    }
}

/// Runs `work` on as many threads as there are cores, but not more than `most`, this one among them.
pub(crate) fn on_each_core<T: Send>(most: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(most);
    thread::scope(|scope| {
        // Where the system allows no more threads, fewer do the work.
        let start = |_| thread::Builder::new().spawn_scoped(scope, &work).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut done = vec![work()];
        done.extend(others.into_iter().map(|other| match other.join() {
            Ok(value) => value,
            Err(panic) => panic::resume_unwind(panic),
        }));
        done
    })
}

/// Drops `value` where that may block: closing the last handle of a large file that has no name frees its blocks.
pub(crate) fn discard<T: Send + 'static>(value: T) {
    if let Some(handle) = handle() {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        drop(handle.spawn_blocking(move || drop(value)));
    }
}

/// Waits without keeping a thread of the pool or of the runtime.
pub(crate) async fn pause(duration: Duration) {
    // The facade enters its runtime while it polls, so there is a timer there too.
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
    async fn async_code_hops_to_the_pool_once() {
        let here = thread::current().id();
        let there = run(move || Ok(thread::current().id())).await.unwrap();
        assert_ne!(here, there);
    }

    #[tokio::test]
    #[cfg(feature = "blocking")]
    async fn the_facade_stays_on_its_thread() {
        let here = thread::current().id();
        let there = inline(run(move || Ok(thread::current().id()))).await.unwrap();
        assert_eq!(here, there);
    }

    #[test]
    fn without_a_runtime_the_work_is_done_on_the_spot() {
        let value = futures::executor::block_on(run(|| Ok(thread::current().id()))).unwrap();
        assert_eq!(value, thread::current().id());
    }

    #[tokio::test]
    async fn dropping_the_future_cancels_what_asks_and_what_has_not_begun() {
        let (begun, wait_begun) = mpsc::channel();
        let (report, wait_report) = mpsc::channel();
        let hop = start(move |cancelled| {
            begun.send(()).unwrap();
            while cancelled.check().is_ok() {
                thread::yield_now();
            }
            report.send(cancelled.check().unwrap_err().kind()).unwrap();
            Ok(())
        });
        wait_begun.recv().unwrap();
        drop(hop);
        assert_eq!(wait_report.recv().unwrap(), ErrorKind::Cancelled);
    }

    #[test]
    fn what_is_dropped_before_its_turn_never_runs() {
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
        assert!(has_run.recv().is_err(), "the closure was dropped without a call");
    }

    #[test]
    fn a_runtime_that_shuts_down_gives_an_error_not_a_hang() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        let error = futures::executor::block_on(run(|| Ok(()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
