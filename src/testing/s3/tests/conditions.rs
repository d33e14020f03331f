//! Conditions of reads, writes, copies and deletes.

use std::time::{Duration, SystemTime};
use std::{iter, thread};

use super::client::{Client, Response, http_date};
use crate::testing::s3::{Conditions, S3Simulator};

/// Any `ETag` that no object has.
const STALE: &str = "\"00000000000000000000000000000000\"";

fn put(client: &Client, condition: (&str, &str), body: &str) -> Response {
    client.call("PUT", Some("a"), &[], &[condition], body.as_bytes())
}

fn outcome(response: &Response) -> (u16, String) {
    (response.status, response.code())
}

fn failed() -> (u16, String) {
    (412, "PreconditionFailed".to_owned())
}

#[test]
fn a_put_honours_its_conditions() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    assert_eq!(outcome(&put(&client, ("if-match", STALE), "0")), (404, "NoSuchKey".to_owned()));
    assert_eq!(put(&client, ("if-none-match", "*"), "1").status, 200);
    assert_eq!(outcome(&put(&client, ("if-none-match", "*"), "2")), failed());
    assert_eq!(outcome(&put(&client, ("if-match", STALE), "3")), failed());
    assert_eq!(s3.object("a").unwrap().content, "1");
    let etag = format!("\"{}\"", s3.object("a").unwrap().etag);
    assert_eq!(put(&client, ("if-match", &etag), "4").status, 200);
    assert_eq!(s3.object("a").unwrap().content, "4");
    assert_eq!(put(&client, ("if-none-match", STALE), "5").status, 501);
}

