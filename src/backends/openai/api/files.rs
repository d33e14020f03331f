//! The calls on uploaded files.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use serde_json::Value;

use super::answer::{StoredFile, item, items, object};
use super::failure::{Target, error};
use super::transport::{Answer, Call, RetryState};
use super::upload::{Content, Upload};
use super::{Client, encoded, segment};
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::stream::ByteStream;

impl Client {
    /// Uploads a file.
    ///
    /// `name` must be unique: after an ambiguous failure, the call looks for a file with this name. `content` returns the length and
    /// the bytes for each attempt. If its stream fails, the call returns that error.
    pub(crate) async fn upload(
        &self,
        name: &str,
        content_type: &str,
        content: &Content<'_>,
    ) -> Result<StoredFile> {
        let purpose = &self.0.purpose;
        let upload = Upload { purpose, name, content_type, content };
        let call = Call::upload("files".to_owned(), upload);
        let call = Call { limiter: self.0.uploads.as_ref(), ..call };
        let mut creation = self.creation(false);
        loop {
            let find = |state| self.find_upload(name, content().0, state);
            let created = self.create(&call, &mut creation, object, find).await;
            // An upload that is not attached does no harm.
            if let Some(file) = created.map_err(Error::without_unknown_outcome)? {
                return Ok(file);
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
        let files: Vec<StoredFile> = self.read(&answer, items)?;
        let is_upload = |file: &StoredFile| {
            let is_named = file.filename == name && !file.id.is_empty();
            is_named && file.bytes.is_none_or(|bytes| bytes == length)
        };
        Ok(files.into_iter().find(is_upload))
    }

    /// Returns a file, or `None` if it does not exist.
    pub(crate) async fn file(&self, file: &str) -> Result<Option<StoredFile>> {
        self.read_if_found(self.call(&Call::get(file_path(file)?)).await, object)
    }

    /// Lists all files of the project, of any purpose and any vector store, and returns the values that `keep` returns. It sends one
    /// request per 10,000 files.
    pub(crate) async fn files<T: Send>(
        &self,
        keep: impl Fn(StoredFile) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        self.all("files?order=asc&limit=10000", Target::File, |file| keep(item(file)?)).await
    }

    /// Deletes a file. A missing file counts as deleted.
    pub(crate) async fn delete_file(&self, file: &str) -> Result<()> {
        self.read_deletion(self.call(&Call::delete(file_path(file)?)).await).map(drop)
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
    pub(crate) async fn content(&self, file: &str) -> Result<ByteStream<'static>> {
        let path = format!("{}/content", file_path(file)?);
        let call = Call { accept: "application/binary", ..Call::get(path) };
        let response = self.0.transport.open(&call).await.map_err(|failure| failure.error)?;
        let state = (Arc::clone(&self.0), response, self.0.transport.timeouts.total);
        let chunks = stream::try_unfold(state, async |(inner, mut response, mut left)| {
            let chunk = inner.transport.next_chunk(&mut response, &mut left).await?;
            Ok(chunk.map(|chunk| (chunk, (inner, response, left))))
        });
        Ok(chunks.boxed())
    }

    /// Parses the response to a deletion, and returns whether there was something to delete.
    pub(super) fn read_deletion(&self, answer: Result<Answer>) -> Result<bool> {
        let answer = match answer {
            // Status 204, which the service does not use so far.
            Ok(answer) if answer.body.is_empty() => return Ok(true),
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_deleted =
            |answer: Value| Some(answer.as_object()?.get("deleted") != Some(&Value::Bool(false)));
        if self.read(&answer, is_deleted).map_err(Error::with_unknown_outcome)? {
            return Ok(true);
        }
        Err(error(ErrorKind::Remote, "the service reported that it did not delete the file"))
    }
}

fn file_path(file: &str) -> Result<String> {
    Ok(format!("files/{}", segment(file)?))
}
