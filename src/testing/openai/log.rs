//! What was asked of the service.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::routes::Route;

/// A request that the simulator has received.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// `GET`, `POST` or `DELETE`, or what else was sent.
    pub method: String,
    /// The path as it was sent, with `/v1` and without the query.
    pub path: String,
    /// What was sent after the question mark; empty without one.
    pub query: String,
    /// Which call it is.
    pub route: Route,
    /// The status of the answer; `None` while there is none, and for good where the connection was reset instead.
    pub status: Option<u16>,
    /// The headers, their names in small letters. Of `authorization`, only the scheme is kept.
    pub headers: BTreeMap<String, String>,
    /// The body, if it was JSON.
    pub json: Option<Value>,
    /// The file or the part of one that the body brought.
    pub file: Option<SentFile>,
}

/// A file as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentFile {
    /// The name given to it; empty for a part of an upload without one.
    pub filename: String,
    /// The content type given to it.
    pub content_type: Option<String>,
    /// Its content, shared with what is stored.
    pub bytes: Bytes,
}

/// All requests since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: Vec<Request>,
    /// How many were taken.
    taken: usize,
}

/// A place in the log, also once what stood there was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line(usize);

impl Log {
    pub(super) fn add(&mut self, request: Request) -> Line {
        self.requests.push(request);
        Line(self.taken + self.requests.len() - 1)
    }

    pub(super) fn at(&mut self, line: Line) -> Option<&mut Request> {
        self.requests.get_mut(line.0.checked_sub(self.taken)?)
    }

    pub(super) fn all(&self) -> &[Request] {
        &self.requests
    }

    pub(super) fn take(&mut self) -> Vec<Request> {
        self.taken += self.requests.len();
        std::mem::take(&mut self.requests)
    }
}
