//! Objects, keys, signatures and the state that tests read.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::client::{Client, http_date};
use crate::testing::s3::{Operation, S3Simulator};

#[test]
fn an_object_is_put_read_listed_and_deleted() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let put = client.call(
        "PUT",
        Some("notes/a.txt"),
        &[],
        &[("content-type", "text/plain"), ("x-amz-meta-color", "red")],
        b"hello",
    );
    assert_eq!((put.status, put.etag()), (200, "5d41402abc4b2a76b9719d911017c592"));

    let get = client.get("notes/a.txt");
    assert_eq!((get.status, get.text().as_str()), (200, "hello"));
    assert_eq!(get.header("content-type"), "text/plain");
    assert_eq!(get.header("x-amz-meta-color"), "red");
    assert_eq!(get.etag(), put.etag());
    assert!(httpdate::parse_http_date(get.header("last-modified")).is_ok());
    assert!(!get.header("x-amz-request-id").is_empty());

    let head = client.call("HEAD", Some("notes/a.txt"), &[], &[], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "5", 0));
    assert_eq!(client.list(&[]).all("Key"), ["notes/a.txt"]);

    let stored = s3.object("notes/a.txt").unwrap();
    assert_eq!(
        (&*stored.content, stored.content_type.as_deref()),
        (&b"hello"[..], Some("text/plain"))
    );
    assert_eq!(stored.metadata["color"], "red");

    assert_eq!(client.delete("notes/a.txt").status, 204);
    assert_eq!(client.delete("notes/a.txt").status, 204);
    let gone = client.get("notes/a.txt");
    assert_eq!((gone.status, gone.code().as_str()), (404, "NoSuchKey"));
    assert_eq!(gone.only("RequestId"), gone.header("x-amz-request-id"));
    assert_eq!(s3.objects(), []);
}

#[test]
fn the_default_content_type_is_that_of_s3() {
    let s3 = S3Simulator::start();
    s3.put("a", "1");
    assert_eq!(Client::new(&s3).get("a").header("content-type"), "binary/octet-stream");
    assert_eq!(s3.object("a").unwrap().content_type, None);
}

#[test]
fn any_key_is_kept_as_it_is() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let keys = [
        "/a",
        "//",
        "a//b",
        "a/",
        ".",
        "..",
        "../a",
        "a/./b",
        " ",
        " a ",
        "a\nb",
        "a\r",
        "\u{1}",
        "\u{7f}",
        "+",
        "%",
        "%2F",
        "a?b#c",
        "ü",
        "u\u{308}",
        "日本",
        "🦀",
        "<&>\"'",
        "SlowDown",
        "InternalError",
        "\\",
        "*",
        "~",
        "a=b&c",
        "\u{feff}",
    ];
    for key in keys {
        let put = client.put(key, key.as_bytes());
        assert_eq!(put.status, 200, "{key:?}: {}", put.text());
        assert_eq!(client.get(key).body, key.as_bytes(), "{key:?}");
    }
    let stored: Vec<String> = s3.objects().into_iter().map(|object| object.key).collect();
    let mut expected = keys.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(stored, expected);
    for key in keys {
        assert_eq!(client.delete(key).status, 204, "{key:?}");
    }
    assert_eq!(s3.objects(), []);
}

#[test]
fn keys_have_at_most_1024_bytes() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    assert_eq!(client.put(&"ü".repeat(512), b"").status, 200);
    let refused = client.put(&format!("{}a", "ü".repeat(512)), b"");
    assert_eq!((refused.status, refused.code().as_str()), (400, "KeyTooLongError"));
}

