//! How a call gets to the service and its answer back: turns, deadlines, repetitions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::failure::{About, Failure, Redaction, Refusal, error, of_content, unexpected};
use super::pace::Pace;
use super::sending::{Elapsed, Progress, Upload};
use crate::retry::{Advice, Backoff};
use crate::{ErrorKind, OpenAITimeouts, Result};

/// The longest answer that is kept in memory: a page of a listing has 10,000 entries at most.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Of a refusal only the beginning is read.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// What is sent, to where, and how it is taken.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Behind the base URL, without a slash at its beginning, encoded.
    pub(super) path: String,
    pub(super) payload: Payload<'a>,
    pub(super) about: About,
    pub(super) pace: Option<&'a Pace>,
    pub(super) accept: &'static str,
    /// The longest answer, in bytes.
    pub(super) most: usize,
}

#[derive(Clone)]
pub(super) enum Payload<'a> {
    Nothing,
    Json(Bytes),
    Form(Upload<'a>),
}

impl<'a> Call<'a> {
    fn new(method: Method, path: String, payload: Payload<'a>) -> Self {
        let (about, accept) = (About::File, "application/json");
        Self { method, path, payload, about, pace: None, accept, most: LONGEST_ANSWER }
    }

    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path, Payload::Nothing)
    }

    pub(super) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, Payload::Nothing)
    }

    pub(super) fn post(path: String, json: &Value) -> Self {
        Self::new(Method::POST, path, Payload::Json(json.to_string().into()))
    }

    pub(super) fn upload(path: String, upload: Upload<'a>) -> Self {
        Self::new(Method::POST, path, Payload::Form(upload))
    }

    pub(super) fn about(mut self, about: About) -> Self {
        self.about = about;
        self
    }

    pub(super) fn paced(mut self, pace: Option<&'a Pace>) -> Self {
        self.pace = pace;
        self
    }
}

/// An answer with what was asked for.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) request_id: Option<String>,
}

/// How often a call was repeated, and until when it may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tries {
    done: u32,
    /// Whether the service may have done already what it was asked for.
    pub(super) in_doubt: bool,
    /// Later by what was waited for turns: that is nobody's delay but ours.
    deadline: Instant,
}

impl Tries {
    /// For a look at what became of an attempt, in the time that is left for it.
    pub(super) fn to_look(self) -> Self {
        Self { done: 0, in_doubt: false, ..self }
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    pub(super) http: reqwest::Client,
    /// With a slash at its end.
    pub(super) base_url: String,
    /// What errors call the service by.
    pub(super) host: String,
    pub(super) send_beta_header: bool,
    pub(super) timeouts: OpenAITimeouts,
    pub(super) backoff: Backoff,
    pub(super) permits: Semaphore,
    pub(super) sent: AtomicU64,
    pub(super) redaction: Redaction,
}

impl Transport {
    pub(super) fn tries(&self) -> Tries {
        let deadline = Instant::now() + self.timeouts.total;
        Tries { done: 0, in_doubt: false, deadline }
    }

    /// Makes a call that may be made twice, and repeats it where that helps.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        self.repeat(call, &mut self.tries()).await
    }

    /// As [`call`](Self::call), in the time that is left.
    pub(super) async fn repeat(
        &self,
        call: &Call<'_>,
        tries: &mut Tries,
    ) -> Result<Answer, Failure> {
        loop {
            let failure = match self.attempt(call, tries).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !self.pause(&failure, tries).await {
                return Err(failure);
            }
        }
    }

    /// Makes a call once.
    pub(super) async fn attempt(
        &self,
        call: &Call<'_>,
        tries: &mut Tries,
    ) -> Result<Answer, Failure> {
        let (mut response, _turn) = self.head(call, tries).await?;
        let request_id = request_id(response.headers()).map(str::to_owned);
        let body = self.whole(&mut response, call.most, tries.deadline).await?;
        let answer = Answer { body, request_id };
        // Deletions may have nothing to tell. What else is no JSON was damaged on its way, or comes from somebody on the way.
        let says_nothing = call.method == Method::DELETE && answer.body.is_empty();
        if says_nothing || serde_json::from_slice::<IgnoredAny>(&answer.body).is_ok() {
            return Ok(answer);
        }
        let error = unexpected(&answer.body, answer.request_id.as_deref(), &self.redaction);
        Err(Failure { is_passing: true, ..Failure::unreadable(error) })
    }

    /// Makes a call that may be made twice, and repeats it where that helps. The content of the answer is still to come, and takes no
    /// turn from others.
    pub(super) async fn open(&self, call: &Call<'_>) -> Result<Response, Failure> {
        let mut tries = self.tries();
        loop {
            let failure = match self.head(call, &mut tries).await {
                Ok((response, _turn)) => return Ok(response),
                Err(failure) => failure,
            };
            if !self.pause(&failure, &mut tries).await {
                return Err(failure);
            }
        }
    }

    /// Makes a call once, as far as the head of an answer that is no refusal.
    async fn head(
        &self,
        call: &Call<'_>,
        tries: &mut Tries,
    ) -> Result<(Response, SemaphorePermit<'_>), Failure> {
        let turn = self.turn(call, tries).await?;
        Ok((self.send(call, tries.deadline).await?, turn))
    }

