//! Rate limits on the client's side.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Spreads calls over time: the calls of one minute may come at once, later ones come evenly.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// The part of a minute that one call takes.
    interval: Duration,
    /// When all calls so far would be done if they came evenly.
    busy_until: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// `calls` is at least 1.
    pub(crate) fn per_minute(calls: u32) -> Self {
        Self { interval: MINUTE / calls.max(1), busy_until: Mutex::new(None) }
    }

    /// Takes the next slot and returns the wait until it starts. The slot is consumed even if the caller gives up.
    pub(crate) fn take(&self, now: Instant) -> Duration {
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = busy_until.map_or(now, |until| until.max(now)) + self.interval;
        *busy_until = Some(until);
        until.saturating_duration_since(now + MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(wait: Duration) -> u128 {
        wait.as_millis()
    }

    #[test]
    fn one_minute_of_calls_may_come_at_once_and_later_ones_evenly() {
        let (limiter, now) = (RateLimiter::per_minute(1000), Instant::now());
        assert!((0..1000).all(|_| limiter.take(now).is_zero()));
        let waits: Vec<_> = (0..3).map(|_| millis(limiter.take(now))).collect();
        assert_eq!(waits, [60, 120, 180]);
        // Half a minute later half of the minute is available again, less the slots that were taken in advance.
        let later = now + MINUTE / 2;
        assert!((0..497).all(|_| limiter.take(later).is_zero()));
        assert_eq!(millis(limiter.take(later)), 60);
    }

    #[test]
    fn unused_calls_do_not_accumulate() {
        let (limiter, now) = (RateLimiter::per_minute(2), Instant::now());
        assert!(limiter.take(now).is_zero());
        let much_later = now + 100 * MINUTE;
        let waits: Vec<_> = (0..4).map(|_| millis(limiter.take(much_later))).collect();
        assert_eq!(waits, [0, 0, 30_000, 60_000]);
    }
}
