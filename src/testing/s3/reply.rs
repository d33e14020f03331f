//! The reply to a request, and the damage that a fault does to it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use hyper::{Response, StatusCode};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::fault::{FaultKind, Retry};

/// The header that names a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// The error that makes hyper close a connection without a response or in the middle of one.
#[derive(Debug)]
pub(super) struct ConnectionClosed;

impl fmt::Display for ConnectionClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulator closed the connection because of an injected fault")
    }
}

impl std::error::Error for ConnectionClosed {}

pub(super) type ReplyBody = UnsyncBoxBody<Bytes, ConnectionClosed>;

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    /// Returns the response of a fault that replaces the regular one.
    pub(super) fn of_fault(fault: &FaultKind, request_id: &str) -> Option<Self> {
        let (status, content_type, body, retry) = match fault {
            FaultKind::Error { status, code, retry } => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
                     <Message>An injected fault responds with {code}.</Message>\
                     <RequestId>{request_id}</RequestId></Error>"
                );
                (*status, "application/xml", body, *retry)
            }
            FaultKind::Html { status } => {
                let body = format!(
                    "<html><head><title>{status}</title></head><body><h1>Bad gateway</h1></body></html>"
                );
                (*status, "text/html", body, Retry::NoHeader)
            }
            _ => return None,
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Retry::AfterSeconds(seconds) = retry {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(Self { status, headers, body: body.into() })
    }

    /// Reads the response of s3s.
    ///
    /// # Errors
    ///
    /// If the body cannot be read, which no operation of the simulator causes.
    pub(super) async fn of_service(
        response: s3s::HttpResponse,
        request_id: &str,
    ) -> Result<Self, ConnectionClosed> {
        let (head, body) = response.into_parts();
        let collected = BodyExt::collect(body).await.map_err(|_| ConnectionClosed)?;
        let mut reply =
            Self { status: head.status, headers: head.headers, body: collected.to_bytes() };
        let is_xml = reply.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/xml");
        if reply.status == StatusCode::NOT_MODIFIED {
            reply.body = Bytes::new();
            reply.headers.remove(CONTENT_TYPE);
        } else if is_xml && !reply.headers.contains_key("etag") {
            reply.body = finish_xml(&reply.body, request_id);
        }
        Ok(reply)
    }

    /// Adds the headers that every response has.
    pub(super) fn with_request_id(mut self, id: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(id) {
            self.headers.insert(REQUEST_ID, value);
        }
        self.headers.insert("server", HeaderValue::from_static("f9"));
        self
    }

    /// Builds the HTTP response, with a body that is changed, slow or cut if the fault says so.
    pub(super) fn into_response(
        mut self,
        fault: Option<&FaultKind>,
        is_head: bool,
    ) -> Response<ReplyBody> {
        // The full length, also if a fault cuts the body. For a HEAD request, the length of what a GET request would return.
        if !(is_head && self.headers.contains_key(CONTENT_LENGTH))
            && self.status != StatusCode::NO_CONTENT
            && self.status != StatusCode::NOT_MODIFIED
        {
            self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        }
        let body = match fault {
            Some(FaultKind::WrongContent) => whole(changed_bytes(&self.body)),
            Some(FaultKind::SlowBody { chunk, delay }) => slow(self.body, (*chunk).max(1), *delay),
            Some(FaultKind::TruncatedBody { after }) if !self.body.is_empty() => {
                truncated(&self.body, *after)
            }
            _ => whole(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn whole(body: Bytes) -> ReplyBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn slow(body: Bytes, chunk: usize, delay: Duration) -> ReplyBody {
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

fn truncated(body: &Bytes, after: usize) -> ReplyBody {
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

/// Writes control characters as references, as S3 does, and adds the request id to an error.
fn finish_xml(body: &Bytes, request_id: &str) -> Bytes {
    let end = b"</Error>";
    let is_error =
        body.ends_with(end) && body.windows(7).take(64).any(|window| window == b"<Error>");
    let kept = if is_error { &body[..body.len() - end.len()] } else { &body[..] };
    let mut finished = Vec::with_capacity(body.len() + 64);
    for &byte in kept {
        match byte {
            0..0x20 | 0x7f => finished.extend_from_slice(format!("&#x{byte:x};").as_bytes()),
            byte => finished.push(byte),
        }
    }
    if is_error {
        finished
            .extend_from_slice(format!("<RequestId>{request_id}</RequestId></Error>").as_bytes());
    }
    finished.into()
}
