//! The effect of each fault on the client and on the request.

use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::client::TestClient;
use crate::testing::openai::{Fault, FaultKind, Retry, Route};

/// Returns the request of an upload.
fn upload(client: &TestClient) -> RequestBuilder {
    let file = Part::bytes(b"hello".to_vec()).file_name("a.txt");
    let form = Form::new().text("purpose", "vision").part("file", file);
    client.request(Method::POST, "files").multipart(form)
}

#[tokio::test]
async fn an_error_replaces_the_response() {
    let client = TestClient::strict();
    for status in [400, 401, 403, 404, 408, 409, 422, 500, 503] {
        client.openai.inject(Fault::status(status));
        let reply = client.send(upload(&client)).await;
        assert_eq!(reply.error().0, status);
    }
    client.openai.inject(FaultKind::Status {
        status: 503,
        kind: "busy".to_owned(),
        code: Some("server_busy".to_owned()),
        message: "Busy.".to_owned(),
        retry: Retry::AfterMillis(3),
    });
    let answer = client.request(Method::GET, "files").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after-ms"], "3");
    let error = r#"{"error":{"code":"server_busy","message":"Busy.","param":null,"type":"busy"}}"#;
    assert_eq!(answer.text().await.unwrap(), error);
    assert!(client.openai.files().is_empty());

    client.openai.inject(Fault::status(500).processed());
    assert_eq!(client.send(upload(&client)).await.status, 500);
    assert_eq!(client.openai.files().len(), 1);
    client.get("files").await.ok();
}

