//! Failures of calls, derived from the service's response or from the connection's error.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::core::error::{Error, ErrorKind};
use crate::net::key_redaction::Redaction;
use crate::net::retry::{self, RetryHint};

/// The most bytes of the service's message in an error.
const MAX_MESSAGE_BYTES: usize = 300;

/// Phrases with which services report that something does not exist.
const NOT_FOUND_PHRASES: [&str; 5] =
    ["not found", "no such ", "no file found", "no vector store found", "not served by provider"];

/// A failed call, and whether to retry it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// The status of the response; `None` without a response.
    pub(super) status: Option<u16>,
    /// Whether a retry may help.
    pub(super) is_retryable: bool,
    /// Whether the service may have done the work despite the failure.
    pub(super) is_ambiguous: bool,
    /// How long the service asks to wait.
    pub(super) retry_after: Option<Duration>,
}

/// The object of a call: what is missing if a 404 does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    VectorStore,
    File,
}

/// A response with an error status.
#[derive(Debug)]
pub(super) struct ErrorResponse<'a> {
    pub(super) target: Target,
    pub(super) status: u16,
    pub(super) hint: RetryHint,
    pub(super) request_id: Option<&'a str>,
    /// The target of a redirect.
    pub(super) location: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// Returns an error of this backend.
pub(super) fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind).with_message(message.into()).with_backend("openai")
}

impl Failure {
    /// A permanent failure after which nothing was done.
    pub(super) fn permanent(error: Error) -> Self {
        Self { error, status: None, is_retryable: false, is_ambiguous: false, retry_after: None }
    }

    /// The service seems to have done the work, but its response is unusable or did not come in time.
    pub(super) fn unreadable(error: Error) -> Self {
        Self { is_ambiguous: true, ..Self::permanent(error) }
    }

    /// The connection to `host` failed before the response was complete.
    pub(super) fn from_connection(
        cause: &reqwest::Error,
        host: &str,
        redaction: &Redaction,
    ) -> Self {
        let message = redaction.apply(&one_line(&root_cause(cause)));
        // TLS reports certificates and all else that it rejects as invalid data.
        let is_untrusted = cause.is_connect() && is_io(cause, io::ErrorKind::InvalidData);
        // The system allowed no thread to look up the host.
        let lacks_threads =
            has_cause(cause, |cause: &Error| cause.kind() == ErrorKind::QuotaExceeded);
        let kind = match () {
            () if is_untrusted => ErrorKind::UntrustedServer,
            () if lacks_threads => ErrorKind::QuotaExceeded,
            () if has_cause(cause, hyper::Error::is_parse) => ErrorKind::Remote,
            () if cause.is_builder() => ErrorKind::InvalidInput,
            () if cause.is_timeout() => ErrorKind::Timeout,
            () => ErrorKind::Unreachable,
        };
        Self {
            is_retryable: matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout),
            is_ambiguous: !cause.is_connect() && !cause.is_builder(),
            ..Self::permanent(error(kind, format!("{host}: {message}")))
        }
    }

    /// Returns the error of a change, which the service may have made in this attempt, or with `was_ambiguous` in an earlier one.
    pub(super) fn of_change(self, was_ambiguous: bool) -> Error {
        if self.is_ambiguous || was_ambiguous {
            self.error.with_unknown_outcome()
        } else {
            self.error
        }
    }

    /// The service responded with an error status.
    pub(super) fn from_response(response: &ErrorResponse<'_>, redaction: &Redaction) -> Self {
        let body = ErrorBody::read(response.body, redaction);
        let kind = body.kind(response);
        let status = response.status;
        let is_retryable = kind != ErrorKind::QuotaExceeded
            && response.hint.should_retry.unwrap_or_else(|| {
                // ogx and llama-stack list an entry that is half written.
                retry::is_retryable_status(status) || body.text.contains("Field required")
            });
        let retry_after = response.hint.after;
        let mut error = error(kind, body.message(kind, response, redaction));
        if is_retryable {
            error = error.transient();
        }
        if let Some(wait) = retry_after.filter(|_| error.is_retryable()) {
            error = error.with_retry_after(wait);
        }
        let is_ambiguous = matches!(status, 408 | 409 | 500..);
        Self { error, status: Some(status), is_retryable, is_ambiguous, retry_after }
    }
}

