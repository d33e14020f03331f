//! How far the service is with parsing a file, which search needs.

use std::time::Duration;

use tokio::time::Instant;

use super::api::{FileStatus, VectorStoreFile};
use super::store::Store;
use crate::{Error, ErrorKind, Result};

/// How long is waited before the second look, and at least and at most between two.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long the last look may take.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// How far the service is with a file. Only a completed one can be found by [`search`](super::OpenAIVectorStoreFileBackend::search).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexingStatus {
    /// It is being parsed.
    InProgress,
    /// It can be searched.
    Completed,
    /// It cannot be searched. It is kept all the same.
    Failed {
        /// Such as `unsupported_file`.
        code: String,
        /// In words.
        message: String,
    },
    /// Parsing was stopped.
    Cancelled,
}

impl IndexingStatus {
    pub(super) fn of(attachment: VectorStoreFile) -> Self {
        match attachment.status {
            FileStatus::Completed => Self::Completed,
            FileStatus::Cancelled => Self::Cancelled,
            FileStatus::Failed => {
                let error = attachment.last_error;
                let (code, message) =
                    error.map(|error| (error.code, error.message)).unwrap_or_default();
                Self::Failed { code, message }
            }
            // A status of days to come is none at which a service stops.
            FileStatus::InProgress | FileStatus::Unknown(_) => Self::InProgress,
        }
    }

    /// # Errors
    ///
    /// `Remote` if the file cannot be searched.
    pub(super) fn into_result(self) -> Result<()> {
        let reason = match self {
            Self::Completed | Self::InProgress => return Ok(()),
            Self::Cancelled => "the service has stopped parsing it".to_owned(),
            Self::Failed { code, message } => {
                format!("the service could not parse it: {code}: {message}")
            }
        };
        Err(Error::new(ErrorKind::Remote).with_message(reason))
    }
}

impl Store {
    /// Looks until the service is done with a file, and for the last time when `timeout` is over.
    ///
    /// # Errors
    ///
    /// `Timeout` after that, or a second later where the service does not answer; and `NotFound` if there is no such attachment any more.
    pub(super) async fn wait_until_indexed(
        &self,
        id: &str,
        timeout: Duration,
    ) -> Result<IndexingStatus> {
        let late = |what| {
            let message =
                format!("the service has not {what} it within {} s", timeout.as_secs_f32());
            Error::new(ErrorKind::Timeout).with_message(message)
        };
        let (began, mut left) = (Instant::now(), timeout);
        let mut pause = self.config.retry_delay.clamp(SHORTEST_PAUSE, FIRST_PAUSE);
        loop {
            let look = tokio::time::timeout(left.max(LAST_LOOK), self.client.attached(id));
            let attachment = look.await.map_err(|_| late("told whether it has parsed"))??;
            let status = IndexingStatus::of(attachment.ok_or(ErrorKind::NotFound)?);
            if status != IndexingStatus::InProgress {
                return Ok(status);
            }
            // However long a look took, the last one begins when the time is over.
            if left.is_zero() {
                return Err(late("parsed"));
            }
            tokio::time::sleep(pause.min(timeout.saturating_sub(began.elapsed()))).await;
            left = timeout.saturating_sub(began.elapsed());
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
