//! Time that advances only when a test moves it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;

/// Advances this runtime's clock without stopping it: timers up to `by` expire.
pub(super) fn jump(by: Duration) {
    tokio::time::pause();
    // The first poll moves the clock; the rest of the future only yields.
    assert!(tokio::time::advance(by).now_or_never().is_none());
    tokio::time::resume();
}

/// Advances the clock and lets expired timers run, again and again until `is_over`.
pub(super) async fn advance(time: Duration, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        jump(time);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