#[test]
fn one_of_many_creators_wins() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    for round in 0..4 {
        let key = format!("key {round}");
        let statuses: Vec<(u8, u16)> = thread::scope(|scope| {
            let (client, key) = (&client, &key);
            let create = move |number: u8| {
                let condition = [("if-none-match", "*")];
                (number, client.call("PUT", Some(key), &[], &condition, &[number]).status)
            };
            let threads: Vec<_> =
                (0..32).map(|number| scope.spawn(move || create(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<u8> = statuses
            .iter()
            .filter(|(_, status)| *status == 200)
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|(_, status)| [200, 412].contains(status)));
        assert_eq!(s3.object(&key).unwrap().content, winners);
    }
}

#[test]
fn no_update_with_a_matching_etag_is_lost() {
    let s3 = S3Simulator::start();
    s3.put("a", "");
    let client = Client::new(&s3);
    let add = |byte: u8| {
        let attempts = iter::repeat_with(|| {
            let read = client.get("a");
            let body = [read.body.as_slice(), &[byte]].concat();
            let condition = [("if-match", read.header("etag"))];
            client.call("PUT", Some("a"), &[], &condition, &body).status
        });
        assert!(attempts.take(1000).any(|status| status == 200));
    };
    thread::scope(|scope| {
        for byte in 0..8 {
            scope.spawn(move || add(byte));
        }
    });
    let mut bytes = s3.object("a").unwrap().content.to_vec();
    bytes.sort_unstable();
    assert_eq!(bytes, (0..8).collect::<Vec<u8>>());
}

#[test]
fn reads_honour_conditions_in_the_order_of_rfc_9110() {
    let s3 = S3Simulator::start();
    let etag = format!("\"{}\"", s3.put("a", "1"));
    s3.backdate("a", Duration::from_secs(100));
    let client = Client::new(&s3);
    let status = |conditions: &[(&str, &str)]| {
        let got = client.call("GET", Some("a"), &[], conditions, b"");
        let head = client.call("HEAD", Some("a"), &[], conditions, b"");
        assert_eq!(got.status, head.status);
        if got.status == 304 {
            assert_eq!((got.header("etag"), got.body.len()), (etag.as_str(), 0));
        }
        got.status
    };
    let before = http_date(SystemTime::now() - Duration::from_secs(200));
    let later = http_date(SystemTime::now());
    let modified = client.get("a").header("last-modified").to_owned();
    assert_eq!(status(&[("if-match", &etag)]), 200);
    assert_eq!(status(&[("if-match", "*")]), 200);
    assert_eq!(status(&[("if-match", STALE)]), 412);
    assert_eq!(status(&[("if-match", &format!("W/{etag}"))]), 412);
    assert_eq!(status(&[("if-none-match", &etag)]), 304);
    assert_eq!(status(&[("if-none-match", &format!("W/{etag}"))]), 304);
    assert_eq!(status(&[("if-none-match", "*")]), 304);
    assert_eq!(status(&[("if-none-match", STALE)]), 200);
    assert_eq!(status(&[("if-modified-since", &before)]), 200);
    assert_eq!(status(&[("if-modified-since", &later)]), 304);
    assert_eq!(status(&[("if-modified-since", &modified)]), 304);
    assert_eq!(status(&[("if-unmodified-since", &before)]), 412);
    assert_eq!(status(&[("if-unmodified-since", &later)]), 200);
    assert_eq!(status(&[("if-unmodified-since", &modified)]), 200);
    // A condition on the ETag wins over one on the time.
    assert_eq!(status(&[("if-match", &etag), ("if-unmodified-since", &before)]), 200);
    assert_eq!(status(&[("if-none-match", STALE), ("if-modified-since", &later)]), 200);
    assert_eq!(status(&[("if-none-match", &etag), ("if-modified-since", &before)]), 304);
    // One that must hold wins over one that saves the transfer.
    assert_eq!(status(&[("if-match", STALE), ("if-none-match", &etag)]), 412);
    assert_eq!(status(&[("if-match", &etag), ("if-none-match", &etag)]), 304);
    // Conditions come before ranges.
    assert_eq!(status(&[("if-match", STALE), ("range", "bytes=9-")]), 412);
}

#[test]
fn a_delete_honours_if_match() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let delete = |etag: &str| client.call("DELETE", Some("a"), &[], &[("if-match", etag)], b"");
    assert_eq!(outcome(&delete("*")), failed());
    let etag = s3.put("a", "1");
    assert_eq!(outcome(&delete(STALE)), failed());
    assert!(s3.object("a").is_some());
    assert_eq!(delete(&format!("\"{etag}\"")).status, 204);
    assert_eq!(s3.objects(), []);
    s3.set(|rules| rules.delete_conditions = Conditions::Ignored);
    s3.put("a", "1");
    assert_eq!(delete(STALE).status, 204);
    assert_eq!(s3.objects(), []);
}

#[test]
fn a_copy_honours_conditions_on_source_and_destination() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let source = format!("\"{}\"", s3.put("from", "1"));
    let copy = |condition: (&str, &str)| {
        let headers = [("x-amz-copy-source", "f9-test/from"), condition];
        outcome(&client.call("PUT", Some("to"), &[], &headers, b""))
    };
    let done = (200, String::new());
    assert_eq!(copy(("x-amz-copy-source-if-match", STALE)), failed());
    assert_eq!(copy(("x-amz-copy-source-if-none-match", &source)), failed());
    assert!(s3.object("to").is_none());
    assert_eq!(copy(("x-amz-copy-source-if-match", &source)), done);
    assert_eq!(copy(("if-none-match", "*")), failed());
    assert_eq!(copy(("if-match", STALE)), failed());
    assert_eq!(copy(("if-match", &source)), done);
    s3.set(|rules| rules.copy_conditions = Conditions::Ignored);
    assert_eq!(copy(("if-none-match", "*")), done);
}

#[test]
fn rules_say_what_becomes_of_conditions() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let etag = format!("\"{}\"", s3.put("a", "1"));
    let right = ("if-match", etag.as_str());
    s3.set(|rules| rules.put_conditions = Conditions::Unsupported);
    assert_eq!(put(&client, right, "1").status, 501);
    assert_eq!(client.put("a", b"1").status, 200);
    s3.set(|rules| rules.put_conditions = Conditions::CreateOnly);
    assert_eq!(outcome(&put(&client, right, "1")), failed());
    assert_eq!(outcome(&put(&client, ("if-none-match", "*"), "1")), failed());
    s3.set(|rules| rules.put_conditions = Conditions::Ignored);
    assert_eq!(put(&client, ("if-none-match", "*"), "2").status, 200);
    assert_eq!(s3.object("a").unwrap().content, "2");
    s3.set(|rules| rules.read_conditions = Conditions::Ignored);
    let got = client.call("GET", Some("a"), &[], &[("if-match", STALE)], b"");
    assert_eq!((got.status, got.text().as_str()), (200, "2"));
}
