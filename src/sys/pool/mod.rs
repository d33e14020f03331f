//! The threads for calls that may block, and the only access to them.
//!
//! A file operation is a few system calls that may wait for a disk. The whole operation is one closure. In async code it runs on the
//! threads of this pool. In the blocking facade, and without a Tokio runtime, it runs on the calling thread, which may wait. No
//! closure waits for a lock for more than a few milliseconds, because that wait could not be cancelled and would keep a thread.
//!
//! A trip to the pool costs several times as much as a cached read. So an operation that the kernel can answer from its caches first
//! runs on the calling thread, in a way that never waits ([`Wait::Never`]). Only after `EAGAIN` does it go to the pool. `io_uring`
//! does the same before it uses its own pool.

use std::hint;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::core::error::{Error, ErrorKind, Result};

mod inline;
mod limits;
mod parallel;
mod runtimes;
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
mod spawn;
mod workers;

pub(crate) use inline::{INLINE_LIMIT, Wait, inline_if_ready, try_inline};
pub(crate) use limits::{FILES_PER_OPERATION, cores, max_open_files, max_threads};
pub(crate) use parallel::parallel_map;
#[cfg(feature = "openai")]
pub(crate) use spawn::spawn_abort_on_drop;
#[cfg(any(feature = "git", feature = "object-store", feature = "openai"))]
pub(crate) use spawn::spawn_to_completion;

use runtimes::InFlight;
use workers::{Job, Workers};

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
    done: oneshot::Receiver<Done<T>>,
    cancelled: Cancelled,
}

impl<T> Drop for PoolTask<T> {
    fn drop(&mut self) {
        self.cancelled.0.store(true, Ordering::Relaxed);
    }
}

impl<T> Future for PoolTask<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.done).poll(cx).map(|done| match done {
            Ok(Ok(result)) => result,
            // A panic continues on this thread.
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(_) => Err(no_threads()),
        })
    }
}

/// What an operation in the queue returns, or its panic.
type Done<T> = thread::Result<Result<T>>;

/// An operation, and how many files it opens.
struct Operation<F, T> {
    files: usize,
    /// `None` for an operation that the runtime does not wait for.
    in_flight: Option<InFlight>,
    progress: OperationProgress<F, T>,
}

enum OperationProgress<F, T> {
    Queued {
        operation: F,
        cancelled: Cancelled,
        sender: oneshot::Sender<Done<T>>,
    },
    Done {
        result: Done<T>,
        sender: oneshot::Sender<Done<T>>,
    },
    /// Its future was dropped before it started.
    Dropped,
}

impl<F, T> Job for Operation<F, T>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send,
    T: Send,
{
    fn files(&self) -> usize {
        self.files
    }

    fn run(&mut self) {
        let progress = mem::replace(&mut self.progress, OperationProgress::Dropped);
        let OperationProgress::Queued { operation, cancelled, sender } = progress else { return };
        if cancelled.check().is_err() {
            return;
        }
        let is_ending = self.in_flight.as_ref().is_some_and(InFlight::is_ending);
        let result = if is_ending {
            Ok(Err(shutting_down()))
        } else {
            panic::catch_unwind(AssertUnwindSafe(|| operation(&cancelled)))
        };
        // Without a receiver the result is dropped here, where that may take long.
        if !sender.is_closed() {
            self.progress = OperationProgress::Done { result, sender };
        }
    }

    fn finish(self: Box<Self>) {
        if let OperationProgress::Done { result, sender } = self.progress {
            drop(sender.send(result));
        }
    }
}

fn no_threads() -> Error {
    Error::new(ErrorKind::QuotaExceeded).with_message(
        "the system allows no more threads; see `ulimit -u` and the limit of processes of the container",
    )
}

/// Checks that `count` threads can be started. Without them Tokio panics when it starts a runtime.
///
/// # Errors
///
/// [`QuotaExceeded`](ErrorKind::QuotaExceeded) if the system allows fewer.
#[cfg(feature = "blocking")]
pub(crate) fn expect_threads(count: usize) -> Result<()> {
    // All threads live until the gate opens.
    let gate = std::sync::RwLock::new(());
    thread::scope(|scope| {
        let _closed = gate.write();
        (0..count).try_for_each(|_| {
            let started = thread::Builder::new().spawn_scoped(scope, || drop(gate.read()));
            started.map(drop).map_err(|_| no_threads())
        })
    })
}

fn shutting_down() -> Error {
    Error::new(ErrorKind::Cancelled).with_message("the runtime is shutting down")
}

/// Runs `operation` where it may block. After it has started it runs to its end, even if the future is dropped.
///
/// # Errors
///
/// Those of `operation`, [`QuotaExceeded`](ErrorKind::QuotaExceeded) if the system allows no thread, and
/// [`Cancelled`](ErrorKind::Cancelled) if the runtime shuts down first.
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

/// Like [`run_cancellable`], for an operation that has up to `files` files open.
pub(crate) async fn run_with_files<T, F>(files: usize, operation: F) -> Result<T>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    start_with_files(files, operation).await
}

/// Starts `operation` at once in the pool, so that it runs beside the caller. Without a pool it runs when the future is polled.
pub(crate) fn start<T, F>(operation: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    start_with_files(FILES_PER_OPERATION, operation)
}