#[tokio::test]
async fn a_rate_limited_response_has_the_retry_header_of_its_fault() {
    let client = TestClient::strict();
    for (retry, header, value) in [
        (Retry::NoHeader, "retry-after", None),
        (Retry::AfterMillis(7), "retry-after-ms", Some("7")),
        (Retry::AfterSeconds(0.5), "retry-after", Some("0.5")),
        (Retry::AfterSeconds(2.0), "retry-after", Some("2")),
        (Retry::Always, "x-should-retry", Some("true")),
        (Retry::Never, "x-should-retry", Some("false")),
    ] {
        client.openai.inject(FaultKind::RateLimited(retry));
        let answer = client.request(Method::GET, "files").send().await.unwrap();
        assert_eq!(answer.status(), 429);
        let sent = answer.headers().get(header).map(|value| value.to_str().unwrap());
        assert_eq!(sent, value, "{retry:?}");
        assert!(answer.text().await.unwrap().contains(r#""code":"rate_limit_exceeded""#));
    }
    client.openai.inject(FaultKind::RateLimited(Retry::AtDateIn(Duration::from_secs(3600))));
    let answer = client.request(Method::GET, "files").send().await.unwrap();
    let date = answer.headers()["retry-after"].to_str().unwrap();
    let wait =
        httpdate::parse_http_date(date).unwrap().duration_since(std::time::SystemTime::now());
    let minutes = wait.unwrap().as_secs() / 60;
    assert!((50..=60).contains(&minutes), "{date}");

    client.openai.inject(FaultKind::InsufficientQuota);
    let reply = client.get("files").await;
    assert_eq!((reply.status, reply.error().2), (429, Some("insufficient_quota")));
}

#[tokio::test]
async fn a_fault_can_replace_empty_or_cut_a_body() {
    let client = TestClient::strict();
    client.openai.inject(FaultKind::Html { status: 502 });
    let answer = upload(&client).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (502, &"text/html".parse().unwrap())
    );
    assert!(answer.text().await.unwrap().contains("<html>"));
    assert!(client.openai.files().is_empty());

    for kind in [FaultKind::EmptyBody, FaultKind::MalformedJson] {
        let empty = kind == FaultKind::EmptyBody;
        client.openai.inject(kind);
        let answer = upload(&client).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.bytes().await.unwrap();
        assert_eq!(body.is_empty(), empty);
        serde_json::from_slice::<serde_json::Value>(&body).unwrap_err();
    }
    assert_eq!(client.openai.files().len(), 2);
}

#[tokio::test]
async fn a_fault_can_change_one_byte_of_content() {
    let client = TestClient::strict();
    client.openai.inject(FaultKind::WrongContent);
    let id = client.upload("a.txt", "vision", b"hello").await;
    client.try_attach(&id, json!({})).await.ok();
    client.listed("").await;
    let path = format!("files/{id}/content");
    let content =
        || async { client.request(Method::GET, &path).send().await.unwrap().text().await.unwrap() };
    let wrong = content().await;
    assert!(wrong != "hello" && wrong.len() == 5, "{wrong}");
    assert_eq!(content().await, "hello");
    client.openai.inject(Fault::new(FaultKind::WrongContent).on(Route::Text));
    assert_eq!(client.text(&id).await, ["hexlo"]);
    assert_eq!(client.text(&id).await, ["hello"]);
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_its_request_is_processed() {
    let client = TestClient::strict();
    for (kind, processed) in [(FaultKind::ResetBefore, 0), (FaultKind::ResetAfter, 1)] {
        client.openai.take_requests();
        client.openai.inject(kind);
        let error = upload(&client).send().await.unwrap_err();
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
        assert_eq!(client.openai.files().len(), processed);
        let log = client.openai.requests();
        assert_eq!((log.len(), log[0].status, log[0].route), (1, None, Route::Upload));
        assert_eq!(log[0].file.as_ref().unwrap().bytes, "hello");
    }
    client.get("files").await.ok();
}

#[tokio::test]
async fn a_timeout_sends_no_response_with_and_without_processing() {
    let client = TestClient::strict();
    let mut unanswered = 0;
    for (kind, processed) in [(FaultKind::TimeoutBefore, 0), (FaultKind::TimeoutAfter, 1)] {
        client.openai.inject(kind);
        let waiting = tokio::spawn(upload(&client).send());
        // The fault happens after the whole request is received.
        while client.openai.requests().last().is_none_or(|last| last.file.is_none())
            || client.openai.files().len() < processed
        {
            tokio::task::yield_now().await;
        }
        client.get("files").await.ok();
        assert!(!waiting.is_finished());
        // A request is counted after it is processed.
        unanswered += 1;
        while client.openai.unanswered() < unanswered {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert_eq!(client.openai.files().len(), processed);
        client.openai.take_requests();
    }
}

#[tokio::test]
async fn a_request_is_held_until_it_is_released() {
    let client = TestClient::strict();
    // A release has no effect on later requests.
    client.openai.release();
    client.openai.inject(Fault::new(FaultKind::Held).on(Route::Upload).times(2));
    let held = [(); 2].map(|()| tokio::spawn(upload(&client).send()));
    while client.openai.requests().iter().filter(|request| request.file.is_some()).count() < 2 {
        tokio::task::yield_now().await;
    }
    client.get("files").await.ok();
    assert!(client.openai.files().is_empty() && client.openai.faults_left() == 0);
    client.openai.release();
    for held in held {
        assert_eq!(held.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((client.openai.files().len(), client.openai.unanswered()), (2, 0));
    client.send(upload(&client)).await.ok();
}

#[tokio::test]
async fn a_slow_body_is_complete() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "vision", b"0123456789").await;
    let delay = Duration::from_millis(5);
    client.openai.inject(FaultKind::SlowBody { chunk: 3, delay });
    let started = Instant::now();
    let answer = client.request(Method::GET, &format!("files/{id}/content")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "0123456789");
    assert!(started.elapsed() >= delay * 4);
}

#[tokio::test]
async fn a_truncated_body_ends_in_an_error() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "vision", b"0123456789").await;
    for (after, expected) in [(4, 4), (0, 0), (10, 9), (100, 9)] {
        client.openai.inject(FaultKind::TruncatedBody { after });
        let request = client.request(Method::GET, &format!("files/{id}/content"));
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.content_length(), Some(10));
        let mut received = 0;
        let error = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => received += chunk.len(),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(error.is_some(), "{after}");
        assert_eq!(received, expected);
    }
}

#[tokio::test]
async fn faults_can_be_counted_and_cleared() {
    let client = TestClient::strict();
    client.openai.inject(Fault::status(500).times(2));
    client.openai.inject(Fault::status(503));
    assert_eq!(client.get("files").await.status, 500);
    assert_eq!(client.openai.faults_left(), 2);
    client.openai.clear_faults();
    client.get("files").await.ok();
}
