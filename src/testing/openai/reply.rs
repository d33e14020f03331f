//! The reply to a request: status, headers and body, and the damage that a fault does to it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::http::Error as HttpError;
use serde_json::Value;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::fault::{ErrorResponse, FaultKind};
use super::routes::Route;

/// The error that makes hyper close a connection without a response or in the middle of one.
#[derive(Debug)]
pub(super) struct ConnectionClosed;

impl fmt::Display for ConnectionClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulator closed the connection because of an injected fault")
    }
}

impl std::error::Error for ConnectionClosed {}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl From<ErrorResponse> for Reply {
    fn from(error: ErrorResponse) -> Self {
        Self { status: error.status, headers: error.headers, body: error.body.into() }
    }
}

impl Reply {
    /// Adds the headers that every response has.
    pub(super) fn with_request_id(mut self, id: String) -> Self {
        self.headers.push(("x-request-id", id));
        self.headers.push(("openai-version", "2020-10-01".to_owned()));
        self.headers.push(("openai-processing-ms", "1".to_owned()));
        self
    }

    /// Applies a fault to the body.
    pub(super) fn damaged(mut self, fault: &FaultKind, route: Route) -> Self {
        match fault {
            FaultKind::EmptyBody => self.body = Bytes::new(),
            FaultKind::MalformedJson => self.body = self.body.slice(..self.body.len() / 2),
            FaultKind::WrongContent if route == Route::Text => self.body = changed_text(&self.body),
            FaultKind::WrongContent => self.body = changed_bytes(&self.body),
            _ => {}
        }
        self
    }

    /// Builds the HTTP response, with a body that is slow or cut if the fault says so.
    pub(super) fn into_response(
        self,
        fault: Option<&FaultKind>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, ConnectionClosed>>, HttpError> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        // The full length, also if a fault cuts the body.
        response = response.header("content-length", self.body.len());
        response.body(match fault {
            Some(FaultKind::SlowBody { chunk, delay }) => slow(self.body, (*chunk).max(1), *delay),
            Some(FaultKind::TruncatedBody { after }) => truncated(&self.body, *after),
            _ => Full::new(self.body).map_err(|never| match never {}).boxed_unsync(),
        })
    }
}

fn slow(body: Bytes, chunk: usize, delay: Duration) -> UnsyncBoxBody<Bytes, ConnectionClosed> {
    let chunks = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        sleep(delay).await;
        let chunk = rest.split_to(chunk.min(rest.len()));
        Some((Ok(Frame::data(chunk)), rest))
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn truncated(body: &Bytes, after: usize) -> UnsyncBoxBody<Bytes, ConnectionClosed> {
    let kept = body.slice(..after.min(body.len().saturating_sub(1)));
    let broken = stream::once(async {
        // Lets hyper send the bytes so far before it sees the error.
        yield_now().await;
        Err(ConnectionClosed)
    });
    StreamBody::new(stream::iter([Ok(Frame::data(kept))]).chain(broken)).boxed_unsync()
}

/// Returns the body with one byte changed.
fn changed_bytes(body: &Bytes) -> Bytes {
    let mut changed = body.to_vec();
    let middle = changed.len() / 2;
    if let Some(byte) = changed.get_mut(middle) {
        *byte ^= 1;
    }
    changed.into()
}

/// Returns the JSON body with one letter of its first chunk changed.
fn changed_text(body: &Bytes) -> Bytes {
    let Ok(mut response) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    for chunks in ["data", "content"] {
        let Some(Value::String(text)) = response.pointer_mut(&format!("/{chunks}/0/text")) else {
            continue;
        };
        let middle = text.chars().count() / 2;
        let change = |(at, letter)| match letter {
            _ if at != middle => letter,
            'x' => 'y',
            _ => 'x',
        };
        *text = text.chars().enumerate().map(change).collect();
    }
    response.to_string().into()
}
