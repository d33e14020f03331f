//! Faults of every kind.

use std::thread;
use std::time::{Duration, Instant};

use super::client::{Call, Client};
use crate::testing::s3::{Fault, FaultKind, Operation, Retry, S3Simulator};

fn put<'a>(body: &'a [u8], headers: Vec<(&'a str, &'a str)>) -> Call<'a> {
    Call { method: "PUT", key: Some("a"), headers, body, ..Default::default() }
}

#[test]
fn errors_happen_before_or_after_the_request_is_processed() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    s3.inject(Fault::slow_down(Retry::AfterSeconds(7)));
    let refused = client.put("a", b"1");
    assert_eq!((refused.status, refused.code().as_str()), (503, "SlowDown"));
    assert_eq!(refused.header("retry-after"), "7");
    assert_eq!(refused.only("RequestId"), refused.header("x-amz-request-id"));
    assert!(s3.objects().is_empty());
    s3.inject(Fault::internal_error().processed());
    let lost = client.put("a", b"1");
    assert_eq!(
        (lost.status, lost.code().as_str(), lost.header("retry-after")),
        (500, "InternalError", "")
    );
    assert_eq!(s3.object("a").unwrap().content, "1");
    s3.inject(Fault::error(429, "TooManyRequests"));
    assert_eq!(client.get("a").status, 429);
    s3.inject(Fault::new(FaultKind::Html { status: 502 }));
    assert_eq!(client.get("a").header("content-type"), "text/html");
    // An error in a response that says that the request succeeded.
    s3.inject(Fault::error(200, "InternalError"));
    let done = client.put("b", b"1");
    assert_eq!((done.status, done.code().as_str(), s3.object("b")), (200, "InternalError", None));
    assert_eq!(client.get("a").status, 200);
}

#[test]
fn connections_are_reset_before_or_after_the_request_is_processed() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    s3.inject(FaultKind::ResetBefore);
    assert!(client.send(&put(b"1", vec![])).is_err());
    assert!(s3.objects().is_empty());
    s3.inject(FaultKind::ResetAfter);
    assert!(client.send(&put(b"1", vec![])).is_err());
    assert_eq!(s3.object("a").unwrap().content, "1");
    assert!(s3.requests().iter().all(|request| request.status.is_none()));
}

#[test]
fn a_repeated_request_gets_the_second_response() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    s3.inject(FaultKind::Repeated);
    let created = client.send(&put(b"1", vec![("if-none-match", "*")])).unwrap();
    assert_eq!((created.status, &*s3.object("a").unwrap().content), (412, &b"1"[..]));
}

#[test]
fn bodies_are_cut_slowed_and_changed() {
    let s3 = S3Simulator::start();
    let content = "0123456789".repeat(10);
    s3.put("a", content.clone());
    let client = Client::new(&s3);
    let get = Call { method: "GET", key: Some("a"), ..Default::default() };
    for after in [0, 50, 100, 1000] {
        s3.inject(FaultKind::TruncatedBody { after });
        assert!(client.send(&get).is_err(), "{after}");
    }
    s3.inject(FaultKind::SlowBody { chunk: 30, delay: Duration::from_millis(5) });
    let start = Instant::now();
    assert_eq!(client.get("a").text(), content);
    assert!(start.elapsed() >= Duration::from_millis(20));
    s3.inject(FaultKind::WrongContent);
    // It waits for a read of content.
    assert_eq!(client.list(&[]).all("Key"), ["a"]);
    let changed = client.get("a");
    assert_eq!((changed.status, changed.body.len()), (200, 100));
    assert_ne!(changed.text(), content);
    assert_eq!(client.get("a").text(), content);
}

#[test]
fn a_held_request_waits_and_is_then_processed() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    s3.inject(FaultKind::Held);
    thread::scope(|scope| {
        let put = scope.spawn(|| client.put("a", b"1"));
        while s3.requests().is_empty() {
            thread::yield_now();
        }
        // Others go on meanwhile.
        assert_eq!(client.get("a").status, 404);
        while !put.is_finished() {
            s3.release();
            thread::yield_now();
        }
        assert_eq!(put.join().unwrap().status, 200);
    });
    assert_eq!(s3.object("a").unwrap().content, "1");
}

#[test]
fn a_timeout_never_responds() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    s3.inject(FaultKind::TimeoutBefore);
    s3.inject(FaultKind::TimeoutAfter);
    let threads = ["a", "b"].map(|key| {
        let client = client.clone();
        thread::spawn(move || {
            client.send(&Call { method: "PUT", key: Some(key), ..Default::default() })
        })
    });
    while s3.unanswered() < 2 {
        thread::yield_now();
    }
    assert_eq!(s3.objects().len(), 1);
    // The requests end with the server.
    drop(s3);
    for thread in threads {
        assert!(thread.join().unwrap().is_err());
    }
}

#[test]
fn faults_choose_their_requests() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    s3.inject(Fault::internal_error().on(Operation::PutObject).after(1).times(2));
    assert_eq!(s3.faults_left(), 1);
    assert_eq!(
        [(); 5].map(|()| (client.put("a", b"").status, client.get("a").status)),
        [(200, 200), (500, 200), (500, 200), (200, 200), (200, 200),]
    );
    assert_eq!(s3.faults_left(), 0);
    s3.inject(Fault::internal_error().for_key("a"));
    assert_eq!((client.get("b").status, client.get("a").status), (404, 500));
    s3.inject(Fault::internal_error());
    s3.clear_faults();
    assert_eq!(client.get("a").status, 200);
}

#[test]
fn every_kind_of_fault_is_seen_by_the_client() {
    let s3 = S3Simulator::start();
    s3.put("a", "0123456789abcdef");
    let client = Client::new(&s3);
    let get = Call { method: "GET", key: Some("a"), ..Default::default() };
    for kind in Fault::all_kinds() {
        if matches!(kind, FaultKind::TimeoutBefore | FaultKind::TimeoutAfter) {
            continue;
        }
        let is_harmless = matches!(kind, FaultKind::Repeated | FaultKind::SlowBody { .. });
        s3.inject(kind.clone());
        let is_right = client.send(&get).is_ok_and(|got| got.body == b"0123456789abcdef");
        assert_eq!(is_right, is_harmless, "{kind:?}");
    }
}
