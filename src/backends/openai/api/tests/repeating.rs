//! Which failed calls are retried, and the lookup before a retry.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::{Attributes, Client};
use super::calls::{attributes, entry, upload};
use super::clock::jump;
use super::server::{Act, Reply, Request, Server, answer, client, not_found, ok, refused};
use crate::backends::openai::OpenAITimeouts;
use crate::core::duration::YEAR;
use crate::core::error::ErrorKind;

/// Returns one of each retryable failure.
fn temporary_failures() -> Vec<Reply> {
    let limited = answer(429, "retry-after-ms: 1\r\n", "slow down");
    vec![
        refused(500, "broken"),
        answer(503, "Retry-After: 0.001\r\n", "<html>busy"),
        refused(408, "too late"),
        refused(409, "locked"),
        limited,
        answer(400, "x-should-retry: true\r\n", ""),
        vec![Act::Reset],
        vec![Act::Close],
        vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-len".to_vec()), Act::Close],
        vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec()), Act::Close],
    ]
}

fn verbs(server: &Server) -> Vec<String> {
    let store = "vector_stores/vs_1/files";
    server.lines().iter().map(|line| line.replace(store, "entries")).collect()
}

/// How long new entries may be invisible.
const DELAY: Duration = Duration::from_secs(600);

/// Returns a client that expects this delay and never times out.
fn patient_client(server: &Server) -> Client {
    let timeouts = OpenAITimeouts::default().with_idle(YEAR).with_total(YEAR);
    let mut client = client(&server.config().with_timeouts(timeouts));
    Arc::get_mut(&mut client.0).unwrap().propagation_delay = DELAY;
    client
}

#[tokio::test]
async fn temporary_failures_are_retried() {
    for failure in temporary_failures() {
        let server = Server::script([failure.clone(), failure, ok(&entry("file-a"))]).await;
        let client = server.client();
        client.set_attributes("file-a", &attributes("a")).await.unwrap();
        assert_eq!((server.requests().len(), client.requests()), (3, 3));
    }
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    let quota =
        json!({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}});
    for (failure, kind) in [
        (refused(400, "File is empty."), ErrorKind::Remote),
        (refused(401, "Incorrect API key"), ErrorKind::Unauthenticated),
        (refused(403, "no"), ErrorKind::PermissionDenied),
        (refused(404, "No such File object"), ErrorKind::NotFound),
        (answer(413, "", ""), ErrorKind::TooLarge),
        (answer(429, "x-should-retry: true\r\n", quota.to_string()), ErrorKind::QuotaExceeded),
        (answer(503, "x-should-retry: false\r\n", ""), ErrorKind::Remote),
        (answer(301, "location: /v2\r\n", ""), ErrorKind::Remote),
    ] {
        let server = Server::script([failure]).await;
        let error = server.client().set_attributes("file-a", &Attributes::new()).await.unwrap_err();
        assert_eq!((error.kind(), server.requests().len()), (kind, 1));
    }
}

#[tokio::test]
async fn an_unreadable_response_is_requested_again() {
    let file = ok(&json!({"id": "file-a", "attributes": {}}));
    let server = Server::script([answer(200, "", "<html>"), answer(200, "", ""), file]).await;
    server.client().set_attributes("file-a", &Attributes::new()).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn retries_end_and_the_last_failure_is_returned() {
    let replies = [refused(500, "one"), vec![Act::Reset], refused(429, "three")];
    let server = Server::script(replies).await;
    let client = client(&server.config().with_retries(2));
    let error = client.file("file-a").await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::RateLimited, 3));
    assert_eq!(error.message(), Some("three (status 429)"));
}

#[tokio::test]
async fn a_retry_waits_as_long_as_the_service_asks() {
    let mut limited = answer(429, "retry-after-ms: 20000\r\nretry-after: 1\r\n", "");
    limited.push(Act::Wait(Duration::from_secs(1)));
    let server = Server::script([limited, ok(&entry("file-a"))]).await;
    let timeouts = OpenAITimeouts::default().with_idle(YEAR).with_total(YEAR);
    let started = Instant::now();
    client(&server.config().with_timeouts(timeouts)).file("file-a").await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(20));
}