#[test]
fn ranges_are_cut_and_refused() {
    let s3 = S3Simulator::start();
    s3.put("a", "0123456789");
    s3.put("empty", "");
    let client = Client::new(&s3);
    let range = |key: &str, range: &str| {
        let got = client.call("GET", Some(key), &[], &[("range", range)], b"");
        (got.status, got.header("content-range").to_owned(), got.text())
    };
    let part = |text: &str, range: &str| (206, range.to_owned(), text.to_owned());
    assert_eq!(range("a", "bytes=2-4"), part("234", "bytes 2-4/10"));
    assert_eq!(range("a", "bytes=7-"), part("789", "bytes 7-9/10"));
    assert_eq!(range("a", "bytes=8-99"), part("89", "bytes 8-9/10"));
    assert_eq!(range("a", "bytes=-3"), part("789", "bytes 7-9/10"));
    assert_eq!(range("a", "bytes=-99"), part("0123456789", "bytes 0-9/10"));
    let (status, content_range, text) = range("a", "bytes=10-");
    assert_eq!((status, content_range.as_str()), (416, "bytes */10"));
    assert!(text.contains("<Code>InvalidRange</Code>"));
    assert_eq!(range("empty", "bytes=0-").0, 416);
}

#[test]
fn signatures_are_checked() {
    let s3 = S3Simulator::start();
    s3.put("a", "1");
    let client = Client::new(&s3);
    let code = |client: &Client| {
        let got = client.get("a");
        (got.status, got.code())
    };
    let wrong_secret = Client { secret_key: "wrong".to_owned(), ..client.clone() };
    assert_eq!(code(&wrong_secret), (403, "SignatureDoesNotMatch".to_owned()));
    let unknown = Client { access_key: "AKIAUNKNOWN".to_owned(), ..client.clone() };
    assert_eq!(code(&unknown), (403, "InvalidAccessKeyId".to_owned()));
    let abroad = Client { region: "eu-central-1".to_owned(), ..client.clone() };
    assert_eq!(code(&abroad), (400, "AuthorizationHeaderMalformed".to_owned()));
    let late = Client { now: SystemTime::now() - Duration::from_secs(3600), ..client.clone() };
    assert_eq!(code(&late), (403, "RequestTimeTooSkewed".to_owned()));
    let unsigned = client.unsigned("GET", &client.path(Some("a")), b"");
    assert_eq!((unsigned.status, unsigned.code().as_str()), (403, "AccessDenied"));
    assert_eq!(client.get("a").status, 200);
}

#[test]
fn presigned_urls_work_until_they_expire() {
    let s3 = S3Simulator::start();
    s3.put("ü a", "1");
    let client = Client::new(&s3);
    let url = client.presign("GET", "ü a", Duration::from_secs(60));
    assert_eq!(client.unsigned("GET", &url, b"").text(), "1");
    let put = client.presign("PUT", "new", Duration::from_secs(60));
    assert_eq!(client.unsigned("PUT", &put, b"body").status, 200);
    assert_eq!(s3.object("new").unwrap().content, "body");

    let tampered = url.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_eq!(client.unsigned("GET", &tampered, b"").code(), "SignatureDoesNotMatch");
    let old = Client { now: SystemTime::now() - Duration::from_secs(61), ..client.clone() };
    let expired = client.unsigned("GET", &old.presign("GET", "ü a", Duration::from_secs(60)), b"");
    assert_eq!((expired.status, expired.code().as_str()), (403, "AccessDenied"));
    let abroad = Client { region: "eu-central-1".to_owned(), ..client.clone() };
    let wrong = abroad.presign("GET", "ü a", Duration::from_secs(60));
    assert_eq!(client.unsigned("GET", &wrong, b"").code(), "AuthorizationHeaderMalformed");
    assert!(s3.requests().iter().all(|request| !request.query.contains("Signature=")));
}

