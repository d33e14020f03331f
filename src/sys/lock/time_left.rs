//! Timeouts of locks.

use std::time::Duration;

use tokio::time::Instant;

/// The rest of a timeout, by the clock of the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLeft {
    /// `None` if the timeout is beyond the range of the clock.
    deadline: Option<Instant>,
}

impl TimeLeft {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(timeout) }
    }

    /// Returns the time that is left; zero after the timeout.
    pub(crate) fn get(self) -> Duration {
        self.deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
