//! Faults that a test injects: errors, lost connections, damaged bodies.

use std::time::Duration;

use super::operation::Operation;

/// A failure of the next request, or of the next request of an operation. Inject it with [`inject`](super::S3Simulator::inject).
///
/// If several faults match a request, the one injected first happens.
///
/// # Examples
///
/// ```
/// use f9::testing::s3::{Fault, FaultKind, Operation, Retry, S3Simulator};
///
/// let s3 = S3Simulator::start();
/// // The third put from now succeeds, but its response is lost.
/// s3.inject(Fault::new(FaultKind::ResetAfter).on(Operation::PutObject).after(2));
/// // The next two requests of any operation are refused.
/// s3.inject(Fault::slow_down(Retry::AfterSeconds(1)).times(2));
/// assert_eq!(s3.faults_left(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) kind: FaultKind,
    operation: Option<Operation>,
    key: Option<String>,
    pub(super) skipped: usize,
    pub(super) times: usize,
    processed: bool,
}

/// What can go wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An error in the format of S3 instead of the response. With status 200 it is what
    /// [`CopyObject`](Operation::CopyObject) and [`CompleteMultipartUpload`](Operation::CompleteMultipartUpload) may respond with.
    Error {
        /// The status of the response, such as 503.
        status: u16,
        /// The code of the error, such as `SlowDown`.
        code: String,
        /// The header about retries.
        retry: Retry,
    },
    /// An HTML page with this status, as proxies send it.
    Html {
        /// The status of the response, such as 502.
        status: u16,
    },
    /// The request is processed twice, as if a proxy had repeated it. The client gets the second response.
    Repeated,
    /// The request is processed, and one byte of the body of the response is changed. Happens only on
    /// [`GetObject`](Operation::GetObject).
    WrongContent,
    /// The connection is reset after the request is received. The request is not processed.
    ResetBefore,
    /// The request is processed, then the connection is reset.
    ResetAfter,
    /// The request waits until it is [released](super::S3Simulator::release), and is then processed.
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
    /// The connection is closed in the middle of the body, whose whole length `Content-Length` gives. At least the last byte is
    /// missing.
    TruncatedBody {
        /// How many bytes of the body are sent.
        after: usize,
    },
}

/// The response header that says when to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// No header.
    NoHeader,
    /// `Retry-After` with a number of seconds.
    AfterSeconds(u64),
}

impl Fault {
    /// Creates a fault that happens once, to the next request.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, operation: None, key: None, skipped: 0, times: 1, processed: false }
    }

    /// Creates a fault that responds with this status and this code of S3.
    #[must_use]
    pub fn error(status: u16, code: impl Into<String>) -> Self {
        Self::new(FaultKind::Error { status, code: code.into(), retry: Retry::NoHeader })
    }

    /// Creates a fault that responds with status 503 and the code `SlowDown`.
    #[must_use]
    pub fn slow_down(retry: Retry) -> Self {
        Self::new(FaultKind::Error { status: 503, code: "SlowDown".to_owned(), retry })
    }

    /// Creates a fault that responds with status 500 and the code `InternalError`.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::error(500, "InternalError")
    }

    /// Returns one fault of each kind but [`FaultKind::Held`], for tests that try them all. Only the timeouts take long.
    #[must_use]
    pub fn all_kinds() -> Vec<FaultKind> {
        let error =
            |status, code: &str, retry| FaultKind::Error { status, code: code.to_owned(), retry };
        vec![
            error(400, "RequestTimeout", Retry::NoHeader),
            error(403, "AccessDenied", Retry::NoHeader),
            error(403, "RequestTimeTooSkewed", Retry::NoHeader),
            error(409, "ConditionalRequestConflict", Retry::NoHeader),
            error(409, "OperationAborted", Retry::NoHeader),
            error(429, "TooManyRequests", Retry::NoHeader),
            error(429, "TooManyRequests", Retry::AfterSeconds(0)),
            error(500, "InternalError", Retry::NoHeader),
            error(503, "SlowDown", Retry::NoHeader),
            error(503, "SlowDown", Retry::AfterSeconds(0)),
            error(503, "ServiceUnavailable", Retry::NoHeader),
            FaultKind::Html { status: 502 },
            FaultKind::Repeated,
            FaultKind::WrongContent,
            FaultKind::ResetBefore,
            FaultKind::ResetAfter,
            FaultKind::TimeoutBefore,
            FaultKind::TimeoutAfter,
            FaultKind::SlowBody { chunk: 64, delay: Duration::from_millis(1) },
            FaultKind::TruncatedBody { after: 10 },
        ]
    }

    /// Limits the fault to requests of this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Limits the fault to requests with this key in their path.
    #[must_use]
    pub fn for_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
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

    pub(super) fn matches(&self, operation: Operation, key: Option<&str>) -> bool {
        let is_possible = self.kind != FaultKind::WrongContent || operation == Operation::GetObject;
        is_possible
            && self.operation.is_none_or(|only| only == operation)
            && self.key.as_deref().is_none_or(|only| key == Some(only))
    }

    pub(super) fn is_processed(&self) -> bool {
        match self.kind {
            FaultKind::Error { .. } | FaultKind::Html { .. } => self.processed,
            FaultKind::ResetBefore | FaultKind::TimeoutBefore => false,
            _ => true,
        }
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self::new(kind)
    }
}
