//! Time that passes when a test says so.

use std::time::Duration;

use futures::FutureExt as _;

/// Moves the clock of this runtime ahead, from where it goes on: what waits for that long is over.
pub(super) fn jump(by: Duration) {
    tokio::time::pause();
    // The clock is moved when this is first polled; what follows is a yield.
    assert!(tokio::time::advance(by).now_or_never().is_none());
    tokio::time::resume();
}

/// Time passes, and those who have waited for it come to know.
pub(super) async fn passing(time: Duration) {
    loop {
        jump(time);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
