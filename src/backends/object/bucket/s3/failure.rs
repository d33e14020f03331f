//! What went wrong with a request, and whether to repeat it.

use std::time::Duration;

use http::header::HeaderMap;
use quick_xml::de::from_reader;
use serde::Deserialize;

use crate::core::error::{Error, ErrorKind};
use crate::core::path::shortened;
use crate::net::retry::is_retryable_status;

/// The failure of one attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) is_retryable: bool,
    /// Whether the service may have done what it was asked for.
    pub(super) is_ambiguous: bool,
    /// How long the service asks to wait.
    pub(super) retry_after: Option<Duration>,
}

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename = "Error", rename_all = "PascalCase", default)]
struct Body {
    code: String,
    message: String,
    request_id: String,
    region: String,
}

impl Failure {
    /// A failure that a repetition does not change.
    pub(super) fn final_(error: Error) -> Self {
        Self { error, is_retryable: false, is_ambiguous: false, retry_after: None }
    }

    /// A failure of a request that may have been processed.
    pub(super) fn repeatable(error: Error) -> Self {
        Self { is_retryable: true, is_ambiguous: true, ..Self::final_(error) }
    }

    /// Reads the error in an answer.
    pub(super) fn of_answer(
        status: u16,
        body: &[u8],
        request_id: Option<&str>,
        headers: &HeaderMap,
        host: &str,
    ) -> Self {
        let mut read: Body = from_reader(body).unwrap_or_default();
        if let Some(id) = request_id {
            id.clone_into(&mut read.request_id);
        }
        if let Some(region) = headers.get("x-amz-bucket-region").and_then(|text| text.to_str().ok())
        {
            region.clone_into(&mut read.region);
        }
        Self::of(status, &read, host)
    }

    /// Returns the failure that a successful answer reports in its body.
    pub(super) fn in_success(body: &[u8], host: &str) -> Option<Self> {
        // Only the root element counts: keys may hold any text.
        let text = body.trim_ascii_start();
        let root = match text.strip_prefix(b"<?xml") {
            Some(rest) => {
                let end = rest.iter().position(|&byte| byte == b'>')?;
                rest[end + 1..].trim_ascii_start()
            }
            None => text,
        };
        let is_error = root.starts_with(b"<Error>") || root.starts_with(b"<Error ");
        is_error.then(|| {
            let read: Body = from_reader(body).unwrap_or_default();
            Self { is_ambiguous: true, ..Self::of(500, &read, host) }
        })
    }

    fn of(status: u16, body: &Body, host: &str) -> Self {
        let kind = kind_of(status, &body.code);
        let is_retryable = match body.code.as_str() {
            "RequestTimeout"
            | "BadDigest"
            | "XAmzContentSHA256Mismatch"
            | "ConditionalRequestConflict"
            | "OperationAborted" => true,
            // A conflict without a code is one with another writer.
            code if status == 409 => code.is_empty(),
            _ => is_retryable_status(status) && kind != ErrorKind::Unsupported,
        };
        let mut error = error(kind, message(status, body, host));
        if is_retryable {
            error = error.transient();
        }
        let is_ambiguous = status >= 500 && kind != ErrorKind::Unsupported;
        Self { error, is_retryable, is_ambiguous, retry_after: None }
    }

    /// Describes a connection that failed.
    pub(super) fn of_connection(cause: &reqwest::Error, host: &str) -> Self {
        // The text of the innermost cause says what happened; the outer ones repeat the URL.
        let mut innermost: &dyn std::error::Error = cause;
        while let Some(inner) = innermost.source() {
            innermost = inner;
        }
        let text = innermost.to_string();
        let is_untrusted = text.contains("certificate");
        let kind = match is_untrusted {
            true => ErrorKind::UntrustedServer,
            false if cause.is_timeout() => ErrorKind::Timeout,
            false => ErrorKind::Unreachable,
        };
        let failure = Self::repeatable(error(kind, format!("{host}: {}", shortened(&text))));
        Self { is_retryable: !is_untrusted, is_ambiguous: !cause.is_connect(), ..failure }
    }

    /// Describes why a request could not be signed.
    pub(super) fn of_signer(cause: &reqsign_core::Error) -> Self {
        let message = format!("no usable credentials: {}", shortened(&cause.to_string()));
        Self::final_(error(ErrorKind::Unauthenticated, message))
    }
}

pub(super) fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind).with_message(message.into())
}

