//! Time limits that expire when a test decides, independent of the speed of the machine.

use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

/// A call that takes longer than this hangs. No call that works comes near it, even on a busy machine.
pub(crate) const HANGS: Duration = Duration::from_secs(300);

/// Lets `limit` expire for a running call, and returns the result of the call.
///
/// `blocked` completes when the call waits for an event that never comes; its value is kept until the call ends. Until then the clock
/// runs normally. Then it jumps past `limit` and stops until the call ends, so no limit that begins after the jump expires.
pub(crate) async fn expire<T, B>(
    limit: Duration,
    call: impl Future<Output = T>,
    blocked: impl Future<Output = B>,
) -> T {
    let mut call = pin!(call);
    let kept = tokio::select! {
        biased;
        // Polled first, so that it can read the state before the call.
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
            // A paused clock advances by itself if the runtime has nothing else to do.
            () = tokio::task::yield_now() => thread::sleep(Duration::from_millis(1)),
        }
        assert!(since.elapsed() < HANGS, "the call goes on without its time");
    };
    tokio::time::resume();
    drop(kept);
    result
}
