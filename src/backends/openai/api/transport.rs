//! Sends calls and reads responses: concurrency, timeouts, retries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response};
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::failure::{ErrorResponse, Failure, Target, download_error, error, unexpected};
use super::upload::{Progress, Timeout, Upload};
use crate::backends::openai::OpenAITimeouts;
use crate::core::error::{ErrorKind, Result};
use crate::net::key_redaction::Redaction;
use crate::net::rate_limit::RateLimiter;
use crate::net::retry::{Backoff, RetryHint};
use crate::sys::random;

/// The longest response that is kept in memory: a page of a listing has at most 10,000 entries.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Only this much of an error response is read.
const MAX_ERROR_BODY: usize = 64 * 1024;

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
}

/// The complete body of a successful response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) request_id: Option<String>,
}

/// The retries of a call so far, and its deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryState {
    retries: u32,
    /// Whether an earlier attempt may have succeeded on the service.
    pub(super) is_ambiguous: bool,
    /// Extended by the time spent waiting for a slot, which is not the service's delay.
    deadline: Instant,
}

impl RetryState {
    /// Returns the budget for a lookup after a failed attempt: the same deadline, a new count of retries.
    pub(super) fn for_lookup(self) -> Self {
        Self { retries: 0, is_ambiguous: false, ..self }
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    /// With a trailing slash.
    pub(super) base_url: String,
    /// How errors name the service.
    pub(super) host: String,
    pub(super) send_beta_header: bool,
    pub(super) timeouts: OpenAITimeouts,
    pub(super) backoff: Backoff,
    pub(super) slots: Semaphore,
    pub(super) requests_sent: AtomicU64,
    pub(super) redaction: Redaction,
}

impl Transport {
    pub(super) fn retry_state(&self) -> RetryState {
        let deadline = Instant::now() + self.timeouts.total;
        RetryState { retries: 0, is_ambiguous: false, deadline }
    }

    /// Makes an idempotent call and retries it within the remaining time.
    pub(super) async fn retry(
        &self,
        call: &Call<'_>,
        state: &mut RetryState,
    ) -> Result<Answer, Failure> {
        loop {
            match self.attempt(call, state).await {
                Err(failure) if self.wait_to_retry(&failure, state).await => {}
                answer => return answer,
            }
        }
    }

    /// Makes a call once.
    pub(super) async fn attempt(
        &self,
        call: &Call<'_>,
        state: &mut RetryState,
    ) -> Result<Answer, Failure> {
        let (mut response, _slot) = self.start(call, state).await?;
        let request_id = header(&response, "x-request-id").map(str::to_owned);
        let (mut body, max) = (BytesMut::new(), call.max_answer);
        self.read_body(&mut response, max, state.deadline, &mut body).await?;
        if body.len() > max {
            let message = format!("unexpected response: larger than {} MiB", max / (1024 * 1024));
            return Err(Failure::unreadable(error(ErrorKind::Remote, message)));
        }
        let answer = Answer { body: body.freeze(), request_id };
        // A deletion may have an empty response. Any other response that is not JSON was damaged or comes from a proxy.
        let is_empty_deletion = call.method == Method::DELETE && answer.body.is_empty();
        if is_empty_deletion || serde_json::from_slice::<IgnoredAny>(&answer.body).is_ok() {
            return Ok(answer);
        }
        let error = unexpected(&answer.body, answer.request_id.as_deref(), &self.redaction);
        Err(Failure { is_retryable: true, ..Failure::unreadable(error) })
    }

    /// Makes an idempotent call and retries it. Returns before the body of the response, which takes no slot while it is read.
    pub(super) async fn open(&self, call: &Call<'_>) -> Result<Response, Failure> {
        let mut state = self.retry_state();
        loop {
            match self.start(call, &mut state).await {
                Err(failure) if self.wait_to_retry(&failure, &mut state).await => {}
                started => return started.map(|(response, _slot)| response),
            }
        }
    }

    /// Makes a call once and returns the head of a successful response.
    async fn start(
        &self,
        call: &Call<'_>,
        state: &mut RetryState,
    ) -> Result<(Response, Option<SemaphorePermit<'_>>), Failure> {
        let slot = self.acquire_slot(call, state).await?;
        Ok((self.send(call, state.deadline).await?, slot))
    }

    /// Waits until a failed call may be retried. Returns `false` if it must not be retried.
    pub(super) async fn wait_to_retry(&self, failure: &Failure, state: &mut RetryState) -> bool {
        state.is_ambiguous |= failure.is_ambiguous;
        let wait = self.backoff.next_wait(state.retries, failure.retry_after, random::fraction());
        let Some(wait) = wait.filter(|_| failure.is_retryable) else { return false };
        if Instant::now() + wait >= state.deadline {
            return false;
        }
        state.retries += 1;
        tokio::time::sleep(wait).await;
        true
    }

