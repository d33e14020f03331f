//! Uploads in parts: one streamed write, which the futures of the parts drive.
//!
//! No task is spawned, so an upload needs no runtime, and is gone with its last holder. A part is handed over when it is given and
//! done when the write has taken it: whoever awaits some parts before giving more holds no more than these in memory.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::channel::{mpsc, oneshot};
use futures::future::{self, AbortHandle, Aborted, BoxFuture, Either, FutureExt as _, Shared};
use futures::stream::{self, StreamExt as _};
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::error::failed;
use super::put_result;
use crate::stream::ByteStream;
use crate::{AsyncFileBackend, Error, ErrorKind, Etag, WriteOptions};

/// The write, for all who wait for it. Each of them drives it.
type Writer = Shared<BoxFuture<'static, crate::Result<Option<Etag>>>>;

enum Given {
    Part(PutPayload, oneshot::Sender<()>),
    End,
}

pub(super) struct Upload {
    location: Path,
    /// `None` once there are no more parts.
    parts: Option<mpsc::UnboundedSender<Given>>,
    writer: Writer,
    writer_stop: AbortHandle,
}

impl Upload {
    pub(super) fn begin(backend: Arc<dyn AsyncFileBackend>, location: Path) -> Self {
        let (parts, given) = mpsc::unbounded();
        let path = location.to_string();
        let write = async move {
            let data = content(given);
            let info = backend.stream_write_with(&path, data, WriteOptions::overwrite()).await?;
            Ok(info.etag)
        };
        // A panic would be met again by all who wait, also by who drops the upload as it unwinds, which ends the process.
        let (write, writer_stop) = future::abortable(AssertUnwindSafe(write).catch_unwind());
        let written = |written| match written {
            Ok(Ok(written)) => written,
            Ok(Err(_panic)) => Err(panicked()),
            Err(Aborted) => Err(given_up()),
        };
        let writer = write.map(written).boxed().shared();
        Self { location, parts: Some(parts), writer, writer_stop }
    }
}

/// What is given, up to the end. Where no end is ever given, the upload has been dropped, and must not become visible.
fn content(given: mpsc::UnboundedReceiver<Given>) -> ByteStream<'static> {
    type Part = (<PutPayload as IntoIterator>::IntoIter, oneshot::Sender<()>);
    let state = (given, None::<Part>);
    stream::unfold(state, |(mut given, mut part)| async move {
        loop {
            if let Some((mut chunks, taken)) = part.take() {
                if let Some(chunk) = chunks.next() {
                    return Some((Ok(chunk), (given, Some((chunks, taken)))));
                }
                // Its future may have been dropped; the part counts all the same.
                let _ = taken.send(());
            }
            match given.next().await {
                Some(Given::Part(payload, taken)) => part = Some((payload.into_iter(), taken)),
                Some(Given::End) => return None,
                None => return Some((Err(given_up()), (given, None))),
            }
        }
    })
    .boxed()
}

fn given_up() -> Error {
    Error::new(ErrorKind::Cancelled).with_operation("write").with_message("the upload was given up")
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal).with_operation("write").with_message("the backend panicked")
}

fn is_over() -> Error {
    let error = Error::new(ErrorKind::InvalidInput).with_operation("write");
    error.with_message("the upload has been completed or aborted")
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (taken, is_taken) = oneshot::channel();
        if let Some(parts) = &self.parts {
            // Where it is not received, the writer has failed, and tells why.
            drop(parts.unbounded_send(Given::Part(data, taken)));
        }
        let (writer, location) = (self.writer.clone(), self.location.clone());
        async move {
            let done = match future::select(is_taken, writer).await {
                Either::Left((Ok(()), _)) => Ok(()),
                Either::Left((Err(_), writer)) => writer.await.and_then(|_| Err(is_over())),
                // A write that succeeds has taken all parts.
                Either::Right((written, _)) => written.map(drop),
            };
            done.map_err(|error| failed(error, location))
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if let Some(parts) = self.parts.take() {
            // As above.
            drop(parts.unbounded_send(Given::End));
        }
        let location = self.location.as_ref();
        let written = self.writer.clone().await;
        written.map(put_result).map_err(|error| failed(error, location))
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts = None;
        self.writer_stop.abort();
        // What has been written goes now, whoever still holds a part.
        drop(self.writer.clone().await);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.writer_stop.abort();
        drop(self.writer.clone().now_or_never());
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("location", &self.location).finish_non_exhaustive()
    }
}
