//! What goes wrong once, or a few times.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::routes::Route;

/// Something that goes wrong with the next request, or with the next one of a kind, to be queued with
/// [`inject`](super::OpenAISimulator::inject).
///
/// Of several faults that fit a request, the one that was injected first happens.
///
/// # Examples
///
/// ```
/// use f9::testing::{Fault, FaultKind, OpenAISimulator, Retry, Route};
///
/// let openai = OpenAISimulator::start();
/// // The third attachment from now is done, but its answer is lost.
/// openai.inject(Fault::new(FaultKind::ResetAfter).on(Route::Attach).after(2));
/// // The next two requests, whichever they are, come too early.
/// openai.inject(Fault::new(FaultKind::RateLimited(Retry::AfterMillis(5))).times(2));
/// assert_eq!(openai.faults_left(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    kind: FaultKind,
    route: Option<Route>,
    skipped: usize,
    times: usize,
    processed: bool,
}

/// What can go wrong with a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An error in the service's shape, instead of the answer.
    Status {
        /// The status of the answer, such as 503.
        status: u16,
        /// The `type` of the error.
        kind: String,
        /// The `code` of the error, if it has one.
        code: Option<String>,
        /// The `message` of the error.
        message: String,
        /// When to come again.
        retry: Retry,
    },
    /// Status 429 with the code `rate_limit_exceeded`.
    RateLimited(Retry),
    /// Status 429 with the code `insufficient_quota`, which no waiting helps.
    InsufficientQuota,
    /// A page for people with this status, as proxies send it.
    Html {
        /// The status of the answer, such as 502.
        status: u16,
    },
    /// The request is processed, but the answer with status 200 has no body.
    EmptyBody,
    /// The request is processed, but the body of the answer breaks off in the midst of its JSON, though its length is right.
    MalformedJson,
    /// The request is processed, and one byte of the answer is another: only for [`Route::Content`] and [`Route::Text`].
    WrongContent,
    /// The connection is reset once the request has come; it is not processed.
    ResetBefore,
    /// The request is processed, then the connection is reset.
    ResetAfter,
    /// The request waits before it is processed, until it is [released](super::OpenAISimulator::release).
    Held,
    /// No answer ever comes, and the request is not processed.
    TimeoutBefore,
    /// The request is processed, but no answer ever comes.
    TimeoutAfter,
    /// The body of the answer comes in chunks, with a pause before each.
    SlowBody {
        /// How many bytes come at a time, at least 1.
        chunk: usize,
        /// How long each pause is.
        delay: Duration,
    },
    /// The connection is closed after so many bytes of the body of the answer, or one before its last if it is no longer than that.
    TruncatedBody {
        /// How many bytes come.
        after: usize,
    },
}

/// When a client that came too early is told to come again.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Retry {
    /// Nothing is said of it.
    Unsaid,
    /// `retry-after-ms`.
    AfterMillis(u64),
    /// `Retry-After` with a number of seconds, which may be a fraction.
    AfterSeconds(f64),
    /// `Retry-After` with the date that is then so far away, in whole seconds.
    AtDateIn(Duration),
    /// `x-should-retry: true`.
    Always,
    /// `x-should-retry: false`.
    Never,
}

impl Fault {
    /// This goes wrong with the next request, once.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, route: None, skipped: 0, times: 1, processed: false }
    }

    /// An error with this status and a message that says so.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::status(status))
    }

    /// One of each kind, for tests that run through all of them. What waits, waits for a moment only, but for the time-outs.
    #[must_use]
    pub fn all_kinds() -> Vec<FaultKind> {
        let mut kinds: Vec<FaultKind> =
            [400, 401, 403, 404, 408, 409, 422, 500, 503].map(FaultKind::status).into();
        kinds.extend(
            [
                Retry::Unsaid,
                Retry::AfterMillis(2),
                Retry::AfterSeconds(0.002),
                Retry::AtDateIn(Duration::from_secs(1)),
                Retry::Always,
                Retry::Never,
            ]
            .map(FaultKind::RateLimited),
        );
        kinds.extend([
            FaultKind::InsufficientQuota,
            FaultKind::Html { status: 502 },
            FaultKind::EmptyBody,
            FaultKind::MalformedJson,
            FaultKind::WrongContent,
            FaultKind::ResetBefore,
            FaultKind::ResetAfter,
            FaultKind::TimeoutBefore,
            FaultKind::TimeoutAfter,
            FaultKind::SlowBody { chunk: 64, delay: Duration::from_millis(1) },
            FaultKind::TruncatedBody { after: 10 },
        ]);
        kinds
    }

    /// Only with requests of this route.
    #[must_use]
    pub fn on(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Only once so many requests that it fits have come and gone.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.skipped = requests;
        self
    }

    /// So many times, one request after the other.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// The request is processed all the same, and the error comes instead of its answer.
    #[must_use]
    pub fn processed(mut self) -> Self {
        self.processed = true;
        self
    }

    fn fits(&self, route: Route) -> bool {
        let can_be_wrong =
            self.kind != FaultKind::WrongContent || matches!(route, Route::Content | Route::Text);
        can_be_wrong && self.route.is_none_or(|only| only == route)
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self::new(kind)
    }
}