    /// Sleeps for the backoff after `retries` others, but at most for `max`.
    pub(super) async fn back_off(&self, retries: u32, max: Duration) {
        tokio::time::sleep(self.backoff.delay(retries, random::fraction()).min(max)).await;
    }

    async fn acquire_slot(
        &self,
        call: &Call<'_>,
        state: &mut RetryState,
    ) -> Result<Option<SemaphorePermit<'_>>, Failure> {
        if Handle::try_current().is_err() {
            let message = "the operation must run in a Tokio runtime";
            return Err(Failure::permanent(error(ErrorKind::Unsupported, message)));
        }
        let started = Instant::now();
        if started >= state.deadline {
            return Err(self.timed_out(Timeout::Total));
        }
        let wait = call.limiter.map_or(Duration::ZERO, |limiter| limiter.take(started));
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        // Nobody closes the semaphore.
        let slot = self.slots.acquire().await.ok();
        state.deadline += started.elapsed();
        Ok(slot)
    }

    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Failure> {
        let progress = Progress::new();
        let failed = |cause: reqwest::Error| match progress.source_error() {
            Some(error) => Failure::permanent(error),
            None => self.connection_failure(&cause),
        };
        let request = self.request(call, &progress).map_err(failed)?;
        self.requests_sent.fetch_add(1, Ordering::Relaxed);
        let response = self.http.execute(request);
        let response = progress.with_timeout(response, self.timeouts.idle, deadline).await;
        let mut response = response.map_err(|timeout| self.timed_out(timeout))?.map_err(failed)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let mut body = BytesMut::new();
        // As far as it can be read.
        drop(self.read_body(&mut response, MAX_ERROR_BODY - 1, deadline, &mut body).await);
        body.truncate(MAX_ERROR_BODY);
        let error_response = ErrorResponse {
            target: call.target,
            status: response.status().as_u16(),
            hint: RetryHint::read(|name| header(&response, name), SystemTime::now()),
            request_id: header(&response, "x-request-id"),
            location: header(&response, "location"),
            body: &body,
        };
        Err(Failure::from_response(&error_response, &self.redaction))
    }

    fn request(
        &self,
        call: &Call<'_>,
        progress: &Progress,
    ) -> Result<reqwest::Request, reqwest::Error> {
        let url = format!("{}{}", self.base_url, call.path);
        let mut request = self.http.request(call.method.clone(), url).header(ACCEPT, call.accept);
        if self.send_beta_header && call.path.starts_with("vector_stores/") {
            request = request.header("openai-beta", HeaderValue::from_static("assistants=v2"));
        }
        request = match &call.payload {
            Payload::Empty => request,
            Payload::Json(json) => {
                request.header(CONTENT_TYPE, "application/json").body(json.clone())
            }
            Payload::Form(upload) => request.multipart(upload.form(progress)?),
        };
        request.build()
    }

    /// Reads into `body` until the end, or until it is longer than `max`.
    async fn read_body(
        &self,
        response: &mut Response,
        max: usize,
        deadline: Instant,
        body: &mut BytesMut,
    ) -> Result<(), Failure> {
        while body.len() <= max {
            let left = deadline.saturating_duration_since(Instant::now());
            let chunk = self.chunk(response, left).await?;
            match chunk.map_err(|cause| self.connection_failure(&cause))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(())
    }

    /// Returns the next bytes of the body, `None` at its end. Waits for no longer than `left`, and subtracts the wait from it.
    pub(super) async fn next_chunk(
        &self,
        response: &mut Response,
        left: &mut Duration,
    ) -> Result<Option<Bytes>> {
        let started = Instant::now();
        let chunk = self.chunk(response, *left).await.map_err(|failure| failure.error)?;
        *left = left.saturating_sub(started.elapsed());
        chunk.map_err(|cause| download_error(&cause, &self.host, &self.redaction))
    }

    async fn chunk(
        &self,
        response: &mut Response,
        left: Duration,
    ) -> Result<reqwest::Result<Option<Bytes>>, Failure> {
        let idle = self.timeouts.idle;
        let chunk = tokio::time::timeout(idle.min(left), response.chunk()).await;
        let timeout = if idle <= left { Timeout::Idle } else { Timeout::Total };
        chunk.map_err(|_| self.timed_out(timeout))
    }

    fn connection_failure(&self, cause: &reqwest::Error) -> Failure {
        Failure::from_connection(cause, &self.host, &self.redaction)
    }

    fn timed_out(&self, timeout: Timeout) -> Failure {
        let (host, timeouts) = (&self.host, &self.timeouts);
        let (message, is_retryable) = match timeout {
            Timeout::Idle => (format!("{host} sent nothing for {:?}", timeouts.idle), true),
            Timeout::Total => (format!("{host} did not answer within {:?}", timeouts.total), false),
        };
        // An idle service leaves time for a retry.
        Failure { is_retryable, ..Failure::unreadable(error(ErrorKind::Timeout, message)) }
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}