/// Like [`start`], for an operation that has up to `files` files open.
pub(crate) fn start_with_files<T, F>(
    files: usize,
    operation: F,
) -> impl Future<Output = Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let started = match handle() {
        None => Err(operation),
        Some(runtime) => {
            let in_flight = Some(InFlight::start(&runtime));
            let (task, job) = task(files, in_flight, operation);
            submit(&runtime, job);
            Ok(task)
        }
    };
    async move {
        match started {
            Ok(task) => task.await,
            Err(operation) => operation(&Cancelled::default()),
        }
    }
}

/// Whether operations are waiting for a thread.
pub(crate) fn is_busy() -> bool {
    Workers::of_this_process().is_none_or(Workers::is_busy)
}

/// Starts a further operation on a thread of the pool.
pub(crate) fn continue_with<T, F>(
    files: usize,
    operation: F,
) -> impl Future<Output = Result<T>> + Send + use<T, F>
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (task, job) = task(files, None, operation);
    match Workers::of_this_process() {
        Some(workers) => workers.submit(job),
        None => run_here(job),
    }
    task
}

/// Returns `operation` as a job, and the future of its result.
fn task<T, F>(
    files: usize,
    in_flight: Option<InFlight>,
    operation: F,
) -> (PoolTask<T>, Box<dyn Job>)
where
    F: FnOnce(&Cancelled) -> Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (sender, done) = oneshot::channel();
    let cancelled = Cancelled::default();
    let progress = OperationProgress::Queued { operation, cancelled: cancelled.clone(), sender };
    (PoolTask { done, cancelled }, Box::new(Operation { files, in_flight, progress }))
}

fn submit(runtime: &Handle, job: Box<dyn Job>) {
    match Workers::of_this_process() {
        Some(workers) if !is_paused() => workers.submit(job),
        // A paused clock stands still while Tokio's own pool works. Otherwise it would advance to the next timeout at once.
        Some(_) => {
            #[expect(clippy::disallowed_methods, reason = "this is the only access to a pool")]
            drop(runtime.spawn_blocking(move || run_here(job)));
        }
        None => run_here(job),
    }
}

fn run_here(mut job: Box<dyn Job>) {
    job.run();
    job.finish();
}

/// Whether a test has paused the clock of the runtime, so that it stands still while the clock of the system goes on.
fn is_paused() -> bool {
    let (before, begin) = (Instant::now(), std::time::Instant::now());
    while std::time::Instant::now() == begin {
        hint::spin_loop();
    }
    Instant::now() == before
}

/// A value that is dropped in the pool.
struct Discarded<T> {
    value: Option<T>,
    _in_flight: InFlight,
}

impl<T: Send> Job for Discarded<T> {
    fn files(&self) -> usize {
        0
    }

    fn run(&mut self) {
        self.value = None;
    }

    fn finish(self: Box<Self>) {}
}

/// Drops `value` in the pool, because that may block: closing the last handle of a large unlinked file frees its blocks.
pub(crate) fn discard<T: Send + 'static>(value: T) {
    if let Some(runtime) = handle() {
        let _in_flight = InFlight::start(&runtime);
        submit(&runtime, Box::new(Discarded { value: Some(value), _in_flight }));
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
    #[cfg(all(
        feature = "blocking",
        any(feature = "git", feature = "object-store", feature = "openai")
    ))]
    async fn a_task_runs_to_its_end_after_the_blocking_facade_dropped_it() {
        let (report, reported) = oneshot::channel();
        let mut task = std::pin::pin!(Some(inline(spawn_to_completion(async move {
            tokio::task::yield_now().await;
            report.send(()).map_err(|()| ErrorKind::Internal.into())
        }))));
        let polled = futures::poll!(task.as_mut().as_pin_mut().unwrap());
        assert!(polled.is_pending());
        task.set(None);
        reported.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_continues_in_the_caller() {
        let panicking = tokio::spawn(run(|| -> Result<()> { panic!("in the pool") }));
        let panic = panicking.await.unwrap_err().into_panic();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "in the pool");
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_does_not_advance_while_an_operation_runs() {
        let slow = run(|| {
            thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        tokio::time::timeout(Duration::from_millis(1), slow).await.unwrap().unwrap();
    }

    #[test]
    fn a_runtime_that_shuts_down_waits_for_its_operations() {
        for builder in [
            tokio::runtime::Builder::new_current_thread(),
            tokio::runtime::Builder::new_multi_thread(),
        ] {
            let mut builder = builder;
            let runtime = builder.build().unwrap();
            let done = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&done);
            let (begun, wait_begun) = mpsc::channel();
            let (go, wait_go) = mpsc::channel::<()>();
            let mut running = Box::pin(async move {
                start(move |_| {
                    begun.send(()).unwrap();
                    wait_go.recv().unwrap();
                    thread::sleep(Duration::from_millis(50));
                    set.store(true, Ordering::SeqCst);
                    Ok(())
                })
                .await
            });
            runtime.block_on(async { assert!(futures::poll!(running.as_mut()).is_pending()) });
            wait_begun.recv().unwrap();
            go.send(()).unwrap();
            drop(runtime);
            assert!(done.load(Ordering::SeqCst));
            futures::executor::block_on(running).unwrap();
        }
    }

    #[test]
    fn an_operation_that_has_not_started_when_its_runtime_shuts_down_is_cancelled() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        let error = futures::executor::block_on(run(|| Ok(()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
