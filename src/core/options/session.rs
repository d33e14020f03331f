//! Options for sessions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setters::setters;
use crate::core::duration;

/// Options of [`sync_session`](crate::AsyncFileBackend::sync_session_with).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How long to wait for the session before [`LockTimeout`](crate::ErrorKind::LockTimeout). Zero tries once. In JSON, a number of
    /// seconds.
    #[serde(serialize_with = "duration::serialize", deserialize_with = "duration::required")]
    pub timeout: Duration,
    /// The description of the changes of the session, for a store that publishes them at its end, such as git with `auto_push`. Other stores
    /// ignore it, as does a session within another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl SessionOptions {
    /// The default timeout, 30 seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// Waits at most this long.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        Self::default().with_timeout(timeout)
    }

    /// Sets the description of the changes of the session.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { timeout: Self::DEFAULT_TIMEOUT, message: None }
    }
}

setters!(SessionOptions {
    /// Sets how long to wait for the session.
    with_timeout(timeout: Duration) => timeout;
});
