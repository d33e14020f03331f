//! The calls on files themselves.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use serde_json::Value;

use super::answer::{Listed as _, Page, StoredFile, is_kept};
use super::failure::{About, error};
use super::sending::{Content, Upload};
use super::transport::{Answer, Call, Tries};
use super::{Client, encoded, segment};
use crate::{ByteStream, ErrorKind, Result};

impl Client {
    /// Uploads a file, and tells by which identifier it is known now.
    ///
    /// `name` is one that no other file has: by it the file is found again where a failure left open whether it was uploaded. `content`
    /// gives length and bytes for each attempt anew; an error of its stream ends the call and is its error.
    pub(in super::super) async fn upload(
        &self,
        name: &str,
        content_type: &str,
        content: &Content<'_>,
    ) -> Result<String> {
        let purpose = &self.0.purpose;
        let upload = Upload { purpose, name, content_type, content };
        let call = Call::upload("files".to_owned(), upload).paced(self.0.uploads.as_ref());
        let transport = &self.0.transport;
        let mut tries = transport.tries();
        loop {
            let failure = match self.create(&call, &mut tries, StoredFile::read).await {
                Ok(file) => return Ok(file.id),
                Err(failure) => failure,
            };
            let may_repeat = transport.pause(&failure, &mut tries).await;
            if failure.is_ambiguous {
                match self.uploaded(name, content().0, tries.to_look()).await {
                    Ok(Some(id)) => return Ok(id),
                    Ok(None) => {}
                    Err(_) => return Err(failure.error),
                }
            }
            if !may_repeat {
                return Err(failure.error);
            }
        }
    }

    /// Looks for a file that may have been uploaded just now.
    async fn uploaded(&self, name: &str, length: u64, mut tries: Tries) -> Result<Option<String>> {
        let path = format!("{}&order=desc&limit=100", files_of(&self.0.purpose));
        let answer = self.0.transport.repeat(&Call::get(path), &mut tries).await;
        let answer = answer.map_err(|failure| failure.error)?;
        let files = self.read(&answer, |answer| Page::read(answer, StoredFile::read))?.items;
        let is_it = |file: &StoredFile| {
            file.filename == name && file.bytes.is_none_or(|bytes| bytes == length)
        };
        Ok(files.into_iter().find(is_it).map(|file| file.id))
    }

    /// What is known of a file; `None` where there is none.
    pub(in super::super) async fn file(&self, file: &str) -> Result<Option<StoredFile>> {
        match self.call(&Call::get(file_path(file)?)).await {
            Ok(answer) => Ok(Some(self.read(&answer, StoredFile::read)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What `keep` makes of all files of the project, whatever their purpose and whichever vector store they are in: one request
    /// for each 10,000.
    pub(in super::super) async fn files<T: Send>(
        &self,
        keep: impl Fn(StoredFile) -> Option<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        self.all("files?order=asc&limit=10000", About::File, keep).await
    }

    /// Deletes a file. One that is not there is deleted already.
    pub(in super::super) async fn delete_file(&self, file: &str) -> Result<()> {
        match self.call(&Call::delete(file_path(file)?)).await {
            Ok(answer) => self.expect_deleted(&answer),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The bytes of a file as they were uploaded.
    ///
    /// The stream may take as long as its consumer likes, but each chunk must come within the idle timeout. It ends with
    /// [`UnexpectedEof`](ErrorKind::UnexpectedEof) where bytes are missing, and with [`Unreachable`](ErrorKind::Unreachable) where the
    /// connection broke otherwise.
    ///
    /// # Errors
    ///
    /// [`DownloadForbidden`](ErrorKind::DownloadForbidden) where the service keeps files of this purpose.
    pub(in super::super) async fn content(&self, file: &str) -> Result<ByteStream<'static>> {
        let path = format!("{}/content", file_path(file)?);
        let call = Call { accept: "application/binary", ..Call::get(path) };
        let response = self.0.transport.open(&call).await.map_err(|failure| failure.error)?;
        let inner = Arc::clone(&self.0);
        let chunks = stream::try_unfold(response, move |mut response| {
            let inner = Arc::clone(&inner);
            async move {
                let chunk = inner.transport.next(&mut response).await?;
                Ok(chunk.map(|chunk| (chunk, response)))
            }
        });
        Ok(chunks.boxed())
    }

    pub(super) fn expect_deleted(&self, answer: &Answer) -> Result<()> {
        // Status 204, which the service does not use so far.
        if answer.body.is_empty() {
            return Ok(());
        }
        if self
            .read(answer, |answer| Some(answer).filter(Value::is_object).as_ref().map(is_kept))?
        {
            return Err(error(ErrorKind::Remote, "the service did not delete it"));
        }
        Ok(())
    }
}

fn file_path(file: &str) -> Result<String> {
    Ok(format!("files/{}", segment(file)?))
}

fn files_of(purpose: &str) -> String {
    format!("files?purpose={}", encoded(purpose))
}
