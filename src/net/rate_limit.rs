//! Rate limits on the client's side.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Limits the calls of every minute: a whole minute's calls may come at once, and the next ones when that minute is over.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    per_minute: usize,
    /// When the calls of the last minute started, and when those that wait will start, in order.
    starts: Mutex<VecDeque<Instant>>,
}

impl RateLimiter {
    /// `calls` is at least 1.
    pub(crate) fn per_minute(calls: u32) -> Self {
        let per_minute = usize::try_from(calls.max(1)).unwrap_or(usize::MAX);
        Self { per_minute, starts: Mutex::default() }
    }

    /// Takes the next slot and returns the wait until it starts. The slot is consumed even if the caller gives up.
    pub(crate) fn take(&self, now: Instant) -> Duration {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        while starts.front().is_some_and(|&start| start + MINUTE <= now) {
            starts.pop_front();
        }
        let last_of_minute = starts.len().checked_sub(self.per_minute).map(|at| starts[at]);
        let start = last_of_minute.map_or(now, |last| now.max(last + MINUTE));
        starts.push_back(start);
        start.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_calls_than_the_limit() {
        let (limiter, begin) = (RateLimiter::per_minute(100), Instant::now());
        // At first all at once, then a call every 100 ms for five minutes.
        let asked =
            (0..150).map(|_| 0).chain((0..3000).map(|n| n * 100)).map(Duration::from_millis);
        let starts: Vec<Instant> =
            asked.map(|after| begin + after + limiter.take(begin + after)).collect();
        assert_eq!(starts.iter().filter(|start| **start == begin).count(), 100, "none waits");
        assert!(starts.is_sorted());
        for minute in starts.windows(101) {
            assert!(minute[100] >= minute[0] + MINUTE);
        }
    }

    #[test]
    fn unused_calls_do_not_accumulate() {
        let (limiter, now) = (RateLimiter::per_minute(2), Instant::now());
        assert!(limiter.take(now).is_zero());
        let much_later = now + 100 * MINUTE;
        let waits: Vec<_> = (0..5).map(|_| limiter.take(much_later).as_secs()).collect();
        assert_eq!(waits, [0, 0, 60, 60, 120]);
        assert_eq!(
            limiter.starts.lock().unwrap().len(),
            5,
            "calls of earlier minutes are forgotten"
        );
    }
}
