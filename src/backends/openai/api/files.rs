//! The calls on uploaded files.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use serde_json::Value;

use super::answer::{ListItem as _, Page, StoredFile, reports_not_deleted};
use super::call::{Answer, Call};
use super::failure::{Target, error};
use super::transport::RetryState;
use super::upload::{Content, Upload};
use super::{Client, encoded, segment};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::ByteStream;

impl Client {
    /// Uploads a file.
    ///
    /// `name` must be unique: after an ambiguous failure, the call looks for a file with this name. `content` returns the length and
    /// the bytes for each attempt. If its stream fails, the call returns that error.
    pub(in super::super) async fn upload(
        &self,
        name: &str,
        content_type: &str,
        content: &Content<'_>,
    ) -> Result<StoredFile> {
        let purpose = &self.0.purpose;
        let upload = Upload { purpose, name, content_type, content };
        let call = Call::upload("files".to_owned(), upload).rate_limited(self.0.uploads.as_ref());
        let transport = &self.0.transport;
        let mut state = transport.retry_state();
        loop {
            let failure = match self.create(&call, &mut state, StoredFile::read).await {
                Ok(file) => return Ok(file),
                Err(failure) => failure,
            };
            let may_retry = transport.wait_to_retry(&failure, &mut state).await;
            if failure.is_ambiguous {
                match self.find_upload(name, content().0, state.for_lookup()).await {
                    Ok(Some(file)) => return Ok(file),
                    Ok(None) => {}
                    Err(_) => return Err(failure.error),
                }
            }
            if !may_retry {
                return Err(failure.error);
            }
        }
    }

    /// Looks for an upload whose response was lost.
    async fn find_upload(
        &self,
        name: &str,
        length: u64,
        mut state: RetryState,
    ) -> Result<Option<StoredFile>> {
        let purpose = encoded(&self.0.purpose);
        let path = format!("files?purpose={purpose}&order=desc&limit=100");
        let answer = self.0.transport.retry(&Call::get(path), &mut state).await;
        let answer = answer.map_err(|failure| failure.error)?;
        let files = self.read(&answer, |answer| Page::read(answer, StoredFile::read_item))?.items;
        let is_upload = |file: &StoredFile| {
            let is_named = file.filename == name && !file.id.is_empty();
            is_named && file.bytes.is_none_or(|bytes| bytes == length)
        };
        Ok(files.into_iter().find(is_upload))
    }

    /// Returns a file, or `None` if it does not exist.
    pub(in super::super) async fn file(&self, file: &str) -> Result<Option<StoredFile>> {
        self.read_if_found(self.call(&Call::get(file_path(file)?)).await, StoredFile::read)
    }

    /// Lists all files of the project, of any purpose and any vector store, and returns the values that `keep` returns. It sends one
    /// request per 10,000 files.
    pub(in super::super) async fn files<T: Send>(
        &self,
        keep: impl Fn(StoredFile) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        self.all("files?order=asc&limit=10000", Target::File, keep).await
    }

    /// Deletes a file. A missing file counts as deleted.
    pub(in super::super) async fn delete_file(&self, file: &str) -> Result<()> {
        match self.call(&Call::delete(file_path(file)?)).await {
            Ok(answer) => self.expect_deleted(&answer),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns the bytes of a file as they were uploaded.
    ///
    /// The consumer may read slowly, but each chunk must arrive within the idle timeout, and the stream waits for all of them no longer
    /// than the total timeout. It ends with
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) if bytes are missing, and with [`Unreachable`](ErrorKind::Unreachable) if the
    /// connection broke in another way.
    ///
    /// # Errors
    ///
    /// [`DownloadForbidden`](ErrorKind::DownloadForbidden) if the service does not return files of this purpose.
    pub(in super::super) async fn content(&self, file: &str) -> Result<ByteStream<'static>> {
        let path = format!("{}/content", file_path(file)?);
        let call = Call { accept: "application/binary", ..Call::get(path) };
        let response = self.0.transport.open(&call).await.map_err(|failure| failure.error)?;
        let inner = Arc::clone(&self.0);
        let left = inner.transport.timeouts.total;
        let chunks = stream::try_unfold((response, left), move |(mut response, mut left)| {
            let inner = Arc::clone(&inner);
            async move {
                let chunk = inner.transport.next_chunk(&mut response, &mut left).await?;
                Ok(chunk.map(|chunk| (chunk, (response, left))))
            }
        });
        Ok(chunks.boxed())
    }

    pub(super) fn expect_deleted(&self, answer: &Answer) -> Result<()> {
        // Status 204, which the service does not use so far.
        if answer.body.is_empty() {
            return Ok(());
        }
        let is_kept =
            |answer| Some(answer).filter(Value::is_object).as_ref().map(reports_not_deleted);
        if self.read(answer, is_kept).map_err(Error::with_unknown_outcome)? {
            return Err(error(
                ErrorKind::Remote,
                "the service reported that it did not delete the file",
            ));
        }
        Ok(())
    }
}

fn file_path(file: &str) -> Result<String> {
    Ok(format!("files/{}", segment(file)?))
}
