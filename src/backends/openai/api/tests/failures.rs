//! How each error response is classified.

use std::time::Duration;

use reqwest::dns::{Name, Resolve, Resolving};
use serde_json::json;

use super::super::failure::{ErrorResponse, Failure, Target};
use crate::core::error::{Error, ErrorKind};
use crate::core::secret::Secret;
use crate::net::key_redaction::Redaction;
use crate::net::retry::RetryHint;

fn redaction() -> Redaction {
    Redaction::new(Secret::new("hunter2"))
}

fn failure_for(target: Target, status: u16, body: &str) -> Failure {
    let (hint, body) = (RetryHint::default(), body.as_bytes());
    let response = ErrorResponse { target, status, hint, request_id: None, location: None, body };
    Failure::from_response(&response, &redaction())
}

fn failure(status: u16, body: &str) -> Failure {
    failure_for(Target::File, status, body)
}

fn message(status: u16, body: &str) -> String {
    failure(status, body).error.message().unwrap().to_owned()
}

fn envelope(message: &str, code: Option<&str>) -> String {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    json!({ "error": error }).to_string()
}

fn detail(message: &str) -> String {
    json!({ "detail": message }).to_string()
}

#[test]
fn an_error_response_is_classified_by_its_status_and_message() {
    use ErrorKind as Kind;
    let plain = |message| envelope(message, None);
    let untyped = |message| json!({"error": {"message": message}}).to_string();
    for (status, body, kind) in [
        (
            400,
            plain("Not allowed to download files of purpose: assistants"),
            Kind::DownloadForbidden,
        ),
        (
            403,
            plain("Not allowed to download files of purpose: user_data"),
            Kind::DownloadForbidden,
        ),
        (404, plain("No such File object: file-abc"), Kind::NotFound),
        (404, plain("No vector store found with id 'vs_file1'."), Kind::RootGone),
        (404, plain("No file found with id 'file-a' in vector store 'vs_1'."), Kind::NotFound),
        (404, plain("Not found"), Kind::NotFound),
        (400, plain("Vector store 'vs_1' has expired"), Kind::RootGone),
        (400, plain("File is empty."), Kind::Remote),
        (400, plain("Invalid extension vb. Supported formats: \"c\""), Kind::Remote),
        (400, plain("Filter: attribute not found"), Kind::Remote),
        (
            400,
            envelope("Files with extensions [.csv] are not supported", Some("unsupported_file")),
            Kind::Remote,
        ),
        (401, plain("Incorrect API key provided"), Kind::Unauthenticated),
        (403, plain("You have no access"), Kind::PermissionDenied),
        (408, plain("Too slow"), Kind::Remote),
        (409, plain("Locked"), Kind::Remote),
        (413, "<html><title>413 Request Entity Too Large</title></html>".into(), Kind::TooLarge),
        (422, plain("Unprocessable"), Kind::Remote),
        (429, envelope("Slow down", Some("rate_limit_exceeded")), Kind::RateLimited),
        (429, String::new(), Kind::RateLimited),
        (
            429,
            envelope("You exceeded your current quota", Some("insufficient_quota")),
            Kind::QuotaExceeded,
        ),
        (429, json!({"error": {"type": "insufficient_quota"}}).to_string(), Kind::QuotaExceeded),
        (500, plain("The server had an error"), Kind::Remote),
        // As llama-stack sends it.
        (400, detail("File with id file-a not found"), Kind::NotFound),
        (400, detail("Vector_store vs_1 not found"), Kind::RootGone),
        (404, detail("Not Found"), Kind::NotFound),
        // As ogx and llama-stack 0.7 send it.
        (400, untyped("File 'file-a' not found"), Kind::NotFound),
        (400, untyped("File file-a not found in vector store vs_1"), Kind::NotFound),
        (400, untyped("Vector Store 'vs_1' not found"), Kind::RootGone),
        (400, untyped("Invalid extension vb"), Kind::Remote),
        // From a proxy in front of the service.
        (404, "<html><body>404 page not found: no such file</body></html>".into(), Kind::Remote),
        (404, "File not found".into(), Kind::Remote),
        (404, String::new(), Kind::Remote),
        (302, String::new(), Kind::Remote),
    ] {
        assert_eq!(failure(status, &body).error.kind(), kind, "{status} {body}");
    }
}

