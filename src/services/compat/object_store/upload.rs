//! Uploads in parts: one streamed write, driven by the futures of the parts.
//!
//! No task is spawned, so an upload needs no runtime and ends when it is dropped. A part is queued when `put_part` is called, and its
//! future is ready when the write has consumed it, so a caller that awaits its parts bounds the memory.

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
use crate::backend::AsyncFileBackend;
use crate::core::error::{Error, ErrorKind};
use crate::core::info::FileInfo;
use crate::core::options::WriteOptions;
use crate::core::stream::ByteStream;

pub(super) fn put_result(info: &FileInfo) -> PutResult {
    let e_tag = info.etag.as_ref().map(ToString::to_string);
    let version = info.version.as_ref().map(ToString::to_string);
    PutResult { e_tag, version, extensions: Default::default() }
}

/// The write, shared by the futures of all parts and of `complete`. Each of them drives it.
type Writer = Shared<BoxFuture<'static, crate::core::error::Result<FileInfo>>>;

enum Item {
    Part(PutPayload, oneshot::Sender<()>),
    End,
}

pub(super) struct Upload {
    location: Path,
    /// `None` after the last part.
    parts: Option<mpsc::UnboundedSender<Item>>,
    writer: Writer,
    writer_stop: AbortHandle,
}

impl Upload {
    pub(super) fn begin(
        backend: Arc<dyn AsyncFileBackend>,
        location: Path,
        options: WriteOptions,
    ) -> Self {
        let (parts, items) = mpsc::unbounded();
        let path = location.to_string();
        let write = async move {
            let data = content(items);
            let written = backend.stream_write_with(&path, data, options).await;
            written.map_err(Error::into_error_of_source)
        };
        // A panic would repeat in every future that polls the writer, including the one in `drop` during unwinding, which would abort.
        let (write, writer_stop) = future::abortable(AssertUnwindSafe(write).catch_unwind());
        let written = |written| match written {
            Ok(Ok(written)) => written,
            Ok(Err(_panic)) => Err(panicked()),
            Err(Aborted) => Err(aborted()),
        };
        let writer = write.map(written).boxed().shared();
        Self { location, parts: Some(parts), writer, writer_stop }
    }
}

/// Returns the content of all parts. Without [`Item::End`] the upload was dropped, so the stream fails and nothing becomes visible.
fn content(items: mpsc::UnboundedReceiver<Item>) -> ByteStream<'static> {
    type Part = (<PutPayload as IntoIterator>::IntoIter, oneshot::Sender<()>);
    let state = (items, None::<Part>);
    stream::unfold(state, |(mut items, mut part)| async move {
        loop {
            if let Some((mut chunks, taken)) = part.take() {
                if let Some(chunk) = chunks.next() {
                    return Some((Ok(chunk), (items, Some((chunks, taken)))));
                }
                // The future of the part may have been dropped; the part counts anyway.
                let _ = taken.send(());
            }
            match items.next().await {
                Some(Item::Part(payload, taken)) => part = Some((payload.into_iter(), taken)),
                Some(Item::End) => return None,
                None => return Some((Err(aborted()), (items, None))),
            }
        }
    })
    .boxed()
}

fn aborted() -> Error {
    Error::new(ErrorKind::Cancelled)
        .with_operation("write")
        .with_message("the upload was aborted or dropped")
}

fn panicked() -> Error {
    Error::new(ErrorKind::Internal).with_operation("write").with_message("the backend panicked")
}

fn finished() -> Error {
    let error = Error::new(ErrorKind::InvalidInput).with_operation("write");
    error.with_message("the upload has been completed or aborted")
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (taken, is_taken) = oneshot::channel();
        if let Some(parts) = &self.parts {
            // If the receiver is gone, the writer has failed and returns the reason.
            drop(parts.unbounded_send(Item::Part(data, taken)));
        }
        let (writer, location) = (self.writer.clone(), self.location.clone());
        async move {
            let done = match future::select(is_taken, writer).await {
                Either::Left((Ok(()), _)) => Ok(()),
                Either::Left((Err(_), writer)) => writer.await.and_then(|_| Err(finished())),
                // A successful write has consumed all parts.
                Either::Right((written, _)) => written.map(drop),
            };
            done.map_err(|error| failed(error, location))
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if let Some(parts) = self.parts.take() {
            // As above.
            drop(parts.unbounded_send(Item::End));
        }
        let location = self.location.as_ref();
        let written = self.writer.clone().await;
        written.map(|info| put_result(&info)).map_err(|error| failed(error, location))
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts = None;
        self.writer_stop.abort();
        // Drops the write now, even if the futures of parts are still alive.
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
