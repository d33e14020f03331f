//! Futures that run as tasks of their own.

use std::panic;
#[cfg(feature = "openai")]
use std::pin::Pin;
#[cfg(feature = "openai")]
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::JoinError;
#[cfg(feature = "openai")]
use tokio::task::JoinHandle;

#[cfg(feature = "openai")]
use super::handle;
use super::shutting_down;
use crate::core::error::{Error, Result};

/// Converts the error of a task without a result. A panic continues on this thread.
fn join_error(error: JoinError) -> Error {
    if error.is_panic() {
        panic::resume_unwind(error.into_panic());
    }
    shutting_down().with_source(error)
}

/// A task of the runtime. Dropping it cancels the task.
#[cfg(feature = "openai")]
#[derive(Debug)]
struct Spawned<T>(JoinHandle<T>);

#[cfg(feature = "openai")]
impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(feature = "openai")]
impl<T> Future for Spawned<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|done| done.map_err(join_error))
    }
}

/// Runs `future` as a task of its own. So it makes progress even if the caller does not poll, and does not keep a lock or its place in
/// a queue for longer than needed. Dropping the returned future cancels it.
#[cfg(feature = "openai")]
pub(crate) async fn spawn_abort_on_drop<T>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
{
    match handle() {
        None => future.await,
        Some(handle) => Spawned(handle.spawn(future)).await?,
    }
}

/// Runs `future` as a task of its own to its end, even if the returned future is dropped.
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