#[tokio::test]
async fn a_call_fails_at_once_if_its_retry_would_miss_the_deadline() {
    for (header, seconds) in [("retry-after: 121", 121), ("retry-after-ms: 90000", 90)] {
        let server = Server::script([answer(429, &format!("{header}\r\n"), "")]).await;
        let timeouts = OpenAITimeouts::default().with_total(Duration::from_secs(60));
        let client = client(&server.config().with_timeouts(timeouts));
        let started = Instant::now();
        let error = client.file("file-a").await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(60));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
        assert_eq!((error.kind(), server.requests().len()), (ErrorKind::RateLimited, 1));
    }
}

const LOOK: &str = "GET files?purpose=assistants&order=desc&limit=100";

fn uploaded(name: &str, bytes: impl Into<Value>) -> Reply {
    let other = json!({"id": "file-z", "filename": "other.txt", "bytes": 5});
    let file = json!({"id": "file-b", "filename": name, "bytes": bytes.into()});
    ok(&json!({"data": [other, file], "has_more": true}))
}

#[tokio::test]
async fn an_ambiguous_upload_is_looked_up_before_a_retry() {
    let ambiguous = || {
        let not_processed = |reply: &Reply| match &reply[..] {
            [Act::Send(bytes)] => {
                bytes.starts_with(b"HTTP/1.1 4") && !bytes.starts_with(b"HTTP/1.1 40")
            }
            _ => false,
        };
        temporary_failures()
            .into_iter()
            .filter(move |reply| !not_processed(reply))
            .filter(|reply| *reply != answer(400, "x-should-retry: true\r\n", ""))
    };
    assert_eq!(ambiguous().count(), 8);
    for failure in ambiguous() {
        for found in [uploaded("f9-a.txt", 5), uploaded("f9-a.txt", Value::Null)] {
            let server = Server::script([failure.clone(), found]).await;
            assert_eq!(upload(&server.client(), &["hello"]).await.unwrap(), "file-b");
            assert_eq!(server.lines(), ["POST files", LOOK]);
        }
        for found in [uploaded("f9-a.txt", 4), uploaded("f9-b.txt", 5), ok(&json!({"data": []}))] {
            let done = ok(&json!({"id": "file-a"}));
            let server = Server::script([failure.clone(), found, done]).await;
            assert_eq!(upload(&server.client(), &["hello"]).await.unwrap(), "file-a");
            assert_eq!(server.lines(), ["POST files", LOOK, "POST files"]);
            assert!(server.requests()[2].text().contains("hello"));
        }
    }
}

#[tokio::test]
async fn a_refused_upload_is_retried_without_a_lookup() {
    for failure in [answer(429, "", ""), answer(400, "x-should-retry: true\r\n", "")] {
        let server = Server::script([failure, ok(&json!({"id": "file-a"}))]).await;
        assert_eq!(upload(&server.client(), &["hello"]).await.unwrap(), "file-a");
        assert_eq!(server.lines(), ["POST files", "POST files"]);
    }
}