#[test]
fn wrong_digests_are_refused_and_right_ones_returned() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let put = |header: (&str, &str)| client.call("PUT", Some("a"), &[], &[header], b"hello");
    let sha256 = STANDARD.encode(Sha256::digest(b"hello"));
    let checksums = [
        ("x-amz-checksum-crc32", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "mnG7TA=="),
        ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-amz-checksum-sha256", sha256.as_str()),
        ("x-amz-checksum-crc64nvme", "M3eFcAZSQlc="),
    ];
    for (name, right) in checksums {
        let put = put((name, right));
        assert_eq!((put.status, put.header(name)), (200, right), "{name}: {}", put.text());
        let with_checksum =
            client.call("GET", Some("a"), &[], &[("x-amz-checksum-mode", "ENABLED")], b"");
        assert_eq!(with_checksum.header(name), right);
        assert_eq!(with_checksum.header("x-amz-checksum-type"), "FULL_OBJECT");
        assert_eq!(client.get("a").header(name), "");
    }
    s3.clear();
    for (name, right) in checksums {
        let digest = STANDARD.decode(right).unwrap();
        let wrong = STANDARD.encode(vec![0; digest.len()]);
        let refused = put((name, &wrong));
        assert_eq!((refused.status, refused.code().as_str()), (400, "BadDigest"), "{name}");
    }
    assert_eq!(put(("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")).code(), "BadDigest");
    assert_eq!(put(("content-md5", "AAAA")).code(), "InvalidDigest");
    assert_eq!(s3.objects(), []);
    assert_eq!(put(("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")).status, 200);
}

#[test]
fn user_metadata_has_a_limit() {
    let s3 = S3Simulator::start();
    s3.set(|rules| rules.metadata_limit = 10);
    let client = Client::new(&s3);
    let put =
        |value: &str| client.call("PUT", Some("a"), &[], &[("x-amz-meta-name", value)], b"").code();
    assert_eq!(put("123456"), "");
    assert_eq!(put("1234567"), "MetadataTooLarge");
}

#[test]
fn requests_are_logged_without_secrets() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    client.call("PUT", Some("a b"), &[], &[("x-amz-meta-x", "1")], b"hello");
    client.list(&[("prefix", "a b")]);
    client.call("POST", Some("a b"), &[("uploads", "")], &[], b"");
    let requests = s3.take_requests();
    let operations: Vec<Operation> = requests.iter().map(|request| request.operation).collect();
    assert_eq!(
        operations,
        [Operation::PutObject, Operation::ListObjectsV2, Operation::CreateMultipartUpload]
    );
    let put = &requests[0];
    assert_eq!((put.number, put.status, put.body_length), (0, Some(200), 5));
    assert_eq!((put.method.as_str(), put.key.as_deref()), ("PUT", Some("a b")));
    assert_eq!(put.headers["x-amz-meta-x"], "1");
    assert!(!put.headers.contains_key("authorization"));
    assert_eq!(requests[1].query, "list-type=2&prefix=a%20b");
    assert_eq!((requests[1].number, requests[1].key.as_deref()), (1, None));
    assert_eq!(s3.requests(), []);
}

#[test]
fn buckets_are_made_and_removed() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let bucket = |method: &str| client.call(method, None, &[], &[], b"");
    assert_eq!((bucket("HEAD").status, bucket("PUT").status), (200, 200));
    s3.put("a", "1");
    assert_eq!(bucket("DELETE").code(), "BucketNotEmpty");
    s3.clear();
    assert_eq!(bucket("DELETE").status, 204);
    assert_eq!(bucket("HEAD").status, 404);
    assert_eq!(client.list(&[]).code(), "NoSuchBucket");
    assert_eq!(client.put("a", b"").code(), "NoSuchBucket");
    assert_eq!(bucket("PUT").status, 200);
    assert_eq!(client.put("a", b"").status, 200);
    let location = client.call("GET", None, &[("location", "")], &[], b"");
    assert_eq!(location.status, 200);
}

#[test]
fn a_time_of_modification_is_moved_back() {
    let s3 = S3Simulator::start();
    s3.put("a", "1");
    s3.backdate("a", Duration::from_secs(1000));
    let got = Client::new(&s3).get("a");
    let modified = httpdate::parse_http_date(got.header("last-modified")).unwrap();
    assert!(modified < SystemTime::now() - Duration::from_secs(999));
    assert_eq!(http_date(modified), got.header("last-modified"));
}

#[test]
fn a_dropped_simulator_leaves_no_thread() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    assert_eq!(client.put("a", b"").status, 200);
    drop(s3);
    let call = super::client::Call { method: "GET", key: Some("a"), ..Default::default() };
    assert!(client.send(&call).is_err());
}
