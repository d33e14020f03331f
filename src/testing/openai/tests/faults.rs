//! Each fault as a client meets it, and whether its request was processed.

use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::client::Talk;
use crate::testing::{Fault, FaultKind, Retry, Route};

/// An upload that can be sent.
fn upload(talk: &Talk) -> RequestBuilder {
    let file = Part::bytes(b"hello".to_vec()).file_name("a.txt");
    let form = Form::new().text("purpose", "vision").part("file", file);
    talk.request(Method::POST, "files").multipart(form)
}

#[tokio::test]
async fn an_error_comes_instead_of_the_answer() {
    let talk = Talk::strict();
    for status in [400, 401, 403, 404, 408, 409, 422, 500, 503] {
        talk.openai.inject(Fault::status(status));
        let reply = talk.send(upload(&talk)).await;
        assert_eq!(reply.refused().0, status);
    }
    talk.openai.inject(FaultKind::Status {
        status: 503,
        kind: "busy".to_owned(),
        code: Some("server_busy".to_owned()),
        message: "Busy.".to_owned(),
        retry: Retry::AfterMillis(3),
    });
    let answer = talk.request(Method::GET, "files").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after-ms"], "3");
    let error = r#"{"error":{"code":"server_busy","message":"Busy.","param":null,"type":"busy"}}"#;
    assert_eq!(answer.text().await.unwrap(), error);
    assert!(talk.openai.files().is_empty());

    talk.openai.inject(Fault::status(500).processed());
    assert_eq!(talk.send(upload(&talk)).await.status, 500);
    assert_eq!(talk.openai.files().len(), 1);
    talk.get("files").await.ok();
}

