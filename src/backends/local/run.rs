//! The three ways to run the system calls of a verb.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::open_files::{FILES_OF_WRITER, OpenFiles, Room};
use super::{LocalFileBackend, Shared};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::sys::fs::{Attempt, DIR_LOCK_TIMEOUT};
use crate::sys::lock::{Permit, Semaphore, TimeLeft};
use crate::sys::pool::{self, Cancelled, FILES_PER_OPERATION, Wait, max_threads};

/// Waits for the permit of an operation that may take long.
pub(super) async fn long_permit() -> Option<Permit> {
    static LONG: LazyLock<Arc<Semaphore>> =
        LazyLock::new(|| Arc::new(Semaphore::new(|| max_threads() / 2)));
    LONG.acquire(1, TimeLeft::new(Duration::MAX)).await
}

impl LocalFileBackend {
    /// Runs `act` in the pool.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl FnOnce(&Shared, &FilePath, &Cancelled) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_with_files(FILES_PER_OPERATION, operation, path, act).await
    }

    /// Runs `act`, which has up to `files` files open, in the pool.
    pub(super) async fn run_with_files<T: Send + 'static>(
        &self,
        files: usize,
        operation: &'static str,
        path: &str,
        act: impl FnOnce(&Shared, &FilePath, &Cancelled) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = async {
            let parsed = self.shared.root.parse(path)?;
            let shared = Arc::clone(&self.shared);
            let act = move |cancelled: &Cancelled| act(&shared, &parsed, cancelled);
            pool::run_with_files(files, act).await
        };
        done.await.map_err(|error| self.failing(operation, path)(error))
    }

    /// Like [`run`](Self::run), for an operation that may take long. At most half of the threads run such operations, so that others need
    /// not wait for them.
    pub(super) async fn run_long<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl FnOnce(&Shared, &FilePath, &Cancelled) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = long_permit().await;
        let act = move |shared: &Shared, path: &FilePath, cancelled: &Cancelled| {
            // It belongs to the operation and not to the future, which may not be polled any more.
            let _permit = permit;
            act(shared, path, cancelled)
        };
        self.run(operation, path, act).await
    }

    /// Runs `act` on the calling thread if the caches of the kernel are sufficient, and otherwise in the pool. `copied` returns how
    /// many bytes it copied.
    pub(super) async fn run_inline<T: Send + 'static>(
        &self,
        operation: &'static str,
        path: &str,
        act: impl Fn(&Shared, &FilePath, Wait, &Cancelled) -> Result<T> + Send + Sync + 'static,
        copied: fn(&T) -> usize,
    ) -> Result<T> {
        let done = async {
            let parsed = self.shared.root.parse(path)?;
            let shared = Arc::clone(&self.shared);
            let act = move |wait, cancelled: &Cancelled| act(&shared, &parsed, wait, cancelled);
            pool::try_inline(act, copied).await
        };
        done.await.map_err(|error| self.failing(operation, path)(error))
    }

    /// Runs `step` in the pool, and again while another process has locked the directory. The waits between are not in the pool. If too
    /// many files are open meanwhile, the step starts again from the beginning.
    pub(super) async fn retry_while_busy<T: Send + 'static, S: Send + 'static>(
        &self,
        path: &str,
        step: impl Fn(&Shared, Option<S>, &Cancelled) -> Result<Attempt<T, S>> + Send + Sync + 'static,
    ) -> Result<T> {
        self.retry_with_files(FILES_PER_OPERATION, path, None, step).await
    }

    /// Like [`retry_while_busy`](Self::retry_while_busy), for a step that has up to `files` files open. A step with a first state never
    /// starts again, and there is room for its files.
    pub(super) async fn retry_with_files<T: Send + 'static, S: Send + 'static>(
        &self,
        files: usize,
        path: &str,
        first: Option<(S, OpenFiles)>,
        step: impl Fn(&Shared, Option<S>, &Cancelled) -> Result<Attempt<T, S>> + Send + Sync + 'static,
    ) -> Result<T> {
        let step = Arc::new(step);
        let (mut state, mut room) = first.unzip();
        let mut deadline = None;
        let mut pause = Duration::from_millis(1);
        loop {
            let (step, shared) = (Arc::clone(&step), Arc::clone(&self.shared));
            let (name, held) = (path.to_owned(), room.take());
            let attempt = move |cancelled: &Cancelled| {
                Ok(match step(&shared, state, cancelled)? {
                    Attempt::Done(done) => Attempt::Done(done),
                    // Such a step always starts again.
                    Attempt::Busy(_) if size_of::<S>() == 0 => Attempt::Busy(None),
                    // Here, because the state has files open and the caller may ask for the result late.
                    Attempt::Busy(state) => {
                        let try_reserve =
                            || OpenFiles::try_reserve(Room::Writing, FILES_OF_WRITER, &name);
                        let room = held.or_else(try_reserve);
                        Attempt::Busy(room.map(|room| (state, room)))
                    }
                })
            };
            match pool::run_with_files(files, attempt).await? {
                Attempt::Done(done) => return Ok(done),
                Attempt::Busy(next) => (state, room) = next.unzip(),
            }
            let left = deadline.get_or_insert_with(|| TimeLeft::new(DIR_LOCK_TIMEOUT));
            if left.get().is_zero() {
                return Err(Error::new(ErrorKind::LockTimeout)
                    .with_message("another process keeps the directory locked"));
            }
            pool::pause(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}
