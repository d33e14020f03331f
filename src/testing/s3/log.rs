//! The log of requests.

use std::collections::BTreeMap;

use super::operation::Operation;

/// A request that the simulator has received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The position among all requests since the start, from 0.
    pub number: usize,
    /// The operation.
    pub operation: Operation,
    /// The method, such as `GET`, `PUT` or `DELETE`.
    pub method: String,
    /// The bucket in the path, if any.
    pub bucket: Option<String>,
    /// The key in the path without its percent-encoding, if any.
    pub key: Option<String>,
    /// The text after the question mark, as the client sent it; empty without one. The signature of a presigned URL is left out.
    pub query: String,
    /// The headers with lowercase names, without `authorization`.
    pub headers: BTreeMap<String, String>,
    /// The length of the body in bytes, as it was received.
    pub body_length: u64,
    /// The status of the response; `None` until it is sent, and forever if there was none.
    pub status: Option<u16>,
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
    pub(super) fn add(&mut self, mut request: Request) -> LogIndex {
        let number = self.taken + self.requests.len();
        request.number = number;
        self.requests.push(request);
        LogIndex(number)
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
