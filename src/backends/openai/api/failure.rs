//! What went wrong, read from the answers of the service and from what became of the connection.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::retry::{self, Advice};
use crate::{Error, ErrorKind, Secret};

/// The most of what the service says that becomes part of an error, in bytes.
const MOST: usize = 300;

const HIDDEN: &str = "***";

/// By what words services say that something is not there.
const MISSING: [&str; 4] = ["not found", "no such ", "no file found", "no vector store found"];

/// A call that failed, and what that means for a repetition.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// The status of the answer; `None` where none came.
    pub(super) status: Option<u16>,
    /// Whether a repetition may help.
    pub(super) is_passing: bool,
    /// Whether the service may have done what it was asked for all the same.
    pub(super) is_ambiguous: bool,
    /// How long the service wants to be left alone.
    pub(super) after: Option<Duration>,
}

/// What a call is about: what is missing where the answer is 404 and does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    VectorStore,
    File,
}

/// An answer that is a refusal.
#[derive(Debug)]
pub(super) struct Refusal<'a> {
    pub(super) about: About,
    pub(super) status: u16,
    pub(super) advice: Advice,
    pub(super) request_id: Option<&'a str>,
    /// Where the service says it is instead.
    pub(super) location: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// An error of this backend.
pub(super) fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind).with_message(message.into()).with_backend("openai")
}

/// Keeps the key out of what is shown.
#[derive(Debug)]
pub(super) struct Redaction(pub(super) Secret);

impl Redaction {
    /// The text without the key, and without what looks like one.
    pub(super) fn apply(&self, text: &str) -> String {
        let key = self.0.expose();
        let text = if key.is_empty() { text.to_owned() } else { text.replace(key, HIDDEN) };
        let mut shown = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find("sk-") {
            let (before, key) = rest.split_at(at);
            let in_a_word = before.ends_with(|c: char| c.is_alphanumeric());
            let end = key.find(|c: char| !is_of_a_key(c)).unwrap_or(key.len());
            let (key, after) = key.split_at(end);
            shown.push_str(before);
            shown.push_str(if in_a_word { key } else { HIDDEN });
            rest = after;
        }
        shown + rest
    }
}

/// The service itself shows keys with stars in their middle.
fn is_of_a_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')
}

impl Failure {
    /// A failure that stays however often the call is made, and after which nothing was done.
    pub(super) fn lasting(error: Error) -> Self {
        Self { error, status: None, is_passing: false, is_ambiguous: false, after: None }
    }

    /// Nothing was answered in time. `is_passing` where there is some left for a repetition.
    pub(super) fn timeout(message: impl Into<String>, is_passing: bool) -> Self {
        let error = error(ErrorKind::Timeout, message);
        Self { is_passing, is_ambiguous: true, ..Self::lasting(error) }
    }

    /// The service has done what it was asked for, it seems, but its answer is of no use.
    pub(super) fn unreadable(error: Error) -> Self {
        Self { is_ambiguous: true, ..Self::lasting(error) }
    }

    /// The answer is too long to be kept.
    pub(super) fn too_long(most: usize) -> Self {
        let message = format!("unexpected answer: more than {} MiB", most / (1024 * 1024));
        Self::unreadable(error(ErrorKind::Remote, message))
    }

    /// What became of a request to `host` that got no answer, or not the whole of it.
    pub(super) fn broken(cause: &reqwest::Error, host: &str, redaction: &Redaction) -> Self {
        let says = redaction.apply(&one_line(&root_cause(cause)));
        // Certificates and whatever else TLS does not like are told as invalid data.
        let is_untrusted = cause.is_connect() && is_io(cause, io::ErrorKind::InvalidData);
        let kind = match () {
            () if is_untrusted => ErrorKind::UntrustedServer,
            () if is_no_http(cause) => ErrorKind::Remote,
            () if cause.is_builder() => ErrorKind::InvalidInput,
            () if cause.is_timeout() => ErrorKind::Timeout,
            () => ErrorKind::Unreachable,
        };
        Self {
            is_passing: matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout),
            is_ambiguous: !cause.is_connect() && !cause.is_builder(),
            ..Self::lasting(error(kind, format!("{host}: {says}")))
        }
    }

    /// The service has answered, but not with what it was asked for.
    pub(super) fn refused(refusal: &Refusal<'_>, redaction: &Redaction) -> Self {
        let said = Said::read(refusal.body, redaction);
        let kind = said.kind(refusal);
        let status = refusal.status;
        let is_passing = kind != ErrorKind::QuotaExceeded
            && refusal.advice.repeat.unwrap_or_else(|| retry::is_passing(status));
        let after = refusal.advice.after;
        let mut error = error(kind, said.message(kind, refusal, redaction));
        if is_passing {
            error = error.transient();
        }
        if let Some(after) = after.filter(|_| error.is_retryable()) {
            error = error.with_retry_after(after);
        }
        let is_ambiguous = matches!(status, 408 | 409 | 500..);
        Self { error, status: Some(status), is_passing, is_ambiguous, after }
    }
}

/// How a failed connection ended, in the words of whom it happened to.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        // Its own `source` is that of the error within.
        Some(io) if io.get_ref().is_some() => io.get_ref().map(|within| within as _),
        _ => error.source(),
    })
}

fn is_no_http(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse)
}