/// Returns the innermost error, which describes what happened.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let error: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        // `source` of an I/O error skips the error that it wraps.
        Some(io) if io.get_ref().is_some() => io.get_ref().map(|within| within as _),
        _ => error.source(),
    })
}

/// Whether an error of type `T` among the causes meets a condition.
fn has_cause<T: StdError + 'static>(error: &reqwest::Error, is_met: impl Fn(&T) -> bool) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref()).any(is_met)
}

fn is_io(error: &reqwest::Error, kind: io::ErrorKind) -> bool {
    has_cause(error, |cause: &io::Error| cause.kind() == kind)
}

/// The error of a download that ended early.
pub(super) fn download_error(cause: &reqwest::Error, host: &str, redaction: &Redaction) -> Error {
    if is_io(cause, io::ErrorKind::UnexpectedEof) {
        return error(ErrorKind::UnexpectedEof, format!("{host} sent fewer bytes than announced"));
    }
    Failure::from_connection(cause, host, redaction).error
}

/// The error message of a response, in any known shape.
#[derive(Debug, Default, PartialEq)]
struct ErrorBody {
    text: String,
    /// Whether it is JSON. Proxies in front of the service send text or HTML.
    is_json: bool,
    /// Whether it names the type of the error, as OpenAI does. Servers that send other JSON answer 400 where OpenAI answers 404.
    is_typed: bool,
    /// Whether a separate code reports that the quota is used up.
    is_quota_used_up: bool,
}

impl ErrorBody {
    fn read(body: &[u8], redaction: &Redaction) -> Self {
        let Ok(answer @ Value::Object(_)) = serde_json::from_slice(body) else {
            let text = redaction.apply(&plain_text(&String::from_utf8_lossy(body)));
            return Self { text, ..Self::default() };
        };
        let inner = answer.get("error").filter(|error| error.is_object()).unwrap_or(&answer);
        let field = |name: &str| inner.get(name).map(json_text).filter(|words| !words.is_empty());
        let is_typed = field("type").is_some();
        let text = ["message", "detail", "error"].into_iter().find_map(field).unwrap_or_default();
        // Gateways pass on the whole body in their message.
        let passed_on = text.find('{').and_then(|start| text.get(start..)).unwrap_or_default();
        let passed_on = Self::read(passed_on.as_bytes(), redaction);
        if passed_on.is_json && !passed_on.text.is_empty() {
            return passed_on;
        }
        let used_up = Some("insufficient_quota".to_owned());
        let is_quota_used_up = ["code", "type"].map(field).contains(&used_up);
        Self { text: redaction.apply(&text), is_json: true, is_typed, is_quota_used_up }
    }

    fn kind(&self, response: &ErrorResponse<'_>) -> ErrorKind {
        let text = self.text.to_ascii_lowercase();
        let says = |words: &str| text.contains(words);
        // LiteLLM loses what llama-stack says of an uploaded file. Requests for such files hold nothing but an id.
        let is_unexplained = text == "error code: 400" && response.target == Target::File;
        // llama-stack and ogx respond with 400 too.
        let is_not_found = NOT_FOUND_PHRASES.iter().any(|words| says(words));
        match response.status {
            401 => ErrorKind::Unauthenticated,
            429 if self.is_quota_used_up => ErrorKind::QuotaExceeded,
            429 => ErrorKind::RateLimited,
            400 | 403 if says("not allowed to download") => ErrorKind::DownloadForbidden,
            400 | 404 if says("vector store") && says("has expired") => ErrorKind::RootGone,
            403 => ErrorKind::PermissionDenied,
            // The 404 page of a proxy must not count as a missing file.
            404 if self.is_json => self.missing(response.target),
            400 if self.is_json && (is_unexplained || is_not_found && !self.is_typed) => {
                self.missing(response.target)
            }
            413 => ErrorKind::TooLarge,
            _ => ErrorKind::Remote,
        }
    }

