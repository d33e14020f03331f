//! Faults that a test injects: errors, lost connections, damaged bodies.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::routes::Route;

/// A failure of the next request, or of the next request of a route. Inject it with [`inject`](super::OpenAISimulator::inject).
///
/// If several faults match a request, the one injected first happens.
///
/// # Examples
///
/// ```
/// use f9::testing::openai::{Fault, FaultKind, OpenAISimulator, Retry, Route};
///
/// let openai = OpenAISimulator::start();
/// // The third attachment from now succeeds, but its response is lost.
/// openai.inject(Fault::new(FaultKind::ResetAfter).on(Route::Attach).after(2));
/// // The next two requests of any route are rate limited.
/// openai.inject(Fault::new(FaultKind::RateLimited(Retry::AfterMillis(5))).times(2));
/// assert_eq!(openai.faults_left(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) kind: FaultKind,
    route: Option<Route>,
    pub(super) skipped: usize,
    pub(super) times: usize,
    processed: bool,
}

/// What can go wrong with a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An error in the format of OpenAI instead of the response.
    Status {
        /// The status of the response, such as 503.
        status: u16,
        /// The `type` of the error.
        kind: String,
        /// The `code` of the error, if it has one.
        code: Option<String>,
        /// The `message` of the error.
        message: String,
        /// The header about retries.
        retry: Retry,
    },
    /// Status 429 with the code `rate_limit_exceeded`.
    RateLimited(Retry),
    /// Status 429 with the code `insufficient_quota`. A retry fails again.
    InsufficientQuota,
    /// An HTML page with this status, as proxies send it.
    Html {
        /// The status of the response, such as 502.
        status: u16,
    },
    /// The request is processed, and the response has status 200 and no body.
    EmptyBody,
    /// The request is processed, and the JSON body ends in the middle. `Content-Length` matches the shortened body.
    MalformedJson,
    /// The request is processed, and one byte of the body is changed. Happens only on [`Route::Content`] and [`Route::Text`].
    WrongContent,
    /// The connection is reset after the request is received. The request is not processed.
    ResetBefore,
    /// The request is processed, then the connection is reset.
    ResetAfter,
    /// The request waits until it is [released](super::OpenAISimulator::release), and is then processed.
    Held,
    /// The request is not processed and never gets a response.
    TimeoutBefore,
    /// The request is processed and never gets a response.
    TimeoutAfter,
    /// The body is sent in chunks with a pause before each.
    SlowBody {
        /// The size of a chunk in bytes, at least 1.
        chunk: usize,
        /// The length of each pause.
        delay: Duration,
    },
    /// The connection is closed in the middle of the body. At least the last byte is missing.
    TruncatedBody {
        /// How many bytes of the body are sent.
        after: usize,
    },
}

/// The response header that says when or whether to retry.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Retry {
    /// No header.
    NoHeader,
    /// `retry-after-ms`.
    AfterMillis(u64),
    /// `Retry-After` with a number of seconds, which may be a fraction.
    AfterSeconds(f64),
    /// `Retry-After` with the date this far in the future, in whole seconds.
    AtDateIn(Duration),
    /// `x-should-retry: true`.
    Always,
    /// `x-should-retry: false`.
    Never,
}

impl Fault {
    /// Creates a fault that happens once, to the next request.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, route: None, skipped: 0, times: 1, processed: false }
    }

    /// Creates a fault that responds with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::status(status))
    }

    /// Returns one fault of each kind but [`FaultKind::Held`], for tests that try them all. Only the timeouts take long.
    #[must_use]
    pub fn all_kinds() -> Vec<FaultKind> {
        let mut kinds: Vec<FaultKind> =
            [400, 401, 403, 404, 408, 409, 422, 500, 503].map(FaultKind::status).into();
        kinds.extend(
            [
                Retry::NoHeader,
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

    /// Limits the fault to requests of this route.
    #[must_use]
    pub fn on(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Skips this many matching requests first.
    #[must_use]
    pub fn after(mut self, requests: usize) -> Self {
        self.skipped = requests;
        self
    }

    /// Repeats the fault for this many requests.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Processes the request before the error is returned.
    #[must_use]
    pub fn processed(mut self) -> Self {
        self.processed = true;
        self
    }

    pub(super) fn matches(&self, route: Route) -> bool {
        let is_possible =
            self.kind != FaultKind::WrongContent || matches!(route, Route::Content | Route::Text);
        is_possible && self.route.is_none_or(|only| only == route)
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self::new(kind)
    }
}

impl FaultKind {
    /// Returns an error with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        Self::Status {
            status,
            kind: kind.to_owned(),
            code: None,
            message: format!("An injected fault responds with status {status}."),
            retry: Retry::NoHeader,
        }
    }
}

impl Fault {
    pub(super) fn is_processed(&self) -> bool {
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

/// The response that a fault sends instead of the regular one.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl FaultKind {
    /// Returns the response that replaces the regular one, if this kind of fault has one.
    pub(super) fn error_response(&self) -> Option<ErrorResponse> {
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
                Retry::NoHeader,
            ),
            Self::Html { status } => {
                return Some(ErrorResponse {
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
        Some(ErrorResponse { status, headers, body: json!({ "error": error }).to_string() })
    }
}

impl Retry {
    fn header(self) -> Option<(&'static str, String)> {
        match self {
            Self::NoHeader => None,
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
