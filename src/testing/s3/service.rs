//! The service behind all connections: logs a request, runs its operation through s3s, applies its fault.

use std::sync::MutexGuard;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::sync::watch;
use tokio::time::sleep;

use super::access::{Access, Key};
use super::fault::FaultKind;
use super::fault_queue::ActiveFault;
use super::log::{LogIndex, Request};
use super::operation::{Operation, Target};
use super::operations::{Operations, ReceivedBody};
use super::reply::{ConnectionClosed, Reply};
use super::state::State;

/// The service that all connections share.
#[derive(Debug)]
pub(super) struct Service {
    operations: Operations,
    s3s: S3Service,
    /// Wakes the requests that are held.
    releases: watch::Sender<()>,
}

/// The result of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Reply),
    /// The client gets no response, however long it waits.
    Silence,
    Reset,
}

/// A request that is logged but not processed yet.
#[derive(Debug)]
pub(super) struct Arrival {
    index: LogIndex,
    request_id: String,
    fault: Option<ActiveFault>,
    latency: Duration,
    released: watch::Receiver<()>,
}

impl Arrival {
    /// Returns the fault that happens to the request.
    pub(super) fn fault(&self) -> Option<&FaultKind> {
        self.fault.as_ref().map(|fault| &fault.kind)
    }
}

impl Service {
    pub(super) fn new(state: State, access_key: &str, secret_key: &str) -> Self {
        let operations = Operations::new(state);
        let mut builder = S3ServiceBuilder::new(operations.clone());
        builder.set_auth(Key::new(access_key, secret_key));
        builder.set_access(Access::new(operations.clone()));
        Self { operations, s3s: builder.build(), releases: watch::Sender::new(()) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.operations.state()
    }

    /// Releases the requests that are held now.
    pub(super) fn release(&self) {
        self.releases.send_replace(());
    }

    /// Logs a request whose head is received, and takes its fault.
    pub(super) fn arrive(&self, head: &Parts) -> Arrival {
        let entry = log_entry(head);
        let mut state = self.state();
        let fault = state.faults.next(entry.operation, entry.key.as_deref());
        let index = state.log.add(entry);
        let latency = state.rules.latency;
        let request_id = state.new_id();
        Arrival { index, request_id, fault, latency, released: self.releases.subscribe() }
    }

    /// Processes a request that is received completely.
    pub(super) async fn process(&self, head: Parts, body: Bytes, arrival: Arrival) -> Outcome {
        let Arrival { index, request_id, fault, latency, mut released } = arrival;
        if let Some(entry) = self.state().log.at(index) {
            entry.body_length = body.len() as u64;
        }
        if !latency.is_zero() {
            sleep(latency).await;
        }
        if fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Held) {
            // This cannot fail, because `self` owns the sender.
            drop(released.changed().await);
        }
        let outcome = self.outcome(head, body, &request_id, fault.as_ref()).await;
        let mut state = self.state();
        match &outcome {
            Outcome::Reply(reply) => {
                if let Some(entry) = state.log.at(index) {
                    entry.status = Some(reply.status.as_u16());
                }
            }
            Outcome::Silence => state.unanswered += 1,
            Outcome::Reset => {}
        }
        drop(state);
        outcome
    }

    async fn outcome(
        &self,
        head: Parts,
        body: Bytes,
        request_id: &str,
        fault: Option<&ActiveFault>,
    ) -> Outcome {
        let kind = fault.map(|fault| &fault.kind);
        let mut regular = None;
        if kind == Some(&FaultKind::Repeated) {
            drop(self.run(head.clone(), body.clone(), request_id).await);
        }
        if fault.is_none_or(|fault| fault.processed) {
            match self.run(head, body, request_id).await {
                Ok(reply) => regular = Some(reply),
                Err(ConnectionClosed) => return Outcome::Reset,
            }
        }
        let reply = match kind {
            Some(FaultKind::TimeoutBefore | FaultKind::TimeoutAfter) => return Outcome::Silence,
            Some(FaultKind::ResetBefore | FaultKind::ResetAfter) => return Outcome::Reset,
            Some(kind) => Reply::of_fault(kind, request_id).or(regular),
            None => regular,
        };
        reply.map_or(Outcome::Silence, |reply| Outcome::Reply(reply.with_request_id(request_id)))
    }

    /// Runs an operation and returns its reply without any fault.
    async fn run(
        &self,
        head: Parts,
        body: Bytes,
        request_id: &str,
    ) -> Result<Reply, ConnectionClosed> {
        let mut request = s3s::HttpRequest::from_parts(head, s3s::Body::from(body.clone()));
        request.extensions_mut().insert(ReceivedBody(body));
        let response = self.s3s.call(request).await.map_err(|_| ConnectionClosed)?;
        Reply::of_service(response, request_id).await
    }
}

/// Returns the log entry of a request whose head is received.
fn log_entry(head: &Parts) -> Request {
    let headers =
        head.headers.iter().filter(|(name, _)| *name != AUTHORIZATION).map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let path = head.uri.path().strip_prefix('/').unwrap_or_default();
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let query = head.uri.query().unwrap_or_default();
    let target = Target {
        method: &head.method,
        has_bucket: !bucket.is_empty(),
        has_key: !key.is_empty(),
        query,
        copies: head.method == Method::PUT && head.headers.contains_key("x-amz-copy-source"),
    };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    Request {
        number: 0,
        operation: Operation::of(target),
        method: head.method.to_string(),
        bucket: (!bucket.is_empty()).then(|| decode(bucket)),
        key: (!key.is_empty()).then(|| decode(key)),
        query: kept.join("&"),
        headers: headers.collect(),
        body_length: 0,
        status: None,
    }
}
