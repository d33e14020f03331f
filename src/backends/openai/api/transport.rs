//! Sends calls and reads responses: concurrency, timeouts, retries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use serde::de::IgnoredAny;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::call::{Answer, Call, Payload};
use super::failure::{ErrorResponse, Failure, download_error, error, unexpected};
use super::upload::{Progress, Timeout};
use crate::backends::openai::OpenAITimeouts;
use crate::core::error::{ErrorKind, Result};
use crate::net::key_redaction::Redaction;
use crate::net::retry::{Backoff, RetryHint};
use crate::sys::random;

/// Only this much of an error response is read.
const MAX_ERROR_BODY: usize = 64 * 1024;

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

    /// Makes an idempotent call and retries it.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.retry(call, &mut self.retry_state()).await
    }

    /// As [`call`](Self::call), within the remaining time.
    pub(super) async fn retry(
        &self,
        call: &Call<'_>,
        state: &mut RetryState,
    ) -> Result<Answer, Failure> {
        loop {
            let failure = match self.attempt(call, state).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !self.wait_to_retry(&failure, state).await {
                return Err(failure);
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
        let request_id = request_id(response.headers()).map(str::to_owned);
        let body = self.read_body(&mut response, call.max_answer, state.deadline).await?;
        let answer = Answer { body, request_id };
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
            let failure = match self.start(call, &mut state).await {
                Ok((response, _slot)) => return Ok(response),
                Err(failure) => failure,
            };
            if !self.wait_to_retry(&failure, &mut state).await {
                return Err(failure);
            }
        }
    }

    /// Makes a call once and returns the head of a successful response.
    async fn start(
        &self,
        call: &Call<'_>,
        state: &mut RetryState,
    ) -> Result<(Response, SemaphorePermit<'_>), Failure> {
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
    ) -> Result<SemaphorePermit<'_>, Failure> {
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
        let slot = self.slots.acquire().await;
        state.deadline += started.elapsed();
        slot.map_err(|closed| {
            Failure::permanent(
                error(ErrorKind::Internal, "the client is closed").with_source(closed),
            )
        })
    }

    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Failure> {
        let progress = Progress::new();
        let failed = |cause: reqwest::Error| match progress.source_error() {
            Some(error) => Failure::permanent(error),
            None => Failure::from_connection(&cause, &self.host, &self.redaction),
        };
        let request = self.request(call, &progress).map_err(failed)?;
        self.requests_sent.fetch_add(1, Ordering::Relaxed);
        let response = self.http.execute(request);
        let response = progress.with_timeout(response, self.timeouts.idle, deadline).await;
        let mut response = response.map_err(|timeout| self.timed_out(timeout))?.map_err(failed)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = self.read_error_body(&mut response, deadline).await;
        Err(self.error_response(call, &response, &body))
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

    fn error_response(&self, call: &Call<'_>, response: &Response, body: &[u8]) -> Failure {
        let headers = response.headers();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let response = ErrorResponse {
            target: call.target,
            status: response.status().as_u16(),
            hint: RetryHint::read(header, SystemTime::now()),
            request_id: request_id(headers),
            location: header("location"),
            body,
        };
        Failure::from_response(&response, &self.redaction)
    }

    async fn read_body(
        &self,
        response: &mut Response,
        max: usize,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk(response, deadline).await? {
            if body.len() + chunk.len() > max {
                return Err(Failure::too_long(max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Returns the body of an error response as far as it can be read.
    async fn read_error_body(&self, response: &mut Response, deadline: Instant) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < MAX_ERROR_BODY
            && let Ok(Some(chunk)) = self.chunk(response, deadline).await
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(MAX_ERROR_BODY);
        body.freeze()
    }

    async fn chunk(
        &self,
        response: &mut Response,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Failure> {
        let chunk = response.chunk();
        let chunk = Progress::new().with_timeout(chunk, self.timeouts.idle, deadline).await;
        let chunk = chunk.map_err(|timeout| self.timed_out(timeout))?;
        chunk.map_err(|cause| Failure::from_connection(&cause, &self.host, &self.redaction))
    }

    /// Returns the next bytes of the body, `None` at its end. Waits for no longer than `left`, and subtracts the wait from it.
    pub(super) async fn next_chunk(
        &self,
        response: &mut Response,
        left: &mut Duration,
    ) -> Result<Option<Bytes>> {
        loop {
            let started = Instant::now();
            let wait = self.timeouts.idle.min(*left);
            let Ok(chunk) = tokio::time::timeout(wait, response.chunk()).await else {
                let is_idle = wait == self.timeouts.idle;
                let timeout = if is_idle { Timeout::Idle } else { Timeout::Total };
                return Err(self.timed_out(timeout).error);
            };
            *left = left.saturating_sub(started.elapsed());
            let chunk =
                chunk.map_err(|cause| download_error(&cause, &self.host, &self.redaction))?;
            if chunk.as_ref().is_none_or(|chunk| !chunk.is_empty()) {
                return Ok(chunk);
            }
        }
    }

    fn timed_out(&self, timeout: Timeout) -> Failure {
        let (host, timeouts) = (&self.host, &self.timeouts);
        match timeout {
            Timeout::Idle => {
                let idle = timeouts.idle;
                Failure::timeout(format!("{host} sent nothing for {idle:?}"), true)
            }
            Timeout::Total => {
                let total = timeouts.total;
                Failure::timeout(format!("{host} did not answer within {total:?}"), false)
            }
        }
    }
}

fn request_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-request-id")?.to_str().ok()
}
