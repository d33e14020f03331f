//! The body of an upload, and the progress that its timeouts depend on.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use tokio::time::Instant;

use crate::core::error::{Error, ErrorKind};

/// Returns the length in bytes and a stream of exactly that many, once per attempt.
pub(crate) type Content<'a> =
    dyn Fn() -> (u64, BoxStream<'static, io::Result<Bytes>>) + Send + Sync + 'a;

/// A file to upload as a form.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) purpose: &'a str,
    pub(super) name: &'a str,
    pub(super) content_type: &'a str,
    pub(super) content: &'a Content<'a>,
}

impl Upload<'_> {
    /// Returns the form for one attempt. The purpose comes first because some services parse the form as a stream.
    pub(super) fn form(&self, progress: &Progress) -> reqwest::Result<Form> {
        let (length, content) = (self.content)();
        let checked = checked(length, content, progress.clone());
        let file = Part::stream_with_length(Body::wrap_stream(checked), length)
            .file_name(self.name.to_owned())
            .mime_str(self.content_type)?;
        Ok(Form::new().text("purpose", self.purpose.to_owned()).part("file", file))
    }
}

/// Records each chunk in `progress` and fails if the stream is not exactly `length` bytes: the service would wait for missing bytes
/// and would not notice extra ones.
fn checked(
    length: u64,
    content: BoxStream<'static, io::Result<Bytes>>,
    progress: Progress,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut left = length;
    let ended = content.map(Some).chain(stream::iter([None]));
    let checked = ended.map(move |next| {
        progress.record(next.is_none());
        let chunk = next.transpose().map_err(|error| progress.fail(error.into()))?;
        let size = chunk.as_ref().map_or(0, Bytes::len) as u64;
        let new_left = left.checked_sub(size).filter(|left| chunk.is_some() || *left == 0);
        left = new_left.ok_or_else(|| {
            let message = format!("the content does not have the announced {length} bytes");
            progress.fail(Error::new(ErrorKind::LengthMismatch).with_message(message))
        })?;
        Ok::<_, io::Error>(chunk.unwrap_or_default())
    });
    checked.try_filter(|chunk| future::ready(!chunk.is_empty()))
}

/// The progress of an attempt. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    started: Instant,
    last_progress: Instant,
    /// How long it took to hand all content to the system.
    upload_time: Duration,
    /// Why the content could not be read.
    source_error: Option<Error>,
}

/// Which timeout expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    Idle,
    Total,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            started: now,
            last_progress: now,
            upload_time: Duration::ZERO,
            source_error: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, is_end: bool) {
        let mut state = self.state();
        state.last_progress = Instant::now();
        if is_end {
            state.upload_time = state.last_progress.saturating_duration_since(state.started);
        }
    }

    fn fail(&self, error: Error) -> io::Error {
        self.state().source_error = Some(error);
        io::Error::other("the upload was stopped")
    }

    /// Returns why the content could not be read, if that ended the attempt.
    pub(super) fn source_error(&self) -> Option<Error> {
        self.state().source_error.take()
    }

    /// Returns when the idle timeout expires. On a slow line, the system may still buffer megabytes after it accepted the last
    /// byte. They need no longer than the rest did.
    fn idle_deadline(&self, idle: Duration) -> Instant {
        let state = self.state();
        state.last_progress + idle + state.upload_time
    }

    /// Awaits `future` while content moves, but not beyond `deadline`.
    pub(super) async fn with_timeout<F: Future>(
        &self,
        future: F,
        idle: Duration,
        deadline: Instant,
    ) -> Result<F::Output, Timeout> {
        let mut future = pin!(future);
        loop {
            let until = self.idle_deadline(idle).min(deadline);
            if let Ok(output) = tokio::time::timeout_at(until, future.as_mut()).await {
                return Ok(output);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Timeout::Total);
            }
            if now >= self.idle_deadline(idle) {
                return Err(Timeout::Idle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_timeout_grows_by_the_time_that_the_upload_took() {
        let idle = Duration::from_secs(60);
        let progress = Progress::new();
        let started = progress.state().started;
        assert_eq!(progress.idle_deadline(idle), started + idle);
        progress.state().started -= Duration::from_secs(300);
        progress.record(false);
        let last = progress.state().last_progress;
        assert_eq!(progress.idle_deadline(idle), last + idle);
        progress.record(true);
        let last = progress.state().last_progress;
        assert!(progress.idle_deadline(idle) >= last + idle + Duration::from_secs(300));
    }
}
