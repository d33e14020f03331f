//! What is made of each refusal.

use std::time::Duration;

use serde_json::json;

use super::super::failure::{About, Failure, Redaction, Refusal};
use crate::retry::Advice;
use crate::{ErrorKind, Secret};

fn redaction() -> Redaction {
    Redaction(Secret::new("hunter2"))
}

fn refused_about(about: About, status: u16, body: &str) -> Failure {
    let (advice, body) = (Advice::default(), body.as_bytes());
    let refusal = Refusal { about, status, advice, request_id: None, location: None, body };
    Failure::refused(&refusal, &redaction())
}

fn refused(status: u16, body: &str) -> Failure {
    refused_about(About::File, status, body)
}

fn message(status: u16, body: &str) -> String {
    refused(status, body).error.message().unwrap().to_owned()
}

fn envelope(message: &str, code: Option<&str>) -> String {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    json!({ "error": error }).to_string()
}

#[test]
fn a_refusal_is_told_by_its_status_and_its_words() {
    use ErrorKind as Kind;
    let plain = |message| envelope(message, None);
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
        // As llama-stack says it.
        (400, json!({"detail": "File with id file-a not found"}).to_string(), Kind::NotFound),
        (400, json!({"detail": "Vector_store vs_1 not found"}).to_string(), Kind::RootGone),
        (404, json!({"detail": "Not Found"}).to_string(), Kind::NotFound),
        // What lies before the service.
        (404, "<html><body>404 page not found: no such file</body></html>".into(), Kind::Remote),
        (404, "File not found".into(), Kind::Remote),
        (404, String::new(), Kind::Remote),
        (302, String::new(), Kind::Remote),
    ] {
        assert_eq!(refused(status, &body).error.kind(), kind, "{status} {body}");
    }
}

#[test]
fn a_missing_store_never_passes_for_a_missing_file() {
    let about_store = |status, body: &str| refused_about(About::VectorStore, status, body);
    for body in [
        envelope("Not found", None),
        envelope("No vector store found with id 'vs_1'.", None),
        json!({"detail": "Not Found"}).to_string(),
    ] {
        assert_eq!(about_store(404, &body).error.kind(), ErrorKind::RootGone, "{body}");
    }
    assert_eq!(about_store(404, "<p>gone").error.kind(), ErrorKind::Remote);
    let cursor = envelope("No file found with id 'file-a' in vector store 'vs_1'.", None);
    assert_eq!(about_store(404, &cursor).error.kind(), ErrorKind::NotFound);
}

#[test]
fn the_message_is_that_of_the_service_in_one_line() {
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
    assert_eq!(refused(500, "x").error.backend(), Some("openai"));
}

#[test]
fn the_request_is_named() {
    let refusal = Refusal {
        about: About::File,
        status: 500,
        advice: Advice::default(),
        request_id: Some("req_1"),
        location: None,
        body: b"x",
    };
    let failure = Failure::refused(&refusal, &redaction());
    assert_eq!(failure.error.message(), Some("x (status 500, request req_1)"));
}

#[test]
fn a_redirect_tells_where_to_but_no_more_than_that() {
    let redirected = |location| {
        let refusal = Refusal {
            about: About::File,
            status: 301,
            advice: Advice::default(),
            request_id: None,
            location: Some(location),
            body: b"Moved",
        };
        Failure::refused(&refusal, &redaction()).error.to_string()
    };
    assert_eq!(
        redirected("https://user:pw@other.example:8443/v1/files?sig=secret"),
        "the service failed: the service is at https://other.example:8443, and `base_url` must say so (status 301)"
    );
    for odd in ["/elsewhere?sig=secret", "data:secret", ""] {
        assert_eq!(redirected(odd), "the service failed: Moved (status 301)");
    }
}

#[test]
fn a_forbidden_download_says_what_to_change() {
    let body = envelope("Not allowed to download files of purpose: assistants", None);
    let text = message(400, &body);
    assert!(text.starts_with("Not allowed to download files of purpose: assistants; "), "{text}");
    assert!(text.contains("files of purpose `assistants` come back only as parsed text"), "{text}");
    assert!(text.contains("`framed`") && text.ends_with("(status 400)"), "{text}");
    let vague = message(400, &envelope("Not allowed to download this", None));
    assert!(vague.contains("such files come back"), "{vague}");
}

#[test]
fn no_key_is_shown() {
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
    // Also where the text is cut in its middle.
    let long = format!("{} hunter2", "x".repeat(295));
    for body in [envelope(&long, None), long.clone(), format!("<p>{long}")] {
        let text = message(500, &body);
        assert!(!text.contains("hunt"), "{text}");
    }
    assert_eq!(Redaction(Secret::new("")).apply("text"), "text");
    assert!(!format!("{:?}", redaction()).contains("hunter2"));
}

#[test]
fn what_passes_by_itself_may_be_repeated() {
    let passing = |failure: &Failure| (failure.is_passing, failure.is_ambiguous);
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
        let failure = refused(status, &body);
        assert_eq!(passing(&failure), expected, "{status} {body}");
        assert_eq!(failure.error.is_retryable(), expected.0, "{status} {body}");
    }
}

#[test]
fn the_advice_of_the_service_counts_but_not_against_a_used_up_quota() {
    let after = Some(Duration::from_secs(500));
    let advised = |status, repeat, body: &str| {
        let advice = Advice { repeat: Some(repeat), after };
        let (about, body) = (About::File, body.as_bytes());
        let refusal = Refusal { about, status, advice, request_id: None, location: None, body };
        Failure::refused(&refusal, &redaction())
    };
    let unwilling = advised(503, false, "");
    assert!(!unwilling.is_passing && !unwilling.error.is_retryable());
    assert_eq!(unwilling.error.retry_after(), None);
    let willing = advised(400, true, "");
    assert!(willing.is_passing && willing.error.is_retryable());
    assert_eq!((willing.after, willing.error.retry_after()), (after, after));
    let limited = advised(429, false, "");
    assert!(!limited.is_passing);
    assert_eq!(limited.error.retry_after(), after);
    let quota = advised(429, true, &envelope("", Some("insufficient_quota")));
    assert!(!quota.is_passing && !quota.error.is_retryable());
}
