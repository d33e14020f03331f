//! Signs and sends requests: slots, timeouts, retries.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqsign_aws_v4::Credential;
use reqsign_core::Signer;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::failure::{Failure, error};
use crate::backends::object::config::ObjectStoreTimeouts;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, ErrorKind, Result};
use crate::net::percent::encoded;
use crate::net::retry::{Backoff, RetryHint};
use crate::sys::{pool, random};

/// The longest answer that is kept in memory: a page of 1,000 entries with keys of 1,024 bytes, each of them escaped.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Only this much of an error is read.
const MAX_ERROR: usize = 64 * 1024;

/// A body of this size is hashed on a thread for such work.
const MANY_BYTES: usize = 64 * 1024;

/// The slowest network that is not a failure, in bytes per second. A request gets more time for its body accordingly.
const SLOWEST: u64 = 64 * 1024;

/// The characters of a key that a URL has as they are.
const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The SHA-256 of nothing.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A request about a key, or about the bucket if the key is empty.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) key: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Sends the SHA-256 of the body in a header. The service verifies the body with it and stores it.
    pub(super) sends_checksum: bool,
}

impl Request {
    pub(super) fn new(method: Method, key: &str) -> Self {
        let (query, headers, body) = (Vec::new(), HeaderMap::new(), Bytes::new());
        Self { method, key: key.to_owned(), query, headers, body, sends_checksum: false }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn query_some(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a header. The value must be visible ASCII.
    ///
    /// # Errors
    ///
    /// `InvalidInput`.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            let message = format!("`{}` cannot be sent as `{name}`", value.escape_debug());
            Error::new(ErrorKind::InvalidInput).with_message(message)
        })?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A successful answer whose body is still on the way.
pub(super) struct Opened {
    pub(super) headers: HeaderMap,
    pub(super) response: reqwest::Response,
}

/// A request that failed for good.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    /// Whether an attempt failed although it may have been processed.
    pub(super) was_repeated: bool,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.failure.error
    }
}

pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// `None` for anonymous requests.
    pub(super) signer: Option<Signer<Credential>>,
    /// The address of the bucket, without a slash at its end.
    pub(super) base: String,
    /// How errors name the service.
    pub(super) host: String,
    pub(super) timeouts: ObjectStoreTimeouts,
    pub(super) backoff: Backoff,
    pub(super) slots: Semaphore,
    pub(super) requests: AtomicU64,
    /// Whether bodies are hashed before they are sent.
    pub(super) hashes_bodies: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The attempts at one request so far.
struct Attempts {
    retries: u32,
    deadline: Instant,
    was_repeated: bool,
}

impl Client {
    /// Sends a request until it succeeds or fails for good, and returns the whole answer.
    pub(super) async fn send(&self, request: &Request) -> Result<Answer, Failed> {
        let mut attempts = self.attempts();
        loop {
            let attempt = async {
                let _slot = self.slot().await?;
                let mut response = self.start(request, attempts.deadline).await?;
                let headers = std::mem::take(response.headers_mut());
                let body = self.body(&mut response, MAX_ANSWER).await?;
                // A copy and the end of an upload may answer with success and then fail.
                match Failure::in_success(&body, &self.host) {
                    Some(failure) => Err(failure),
                    None => Ok((headers, body)),
                }
            };
            match attempt.await {
                Ok((headers, body)) => return Ok(Answer { headers, body }),
                Err(failure) => self.wait_to_repeat(failure, &mut attempts).await?,
            }
        }
    }

    /// Sends a request and returns its answer before the body.
    pub(super) async fn open(&self, request: &Request) -> Result<Opened, Failed> {
        let mut attempts = self.attempts();
        loop {
            let attempt = async {
                let _slot = self.slot().await?;
                self.start(request, attempts.deadline).await
            };
            match attempt.await {
                Ok(mut response) => {
                    let headers = std::mem::take(response.headers_mut());
                    return Ok(Opened { headers, response });
                }
                Err(failure) => self.wait_to_repeat(failure, &mut attempts).await?,
            }
        }
    }

    /// Returns the next bytes of a body; `None` at its end.
    pub(super) async fn chunk(&self, response: &mut reqwest::Response) -> Result<Option<Bytes>> {
        match tokio::time::timeout(self.timeouts.idle, response.chunk()).await {
            Err(_) => Err(self.timed_out(self.timeouts.idle).error),
            Ok(Err(cause)) => Err(Failure::of_connection(&cause, &self.host).error),
            Ok(Ok(chunk)) => Ok(chunk),
        }
    }

    fn attempts(&self) -> Attempts {
        let deadline = Instant::now() + self.timeouts.total;
        Attempts { retries: 0, deadline, was_repeated: false }
    }

