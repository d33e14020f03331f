//! Time limits that end when a test says so, however fast the machine is.

use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

/// What takes longer than this hangs. Nothing that works comes near it, on a busy machine either.
pub(crate) const HANGS: Duration = Duration::from_secs(300);

/// Ends `limit` for a call that is under way, and gives what comes of the call.
///
/// First waits for `blocked`, which says that the call waits for what never comes; what it gives is kept until the call has ended. Until
/// `blocked` is there the clock runs as always. Then it jumps past `limit` and stands still until the call has ended, so that nothing that
/// begins after the jump runs out of time.
pub(crate) async fn expire<T, B>(
    limit: Duration,
    call: impl Future<Output = T>,
    blocked: impl Future<Output = B>,
) -> T {
    let mut call = pin!(call);
    let kept = tokio::select! {
        biased;
        // First, so that it can note how things are before the call.
        blocked = blocked => blocked,
        _ = &mut call => panic!("the call did not wait"),
    };
    tokio::time::pause();
    tokio::time::advance(limit + Duration::from_secs(1)).await;
    let since = Instant::now();
    let result = loop {
        tokio::select! {
            biased;
            result = &mut call => break result,
            // The clock of a runtime that waits for nothing but time would go on by itself.
            () = tokio::task::yield_now() => thread::sleep(Duration::from_millis(1)),
        }
        assert!(since.elapsed() < HANGS, "the call goes on without its time");
    };
    tokio::time::resume();
    drop(kept);
    result
}