    /// Returns which object is missing: the file or the whole store.
    fn missing(&self, target: Target) -> ErrorKind {
        let text = self.text.to_ascii_lowercase().replace('_', " ");
        let text = text.replace("file batches", "batches").replace("vector db", "vector store");
        let mentions_a_file = text.contains("file") && !text.contains("no vector store found");
        let is_about_a_file = target == Target::File && !text.contains("vector store");
        if mentions_a_file || is_about_a_file { ErrorKind::NotFound } else { ErrorKind::RootGone }
    }

    fn message(
        &self,
        kind: ErrorKind,
        response: &ErrorResponse<'_>,
        redaction: &Redaction,
    ) -> String {
        let text = one_line(&self.text);
        let mut message = match (kind, response.location.and_then(origin)) {
            (ErrorKind::DownloadForbidden, _) => download_hint(&text),
            (_, Some(place)) if (300..400).contains(&response.status) => {
                format!("redirected to {place}; set `base_url` to it")
            }
            _ => text,
        };
        if !message.is_empty() {
            message.push(' ');
        }
        message += &format!("(status {}", response.status);
        if let Some(id) = response.request_id {
            message += &format!(", request {}", redaction.apply(&one_line(id)));
        }
        message + ")"
    }
}

/// Appends to the service's message what to do about files that it does not let download.
fn download_hint(text: &str) -> String {
    let purpose = text.rsplit_once("purpose:").map(|(_, purpose)| purpose.trim());
    let purpose = purpose.filter(|purpose| !purpose.is_empty() && !purpose.contains(' '));
    let files =
        purpose.map_or("these files".to_owned(), |p| format!("files with the purpose `{p}`"));
    format!(
        "{text}; {files} can only be read as parsed text: set `read` to `auto` or `vector_store_text`, and write \
         binary content with `encoding` `framed`"
    )
}

/// Returns scheme, host and port of a URL. The rest may hold secrets.
fn origin(location: &str) -> Option<String> {
    let url = reqwest::Url::parse(location).ok()?;
    Some(url.origin().ascii_serialization()).filter(|_| url.has_host())
}

/// Returns the text in a JSON value; `FastAPI` sends a list of problems.
fn json_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(json_text).collect::<Vec<_>>().join("; "),
        part => part.get("msg").or(part.get("errors")).map(json_text).unwrap_or_default(),
    }
}

/// Returns the title of an HTML page, else its text, else the text unchanged.
fn plain_text(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|start| {
        let start = start + lower.get(start..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        text.get(start..end).filter(|title| !title.trim().is_empty())
    });
    if let Some(title) = title {
        return title.to_owned();
    }
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let parts = text.split('<').map(|part| part.split_once('>').map_or(part, |(_, after)| after));
    parts.collect::<Vec<_>>().join(" ")
}

/// The error for a successful response with unusable content.
pub(super) fn unexpected(body: &[u8], request_id: Option<&str>, redaction: &Redaction) -> Error {
    let readable = |text: &str| one_line(&redaction.apply(text));
    let says = readable(&plain_text(&String::from_utf8_lossy(body)));
    let says = if says.is_empty() { "nothing" } else { &says };
    let mut message = format!("unexpected response: {says}");
    if let Some(id) = request_id {
        message += &format!(" (request {})", readable(id));
    }
    error(ErrorKind::Remote, message)
}

/// Joins the text to one line of limited length.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.len() <= MAX_MESSAGE_BYTES {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(MAX_MESSAGE_BYTES)])
}