/// LiteLLM before llama-stack 0.2.12.
#[test]
fn missing_things_are_recognized_behind_a_gateway() {
    let plain = |message: &str| envelope(message, None);
    let passed_on =
        |body: &str| plain(&format!("litellm.BadRequestError: OpenAIException - {body}"));
    let missing_store = detail("Invalid value: Vector_db `vs_1` not served by provider: `faiss`.");
    let missing_file = detail("Invalid value: File file-a not found in vector store vs_1");
    for target in [Target::File, Target::VectorStore] {
        for (status, body, kind) in [
            (400, missing_store.clone(), ErrorKind::RootGone),
            (400, passed_on(&missing_store), ErrorKind::RootGone),
            (404, passed_on(&plain("No vector store found with id 'vs_1'.")), ErrorKind::RootGone),
            (400, passed_on(&missing_file), ErrorKind::NotFound),
            (400, passed_on(&plain("File is empty.")), ErrorKind::Remote),
        ] {
            let error = failure_for(target, status, &body).error;
            assert_eq!(error.kind(), kind, "{status} {body}");
        }
    }
    let error = failure(400, &passed_on(&missing_file)).error;
    assert!(error.message().unwrap().starts_with("Invalid value: File file-a"), "{error}");
    // The reason is lost.
    let unexplained = plain("Error code: 400");
    assert_eq!(failure(400, &unexplained).error.kind(), ErrorKind::NotFound);
    let of_store = failure_for(Target::VectorStore, 400, &unexplained);
    assert_eq!(of_store.error.kind(), ErrorKind::Remote);
}

#[test]
fn a_missing_store_is_never_reported_as_a_missing_file() {
    let store_failure = |status, body: &str| failure_for(Target::VectorStore, status, body);
    for body in [
        envelope("Not found", None),
        envelope("No vector store found with id 'vs_1'.", None),
        json!({"detail": "Not Found"}).to_string(),
    ] {
        assert_eq!(store_failure(404, &body).error.kind(), ErrorKind::RootGone, "{body}");
    }
    assert_eq!(store_failure(404, "<p>gone").error.kind(), ErrorKind::Remote);
    let cursor = envelope("No file found with id 'file-a' in vector store 'vs_1'.", None);
    assert_eq!(store_failure(404, &cursor).error.kind(), ErrorKind::NotFound);
}

#[test]
fn the_message_of_the_service_is_joined_to_one_line() {
    for (body, text) in [
        (envelope("It\nbroke\t \u{7}down", None), "It broke down (status 500)"),
        (json!({"error": "plain"}).to_string(), "plain (status 500)"),
        (json!({"message": "bare"}).to_string(), "bare (status 500)"),
        (json!({"detail": "of FastAPI"}).to_string(), "of FastAPI (status 500)"),
        (
            json!({"detail": [{"loc": ["body"], "msg": "field required"}, {"msg": "and more"}]})
                .to_string(),
            "field required; and more (status 500)",
        ),
        (
            "<!DOCTYPE html><HTML><Title> Bad\n gateway </title><p>x".into(),
            "Bad gateway (status 500)",
        ),
        ("<html><title></title><h1>502</h1><p>nginx</p>".into(), "502 nginx (status 500)"),
        ("upstream timed out\n".into(), "upstream timed out (status 500)"),
        (String::new(), "(status 500)"),
        ("[1]".into(), "[1] (status 500)"),
        (json!({"error": {"message": null}}).to_string(), "(status 500)"),
        ("\u{fffd}".into(), "\u{fffd} (status 500)"),
    ] {
        assert_eq!(message(500, &body), text, "{body}");
    }
    let long = message(500, &envelope(&"é".repeat(1000), None));
    assert_eq!(long, format!("{}… (status 500)", "é".repeat(150)));
    assert_eq!(failure(500, "x").error.backend(), Some("openai"));
}

#[test]
fn the_error_contains_the_request_id() {
    let response = ErrorResponse {
        target: Target::File,
        status: 500,
        hint: RetryHint::default(),
        request_id: Some("req_1"),
        location: None,
        body: b"x",
    };
    let failure = Failure::from_response(&response, &redaction());
    assert_eq!(failure.error.message(), Some("x (status 500, request req_1)"));
}

#[test]
fn a_redirect_is_reported_with_its_origin_only() {
    let redirect_error = |location| {
        let response = ErrorResponse {
            target: Target::File,
            status: 301,
            hint: RetryHint::default(),
            request_id: None,
            location: Some(location),
            body: b"Moved",
        };
        Failure::from_response(&response, &redaction()).error.to_string()
    };
    assert_eq!(
        redirect_error("https://user:pw@other.example:8443/v1/files?sig=secret"),
        "the service failed: redirected to https://other.example:8443; set `base_url` to it (status 301)"
    );
    for odd in ["/elsewhere?sig=secret", "data:secret", ""] {
        assert_eq!(redirect_error(odd), "the service failed: Moved (status 301)");
    }
}

