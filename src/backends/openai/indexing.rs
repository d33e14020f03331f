//! How far the service has parsed a file, which search depends on.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::OpenAIVectorStoreFileBackend;
use super::api::VectorStoreFile;
use super::error::CONTEXT;
use super::list::file_at;
use super::store::Store;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::path::FilePath;
use crate::sys::pool;

/// The wait before the second poll, and the bounds of the wait between two polls.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How long the last poll may take.
const LAST_POLL: Duration = Duration::from_secs(1);

/// How far the service has parsed a file. Only a completed file can be found by
/// [`search`](super::OpenAIVectorStoreFileBackend::search).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexingStatus {
    /// The service is parsing it.
    InProgress,
    /// It can be searched.
    Completed,
    /// It cannot be searched, but it is kept.
    Failed {
        /// A code such as `unsupported_file`.
        code: String,
        /// The service's message.
        message: String,
    },
    /// Parsing was stopped.
    Cancelled,
}

impl OpenAIVectorStoreFileBackend {
    /// Returns how far the service has parsed a file, which search depends on. Sends one request.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`IsADirectory`](ErrorKind::IsADirectory).
    pub async fn indexing_status(&self, path: &str) -> Result<IndexingStatus> {
        let status = async {
            let id = self.store.id_of(path).await?;
            let client = self.store.client.clone();
            let attachment =
                pool::spawn_abort_on_drop(async move { client.attached(&id).await }).await?;
            let attachment = attachment.ok_or(ErrorKind::NotFound)?;
            Ok(IndexingStatus::of(attachment))
        };
        status.await.map_err(CONTEXT.at("get the indexing status of", path))
    }

    /// Waits until the service has parsed a file, successfully or not.
    ///
    /// # Errors
    ///
    /// Those of [`indexing_status`](Self::indexing_status), and [`Timeout`](ErrorKind::Timeout), up to a second late if the service
    /// does not answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// # use f9::{IndexingStatus, OpenAIVectorStoreFileBackend, prelude::*, testing::openai::OpenAISimulator};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// # let openai = OpenAISimulator::start();
    /// # let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
    /// notes.create("plan.md", "Plant the tomatoes in May.").await?;
    /// match notes.wait_until_indexed("plan.md", Duration::from_secs(60)).await? {
    ///     IndexingStatus::Completed => {}
    ///     other => eprintln!("it cannot be searched: {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    pub async fn wait_until_indexed(
        &self,
        path: &str,
        timeout: Duration,
    ) -> Result<IndexingStatus> {
        let waited = async {
            let id = self.store.id_of(path).await?;
            let store = self.store.clone();
            let wait = async move { store.wait_until_indexed(&id, timeout).await };
            pool::spawn_abort_on_drop(wait).await
        };
        waited.await.map_err(CONTEXT.at("wait for the indexing of", path))
    }
}

impl IndexingStatus {
    pub(super) fn of(attachment: VectorStoreFile) -> Self {
        let error = attachment.last_error;
        match attachment.status.as_str() {
            "completed" => Self::Completed,
            "cancelled" => Self::Cancelled,
            "failed" => Self::Failed { code: error.code, message: error.message },
            // `in_progress`. An unknown status does not count as final either.
            _ => Self::InProgress,
        }
    }

    /// # Errors
    ///
    /// `Remote` if the file cannot be searched.
    pub(super) fn into_result(self) -> Result<()> {
        let reason = match self {
            Self::Completed | Self::InProgress => return Ok(()),
            Self::Cancelled => "the service stopped parsing the file".to_owned(),
            Self::Failed { code, message } => {
                format!("the service could not parse the file: {code}: {message}")
            }
        };
        Err(Error::new(ErrorKind::Remote).with_message(reason))
    }
}

impl Store {
    /// Returns the id of the file at `path`.
    async fn id_of(&self, path: &str) -> Result<String> {
        let path = FilePath::parse_entry(path)?;
        self.index.refresh().await?;
        Ok(self.index.read(|entries| file_at(entries, &path))?.id)
    }

    /// Polls until the service has parsed a file; the last poll starts when `timeout` is over.
    ///
    /// # Errors
    ///
    /// `Timeout`, up to a second late if the service does not answer, and `NotFound` if the file is no longer attached.
    pub(super) async fn wait_until_indexed(
        &self,
        id: &str,
        timeout: Duration,
    ) -> Result<IndexingStatus> {
        let timed_out = |what| {
            let message = format!("the service did not {what} within {} s", timeout.as_secs_f32());
            Error::new(ErrorKind::Timeout).with_message(message)
        };
        let (started, mut left) = (Instant::now(), timeout);
        let mut pause = self.config.retry_delay.clamp(MIN_PAUSE, FIRST_PAUSE);
        loop {
            let poll = tokio::time::timeout(left.max(LAST_POLL), self.client.attached(id));
            let attachment = poll.await.map_err(|_| timed_out("report the indexing status"))??;
            let status = IndexingStatus::of(attachment.ok_or(ErrorKind::NotFound)?);
            if status != IndexingStatus::InProgress {
                return Ok(status);
            }
            // However long a poll took, the last one starts when the time is over.
            if left.is_zero() {
                return Err(timed_out("parse the file"));
            }
            tokio::time::sleep(pause.min(timeout.saturating_sub(started.elapsed()))).await;
            left = timeout.saturating_sub(started.elapsed());
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_serialized_with_its_name() {
        let failed = IndexingStatus::Failed { code: "c".to_owned(), message: "m".to_owned() };
        for (status, expected) in [
            (IndexingStatus::InProgress, json!({"status": "in_progress"})),
            (failed, json!({"status": "failed", "code": "c", "message": "m"})),
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), expected);
        }
    }
}
