//! Operations that run on the calling thread, because the kernel answers them from its caches.

use std::io;
use std::sync::LazyLock;

use tokio::task::coop;

use super::{Cancelled, handle, run_cancellable};
use crate::core::error::Result;

/// Whether an operation may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Returns `EAGAIN` ([`Error::would_wait`](crate::core::error::Error::would_wait)) instead of waiting.
    Never,
    Disk,
}

impl Wait {
    /// # Errors
    ///
    /// `EAGAIN` for [`Never`](Self::Never).
    pub(crate) fn expect_disk(self) -> Result<()> {
        match self {
            Self::Disk => Ok(()),
            Self::Never => Err(io::Error::from(io::ErrorKind::WouldBlock).into()),
        }
    }
}

/// The number of bytes that an inline operation may copy. A trip to the pool takes about the same time.
pub(crate) const INLINE_LIMIT: usize = 256 * 1024;

/// The cost of an inline operation, in units of the task budget of Tokio, which has 128 units per poll: a fixed cost, and one unit for
/// this many bytes. So a task runs for about a tenth of a millisecond before other tasks run.
const UNITS: usize = 4;
const BYTES_PER_UNIT: usize = 1024;

/// An inline operation finishes before its future can be dropped.
static NEVER_CANCELLED: LazyLock<Cancelled> = LazyLock::new(Cancelled::default);

/// Runs `operation` inline if that needs no waiting, and otherwise in the pool. `copied` returns how many bytes an inline run
/// copied.
///
/// # Errors
///
/// Those of [`run`](super::run).
pub(crate) async fn try_inline<T, F>(operation: F, copied: fn(&T) -> usize) -> Result<T>
where
    F: Fn(Wait, &Cancelled) -> Result<T> + Send + Sync + 'static,
    T: Send + 'static,
{
    match inline_if_ready(|| operation(Wait::Never, &NEVER_CANCELLED), copied).await {
        Some(result) => result,
        None => run_cancellable(move |cancelled| operation(Wait::Disk, cancelled)).await,
    }
}

/// Runs `operation`, which must not wait, inline. `None` if it would have to wait, and also if there is no pool, because this thread
/// may then wait.
pub(crate) async fn inline_if_ready<T: Send>(
    operation: impl FnOnce() -> Result<T> + Send,
    copied: fn(&T) -> usize,
) -> Option<Result<T>> {
    handle()?;
    let result = match operation() {
        Err(error) if error.would_wait() => return None,
        result => result,
    };
    // Without this, a task whose operations never wait would keep other tasks from running.
    for _ in 0..UNITS + result.as_ref().map_or(0, copied) / BYTES_PER_UNIT {
        coop::consume_budget().await;
    }
    Some(result)
}