    /// Waits until a call may be repeated that has failed; `false` where it may not.
    pub(super) async fn pause(&self, failure: &Failure, tries: &mut Tries) -> bool {
        tries.in_doubt |= failure.is_ambiguous;
        let wait = self.backoff.wait(tries.done, failure.after, luck());
        let Some(wait) = wait.filter(|_| failure.is_passing) else { return false };
        if Instant::now() + wait >= tries.deadline {
            return false;
        }
        tries.done += 1;
        tokio::time::sleep(wait).await;
        true
    }

    /// Waits as before the repetition that follows `done` others, and not longer than `most`.
    pub(super) async fn settle(&self, done: u32, most: Duration) {
        tokio::time::sleep(self.backoff.pause(done, luck()).min(most)).await;
    }

    async fn turn(
        &self,
        call: &Call<'_>,
        tries: &mut Tries,
    ) -> Result<SemaphorePermit<'_>, Failure> {
        if Handle::try_current().is_err() {
            let message = "calls to a service need a Tokio runtime";
            return Err(Failure::lasting(error(ErrorKind::Unsupported, message)));
        }
        let came = Instant::now();
        if came >= tries.deadline {
            return Err(self.elapsed(Elapsed::Total));
        }
        let wait = call.pace.map_or(Duration::ZERO, |pace| pace.take(came));
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let permit = self.permits.acquire().await;
        tries.deadline += came.elapsed();
        permit.map_err(|closed| {
            Failure::lasting(error(ErrorKind::Internal, "no more calls").with_source(closed))
        })
    }

    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Failure> {
        let progress = Progress::new();
        let broken = |cause: reqwest::Error| match progress.broken() {
            Some(error) => Failure::lasting(error),
            None => Failure::broken(&cause, &self.host, &self.redaction),
        };
        let request = self.request(call, &progress).map_err(broken)?;
        self.sent.fetch_add(1, Ordering::Relaxed);
        let answer = self.http.execute(request);
        let answer = progress.watch(answer, self.timeouts.idle, deadline).await;
        let mut response = answer.map_err(|elapsed| self.elapsed(elapsed))?.map_err(broken)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = self.beginning(&mut response, deadline).await;
        Err(self.refused(call, &response, &body))
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
            Payload::Nothing => request,
            Payload::Json(json) => {
                request.header(CONTENT_TYPE, "application/json").body(json.clone())
            }
            Payload::Form(upload) => request.multipart(upload.form(progress)?),
        };
        request.build()
    }

    fn refused(&self, call: &Call<'_>, response: &Response, body: &[u8]) -> Failure {
        let headers = response.headers();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let refusal = Refusal {
            about: call.about,
            status: response.status().as_u16(),
            advice: Advice::read(header, SystemTime::now()),
            request_id: request_id(headers),
            location: header("location"),
            body,
        };
        Failure::refused(&refusal, &self.redaction)
    }

    async fn whole(
        &self,
        response: &mut Response,
        most: usize,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk(response, deadline).await? {
            if body.len() + chunk.len() > most {
                return Err(Failure::too_long(most));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// What comes of the body of a refusal before something else goes wrong.
    async fn beginning(&self, response: &mut Response, deadline: Instant) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < LONGEST_REFUSAL
            && let Ok(Some(chunk)) = self.chunk(response, deadline).await
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(LONGEST_REFUSAL);
        body.freeze()
    }

    async fn chunk(
        &self,
        response: &mut Response,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Failure> {
        let chunk = Progress::new().watch(response.chunk(), self.timeouts.idle, deadline).await;
        let chunk = chunk.map_err(|elapsed| self.elapsed(elapsed))?;
        chunk.map_err(|cause| Failure::broken(&cause, &self.host, &self.redaction))
    }

    /// The next bytes of content, `None` at its end.
    pub(super) async fn next(&self, response: &mut Response) -> Result<Option<Bytes>> {
        loop {
            let Ok(chunk) = tokio::time::timeout(self.timeouts.idle, response.chunk()).await else {
                return Err(self.elapsed(Elapsed::Idle).error);
            };
            let chunk = chunk.map_err(|cause| of_content(&cause, &self.host, &self.redaction))?;
            if chunk.as_ref().is_none_or(|chunk| !chunk.is_empty()) {
                return Ok(chunk);
            }
        }
    }

    fn elapsed(&self, elapsed: Elapsed) -> Failure {
        let (host, timeouts) = (&self.host, &self.timeouts);
        match elapsed {
            Elapsed::Idle => {
                let idle = timeouts.idle;
                Failure::timeout(format!("nothing came from {host} for {idle:?}"), true)
            }
            Elapsed::Total => {
                let total = timeouts.total;
                Failure::timeout(format!("{host} did not answer within {total:?}"), false)
            }
        }
    }
}

fn request_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-request-id")?.to_str().ok()
}

/// Any number from 0 to 1.
fn luck() -> f64 {
    let mut random = [0; 4];
    match getrandom(&mut random, GetRandomFlags::empty()) {
        Ok(_) => f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
