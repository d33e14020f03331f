//! The service behind all connections: checks a request, runs its call, applies its fault.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use super::call::{Body, Call};
use super::dispatch;
use super::fault::FaultKind;
use super::fault_queue::ActiveFault;
use super::log::LogIndex;
use super::receive;
use super::reply::Reply;
use super::response::{ApiError, ResponseBody};
use super::routes::Route;
use super::rules::BetaHeader;
use super::state::State;

/// The service that all connections share.
#[derive(Debug)]
pub(super) struct Service {
    key: String,
    state: Mutex<State>,
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
    pub(super) fn new(key: String, state: State) -> Self {
        Self { key, state: Mutex::new(state), releases: watch::Sender::new(()) }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a call already fails its test through the lost connection. Later assertions may still read the state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the requests that are held now.
    pub(super) fn release(&self) {
        self.releases.send_replace(());
    }

    /// Logs a request whose head is received, and takes its fault.
    pub(super) fn arrive(&self, head: &Parts) -> Arrival {
        let entry = receive::log_entry(head);
        let mut state = self.state();
        let fault = state.faults.next(entry.route);
        let index = state.log.add(entry);
        let latency = state.rules.latency;
        Arrival { index, fault, latency, released: self.releases.subscribe() }
    }

    /// Processes a request that is received completely.
    pub(super) async fn process(&self, head: &Parts, call: &Call, arrival: Arrival) -> Outcome {
        let Arrival { index, fault, latency, mut released } = arrival;
        self.log_body(index, call);
        if !latency.is_zero() {
            sleep(latency).await;
        }
        if fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Held) {
            // This cannot fail, because `self` owns the sender.
            drop(released.changed().await);
        }
        let outcome = self.outcome(head, call, fault.as_ref());
        let mut state = self.state();
        match &outcome {
            Outcome::Reply(reply) => {
                if let Some(entry) = state.log.at(index) {
                    entry.status = Some(reply.status);
                }
            }
            Outcome::Silence => state.unanswered += 1,
            Outcome::Reset => {}
        }
        drop(state);
        outcome
    }

    /// Adds the body of a request to its log entry.
    fn log_body(&self, index: LogIndex, call: &Call) {
        let mut state = self.state();
        let Some(entry) = state.log.at(index) else { return };
        match &call.body {
            Body::Json(json) => entry.json = Some(json.clone()),
            Body::Form(form) => entry.file = form.files.first().map(|(_, file)| file.clone()),
            Body::Nothing | Body::Invalid(_) => {}
        }
    }

    fn outcome(&self, head: &Parts, call: &Call, fault: Option<&ActiveFault>) -> Outcome {
        let kind = fault.map(|fault| &fault.kind);
        let is_processed = fault.is_none_or(|fault| fault.processed);
        let mut state = self.state();
        let regular = is_processed.then(|| self.regular_reply(&mut state, head, call));
        let reply = match (kind, regular) {
            (Some(FaultKind::TimeoutBefore | FaultKind::TimeoutAfter), _) => {
                return Outcome::Silence;
            }
            (Some(FaultKind::ResetBefore | FaultKind::ResetAfter), _) => return Outcome::Reset,
            (Some(kind), regular) => match (kind.error_response(), regular) {
                (Some(error), _) => error.into(),
                (None, Some(reply)) => reply.damaged(kind, call.route),
                (None, None) => return Outcome::Silence,
            },
            (None, Some(reply)) => reply,
            (None, None) => return Outcome::Silence,
        };
        Outcome::Reply(reply.with_request_id(state.new_id("req_")))
    }

    /// Runs a call and returns its reply without any fault.
    fn regular_reply(&self, state: &mut State, head: &Parts, call: &Call) -> Reply {
        let result =
            self.authorize(state, head, call.route).and_then(|()| dispatch::run(state, call));
        let json = |status, body: Value| Reply {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into(),
        };
        let mut reply = match result {
            Ok(ResponseBody::Json(body)) => json(200, body),
            Ok(ResponseBody::Content(body)) => Reply {
                status: 200,
                headers: vec![("content-type", "application/octet-stream".to_owned())],
                body,
            },
            Err(error) => {
                let (status, body) = error.to_response(state.rules.error_shape);
                json(status, body)
            }
        };
        let polls = matches!(call.route, Route::Status | Route::BatchStatus | Route::Store);
        if let Some(wait) = state.rules.poll_after.filter(|_| polls) {
            reply.headers.push(("openai-poll-after-ms", wait.as_millis().to_string()));
        }
        reply
    }

    /// Checks the key and the beta header.
    fn authorize(&self, state: &State, head: &Parts, route: Route) -> Result<(), ApiError> {
        let Some(authorization) = head.headers.get(AUTHORIZATION) else {
            return Err(ApiError::new(
                401,
                "invalid_request_error",
                "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth \
                 (i.e. Authorization: Bearer YOUR_KEY).",
            ));
        };
        if authorization.as_bytes() != format!("Bearer {}", self.key).as_bytes() {
            return Err(ApiError::new(401, "invalid_request_error", "Incorrect API key provided.")
                .with_code("invalid_api_key"));
        }
        let beta = head.headers.get("openai-beta").is_some_and(|value| value == "assistants=v2");
        match state.rules.beta_header {
            BetaHeader::Required if route.is_beta() && !beta => Err(ApiError::invalid(
                "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header \
                 'OpenAI-Beta: assistants=v2'.",
            )
            .with_code("invalid_beta")),
            BetaHeader::Forbidden if beta => {
                Err(ApiError::invalid("The header 'OpenAI-Beta' is not accepted.").with_code("invalid_beta"))
            }
            _ => Ok(()),
        }
    }
}
