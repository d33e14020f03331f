//! What was attached a moment ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// As many are remembered; what is attached beyond that is believed to be missing sooner.
const MOST: usize = 16 * 1024;

/// When which files were attached, by whichever client of a vector store in this process.
#[derive(Debug, Default)]
pub(in super::super) struct Attached(Mutex<HashMap<String, Instant>>);

/// Remembers for a while which files were attached: until then the service may answer as if they were not.
#[derive(Debug)]
pub(super) struct Recent {
    doubt: Duration,
    attached: Arc<Attached>,
}

impl Recent {
    /// For `doubt`, an answer that a new file is missing is not believed.
    pub(super) fn new(doubt: Duration, attached: Arc<Attached>) -> Self {
        Self { doubt, attached }
    }

    pub(super) fn doubt(&self) -> Duration {
        self.doubt
    }

    pub(super) fn note(&self, file: &str, now: Instant) {
        let mut attached = self.attached();
        if attached.len() >= MOST {
            attached.retain(|_, at| *at + self.doubt > now);
        }
        if attached.len() < MOST {
            attached.insert(file.to_owned(), now);
        }
    }

    pub(super) fn forget(&self, file: &str) {
        self.attached().remove(file);
    }

    /// For how long it is not believed that `file` is missing; zero where it is.
    pub(super) fn doubt_left(&self, file: &str, now: Instant) -> Duration {
        let attached = self.attached();
        attached
            .get(file)
            .map_or(Duration::ZERO, |at| (*at + self.doubt).saturating_duration_since(now))
    }

    fn attached(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.attached.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBT: Duration = Duration::from_secs(10);

    #[test]
    fn a_new_file_is_remembered_for_a_while() {
        let (recent, now) = (Recent::new(DOUBT, Arc::default()), Instant::now());
        recent.note("a", now);
        assert_eq!(recent.doubt_left("a", now), DOUBT);
        assert_eq!(recent.doubt_left("a", now + DOUBT / 2), DOUBT / 2);
        assert_eq!(recent.doubt_left("a", now + 2 * DOUBT), Duration::ZERO);
        assert_eq!(recent.doubt_left("b", now), Duration::ZERO);
        recent.forget("a");
        assert_eq!(recent.doubt_left("a", now), Duration::ZERO);
    }

    #[test]
    fn not_more_than_so_many_are_remembered_and_the_old_ones_make_room() {
        let (recent, now) = (Recent::new(DOUBT, Arc::default()), Instant::now());
        for n in 0..=MOST {
            recent.note(&n.to_string(), now);
        }
        assert_eq!(recent.attached().len(), MOST);
        recent.note("late", now + DOUBT);
        assert_eq!(recent.doubt_left("late", now + DOUBT), DOUBT);
        assert_eq!(recent.attached().len(), 1);
    }
}
