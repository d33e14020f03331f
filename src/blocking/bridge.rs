//! Waits for async code on a thread that may block.
//!
//! The calling thread polls the future and sleeps between polls. A runtime in the background serves timers, the network and spawned
//! tasks. The calling thread never runs a second runtime, so waiting also works inside async code and nested.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime, RuntimeFlavor};
use tokio::task::{self, coop};

use crate::core::error::{Error, ErrorKind, Result};
use crate::sys::pool;

/// The number of worker threads. They only serve events; the waiting threads do the work.
const WORKERS: usize = 2;

/// The interval at which a future is polled without a wake-up on the thread of a current-thread runtime.
const TICK: Duration = Duration::from_millis(1);

tokio::task_local! {
    /// Set while a thread waits: whether it waits inside a multi-thread runtime.
    static IN_MULTI_THREAD: bool;
}

/// Lets a thread wait for async code, with a runtime that serves timers, the network and spawned tasks.
///
/// # Examples
///
/// Use the bridge of the facade to call a verb that only the async backend has:
///
/// ```
/// use f9::prelude::*;
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::MemoryFileBackend::new()?;
/// files.create("a.txt", "hello")?;
/// let mut text = String::new();
/// files.bridge().wait(async {
///     let mut reader = files.backend().reader("a.txt").await?;
///     tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await?;
///     Ok::<_, f9::Error>(())
/// })?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Bridge {
    handle: Handle,
}

impl Bridge {
    /// Returns the bridge that the whole process shares. Its runtime starts with the first call and never ends.
    ///
    /// A process made by `fork` lacks the threads of its parent and must not use a bridge of the parent.
    ///
    /// # Errors
    ///
    /// Any failure to start a runtime, such as [`TooManyOpenFiles`](ErrorKind::TooManyOpenFiles), or
    /// [`QuotaExceeded`](ErrorKind::QuotaExceeded) if the system allows no more threads.
    pub fn shared() -> Result<Self> {
        static SHARED: Mutex<Option<Runtime>> = Mutex::new(None);

        // Locked while the runtime starts, because a second one could not be dropped inside async code.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match shared.take() {
            Some(running) => running,
            None => start().map_err(|error| error.with_operation("start a runtime"))?,
        };
        let handle = shared.insert(runtime).handle().clone();
        Ok(Self { handle })
    }

    /// Creates a bridge to a runtime of the caller, which must outlive the bridge.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for the handle of a current-thread runtime. Such a runtime makes no progress while its
    /// only thread is elsewhere, so a call might never return.
    pub fn new(handle: Handle) -> Result<Self> {
        if handle.runtime_flavor() == RuntimeFlavor::MultiThread {
            return Ok(Self { handle });
        }
        Err(Error::new(ErrorKind::InvalidInput).with_message(
            "blocking calls need a multi-thread runtime; a current-thread runtime makes no progress while its thread is elsewhere",
        ))
    }

    /// Runs `future` on the calling thread, including its file operations. The thread sleeps while the future waits.
    ///
    /// Works on any thread, also inside async code and inside another `wait`. Inside async code it blocks the thread for other tasks,
    /// so the future must not wait for a task that only this thread can run.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.poll_to_end(pool::inline(future))
    }

    /// Like [`wait`](Self::wait), but file operations run on the threads of the pool, so that several can run at the same time.
    pub(super) fn wait_for_many<F: Future>(&self, future: F) -> F::Output {
        self.poll_to_end(future)
    }

    fn poll_to_end<F: Future>(&self, future: F) -> F::Output {
        let in_multi_thread = in_multi_thread();
        // Declared before the future, so that the future is dropped inside the runtime.
        let _entered = self.handle.enter();
        let future = IN_MULTI_THREAD.scope(in_multi_thread, future);
        // Without `unconstrained`, channels and timers stay pending for a task that has used up its coop budget.
        let mut future = pin!(coop::unconstrained(future));
        let thread_waker = Arc::new(ThreadWaker::for_this_thread());
        let waker = Waker::from(Arc::clone(&thread_waker));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            if !thread_waker.take_wake_up() {
                sleep(&thread_waker, in_multi_thread);
            }
        }
    }

    /// Enters the runtime, to drop a value that may need one.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        // While the thread-locals of a thread are dropped, Tokio's may be gone already, and entering would abort the process.
        let ending = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        (!ending).then(|| self.handle.enter())
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

fn start() -> Result<Runtime> {
    pool::expect_threads(WORKERS)?;
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(WORKERS).thread_name("f9-blocking").enable_all().build()?)
}

fn in_multi_thread() -> bool {
    // In a nested call the current handle is that of the outer bridge.
    IN_MULTI_THREAD.try_with(|inside| *inside).unwrap_or_else(|_| {
        let current = Handle::try_current();
        current.is_ok_and(|current| current.runtime_flavor() == RuntimeFlavor::MultiThread)
    })
}

fn sleep(thread_waker: &ThreadWaker, in_multi_thread: bool) {
    if !is_scheduler() {
        thread_waker.sleep();
    } else if in_multi_thread {
        // Moves the other tasks of the worker to another thread, because the future may wait for one of them.
        task::block_in_place(|| thread_waker.sleep());
    } else {
        // The scheduler wakes a task that yielded only when it gets this thread back, so poll without a wake-up.
        thread_waker.sleep_for_tick();
    }
}

/// Returns whether this thread runs the tasks of a scheduler, as opposed to a thread of a blocking pool or outside of runtimes.
fn is_scheduler() -> bool {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    // `yield_now` wakes immediately, except inside a scheduler, which keeps the waker until it has nothing else to do.
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let yielded = pin!(task::yield_now()).poll(&mut Context::from_waker(&waker));
    yielded.is_pending() && !woken.0.load(Ordering::Relaxed)
}

/// Wakes a sleeping thread. Only the flag is reliable: a nested call on the same thread may consume the token of `unpark`.
struct ThreadWaker {
    thread: Thread,
    woken: AtomicBool,
}

impl ThreadWaker {
    fn for_this_thread() -> Self {
        Self { thread: thread::current(), woken: AtomicBool::new(false) }
    }

    fn take_wake_up(&self) -> bool {
        self.woken.swap(false, Ordering::Acquire)
    }

    fn sleep(&self) {
        while !self.take_wake_up() {
            thread::park();
        }
    }

    fn sleep_for_tick(&self) {
        if !self.take_wake_up() {
            thread::park_timeout(TICK);
            self.take_wake_up();
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_operations_run_on_the_waiting_thread_unless_there_are_many() {
        let (bridge, here) = (Bridge::shared().unwrap(), thread::current().id());
        let operation = || pool::run(|| Ok(thread::current().id()));
        assert_eq!(bridge.wait(operation()).unwrap(), here);
        assert_ne!(bridge.wait_for_many(async { operation().await }).unwrap(), here);
    }

    #[test]
    fn a_scheduler_thread_is_distinguished_from_other_threads() {
        assert!(!is_scheduler());
        let runtime = Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(async { is_scheduler() }));
        let runtime = Builder::new_multi_thread().build().unwrap();
        assert!(!runtime.block_on(async { is_scheduler() }));
        let within = async { is_scheduler() && !task::block_in_place(is_scheduler) };
        assert!(runtime.block_on(runtime.spawn(within)).unwrap());
    }
}