#[tokio::test]
async fn nothing_is_retried_if_the_lookup_fails() {
    let server = Server::script([refused(500, "first"), refused(403, "lookup")]).await;
    let error = upload(&server.client(), &["hello"]).await.unwrap_err();
    assert_eq!(error.message(), Some("first (status 500)"));
    let server = Server::script([refused(500, "first"), refused(403, "lookup")]).await;
    let error = server.client().attach("file-a", &attributes("a")).await.unwrap_err();
    assert_eq!(error.message(), Some("first (status 500)"));
    let server = Server::script([refused(500, "first"), refused(403, "lookup")]).await;
    let files = [("file-a".to_owned(), attributes("a"))];
    let error = server.client().attach_batch(&files).await.unwrap_err();
    assert_eq!(error.message(), Some("first (status 500)"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_last_ambiguous_failure_is_followed_by_a_lookup() {
    let replies = [refused(500, "x"), uploaded("f9-a.txt", 5), refused(500, "y"), uploaded("b", 5)];
    let server = Server::script(replies).await;
    let client = client(&server.config().with_retries(0));
    assert_eq!(upload(&client, &["hello"]).await.unwrap(), "file-b");
    let error = upload(&client, &["hello"]).await.unwrap_err();
    assert_eq!(error.message(), Some("y (status 500)"));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn an_unreadable_creation_response_leads_to_a_lookup() {
    let useless = || ok(&json!({}));
    let server = Server::script([useless(), uploaded("f9-a.txt", 5), useless(), useless()]).await;
    assert_eq!(upload(&server.client(), &["hello"]).await.unwrap(), "file-b");
    // The file does not exist, but the status says nothing about the reason.
    let error = upload(&server.client(), &["hello"]).await.unwrap_err();
    assert_eq!(error.message(), Some("unexpected response: {}"));
    assert_eq!(server.requests().len(), 4);
    let server = Server::script([useless(), ok(&entry("file-a")), answer(200, "", "")]).await;
    server.client().attach("file-a", &attributes("a")).await.unwrap();
    let files = [("file-a".to_owned(), attributes("a"))];
    let client = client(&server.config().with_retries(0));
    client.attach_batch(&files).await.unwrap_err();
}

#[tokio::test]
async fn an_ambiguous_attachment_is_looked_up_before_a_retry() {
    let (post, get, set) = ("POST entries", "GET entries/file-a", "POST entries/file-a");
    let other = json!({"id": "file-a", "attributes": {"path": "other"}});
    for (replies, lines) in [
        (vec![vec![Act::Reset], ok(&entry("file-a"))], vec![post, get]),
        (vec![refused(409, ""), not_found(), ok(&entry("file-a"))], vec![post, get, post]),
        (vec![refused(500, ""), ok(&other), ok(&entry("file-a"))], vec![post, get, set]),
        (vec![refused(429, ""), ok(&entry("file-a"))], vec![post, post]),
        // The lookup is retried like any other call.
        (vec![vec![Act::Close], vec![Act::Close], ok(&entry("file-a"))], vec![post, get, get]),
    ] {
        let server = Server::script(replies).await;
        let attached = server.client().attach("file-a", &attributes("a")).await.unwrap();
        assert_eq!(
            (attached.attributes, verbs(&server)),
            (attributes("a"), lines.iter().map(|l| (*l).to_owned()).collect())
        );
        for request in server
            .requests()
            .iter()
            .filter(|r| r.line.ends_with("file-a") && r.line.starts_with("POST"))
        {
            assert_eq!(request.json(), json!({"attributes": {"path": "a"}}));
        }
    }
}

#[tokio::test]
async fn a_retried_batch_contains_only_the_missing_files() {
    let batches = Arc::new(std::sync::Mutex::new(0));
    let server = Server::answering(move |request: &Request| {
        if request.line.ends_with("file_batches") {
            let mut batches = batches.lock().unwrap();
            *batches += 1;
            let accepted = ok(&json!({"id": "vsfb_1", "status": "in_progress"}));
            return if *batches == 1 { vec![Act::Reset] } else { accepted };
        }
        if request.line.ends_with("/file-1") { ok(&entry("file-1")) } else { not_found() }
    })
    .await;
    let files: Vec<_> = (0..3).map(|n| (format!("file-{n}"), attributes("a"))).collect();
    server.client().attach_batch(&files).await.unwrap();
    let requests = server.requests();
    let batches: Vec<_> = requests.iter().filter(|r| r.line.ends_with("file_batches")).collect();
    let sent = |n: usize| -> Vec<String> {
        let files = batches[n].json()["files"].as_array().unwrap().clone();
        files.iter().map(|file| file["file_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(batches.len(), 2);
    assert_eq!(sent(0), ["file-0", "file-1", "file-2"]);
    assert_eq!(sent(1), ["file-0", "file-2"]);
    assert_eq!(requests.len(), 5);
}

#[tokio::test]
async fn a_batch_that_was_accepted_is_not_retried() {
    let server = Server::answering(|request| match request.line.split_once(' ') {
        Some(("POST", _)) => vec![Act::Reset],
        _ => ok(&entry("file-a")),
    })
    .await;
    let files = [("file-a".to_owned(), attributes("a")), ("file-b".to_owned(), attributes("a"))];
    for retries in [0, 4] {
        let client = client(&server.config().with_retries(retries));
        client.attach_batch(&files).await.unwrap();
    }
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn attaching_waits_until_the_upload_is_visible() {
    let unknown = || refused(404, "No such File object: file-a");
    let replies = || (0..6).map(|_| unknown());
    let server = Server::script(replies().chain([ok(&entry("file-a"))])).await;
    patient_client(&server).attach("file-a", &attributes("a")).await.unwrap();
    assert_eq!(server.requests().len(), 7);
    let batch = ok(&json!({"id": "vsfb_1"}));
    let server = Server::script(replies().chain([batch])).await;
    let files = [("file-a".to_owned(), attributes("a"))];
    patient_client(&server).attach_batch(&files).await.unwrap();
    assert_eq!(server.requests().len(), 7);
    // The wait has a limit, and a missing store ends it at once.
    let mut asked = 0;
    let server = Server::answering(move |_| {
        asked += 1;
        if asked == 3 {
            jump(DELAY);
        }
        unknown()
    })
    .await;
    let error = patient_client(&server).attach("file-a", &attributes("a")).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::NotFound, 3));
    let server = Server::script([refused(404, "No vector store found with id 'vs_1'.")]).await;
    let error = patient_client(&server).attach("file-a", &attributes("a")).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::RootGone, 1));
}

#[tokio::test]
async fn a_404_for_a_new_entry_is_retried() {
    let text = || ok(&json!({"data": [{"type": "text", "text": "x"}]}));
    let missing = || (0..6).map(|_| not_found());
    let replies =
        missing().chain([ok(&entry("file-a"))]).chain(missing()).chain([ok(&entry("file-a"))]);
    // Some servers have no parsed text of any file.
    let replies = [ok(&entry("file-a"))].into_iter().chain(replies).chain([not_found(), text()]);
    let server = Server::script(replies).await;
    let client = patient_client(&server);
    client.attach("file-a", &attributes("a")).await.unwrap();
    assert!(client.attached("file-a").await.unwrap().is_some());
    client.set_attributes("file-a", &attributes("a")).await.unwrap();
    assert_eq!(client.text("file-a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.text("file-a").await.unwrap(), ["x"]);
    assert_eq!(server.requests().len(), 17);
}

#[tokio::test]
async fn an_entry_that_is_not_visible_yet_can_be_detached() {
    let gone = || ok(&json!({"id": "file-a", "deleted": true}));
    let server = Server::script([ok(&entry("file-a")), not_found(), not_found(), gone()]).await;
    let client = patient_client(&server);
    client.attach("file-a", &attributes("a")).await.unwrap();
    client.detach("file-a").await.unwrap();
    assert_eq!(server.requests().len(), 4);
    // Here the first request succeeded.
    let server = Server::script([ok(&entry("file-a")), vec![Act::Reset], not_found()]).await;
    let client = patient_client(&server);
    client.attach("file-a", &attributes("a")).await.unwrap();
    client.detach("file-a").await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_404_for_a_detached_old_or_foreign_entry_is_not_retried() {
    let gone = ok(&json!({"id": "file-a", "deleted": true}));
    let server = Server::script([ok(&entry("file-a")), not_found(), gone, not_found()]).await;
    let client = patient_client(&server);
    client.attach("file-a", &attributes("a")).await.unwrap();
    assert!(client.attached("file-b").await.unwrap().is_none());
    client.detach("file-a").await.unwrap();
    assert!(client.attached("file-a").await.unwrap().is_none());
    assert_eq!(server.requests().len(), 4);
    let server = Server::answering(|request| match request.line.split_once(' ') {
        Some(("POST", _)) => ok(&entry("file-a")),
        _ => {
            jump(DELAY);
            not_found()
        }
    })
    .await;
    let client = patient_client(&server);
    client.attach("file-a", &attributes("a")).await.unwrap();
    assert!(client.attached("file-a").await.unwrap().is_none());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_404_for_an_entry_of_a_new_batch_is_retried() {
    let replies = [ok(&json!({"id": "vsfb_1"})), not_found(), ok(&entry("file-a"))];
    let server = Server::script(replies).await;
    let client = patient_client(&server);
    client.attach_batch(&[("file-a".to_owned(), attributes("a"))]).await.unwrap();
    assert!(client.attached("file-a").await.unwrap().is_some());
}