    async fn slot(&self) -> Result<impl Drop + '_, Failure> {
        if Handle::try_current().is_err() {
            let message = "the operation must run in a Tokio runtime";
            return Err(Failure::final_(error(ErrorKind::Unsupported, message)));
        }
        // Nobody closes the semaphore.
        self.slots.acquire().await.map_err(|_| Failure::final_(ErrorKind::Internal.into()))
    }

    /// Waits until a failed request may be repeated. Returns the failure if it may not.
    async fn wait_to_repeat(
        &self,
        failure: Failure,
        attempts: &mut Attempts,
    ) -> Result<(), Failed> {
        let wait =
            self.backoff.next_wait(attempts.retries, failure.retry_after, random::fraction());
        let is_in_time = |wait: &Duration| Instant::now() + *wait < attempts.deadline;
        let Some(wait) = wait.filter(is_in_time).filter(|_| failure.is_retryable) else {
            let was_repeated = attempts.was_repeated || failure.is_ambiguous;
            return Err(Failed { failure, was_repeated });
        };
        attempts.was_repeated |= failure.is_ambiguous;
        attempts.retries += 1;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Sends a request once and returns the head of a successful answer.
    async fn start(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<reqwest::Response, Failure> {
        let signed = self.signed(request).await?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let for_body = Duration::from_secs(request.body.len() as u64 / SLOWEST);
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = (self.timeouts.idle + for_body).min(left);
        let response = tokio::time::timeout(limit, self.http.execute(signed)).await;
        let mut response = response
            .map_err(|_| self.timed_out(limit))?
            .map_err(|cause| Failure::of_connection(&cause, &self.host))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let headers = std::mem::take(response.headers_mut());
        // As far as it can be read.
        let body = self.body(&mut response, MAX_ERROR).await.unwrap_or_default();
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let after = RetryHint::read(text, SystemTime::now()).after;
        let id = text("x-amz-request-id");
        let failure =
            Failure::of_answer(response.status().as_u16(), &body, id, &headers, &self.host);
        Err(Failure { retry_after: after, ..failure })
    }

    async fn body(&self, response: &mut reqwest::Response, max: usize) -> Result<Bytes, Failure> {
        let first = self.chunk(response).await.map_err(Failure::repeatable)?;
        let Some(first) = first else { return Ok(Bytes::new()) };
        let mut body = BytesMut::from(first);
        while let Some(chunk) = self.chunk(response).await.map_err(Failure::repeatable)? {
            body.extend_from_slice(&chunk);
            if body.len() > max {
                let message = format!("{} sent an answer of more than {max} bytes", self.host);
                return Err(Failure::final_(error(ErrorKind::Remote, message)));
            }
        }
        Ok(body.freeze())
    }

    async fn signed(&self, request: &Request) -> Result<reqwest::Request, Failure> {
        let mut parts = self.parts(request)?;
        if self.hashes_bodies || request.sends_checksum {
            let hash = hash_of(&request.body).await.map_err(Failure::final_)?;
            if request.sends_checksum {
                let digest = hex::decode(&hash).map_err(|cause| unsendable(&cause))?;
                let digest = HeaderValue::from_str(&STANDARD.encode(digest));
                let digest = digest.map_err(|cause| unsendable(&cause))?;
                parts.headers.insert("x-amz-checksum-sha256", digest);
            }
            let hash = HeaderValue::from_str(&hash).map_err(|cause| unsendable(&cause))?;
            parts.headers.insert("x-amz-content-sha256", hash);
        }
        if let Some(signer) = &self.signer {
            signer.sign(&mut parts, None).await.map_err(|cause| Failure::of_signer(&cause))?;
            if let Some(authorization) = parts.headers.get_mut(AUTHORIZATION) {
                authorization.set_sensitive(true);
            }
        }
        let path = parts.uri.path().to_owned();
        let request = http::Request::from_parts(parts, request.body.clone());
        let request = reqwest::Request::try_from(request).map_err(|cause| unsendable(&cause))?;
        if request.url().path() != path {
            let message = "a key with a segment of dots cannot be sent as a URL";
            return Err(Failure::final_(error(ErrorKind::InvalidPath, message)));
        }
        Ok(request)
    }

    /// Returns the head of a request, not signed.
    pub(super) fn parts(&self, request: &Request) -> Result<Parts, Failure> {
        let mut url = self.base.clone();
        url.push('/');
        url.extend(utf8_percent_encode(&request.key, KEY));
        for (index, (name, value)) in request.query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.push_str(&encoded(value));
        }
        let uri: Uri = url.parse().map_err(|cause| unsendable(&cause))?;
        let head = http::Request::builder().method(request.method.clone()).uri(uri).body(());
        let mut parts = head.map_err(|cause| unsendable(&cause))?.into_parts().0;
        parts.headers = request.headers.clone();
        Ok(parts)
    }

    /// Returns a signed URL for a request.
    pub(super) async fn presigned(
        &self,
        request: &Request,
        expires_in: Duration,
    ) -> Result<String> {
        let mut parts = self.parts(request).map_err(|failure| failure.error)?;
        if let Some(signer) = &self.signer {
            let signed = signer.sign(&mut parts, Some(expires_in)).await;
            signed.map_err(|cause| Failure::of_signer(&cause).error)?;
        }
        Ok(parts.uri.to_string())
    }

    fn timed_out(&self, limit: Duration) -> Failure {
        let message = format!("{} sent nothing for {limit:?}", self.host);
        Failure::repeatable(error(ErrorKind::Timeout, message))
    }
}

async fn hash_of(body: &Bytes) -> Result<String> {
    if body.is_empty() {
        return Ok(OF_NOTHING.to_owned());
    }
    let (body, is_small) = (body.clone(), body.len() < MANY_BYTES);
    let hash = move || Ok(Checksum::of(ChecksumAlgorithm::Sha256, &body).into_hex());
    if is_small { hash() } else { pool::run(hash).await }
}

/// A request that cannot be written as HTTP.
fn unsendable(cause: &dyn fmt::Display) -> Failure {
    Failure::final_(error(ErrorKind::InvalidInput, format!("the request cannot be sent: {cause}")))
}
