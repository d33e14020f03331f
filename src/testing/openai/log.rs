//! The log of requests.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::routes::Route;

/// A request that the simulator has received.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The method, such as `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path as the client sent it, with `/v1` and without the query.
    pub path: String,
    /// The text after the question mark; empty without one.
    pub query: String,
    /// The route.
    pub route: Route,
    /// The status of the response; `None` until it is sent, and forever if the connection was reset.
    pub status: Option<u16>,
    /// The headers with lowercase names. The value of `authorization` is cut to its scheme.
    pub headers: BTreeMap<String, String>,
    /// The body, if it was JSON.
    pub json: Option<Value>,
    /// The file in the body.
    pub file: Option<SentFile>,
}

/// A file as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentFile {
    /// The file name.
    pub filename: String,
    /// The content type, if the client sent one.
    pub content_type: Option<String>,
    /// The content, shared with the stored file.
    pub bytes: Bytes,
}

/// The requests since the last [`take`](Self::take).
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: Vec<Request>,
    /// How many requests were taken.
    taken: usize,
}

/// The position of a request in the log. It stays valid after requests are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogIndex(usize);

impl Log {
    pub(super) fn add(&mut self, request: Request) -> LogIndex {
        self.requests.push(request);
        LogIndex(self.taken + self.requests.len() - 1)
    }

    pub(super) fn at(&mut self, index: LogIndex) -> Option<&mut Request> {
        self.requests.get_mut(index.0.checked_sub(self.taken)?)
    }

    pub(super) fn all(&self) -> &[Request] {
        &self.requests
    }

    pub(super) fn take(&mut self) -> Vec<Request> {
        self.taken += self.requests.len();
        std::mem::take(&mut self.requests)
    }
}
