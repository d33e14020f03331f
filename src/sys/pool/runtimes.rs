//! Runtimes that shut down wait for the operations that they have started.
//!
//! Tokio does this for its own pool, so that a program which returns from `main` does not end in the middle of a write. The threads of this
//! pool belong to no runtime. So each runtime gets a task that waits for ever. The runtime drops the task when it shuts down, and the
//! drop waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};

/// How long a shutdown waits. Only a system call that hangs takes longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The operations of one runtime.
#[derive(Debug, Default)]
struct Operations {
    count: Mutex<usize>,
    finished: Condvar,
    is_ending: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An operation that its runtime waits for, until it is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Operations>);

static RUNTIMES: LazyLock<Mutex<HashMap<Id, Arc<Operations>>>> = LazyLock::new(Mutex::default);

impl InFlight {
    /// Counts an operation of `runtime`.
    pub(super) fn start(runtime: &Handle) -> Self {
        let id = runtime.id();
        let (operations, is_new) = {
            let mut runtimes = locked(&RUNTIMES);
            let known = runtimes.get(&id).map(Arc::clone);
            let is_new = known.is_none();
            let operations = known.unwrap_or_default();
            if is_new {
                runtimes.insert(id, Arc::clone(&operations));
            }
            (operations, is_new)
        };
        if is_new {
            let waiter = Waiter { id, operations: Arc::clone(&operations) };
            drop(runtime.spawn(async move {
                let _waiter = waiter;
                std::future::pending::<()>().await;
            }));
        }
        *locked(&operations.count) += 1;
        Self(operations)
    }

    /// Whether the runtime shuts down, so that nobody waits for the result.
    pub(super) fn is_ending(&self) -> bool {
        self.0.is_ending.load(Ordering::Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut count = locked(&self.0.count);
        *count -= 1;
        if *count == 0 {
            self.0.finished.notify_all();
        }
    }
}

/// Waits for the operations when the runtime drops it.
struct Waiter {
    id: Id,
    operations: Arc<Operations>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        locked(&RUNTIMES).remove(&self.id);
        self.operations.is_ending.store(true, Ordering::Relaxed);
        let count = locked(&self.operations.count);
        // After a timeout the shutdown goes on.
        drop(self.operations.finished.wait_timeout_while(count, MAX_WAIT, |count| *count > 0));
    }
}
