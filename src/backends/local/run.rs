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

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use futures::future::{BoxFuture, join_all};

    use super::super::tests::ran_alone;
    use super::*;
    use crate::core::checksum::ChecksumAlgorithm;
    use crate::prelude::*;

    /// Long enough for any machine that makes progress.
    const HANG_LIMIT: Duration = Duration::from_secs(300);

    fn most_long_operations() -> usize {
        (max_threads() / 2).max(1)
    }

    /// The long operations that wait for the end of the test.
    #[derive(Default)]
    struct Gate {
        waiting: Mutex<usize>,
        opened: Condvar,
    }

    impl Gate {
        const OPEN: usize = usize::MAX;

        fn open(&self) {
            *self.waiting.lock().unwrap() = Self::OPEN;
            self.opened.notify_all();
        }

        /// Waits until the gate is open. Returns whether too many wait, which opens it.
        fn wait(&self) -> bool {
            let mut waiting = self.waiting.lock().unwrap();
            if *waiting == Self::OPEN {
                return false;
            }
            *waiting += 1;
            if *waiting > most_long_operations() {
                drop(waiting);
                self.open();
                return true;
            }
            drop(self.opened.wait_while(waiting, |waiting| *waiting != Self::OPEN).unwrap());
            false
        }
    }

    #[tokio::test]
    async fn long_operations_leave_half_of_the_threads_to_others() {
        let test = "long_operations_leave_half_of_the_threads_to_others";
        if ran_alone(&format!("backends::local::run::tests::{test}")) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let backend = LocalFileBackend::new(dir.path()).await.unwrap();
        let gate = Arc::new(Gate::default());
        let mut long: Vec<_> = (0..2 * max_threads())
            .map(|_| {
                let gate = Arc::clone(&gate);
                Box::pin(backend.run_long("wait", "a", move |_, _, _| Ok(gate.wait())))
            })
            .collect();
        for operation in &mut long {
            assert!(futures::poll!(operation.as_mut()).is_pending());
        }
        let short = backend.run("wait", "a", |_, _, _| Ok(()));
        let short = tokio::time::timeout(HANG_LIMIT, short).await;
        gate.open();
        let too_many = join_all(long).await.into_iter().filter(|done| *done.as_ref().unwrap());
        assert_eq!(too_many.count(), 0, "long operations take more than half of the threads");
        short.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn checksums_and_copies_are_long_operations() {
        if ran_alone("backends::local::run::tests::checksums_and_copies_are_long_operations") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let backend = &LocalFileBackend::new(dir.path()).await.unwrap();
        backend.create("a", "content").await.unwrap();
        let mut permits = Vec::new();
        for _ in 0..most_long_operations() {
            permits.push(long_permit().await.unwrap());
        }
        let sha256 = ChecksumAlgorithm::Sha256;
        let long: [(&str, BoxFuture<'_, Result<()>>); 3] = [
            ("checksum", Box::pin(async { backend.checksum("a", sha256).await.map(drop) })),
            (
                "checksum_many",
                Box::pin(async { backend.checksum_many(&["a"], sha256).await.map(drop) }),
            ),
            ("copy", Box::pin(async { backend.copy("a", "b").await.map(drop) })),
        ];
        let mut waiting = Vec::new();
        for (verb, mut operation) in long {
            // The clock stands still while an operation runs, and goes on while one waits for a permit.
            let waited = tokio::time::timeout(Duration::from_secs(1), operation.as_mut()).await;
            assert!(waited.is_err(), "{verb} takes no permit");
            waiting.push(operation);
        }
        backend.read("a").await.unwrap();
        drop(permits);
        for done in join_all(waiting).await {
            done.unwrap();
        }
    }
}
