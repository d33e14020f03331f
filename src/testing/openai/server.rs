//! The server: connections, and what goes wrong with them.

use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{BoxFuture, Either, select};
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::faults::{FaultKind, Happening, Instead};
use super::log::Line;
use super::routes::Route;
use super::rules::BetaHeader;
use super::state::State;
use super::{dispatch, receive};

/// What all connections share.
#[derive(Debug)]
pub(super) struct Service {
    key: String,
    state: Mutex<State>,
    /// Tells requests that are held to go on.
    releases: watch::Sender<()>,
}

/// The connection ends here, without an answer or in the midst of one.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulator was told to break the connection")
    }
}

impl std::error::Error for Broken {}

/// Answers connections until it is told to stop, or nobody is left to tell it.
pub(super) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        match select(&mut stop, pin!(listener.accept())).await {
            Either::Left(_) => return,
            Either::Right((Ok((stream, _)), _)) => {
                tokio::spawn(connection(stream, Arc::clone(&service)));
            }
            // The error is that of one connection, which is gone by now.
            Either::Right((Err(_), _)) => {}
        }
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let resets = Arc::new(AtomicBool::new(false));
    let answers = service_fn(|request| -> BoxFuture<'static, _> {
        Box::pin(answer(Arc::clone(&service), Arc::clone(&resets), request))
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answers);
    let ended = poll_fn(|context| {
        let polled = connection.poll_without_shutdown(context);
        if polled.is_pending() && resets.load(Ordering::Relaxed) {
            // The answer has been handed over: with this, hyper is done once it is written.
            Pin::new(&mut connection).graceful_shutdown();
            return connection.poll_without_shutdown(context);
        }
        polled
    })
    .await;
    let mut stream = connection.into_parts().io.into_inner();
    // What follows tells the client, which is past being told if it fails.
    drop(if resets.load(Ordering::Relaxed) {
        stream.set_zero_linger()
    } else if ended.is_ok() {
        stream.shutdown().await
    } else {
        Ok(())
    });
}

async fn answer(
    service: Arc<Service>,
    resets: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Broken>>, Broken> {
    let (head, body) = request.into_parts();
    let (line, fault, latency, released) = {
        let mut state = service.state();
        let logged = receive::logged(&head);
        let fault = state.faults.next(logged.route);
        let released = service.releases.subscribe();
        (state.log.add(logged), fault, state.rules.latency, released)
    };
    let call = receive::call(&head, body).await.map_err(|_| Broken)?;
    let kind = fault.as_ref().map(|fault| fault.kind.clone());
    let processing = process(Arc::clone(&service), line, head, call, fault, latency, released);
    // As a task of its own, since a service that has a request processes it, whether or not the client still waits.
    let reply = match tokio::spawn(processing).await.map_err(|_| Broken)? {
        Outcome::Reply(reply) => reply,
        Outcome::Silence => pending().await,
        Outcome::Reset => {
            resets.store(true, Ordering::Relaxed);
            return Err(Broken);
        }
    };
    let resets_after = service.state().rules.reset_after_4xx;
    resets.store(resets_after && (400..500).contains(&reply.status), Ordering::Relaxed);
    reply.response(kind.as_ref()).map_err(|_| Broken)
}

async fn process(
    service: Arc<Service>,
    line: Line,
    head: Parts,
    call: Call,
    fault: Option<Happening>,
    latency: Duration,
    mut released: watch::Receiver<()>,
) -> Outcome {
    service.note(line, &call);
    if !latency.is_zero() {
        sleep(latency).await;
    }
    if fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Held) {
        // This cannot fail: the sender is part of `service`.
        drop(released.changed().await);
    }
    let outcome = service.reply(&head, &call, fault.as_ref());
    let mut state = service.state();
    match &outcome {
        Outcome::Reply(reply) => {
            if let Some(logged) = state.log.at(line) {
                logged.status = Some(reply.status);
            }
        }
        Outcome::Silence => state.unanswered += 1,
        Outcome::Reset => {}
    }
    drop(state);
    outcome
}

