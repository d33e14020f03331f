//! How far the service is with parsing a file, which search needs.

use std::time::Duration;

use tokio::time::Instant;

use super::api::{FileStatus, VectorStoreFile};
use super::store::Store;
use crate::{Error, ErrorKind, Result};

/// How long is waited before the second look, and at most between two.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    /// Looks until the service is done with a file.
    ///
    /// # Errors
    ///
    /// `Timeout`, and `NotFound` if there is no such attachment any more.
    pub(super) async fn wait_until_indexed(
        &self,
        id: &str,
        timeout: Duration,
    ) -> Result<IndexingStatus> {
        let (began, mut pause) = (Instant::now(), self.config.retry_delay.min(FIRST_PAUSE));
        loop {
            let attachment = self.client.attached(id).await?.ok_or(ErrorKind::NotFound)?;
            let status = IndexingStatus::of(attachment);
            if status != IndexingStatus::InProgress {
                return Ok(status);
            }
            if began.elapsed() + pause > timeout {
                return Err(Error::new(ErrorKind::Timeout).with_message(format!(
                    "the service has not parsed it within {:.1} s",
                    timeout.as_secs_f32()
                )));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
