//! The content of an upload on its way, and how it is seen that it moves.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use reqwest::Body;
use reqwest::multipart::{Form, Part};
use tokio::time::Instant;

use crate::{Error, ErrorKind};

/// Gives content anew for each attempt: its length in bytes, and a stream of exactly as many.
pub(crate) type Content<'a> =
    dyn Fn() -> (u64, BoxStream<'static, io::Result<Bytes>>) + Send + Sync + 'a;

/// What is sent as a form.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) purpose: &'a str,
    pub(super) name: &'a str,
    pub(super) content_type: &'a str,
    pub(super) content: &'a Content<'a>,
}

impl Upload<'_> {
    /// The form for one attempt. Services that read it as it comes need the purpose first.
    pub(super) fn form(&self, progress: &Progress) -> reqwest::Result<Form> {
        let (length, content) = (self.content)();
        let counted = counted(length, content, progress.clone());
        let file = Part::stream_with_length(Body::wrap_stream(counted), length)
            .file_name(self.name.to_owned())
            .mime_str(self.content_type)?;
        Ok(Form::new().text("purpose", self.purpose.to_owned()).part("file", file))
    }
}

/// Notes each chunk in `progress`, and ends with an error where there are more or fewer bytes than `length`: the service would wait
/// for what is missing, and not see what is too much.
fn counted(
    length: u64,
    content: BoxStream<'static, io::Result<Bytes>>,
    progress: Progress,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((content, length), move |(mut content, left)| {
        let progress = progress.clone();
        async move {
            let next = content.next().await;
            progress.moved(next.is_none());
            let left_then = match &next {
                Some(Ok(chunk)) => left.checked_sub(chunk.len() as u64),
                Some(Err(_)) => Some(left),
                None => Some(0).filter(|_| left == 0),
            };
            match (next.transpose(), left_then) {
                (Ok(chunk), Some(left)) => Ok(chunk.map(|chunk| (chunk, (content, left)))),
                (Ok(_), None) => Err(progress.stop(
                    Error::new(ErrorKind::LengthMismatch)
                        .with_message(format!("the content is not the {length} bytes announced")),
                )),
                (Err(error), _) => Err(progress.stop(Error::from(error))),
            }
        }
    })
}

/// How an attempt gets on. Its clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    begun: Instant,
    moved: Instant,
    /// How long it took until all content was handed over to the system.
    took: Duration,
    /// Why the content could not be had.
    broken: Option<Error>,
}

/// Why nobody waits any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elapsed {
    Idle,
    Total,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            begun: now,
            moved: now,
            took: Duration::ZERO,
            broken: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self, is_over: bool) {
        let mut state = self.state();
        state.moved = Instant::now();
        if is_over {
            state.took = state.moved.saturating_duration_since(state.begun);
        }
    }

    fn stop(&self, error: Error) -> io::Error {
        self.state().broken = Some(error);
        io::Error::other("no more content")
    }

    /// Why the content could not be had, if that is what ended the attempt.
    pub(super) fn broken(&self) -> Option<Error> {
        self.state().broken.take()
    }

    /// Until when it is waited for the next thing to happen. On a slow line the system still holds megabytes when all has been handed
    /// over to it; they take no longer than the rest did.
    fn patience(&self, idle: Duration) -> Instant {
        let state = self.state();
        state.moved + idle + state.took
    }

    /// Waits for `future` as long as content moves, and not beyond `deadline`.
    pub(super) async fn watch<F: Future>(
        &self,
        future: F,
        idle: Duration,
        deadline: Instant,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        loop {
            let until = self.patience(idle).min(deadline);
            if let Ok(output) = tokio::time::timeout_at(until, future.as_mut()).await {
                return Ok(output);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Elapsed::Total);
            }
            if now >= self.patience(idle) {
                return Err(Elapsed::Idle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_still_holds_is_given_the_time_that_the_rest_took() {
        let idle = Duration::from_secs(60);
        let progress = Progress::new();
        let begun = progress.state().begun;
        assert_eq!(progress.patience(idle), begun + idle);
        progress.state().begun -= Duration::from_secs(300);
        progress.moved(false);
        let moved = progress.state().moved;
        assert_eq!(progress.patience(idle), moved + idle);
        progress.moved(true);
        let moved = progress.state().moved;
        assert!(progress.patience(idle) >= moved + idle + Duration::from_secs(300));
    }
}
