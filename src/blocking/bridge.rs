//! How a thread that may block waits for async code.
//!
//! The future is polled on the waiting thread, which sleeps in between; a runtime beside it serves the timers, the network and
//! whatever the future spawns. No second runtime is ever entered, so waiting works inside async code too, and nested.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime, RuntimeFlavor};
use tokio::task::{self, coop};

use crate::{Error, ErrorKind, Result, offload};

/// They only serve events; the work itself is done by the threads that wait.
const WORKERS: usize = 2;

/// How often a future is polled unasked on the thread of a current-thread runtime.
const TICK: Duration = Duration::from_millis(1);

tokio::task_local! {
    /// Set while a thread waits: whether it did so inside a multi-thread runtime.
    static AMONG_WORKERS: bool;
}

/// What lets a thread wait for async code: a runtime that serves timers, the network and spawned tasks.
///
/// # Examples
///
/// A verb that only the async backend has is called through the facade's own bridge:
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
    /// The bridge that the whole process shares. Its runtime starts with the first call and never ends.
    ///
    /// A process made by `fork` has no threads of its parent's: it must not go on with a bridge from before.
    ///
    /// # Errors
    ///
    /// What keeps the system from starting a runtime, such as [`TooManyOpenFiles`](ErrorKind::TooManyOpenFiles).
    pub fn shared() -> Result<Self> {
        static SHARED: Mutex<Option<Runtime>> = Mutex::new(None);

        // Held while the runtime starts: a second one started meanwhile could not be dropped inside async code.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match shared.take() {
            Some(running) => running,
            None => {
                start().map_err(|error| Error::from(error).with_operation("start a runtime"))?
            }
        };
        let handle = shared.insert(runtime).handle().clone();
        Ok(Self { handle })
    }

    /// A bridge over the caller's own runtime, which must outlive it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for the handle of a current-thread runtime: that stands still whenever its one
    /// thread is elsewhere, so that a call might never return.
    pub fn new(handle: Handle) -> Result<Self> {
        if handle.runtime_flavor() == RuntimeFlavor::MultiThread {
            return Ok(Self { handle });
        }
        Err(Error::new(ErrorKind::InvalidInput).with_message(
            "blocking calls need a multi-thread runtime: a current-thread runtime stands still while its thread is elsewhere",
        ))
    }

    /// Runs `future` on this thread, which sleeps while there is nothing to do. Its file operations run on this thread as well.
    ///
    /// Works on any thread, also inside async code and inside a future that is waited for like this. Inside async code it keeps
    /// the thread from other tasks: what the future waits for must not be the doing of a task that only this thread can run.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.poll_to_end(offload::inline(future))
    }

    /// Like [`wait`](Self::wait), but file operations run on the runtime's pool: for a future that has several under way.
    pub(super) fn wait_for_many<F: Future>(&self, future: F) -> F::Output {
        self.poll_to_end(future)
    }

    fn poll_to_end<F: Future>(&self, future: F) -> F::Output {
        let among_workers = among_workers();
        // Declared before the future, so that this is dropped inside too.
        let _entered = self.handle.enter();
        let future = AMONG_WORKERS.scope(among_workers, future);
        // A task that has used up its budget would find every channel and timer pending until it returns to its scheduler.
        let mut future = pin!(coop::unconstrained(future));
        let alarm = Arc::new(Alarm::for_this_thread());
        let waker = Waker::from(Arc::clone(&alarm));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            if !alarm.has_rung() {
                sleep(&alarm, among_workers);
            }
        }
    }

    /// Enters the runtime, for dropping what may count on one.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        // While a thread's locals are being dropped Tokio's may be gone already; to enter then would abort the process.
        let ending = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        (!ending).then(|| self.handle.enter())
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}

fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("f9-blocking")
        .enable_all()
        .build()
}

fn among_workers() -> bool {
    // Within a nested call the current handle is that of the outer call's bridge.
    AMONG_WORKERS.try_with(|among| *among).unwrap_or_else(|_| {
        let current = Handle::try_current();
        current.is_ok_and(|current| current.runtime_flavor() == RuntimeFlavor::MultiThread)
    })
}

fn sleep(alarm: &Alarm, among_workers: bool) {
    if !is_scheduler() {
        alarm.sleep();
    } else if among_workers {
        // The worker's other tasks go on with another thread; one of them may be what is waited for.
        task::block_in_place(|| alarm.sleep());
    } else {
        // What has yielded to this scheduler is woken when it has its thread back, which would be never.
        alarm.nap();
    }
}

/// Whether this thread is the one that runs the tasks of a scheduler, rather than one of a blocking pool or outside of runtimes.
fn is_scheduler() -> bool {
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    // Who yields is woken at once, except by a scheduler: that keeps the waker until it has nothing else to do.
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let yielded = pin!(task::yield_now()).poll(&mut Context::from_waker(&waker));
    yielded.is_pending() && !woken.0.load(Ordering::Relaxed)
}

/// Wakes a sleeping thread. The flag is what counts: a nested call on the same thread may use up the token of `unpark`.
struct Alarm {
    thread: Thread,
    rung: AtomicBool,
}

impl Alarm {
    fn for_this_thread() -> Self {
        Self { thread: thread::current(), rung: AtomicBool::new(false) }
    }

    fn has_rung(&self) -> bool {
        self.rung.swap(false, Ordering::Acquire)
    }

    fn sleep(&self) {
        while !self.has_rung() {
            thread::park();
        }
    }

    fn nap(&self) {
        if !self.has_rung() {
            thread::park_timeout(TICK);
            self.has_rung();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::Release) {
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
        let operation = || offload::run(|| Ok(thread::current().id()));
        assert_eq!(bridge.wait(operation()).unwrap(), here);
        assert_ne!(bridge.wait_for_many(async { operation().await }).unwrap(), here);
    }

    #[test]
    fn a_scheduler_is_told_from_other_threads() {
        assert!(!is_scheduler());
        let runtime = Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(async { is_scheduler() }));
        let runtime = Builder::new_multi_thread().build().unwrap();
        assert!(!runtime.block_on(async { is_scheduler() }));
        let within = async { is_scheduler() && !task::block_in_place(is_scheduler) };
        assert!(runtime.block_on(runtime.spawn(within)).unwrap());
    }
}
