//! How fast calls of a kind may follow each other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// Spreads calls over time: those of a whole minute may come at once, then one comes as another's time is over.
#[derive(Debug)]
pub(super) struct Pace {
    /// What one call takes of a minute.
    share: Duration,
    /// When all that was taken would be over, were the calls made evenly.
    taken_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// `calls` is at least 1.
    pub(super) fn per_minute(calls: u32) -> Self {
        Self { share: MINUTE / calls.max(1), taken_until: Mutex::new(None) }
    }

    /// Takes the next turn, and tells how long it is until then. It is taken also where nobody comes.
    pub(super) fn take(&self, now: Instant) -> Duration {
        let mut taken_until = self.taken_until.lock().unwrap_or_else(PoisonError::into_inner);
        let until = taken_until.map_or(now, |until| until.max(now)) + self.share;
        *taken_until = Some(until);
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
    fn a_minute_may_be_spent_at_once_and_then_turns_come_evenly() {
        let (pace, now) = (Pace::per_minute(1000), Instant::now());
        assert!((0..1000).all(|_| pace.take(now).is_zero()));
        let waits: Vec<_> = (0..3).map(|_| millis(pace.take(now))).collect();
        assert_eq!(waits, [60, 120, 180]);
        // Half a minute later half of it is there again, but for what was taken ahead.
        let later = now + MINUTE / 2;
        assert!((0..497).all(|_| pace.take(later).is_zero()));
        assert_eq!(millis(pace.take(later)), 60);
    }

    #[test]
    fn what_is_not_spent_is_not_saved_up() {
        let (pace, now) = (Pace::per_minute(2), Instant::now());
        assert!(pace.take(now).is_zero());
        let much_later = now + 100 * MINUTE;
        let waits: Vec<_> = (0..4).map(|_| millis(pace.take(much_later))).collect();
        assert_eq!(waits, [0, 0, 30_000, 60_000]);
    }
}
