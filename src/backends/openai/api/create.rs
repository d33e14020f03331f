//! Calls that create something, which are repeated only if it was not created.

use serde_json::Value;
use tokio::time::Instant;

use super::Client;
use super::failure::Failure;
use super::transport::{Call, RetryState};
use crate::core::error::{ErrorKind, Result};

/// The attempts of a call that creates something.
pub(super) struct Creation {
    state: RetryState,
    /// Until when a 404 is retried.
    known_by: Option<Instant>,
    /// How often it was.
    waits: u32,
}

impl Client {
    /// Starts to make a call that creates something. If `may_be_unknown`, a 404 is retried for some seconds: the service may not know
    /// a new upload yet.
    pub(super) fn creation(&self, may_be_unknown: bool) -> Creation {
        let known_by = may_be_unknown.then(|| Instant::now() + self.0.propagation_delay);
        Creation { state: self.0.transport.retry_state(), known_by, waits: 0 }
    }

    /// Makes a call that creates something once. After an ambiguous failure, returns what `find` finds. Returns `None` when it is time
    /// to make the call again.
    pub(super) async fn create<T, E, F: Future<Output = Result<Option<T>, E>>>(
        &self,
        call: &Call<'_>,
        creation: &mut Creation,
        read: fn(Value) -> Option<T>,
        find: impl FnOnce(RetryState) -> F,
    ) -> Result<Option<T>> {
        let answer = self.0.transport.attempt(call, &mut creation.state).await;
        let created =
            answer.and_then(|answer| self.read(&answer, read).map_err(Failure::unreadable));
        let failure = match created {
            Ok(created) => return Ok(Some(created)),
            Err(failure) => failure,
        };
        let may_retry = self.may_retry(&failure, creation).await;
        let found = match failure.is_ambiguous {
            true => find(creation.state.for_lookup()).await,
            false => Ok(None),
        };
        match found {
            Ok(None) if may_retry => Ok(None),
            Ok(Some(found)) => Ok(Some(found)),
            _ => Err(failure.of_change(creation.state.is_ambiguous)),
        }
    }

    /// Waits until the call may be made again. Returns `false` if it must not be made again.
    async fn may_retry(&self, failure: &Failure, creation: &mut Creation) -> bool {
        let is_missing = failure.error.kind() == ErrorKind::NotFound;
        let Some(known_by) = creation.known_by.filter(|_| is_missing) else {
            return self.0.transport.wait_to_retry(failure, &mut creation.state).await;
        };
        let left = known_by.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.0.transport.back_off(creation.waits, left).await;
        creation.waits += 1;
        true
    }
}