/// What becomes of a request.
#[derive(Debug)]
enum Outcome {
    Reply(Reply),
    /// Nothing, for as long as the client waits.
    Silence,
    Reset,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Service {
    pub(super) fn new(key: String, state: State) -> Self {
        Self { key, state: Mutex::new(state), releases: watch::Sender::new(()) }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A call that panics fails its test by the connection it leaves, and must not hide that from those that look afterwards.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all requests go on that are held now.
    pub(super) fn release(&self) {
        self.releases.send_replace(());
    }

    /// Completes the line of a request in the log with what its body holds.
    fn note(&self, line: Line, call: &Call) {
        use super::call::Body;
        let mut state = self.state();
        let Some(logged) = state.log.at(line) else { return };
        match &call.body {
            Body::Json(json) => logged.json = Some(json.clone()),
            Body::Form(form) => logged.file = form.files.first().map(|(_, file)| file.clone()),
            Body::Nothing | Body::Refused(_) => {}
        }
    }

    fn reply(&self, head: &Parts, call: &Call, fault: Option<&Happening>) -> Outcome {
        let kind = fault.map(|fault| &fault.kind);
        let processed = fault.is_none_or(|fault| fault.processed);
        let mut state = self.state();
        let answered = processed.then(|| self.processed(&mut state, head, call));
        let reply = match (kind, answered) {
            (Some(FaultKind::TimeoutBefore | FaultKind::TimeoutAfter), _) => {
                return Outcome::Silence;
            }
            (Some(FaultKind::ResetBefore | FaultKind::ResetAfter), _) => return Outcome::Reset,
            (Some(kind), answered) => match (kind.instead(), answered) {
                (Some(instead), _) => instead.into(),
                (None, Some(answered)) => answered.damaged(kind, call.route),
                (None, None) => return Outcome::Silence,
            },
            (None, Some(answered)) => answered,
            (None, None) => return Outcome::Silence,
        };
        Outcome::Reply(reply.with_id(&mut state))
    }

    /// What is answered if nothing goes wrong.
    fn processed(&self, state: &mut State, head: &Parts, call: &Call) -> Reply {
        let answered =
            self.admitted(state, head, call.route).and_then(|()| dispatch::answer(state, call));
        let json = |status, body: Value| Reply {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into(),
        };
        let mut reply = match answered {
            Ok(Answer::Json(body)) => json(200, body),
            Ok(Answer::Content(body)) => Reply {
                status: 200,
                headers: vec![("content-type", "application/octet-stream".to_owned())],
                body,
            },
            Err(refusal) => {
                let (status, body) = refusal.in_shape(state.rules.error_shape);
                json(status, body)
            }
        };
        let polls = matches!(call.route, Route::Status | Route::BatchStatus | Route::Store);
        if let Some(wait) = state.rules.poll_after.filter(|_| polls) {
            reply.headers.push(("openai-poll-after-ms", wait.as_millis().to_string()));
        }
        reply
    }

    /// Whether the client may call at all.
    fn admitted(&self, state: &State, head: &Parts, route: Route) -> Result<(), Refusal> {
        let Some(authorization) = head.headers.get(AUTHORIZATION) else {
            return Err(Refusal::new(
                401,
                "invalid_request_error",
                "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth \
                 (i.e. Authorization: Bearer YOUR_KEY).",
            ));
        };
        if authorization.as_bytes() != format!("Bearer {}", self.key).as_bytes() {
            return Err(Refusal::new(401, "invalid_request_error", "Incorrect API key provided.")
                .with_code("invalid_api_key"));
        }
        let beta = head.headers.get("openai-beta").is_some_and(|value| value == "assistants=v2");
        match state.rules.beta_header {
            BetaHeader::Required if route.is_beta() && !beta => Err(Refusal::invalid(
                "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header \
                 'OpenAI-Beta: assistants=v2'.",
            )
            .with_code("invalid_beta")),
            BetaHeader::Forbidden if beta => {
                Err(Refusal::invalid("The header 'OpenAI-Beta' is not known.").with_code("invalid_beta"))
            }
            _ => Ok(()),
        }
    }
}

impl From<Instead> for Reply {
    fn from(instead: Instead) -> Self {
        Self { status: instead.status, headers: instead.headers, body: instead.body.into() }
    }
}

impl Reply {
    fn with_id(mut self, state: &mut State) -> Self {
        self.headers.push(("x-request-id", state.new_id("req_")));
        self.headers.push(("openai-version", "2020-10-01".to_owned()));
        self.headers.push(("openai-processing-ms", "1".to_owned()));
        self
    }

    /// The reply with what a fault does to its body.
    fn damaged(mut self, fault: &FaultKind, route: Route) -> Self {
        match fault {
            FaultKind::EmptyBody => self.body = Bytes::new(),
            FaultKind::MalformedJson => self.body = self.body.slice(..self.body.len() / 2),
            FaultKind::WrongContent if route == Route::Text => self.body = other_text(&self.body),
            FaultKind::WrongContent => self.body = other_bytes(&self.body),
            _ => {}
        }
        self
    }

    fn response(
        self,
        fault: Option<&FaultKind>,
    ) -> hyper::http::Result<Response<UnsyncBoxBody<Bytes, Broken>>> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        // Said also where fewer bytes will come.
        response = response.header("content-length", self.body.len());
        response.body(match fault {
            Some(FaultKind::SlowBody { chunk, delay }) => slow(self.body, (*chunk).max(1), *delay),
            Some(FaultKind::TruncatedBody { after }) => truncated(&self.body, *after),
            _ => Full::new(self.body).map_err(|never| match never {}).boxed_unsync(),
        })
    }
}

fn slow(body: Bytes, chunk: usize, delay: Duration) -> UnsyncBoxBody<Bytes, Broken> {
    let chunks = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        sleep(delay).await;
        let chunk = rest.split_to(chunk.min(rest.len()));
        Some((Ok(Frame::data(chunk)), rest))
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn truncated(body: &Bytes, after: usize) -> UnsyncBoxBody<Bytes, Broken> {
    let kept = body.slice(..after.min(body.len().saturating_sub(1)));
    let broken = stream::once(async {
        // What has come so far is sent before the error is seen.
        yield_now().await;
        Err(Broken)
    });
    StreamBody::new(stream::iter([Ok(Frame::data(kept))]).chain(broken)).boxed_unsync()
}

/// The same number of bytes, one of which is another.
fn other_bytes(body: &Bytes) -> Bytes {
    let mut other = body.to_vec();
    let middle = other.len() / 2;
    if let Some(byte) = other.get_mut(middle) {
        *byte ^= 1;
    }
    other.into()
}

/// The same answer, with another letter in the middle of its first chunk.
fn other_text(body: &Bytes) -> Bytes {
    let Ok(mut answer) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    for chunks in ["data", "content"] {
        let Some(Value::String(text)) = answer.pointer_mut(&format!("/{chunks}/0/text")) else {
            continue;
        };
        let middle = text.chars().count() / 2;
        let other = |(at, letter)| match letter {
            _ if at != middle => letter,
            'x' => 'y',
            _ => 'x',
        };
        *text = text.chars().enumerate().map(other).collect();
    }
    answer.to_string().into()
}

/// A listener on a port that nobody else has.
pub(super) fn listen() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