#[test]
fn the_error_of_a_forbidden_download_says_how_to_fix_it() {
    let body = envelope("Not allowed to download files of purpose: assistants", None);
    let text = message(400, &body);
    assert!(text.starts_with("Not allowed to download files of purpose: assistants; "), "{text}");
    assert!(
        text.contains("files with the purpose `assistants` can only be read as parsed text"),
        "{text}"
    );
    assert!(text.contains("`framed`") && text.ends_with("(status 400)"), "{text}");
    let vague = message(400, &envelope("Not allowed to download this", None));
    assert!(vague.contains("these files can only be read"), "{vague}");
}

#[test]
fn keys_are_redacted() {
    for (text, shown) in [
        ("Incorrect API key provided: sk-pr**********Wx_z.", "Incorrect API key provided: ***."),
        ("sk-a sk-b,sk-", "*** ***,***"),
        ("a task-force, \u{e9}sk-x", "a task-force, \u{e9}sk-x"),
        ("Bearer hunter2!", "Bearer ***!"),
        ("hunter2hunter2", "******"),
        ("", ""),
    ] {
        assert_eq!(redaction().apply(text), shown, "{text}");
        let body = envelope(text, None);
        assert_eq!(message(500, &body), format!("{shown} (status 500)").trim_start(), "{text}");
    }
    // Also where the text is truncated in the middle of the key.
    let long = format!("{} hunter2", "x".repeat(295));
    for body in [envelope(&long, None), long.clone(), format!("<p>{long}")] {
        let text = message(500, &body);
        assert!(!text.contains("hunt"), "{text}");
    }
    assert_eq!(Redaction::new(Secret::new("")).apply("text"), "text");
    assert!(!format!("{:?}", redaction()).contains("hunter2"));
}

#[test]
fn temporary_failures_are_retryable() {
    let flags = |failure: &Failure| (failure.is_retryable, failure.is_ambiguous);
    for (status, body, expected) in [
        (500, String::new(), (true, true)),
        (503, String::new(), (true, true)),
        (408, String::new(), (true, true)),
        (409, String::new(), (true, true)),
        (429, String::new(), (true, false)),
        (429, envelope("", Some("insufficient_quota")), (false, false)),
        (400, String::new(), (false, false)),
        (401, String::new(), (false, false)),
        (404, String::new(), (false, false)),
    ] {
        let failure = failure(status, &body);
        assert_eq!(flags(&failure), expected, "{status} {body}");
        assert_eq!(failure.error.is_retryable(), expected.0, "{status} {body}");
    }
}

#[test]
fn the_retry_hint_is_followed_unless_the_quota_is_used_up() {
    let after = Some(Duration::from_secs(500));
    let with_hint = |status, should_retry, body: &str| {
        let hint = RetryHint { should_retry: Some(should_retry), after };
        let (target, body) = (Target::File, body.as_bytes());
        let response =
            ErrorResponse { target, status, hint, request_id: None, location: None, body };
        Failure::from_response(&response, &redaction())
    };
    let forbidden = with_hint(503, false, "");
    assert!(!forbidden.is_retryable && !forbidden.error.is_retryable());
    assert_eq!(forbidden.error.retry_after(), None);
    let forced = with_hint(400, true, "");
    assert!(forced.is_retryable && forced.error.is_retryable());
    assert_eq!((forced.retry_after, forced.error.retry_after()), (after, after));
    let limited = with_hint(429, false, "");
    assert!(!limited.is_retryable);
    assert_eq!(limited.error.retry_after(), after);
    let quota = with_hint(429, true, &envelope("", Some("insufficient_quota")));
    assert!(!quota.is_retryable && !quota.error.is_retryable());
}

/// Looks up no host, because there are no threads.
struct NoThreads;

impl Resolve for NoThreads {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async {
            Err(Error::new(ErrorKind::QuotaExceeded).with_message("no threads").into())
        })
    }
}

#[tokio::test]
async fn a_look_up_without_threads_is_not_an_unreachable_host() {
    let http = reqwest::Client::builder().no_proxy().dns_resolver(NoThreads).build().unwrap();
    let cause = http.get("http://localhost:9/").send().await.unwrap_err();
    let failure = Failure::from_connection(&cause, "localhost", &redaction());
    assert_eq!(failure.error.kind(), ErrorKind::QuotaExceeded);
    assert!(failure.error.message().unwrap().contains("no threads"));
    assert!(!failure.is_retryable && !failure.is_ambiguous);
}
