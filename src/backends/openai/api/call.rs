//! A call to the service.

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::failure::Target;
use super::upload::Upload;
use crate::net::rate_limit::RateLimiter;

/// The longest response that is kept in memory: a page of a listing has at most 10,000 entries.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A request to send, and how to treat its response.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Relative to the base URL, without a leading slash, percent-encoded.
    pub(super) path: String,
    pub(super) payload: Payload<'a>,
    pub(super) target: Target,
    pub(super) limiter: Option<&'a RateLimiter>,
    pub(super) accept: &'static str,
    /// The longest response, in bytes.
    pub(super) max_answer: usize,
}

#[derive(Clone)]
pub(super) enum Payload<'a> {
    Empty,
    Json(Bytes),
    Form(Upload<'a>),
}

impl<'a> Call<'a> {
    fn new(method: Method, path: String, payload: Payload<'a>) -> Self {
        let accept = "application/json";
        let (target, limiter, max_answer) = (Target::File, None, MAX_ANSWER);
        Self { method, path, payload, target, limiter, accept, max_answer }
    }

    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path, Payload::Empty)
    }

    pub(super) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, Payload::Empty)
    }

    pub(super) fn post(path: String, json: &Value) -> Self {
        Self::new(Method::POST, path, Payload::Json(json.to_string().into()))
    }

    pub(super) fn upload(path: String, upload: Upload<'a>) -> Self {
        Self::new(Method::POST, path, Payload::Form(upload))
    }

    pub(super) fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    pub(super) fn rate_limited(mut self, limiter: Option<&'a RateLimiter>) -> Self {
        self.limiter = limiter;
        self
    }
}

/// The complete body of a successful response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) request_id: Option<String>,
}