impl FaultKind {
    /// An error with this status and a message that says so.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        Self::Status {
            status,
            kind: kind.to_owned(),
            code: None,
            message: format!("The simulator was told to answer {status}."),
            retry: Retry::Unsaid,
        }
    }
}

/// Faults that have not happened yet, in the order in which they will.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// What goes wrong with a request that has come.
#[derive(Debug, PartialEq)]
pub(super) struct Happening {
    pub(super) kind: FaultKind,
    /// Whether the request is processed before its answer goes wrong.
    pub(super) processed: bool,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push(fault);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with a request of this route, if anything does.
    pub(super) fn next(&mut self, route: Route) -> Option<Happening> {
        let mut due = None;
        for (position, fault) in self.0.iter_mut().enumerate().filter(|(_, f)| f.fits(route)) {
            if fault.skipped == 0 {
                due = Some(position);
                break;
            }
            fault.skipped -= 1;
        }
        let fault = &mut self.0[due?];
        fault.times -= 1;
        let happening = Happening { kind: fault.kind.clone(), processed: fault.is_processed() };
        self.0.retain(|fault| fault.times > 0);
        Some(happening)
    }
}

impl Fault {
    fn is_processed(&self) -> bool {
        match self.kind {
            FaultKind::Status { .. }
            | FaultKind::RateLimited(_)
            | FaultKind::InsufficientQuota
            | FaultKind::Html { .. } => self.processed,
            FaultKind::ResetBefore | FaultKind::TimeoutBefore => false,
            _ => true,
        }
    }
}

/// An answer that is there instead of the right one.
#[derive(Debug)]
pub(super) struct Instead {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl FaultKind {
    /// What is answered instead, if this is a fault of that kind.
    pub(super) fn instead(&self) -> Option<Instead> {
        let (status, kind, code, message, retry) = match self {
            Self::Status { status, kind, code, message, retry } => {
                (*status, kind.as_str(), code.as_deref(), message.as_str(), *retry)
            }
            Self::RateLimited(retry) => (
                429,
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached for requests.",
                *retry,
            ),
            Self::InsufficientQuota => (
                429,
                "insufficient_quota",
                Some("insufficient_quota"),
                "You exceeded your current quota, please check your plan and billing details.",
                Retry::Unsaid,
            ),
            Self::Html { status } => {
                return Some(Instead {
                    status: *status,
                    headers: vec![("content-type", "text/html".to_owned())],
                    body: format!(
                        "<html><head><title>{status}</title></head><body><h1>Bad gateway</h1></body></html>"
                    ),
                });
            }
            _ => return None,
        };
        let error = json!({ "message": message, "type": kind, "param": null, "code": code });
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(retry.header());
        Some(Instead { status, headers, body: json!({ "error": error }).to_string() })
    }
}

impl Retry {
    fn header(self) -> Option<(&'static str, String)> {
        match self {
            Self::Unsaid => None,
            Self::AfterMillis(millis) => Some(("retry-after-ms", millis.to_string())),
            Self::AfterSeconds(seconds) => Some(("retry-after", seconds.to_string())),
            Self::AtDateIn(wait) => {
                Some(("retry-after", httpdate::fmt_http_date(SystemTime::now() + wait)))
            }
            Self::Always => Some(("x-should-retry", "true".to_owned())),
            Self::Never => Some(("x-should-retry", "false".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_to_the_requests_that_they_fit_in_the_order_of_injection() {
        let mut faults = Faults::default();
        faults.push(Fault::status(500).on(Route::List).after(1).times(2));
        faults.push(Fault::status(503).times(2));
        faults.push(Fault::status(400).times(0));
        faults.push(FaultKind::WrongContent.into());
        let mut next = |route| match faults.next(route)?.kind {
            FaultKind::Status { status, .. } => Some(status),
            _ => Some(200),
        };
        // The first list goes well for the first fault, and so to the second.
        let routes =
            [Route::List, Route::Attach, Route::List, Route::Upload, Route::List, Route::List];
        assert_eq!(routes.map(&mut next), [503, 503, 500, 0, 500, 0].map(|s| (s > 0).then_some(s)));
        assert_eq!([Route::List, Route::Text, Route::Text].map(next), [None, Some(200), None]);
        assert_eq!(faults.len(), 0);
    }

    #[test]
    fn a_fault_says_whether_its_request_is_processed() {
        let processed = |fault: Fault| {
            let mut faults = Faults::default();
            faults.push(fault);
            faults.next(Route::Content).unwrap().processed
        };
        for kind in Fault::all_kinds() {
            let expected = matches!(
                kind,
                FaultKind::EmptyBody
                    | FaultKind::MalformedJson
                    | FaultKind::WrongContent
                    | FaultKind::ResetAfter
                    | FaultKind::TimeoutAfter
                    | FaultKind::SlowBody { .. }
                    | FaultKind::TruncatedBody { .. }
            );
            assert_eq!(processed(kind.clone().into()), expected, "{kind:?}");
        }
        assert!(processed(Fault::status(500).processed()));
        assert!(!processed(Fault::new(FaultKind::ResetBefore).processed()));
    }
}
