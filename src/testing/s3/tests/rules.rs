//! Rules that other tests do not cover.

use std::time::{Duration, Instant};

use super::client::Client;
use crate::testing::s3::{Rules, S3Simulator};

#[test]
fn a_latency_delays_every_request() {
    let s3 = S3Simulator::start();
    s3.set(|rules| rules.latency = Duration::from_millis(30));
    let start = Instant::now();
    assert_eq!(Client::new(&s3).get("a").status, 404);
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_server_without_checksums_ignores_them() {
    let s3 = S3Simulator::start();
    s3.set(|rules| rules.checksums_supported = false);
    let client = Client::new(&s3);
    let wrong = [("x-amz-checksum-crc32", "AAAAAA==")];
    let put = client.call("PUT", Some("a"), &[], &wrong, b"1");
    assert_eq!((put.status, put.header("x-amz-checksum-crc32")), (200, ""));
    let got = client.call("GET", Some("a"), &[], &[("x-amz-checksum-mode", "ENABLED")], b"");
    assert!(!got.headers.keys().any(|name| name.starts_with("x-amz-checksum")), "{got:?}");
}

#[test]
fn a_large_body_is_refused() {
    let s3 = S3Simulator::start();
    s3.set(|rules| rules.max_put_size = 3);
    let client = Client::new(&s3);
    assert_eq!(client.put("a", b"123").status, 200);
    assert_eq!(client.put("a", b"1234").code(), "EntityTooLarge");
}

#[test]
fn an_open_server_needs_no_signature_but_checks_one() {
    let s3 = S3Simulator::start();
    s3.put_with("a", "1", Some("text/plain"), &[("mtime", "12.5")]);
    s3.set(|rules| rules.anonymous = true);
    let client = Client::new(&s3);
    let got = client.unsigned("GET", &client.path(Some("a")), b"");
    assert_eq!((got.status, got.header("content-type")), (200, "text/plain"));
    assert_eq!(got.header("x-amz-meta-mtime"), "12.5");
    let wrong = Client { secret_key: "wrong".to_owned(), ..client };
    assert_eq!(wrong.get("a").code(), "SignatureDoesNotMatch");
}

#[test]
fn the_limits_are_those_of_amazon() {
    let rules = Rules::default();
    assert_eq!((rules.min_part_size, rules.max_copy_size), (5 << 20, 5 << 30));
    assert_eq!((rules.metadata_limit, rules.page_size), (2048, 1000));
}
