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
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle, coop};

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

/// What an operation on the spot takes of the task's budget, which is 128 units for each of its turns: so much for itself, and a unit for
/// so many bytes. That makes turns of about a tenth of a millisecond: every other task that is ready waits for one of each.
const UNITS: usize = 4;
const BYTES_PER_UNIT: usize = 1024;

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
            Err(error) => Err(ended_early(error)),
        })
    }
}

/// Why a task has no result. A panic goes on.
fn ended_early(error: JoinError) -> Error {
    if error.is_panic() {
        panic::resume_unwind(error.into_panic());
    }
    Error::new(ErrorKind::Cancelled).with_message("the runtime is shutting down").with_source(error)
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
    for _ in 0..UNITS + answer.as_ref().map_or(0, copied) / BYTES_PER_UNIT {
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

/// Drives `future` on to its end, also when the caller no longer waits: for what must not stop half-way.
#[cfg(feature = "openai")]
pub(crate) async fn to_the_end<T>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
{
    let Some(handle) = handle() else {
        return future.await;
    };
    match handle.spawn(future).await {
        Ok(done) => done,
        Err(error) => Err(ended_early(error)),
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

/// Does `work` for each number below `count`, on this thread and on others as there are idle cores, each with a tool of its own.
/// What comes of it is in the order of the numbers.
///
/// # Errors
///
/// One of `work`, after which nothing more is begun.
pub(crate) fn share_out<W, T: Send, E: Send>(
    count: usize,
    tool: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let share = || {
        let (mut tool, mut done) = (tool(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(done);
            }
            match work(&mut tool, number) {
                Ok(value) => done.push((number, value)),
                Err(error) => {
                    next.store(count, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let done = with_helpers(count, share).into_iter().collect::<Result<Vec<_>, E>>()?;
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|&(number, _)| number);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

/// Runs `work` on up to `most` threads, this one among them.
fn with_helpers<T: Send>(most: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        // Where the system allows no more threads, fewer do the work.
        let start = |helper| {
            let help = move || {
                let _helper: Helper = helper;
                work()
            };
            thread::Builder::new().spawn_scoped(scope, help).ok()
        };
        let others: Vec<_> = (1..most).map_while(|_| Helper::idle().and_then(start)).collect();
        let mut done = vec![work()];
        done.extend(others.into_iter().map(|other| match other.join() {
            Ok(value) => value,
            Err(panic) => panic::resume_unwind(panic),
        }));
        done
    })
}

/// One of the threads that help. In the whole process there are fewer than cores, whatever is shared out at a time: more would only
/// get in each other's way.
struct Helper;

static HELPERS: AtomicUsize = AtomicUsize::new(0);

impl Helper {
    fn idle() -> Option<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let one_more = |helpers: usize| (helpers + 1 < cores).then_some(helpers + 1);
        let order = Ordering::Relaxed;
        HELPERS.fetch_update(order, order, one_more).ok().map(|_| Self)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
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

    #[test]
    fn what_is_shared_out_comes_back_in_order() {
        let number = |tool: &mut Vec<usize>, number| {
            tool.push(number);
            Ok::<_, ()>(number)
        };
        for count in [0, 1, 2, 1000] {
            let numbers = share_out(count, Vec::new, number).unwrap();
            assert!(numbers.into_iter().eq(0..count));
        }
    }

    #[test]
    fn after_a_failure_nothing_more_is_begun() {
        let (failed, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let work = |_: &mut (), number| {
            if number == 0 {
                failed.store(true, Ordering::SeqCst);
                return Err("the first");
            }
            thread::yield_now();
            while !failed.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            done.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let count = 10_000_000;
        assert_eq!(share_out(count, || (), work).unwrap_err(), "the first");
        assert!(done.into_inner() < count - 1);
    }

    #[test]
    fn no_more_threads_help_than_there_are_cores() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let inner = |_: &mut (), _| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                thread::yield_now();
            }
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, ()>(())
        };
        let outer = |_: &mut (), _| share_out(100, || (), inner);
        share_out(20, || (), outer).unwrap();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        assert!(most.into_inner() <= cores);
    }

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