#[tokio::test]
async fn too_early_a_request_is_told_when_to_come_again() {
    let talk = Talk::strict();
    for (retry, header, value) in [
        (Retry::Unsaid, "retry-after", None),
        (Retry::AfterMillis(7), "retry-after-ms", Some("7")),
        (Retry::AfterSeconds(0.5), "retry-after", Some("0.5")),
        (Retry::AfterSeconds(2.0), "retry-after", Some("2")),
        (Retry::Always, "x-should-retry", Some("true")),
        (Retry::Never, "x-should-retry", Some("false")),
    ] {
        talk.openai.inject(FaultKind::RateLimited(retry));
        let answer = talk.request(Method::GET, "files").send().await.unwrap();
        assert_eq!(answer.status(), 429);
        let said = answer.headers().get(header).map(|value| value.to_str().unwrap());
        assert_eq!(said, value, "{retry:?}");
        assert!(answer.text().await.unwrap().contains(r#""code":"rate_limit_exceeded""#));
    }
    talk.openai.inject(FaultKind::RateLimited(Retry::AtDateIn(Duration::from_secs(3600))));
    let answer = talk.request(Method::GET, "files").send().await.unwrap();
    let date = answer.headers()["retry-after"].to_str().unwrap();
    let wait =
        httpdate::parse_http_date(date).unwrap().duration_since(std::time::SystemTime::now());
    let minutes = wait.unwrap().as_secs() / 60;
    assert!((50..=60).contains(&minutes), "{date}");

    talk.openai.inject(FaultKind::InsufficientQuota);
    let reply = talk.get("files").await;
    assert_eq!((reply.status, reply.refused().2), (429, Some("insufficient_quota")));
}

#[tokio::test]
async fn a_body_is_not_what_it_should_be() {
    let talk = Talk::strict();
    talk.openai.inject(FaultKind::Html { status: 502 });
    let answer = upload(&talk).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (502, &"text/html".parse().unwrap())
    );
    assert!(answer.text().await.unwrap().contains("<html>"));
    assert!(talk.openai.files().is_empty());

    for kind in [FaultKind::EmptyBody, FaultKind::MalformedJson] {
        let empty = kind == FaultKind::EmptyBody;
        talk.openai.inject(kind);
        let answer = upload(&talk).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.bytes().await.unwrap();
        assert_eq!(body.is_empty(), empty);
        serde_json::from_slice::<serde_json::Value>(&body).unwrap_err();
    }
    assert_eq!(talk.openai.files().len(), 2);
}

#[tokio::test]
async fn content_comes_back_wrong() {
    let talk = Talk::strict();
    talk.openai.inject(FaultKind::WrongContent);
    let id = talk.upload("a.txt", "vision", b"hello").await;
    talk.try_attach(&id, json!({})).await.ok();
    talk.listed("").await;
    let path = format!("files/{id}/content");
    let content =
        || async { talk.request(Method::GET, &path).send().await.unwrap().text().await.unwrap() };
    let wrong = content().await;
    assert!(wrong != "hello" && wrong.len() == 5, "{wrong}");
    assert_eq!(content().await, "hello");
    talk.openai.inject(Fault::new(FaultKind::WrongContent).on(Route::Text));
    assert_eq!(talk.text(&id).await, ["hexlo"]);
    assert_eq!(talk.text(&id).await, ["hello"]);
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_its_request_is_processed() {
    let talk = Talk::strict();
    for (kind, processed) in [(FaultKind::ResetBefore, 0), (FaultKind::ResetAfter, 1)] {
        talk.openai.take_requests();
        talk.openai.inject(kind);
        let error = upload(&talk).send().await.unwrap_err();
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
        assert_eq!(talk.openai.files().len(), processed);
        let log = talk.openai.requests();
        assert_eq!((log.len(), log[0].status, log[0].route), (1, None, Route::Upload));
        assert_eq!(log[0].file.as_ref().unwrap().bytes, "hello");
    }
    talk.get("files").await.ok();
}

#[tokio::test]
async fn an_answer_never_comes_whether_or_not_its_request_is_processed() {
    let talk = Talk::strict();
    let mut unanswered = 0;
    for (kind, processed) in [(FaultKind::TimeoutBefore, 0), (FaultKind::TimeoutAfter, 1)] {
        talk.openai.inject(kind);
        let waiting = tokio::spawn(upload(&talk).send());
        // Its turn comes once the request is there whole.
        while talk.openai.requests().last().is_none_or(|last| last.file.is_none())
            || talk.openai.files().len() < processed
        {
            tokio::task::yield_now().await;
        }
        talk.get("files").await.ok();
        assert!(!waiting.is_finished());
        // It is counted once it has been processed.
        unanswered += 1;
        while talk.openai.unanswered() < unanswered {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert_eq!(talk.openai.files().len(), processed);
        talk.openai.take_requests();
    }
}

#[tokio::test]
async fn a_request_is_held_until_it_is_released() {
    let talk = Talk::strict();
    // What is released already releases nothing to come.
    talk.openai.release();
    talk.openai.inject(Fault::new(FaultKind::Held).on(Route::Upload).times(2));
    let held = [(); 2].map(|()| tokio::spawn(upload(&talk).send()));
    while talk.openai.requests().iter().filter(|request| request.file.is_some()).count() < 2 {
        tokio::task::yield_now().await;
    }
    talk.get("files").await.ok();
    assert!(talk.openai.files().is_empty() && talk.openai.faults_left() == 0);
    talk.openai.release();
    for held in held {
        assert_eq!(held.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((talk.openai.files().len(), talk.openai.unanswered()), (2, 0));
    talk.send(upload(&talk)).await.ok();
}

#[tokio::test]
async fn a_body_comes_slowly_and_whole() {
    let talk = Talk::strict();
    let id = talk.upload("a.txt", "vision", b"0123456789").await;
    let delay = Duration::from_millis(5);
    talk.openai.inject(FaultKind::SlowBody { chunk: 3, delay });
    let started = Instant::now();
    let answer = talk.request(Method::GET, &format!("files/{id}/content")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "0123456789");
    assert!(started.elapsed() >= delay * 4);
}

#[tokio::test]
async fn a_body_breaks_off() {
    let talk = Talk::strict();
    let id = talk.upload("a.txt", "vision", b"0123456789").await;
    for (after, comes) in [(4, 4), (0, 0), (10, 9), (100, 9)] {
        talk.openai.inject(FaultKind::TruncatedBody { after });
        let request = talk.request(Method::GET, &format!("files/{id}/content"));
        let mut answer = request.send().await.unwrap();
        assert_eq!(answer.content_length(), Some(10));
        let mut come = 0;
        let error = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => come += chunk.len(),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(error.is_some(), "{after}");
        assert_eq!(come, comes);
    }
}

#[tokio::test]
async fn faults_can_be_counted_and_forgotten() {
    let talk = Talk::strict();
    talk.openai.inject(Fault::status(500).times(2));
    talk.openai.inject(Fault::status(503));
    assert_eq!(talk.get("files").await.status, 500);
    assert_eq!(talk.openai.faults_left(), 2);
    talk.openai.clear_faults();
    talk.get("files").await.ok();
}