fn is_io(error: &(dyn StdError + 'static), kind: io::ErrorKind) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == kind)
}

/// Why content ended before its end, as an error of a stream.
pub(super) fn of_content(cause: &reqwest::Error, host: &str, redaction: &Redaction) -> Error {
    if is_io(cause, io::ErrorKind::UnexpectedEof) {
        return error(ErrorKind::UnexpectedEof, format!("{host} sent less than it said it would"));
    }
    Failure::broken(cause, host, redaction).error
}

/// What a refusal says, whatever it looks like.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    format: Format,
    /// Whether the quota is used up, where that is told by a word of its own.
    no_quota: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// That of OpenAI, and JSON that is like it.
    Envelope,
    /// That of `FastAPI`, in which independent services are written.
    Detail,
    /// Text or HTML, which come from what lies before the service.
    #[default]
    Foreign,
}

impl Said {
    fn read(body: &[u8], redaction: &Redaction) -> Self {
        let Ok(answer @ Value::Object(_)) = serde_json::from_slice(body) else {
            let text = redaction.apply(&visible(&String::from_utf8_lossy(body)));
            return Self { text, ..Self::default() };
        };
        let inner = answer.get("error").filter(|error| error.is_object()).unwrap_or(&answer);
        let field = |name: &str| inner.get(name).map(words).filter(|words| !words.is_empty());
        let detail = field("detail");
        let format = if detail.is_some() { Format::Detail } else { Format::Envelope };
        let text = field("message").or(detail).or_else(|| field("error")).unwrap_or_default();
        let is_no_quota = |name| field(name).is_some_and(|word| word == "insufficient_quota");
        let no_quota = is_no_quota("code") || is_no_quota("type");
        Self { text: redaction.apply(&text), format, no_quota }
    }

    fn kind(&self, refusal: &Refusal<'_>) -> ErrorKind {
        let text = self.text.to_ascii_lowercase();
        let says = |words: &str| text.contains(words);
        match refusal.status {
            401 => ErrorKind::Unauthenticated,
            429 if self.no_quota => ErrorKind::QuotaExceeded,
            429 => ErrorKind::RateLimited,
            400 | 403 if says("not allowed to download") => ErrorKind::DownloadForbidden,
            400 | 404 if says("vector store") && says("has expired") => ErrorKind::RootGone,
            403 => ErrorKind::PermissionDenied,
            // A page of what lies before the service must not pass for a missing file.
            404 if self.format != Format::Foreign => self.missing(refusal.about),
            // So says llama-stack.
            400 if self.format == Format::Detail && MISSING.iter().any(|words| says(words)) => {
                self.missing(refusal.about)
            }
            413 => ErrorKind::TooLarge,
            _ => ErrorKind::Remote,
        }
    }

    /// What is missing: the file or the whole store.
    fn missing(&self, about: About) -> ErrorKind {
        let text = self.text.to_ascii_lowercase().replace('_', " ");
        let speaks_of_a_file = text.contains("file") && !text.contains("no vector store found");
        match about {
            _ if speaks_of_a_file => ErrorKind::NotFound,
            _ if text.contains("vector store") => ErrorKind::RootGone,
            About::VectorStore => ErrorKind::RootGone,
            About::File => ErrorKind::NotFound,
        }
    }

    fn message(&self, kind: ErrorKind, refusal: &Refusal<'_>, redaction: &Redaction) -> String {
        let text = one_line(&self.text);
        let mut message = match (kind, refusal.location.and_then(origin)) {
            (ErrorKind::DownloadForbidden, _) => advise(&text),
            (_, Some(place)) if (300..400).contains(&refusal.status) => {
                format!("the service is at {place}, and `base_url` must say so")
            }
            _ => text,
        };
        if !message.is_empty() {
            message.push(' ');
        }
        message += &format!("(status {}", refusal.status);
        if let Some(id) = refusal.request_id {
            message += &format!(", request {}", redaction.apply(&one_line(id)));
        }
        message + ")"
    }
}

/// What to do about content that the service keeps, after its own words.
fn advise(text: &str) -> String {
    let purpose = text.rsplit_once("purpose:").map(|(_, purpose)| purpose.trim());
    let purpose = purpose.filter(|purpose| !purpose.is_empty() && !purpose.contains(' '));
    let files = purpose.map_or("such files".to_owned(), |p| format!("files of purpose `{p}`"));
    format!(
        "{text}; {files} come back only as parsed text: `read` must be `auto` or `vector_store_text`, and \
         what is not plain text be written with `encoding` `framed`"
    )
}

/// Scheme, host and port of a URL, which are all of it that can be shown.
fn origin(location: &str) -> Option<String> {
    let url = reqwest::Url::parse(location).ok()?;
    Some(url.origin().ascii_serialization()).filter(|_| url.has_host())
}

/// The words in a value of JSON; `FastAPI` tells a list of what is wrong.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Object(part) => part.get("msg").map(words).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What a person would read: the title of a page, else its text, else the text as it is.
fn visible(text: &str) -> String {
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
    let mut shown = String::new();
    for part in text.split('<') {
        let (_, after) = part.split_once('>').unwrap_or(("", part));
        shown.push_str(after);
        shown.push(' ');
    }
    shown
}

/// An answer that is not what was asked for, though it says so.
pub(super) fn unexpected(body: &[u8], request_id: Option<&str>, redaction: &Redaction) -> Error {
    let readable = |text: &str| one_line(&redaction.apply(text));
    let says = readable(&visible(&String::from_utf8_lossy(body)));
    let says = if says.is_empty() { "nothing" } else { &says };
    let mut message = format!("unexpected answer: {says}");
    if let Some(id) = request_id {
        message += &format!(" (request {})", readable(id));
    }
    error(ErrorKind::Remote, message)
}

/// As one line that is not too long.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let mut line = String::new();
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.len() <= MOST {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(MOST)])
}