/// What an error of the service means, by its code, or without a body by its status.
fn kind_of(status: u16, code: &str) -> ErrorKind {
    match code {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload" => ErrorKind::NotFound,
        "NoSuchBucket" => ErrorKind::RootGone,
        "PreconditionFailed" => ErrorKind::PreconditionFailed,
        "ConditionalRequestConflict" | "OperationAborted" => ErrorKind::Contention,
        "InvalidRange" => ErrorKind::InvalidRange,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => ErrorKind::PermissionDenied,
        "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "ExpiredToken"
        | "InvalidToken"
        | "RequestTimeTooSkewed"
        | "TokenRefreshRequired" => ErrorKind::Unauthenticated,
        "EntityTooLarge" | "MetadataTooLarge" | "MaxMessageLengthExceeded" => ErrorKind::TooLarge,
        "KeyTooLongError" => ErrorKind::InvalidPath,
        "BadDigest" | "XAmzContentSHA256Mismatch" => ErrorKind::IntegrityMismatch,
        "InvalidObjectState" => ErrorKind::InvalidOperation,
        "NotImplemented" => ErrorKind::Unsupported,
        "QuotaExceeded" | "ServiceQuotaExceededException" => ErrorKind::QuotaExceeded,
        "SlowDown"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException" => ErrorKind::RateLimited,
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "InvalidBucketName"
        | "IllegalLocationConstraintException" => ErrorKind::InvalidInput,
        "RequestTimeout" => ErrorKind::Timeout,
        _ => match status {
            404 | 405 => ErrorKind::NotFound,
            304 => ErrorKind::NotModified,
            412 => ErrorKind::PreconditionFailed,
            416 => ErrorKind::InvalidRange,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            301 | 307 | 308 => ErrorKind::InvalidInput,
            413 => ErrorKind::TooLarge,
            429 | 503 => ErrorKind::RateLimited,
            408 | 504 => ErrorKind::Timeout,
            501 => ErrorKind::Unsupported,
            507 => ErrorKind::StorageFull,
            _ => ErrorKind::Remote,
        },
    }
}

/// What the service said, in one line, with the number of the request, which its support asks for.
fn message(status: u16, body: &Body, host: &str) -> String {
    let mut parts = Vec::new();
    let is_elsewhere = matches!(status, 301 | 307 | 308)
        || matches!(&*body.code, "AuthorizationHeaderMalformed" | "PermanentRedirect");
    if is_elsewhere && !body.region.is_empty() {
        parts.push(format!("the bucket is in the region `{}`", shortened(&body.region)));
    }
    let said: String = body.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match (body.code.is_empty(), said.is_empty()) {
        (true, true) => parts.push(format!("{host} answered with status {status}")),
        (false, true) => parts.push(body.code.clone()),
        (true, false) => parts.push(shortened(said.trim())),
        (false, false) => parts.push(format!("{}: {}", body.code, shortened(said.trim()))),
    }
    if !body.request_id.is_empty() {
        parts.push(format!("request {}", shortened(&body.request_id)));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        Failure::of_answer(status, body.as_bytes(), Some("R1"), &HeaderMap::new(), "host")
    }

    #[test]
    fn the_code_decides_before_the_status() {
        for (status, code, kind, is_retryable) in [
            (404, "NoSuchKey", ErrorKind::NotFound, false),
            (404, "NoSuchBucket", ErrorKind::RootGone, false),
            (409, "ConditionalRequestConflict", ErrorKind::Contention, true),
            (409, "BucketNotEmpty", ErrorKind::Remote, false),
            (400, "RequestTimeout", ErrorKind::Timeout, true),
            (400, "KeyTooLongError", ErrorKind::InvalidPath, false),
            (403, "RequestTimeTooSkewed", ErrorKind::Unauthenticated, false),
            (403, "AccessDenied", ErrorKind::PermissionDenied, false),
            (503, "SlowDown", ErrorKind::RateLimited, true),
            (500, "InternalError", ErrorKind::Remote, true),
            (501, "NotImplemented", ErrorKind::Unsupported, false),
            (412, "PreconditionFailed", ErrorKind::PreconditionFailed, false),
        ] {
            let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
            let read = failure(status, &body);
            assert_eq!((read.error.kind(), read.is_retryable), (kind, is_retryable), "{code}");
        }
    }

    #[test]
    fn an_answer_without_a_body_is_read_by_its_status() {
        for (status, kind) in [
            (404, ErrorKind::NotFound),
            (403, ErrorKind::PermissionDenied),
            (412, ErrorKind::PreconditionFailed),
            (502, ErrorKind::Remote),
            (418, ErrorKind::Remote),
        ] {
            assert_eq!(failure(status, "").error.kind(), kind, "{status}");
        }
        let html = failure(502, "<html><body>Bad gateway</body></html>");
        assert_eq!(html.error.message(), Some("host answered with status 502; request R1"));
    }

    #[test]
    fn the_message_is_one_line_with_the_number_of_the_request() {
        let body =
            "<Error><Code>Odd</Code><Message>one\n  two</Message><RequestId>R0</RequestId></Error>";
        let error = failure(400, body).error;
        assert_eq!(error.message(), Some("Odd: one   two; request R1"));
    }

    #[test]
    fn only_an_error_at_the_root_of_a_success_counts() {
        let failing = b"<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>";
        let found = Failure::in_success(failing, "host").unwrap();
        assert!(found.is_retryable && found.is_ambiguous);
        for body in [
            "<DeleteResult><Deleted><Key>&lt;Error&gt;SlowDown</Key></Deleted></DeleteResult>",
            "<CopyObjectResult><ETag>1</ETag></CopyObjectResult>",
            "<Errors/>",
            "",
            "InternalError",
        ] {
            assert!(Failure::in_success(body.as_bytes(), "host").is_none(), "{body}");
        }
    }
}
