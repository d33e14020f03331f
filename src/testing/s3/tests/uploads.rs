//! Uploads in parts, and copies.

use super::client::{Client, Response};
use crate::testing::s3::{Conditions, S3Simulator};

fn start(client: &Client, key: &str, headers: &[(&str, &str)]) -> String {
    let started = client.call("POST", Some(key), &[("uploads", "")], headers, b"");
    assert_eq!(started.status, 200, "{}", started.text());
    started.only("UploadId")
}

fn put_part(client: &Client, key: &str, id: &str, number: &str, body: &[u8]) -> Response {
    client.call("PUT", Some(key), &[("partNumber", number), ("uploadId", id)], &[], body)
}

/// Completes an upload with these parts as pairs of a number and an `ETag`.
fn complete(
    client: &Client,
    key: &str,
    id: &str,
    parts: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Response {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>")
        })
        .collect();
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    client.call("POST", Some(key), &[("uploadId", id)], headers, body.as_bytes())
}

#[test]
fn parts_become_an_object() {
    let s3 = S3Simulator::start();
    s3.set(|rules| rules.min_part_size = 3);
    let client = Client::new(&s3);
    let id = start(&client, "a", &[("content-type", "text/plain"), ("x-amz-meta-x", "1")]);
    let first = put_part(&client, "a", &id, "1", b"abc");
    let third = put_part(&client, "a", &id, "3", b"d");
    assert_eq!(s3.uploads()[0].parts[&3], "d");
    assert_eq!((s3.uploads()[0].key.as_str(), &s3.uploads()[0].id), ("a", &id));
    assert!(s3.objects().is_empty());

    let done = complete(&client, "a", &id, &[("1", first.etag()), ("3", third.etag())], &[]);
    assert_eq!(done.status, 200, "{}", done.text());
    // The MD5 of the MD5s of `abc` and `d`.
    let etag = "eb9c19c76ff9ad83c9d6b1c04b44f3a3-2";
    assert_eq!(done.only("ETag").trim_matches('"').len(), etag.len());
    let get = client.get("a");
    assert_eq!((get.text().as_str(), get.header("content-type")), ("abcd", "text/plain"));
    assert_eq!(get.header("x-amz-meta-x"), "1");
    assert_eq!(format!("\"{}\"", get.etag()), done.only("ETag"));
    assert!(get.etag().ends_with("-2"));
    assert_eq!(s3.uploads(), []);
    let range = client.call("GET", Some("a"), &[], &[("range", "bytes=1-3")], b"");
    assert_eq!(range.text(), "bcd");
    let part = client.call("GET", Some("a"), &[("partNumber", "2")], &[], b"");
    assert_eq!((part.text().as_str(), part.header("x-amz-mp-parts-count")), ("d", "2"));

    let again = complete(&client, "a", &id, &[("1", first.etag()), ("3", third.etag())], &[]);
    assert_eq!((again.status, again.code().as_str()), (404, "NoSuchUpload"));
}

#[test]
fn a_completion_names_its_parts_exactly() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let id = start(&client, "a", &[]);
    let one = put_part(&client, "a", &id, "1", b"1").etag().to_owned();
    let two = put_part(&client, "a", &id, "2", b"2").etag().to_owned();
    let code = |parts: &[(&str, &str)]| complete(&client, "a", &id, parts, &[]).code();
    assert_eq!(code(&[("1", &two)]), "InvalidPart");
    assert_eq!(code(&[("3", &one)]), "InvalidPart");
    assert_eq!(code(&[("2", &two), ("1", &one)]), "InvalidPartOrder");
    assert_eq!(code(&[("1", &one), ("1", &one)]), "InvalidPartOrder");
    assert_eq!(code(&[]), "MalformedXML");
    assert_eq!(code(&[("1", &one), ("2", &two)]), "EntityTooSmall");
    assert_eq!(put_part(&client, "a", &id, "0", b"").code(), "InvalidArgument");
    assert_eq!(put_part(&client, "a", &id, "10001", b"").code(), "InvalidArgument");
    assert_eq!(put_part(&client, "b", &id, "1", b"").code(), "NoSuchUpload");
    // The last part may be of any size.
    assert_eq!(code(&[("2", &two)]), "");
    assert_eq!(s3.object("a").unwrap().content, "2");
}

#[test]
fn a_completion_honours_its_conditions() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let id = start(&client, "a", &[]);
    let part = put_part(&client, "a", &id, "1", b"1").etag().to_owned();
    let finish = |id: &str, condition: (&str, &str)| {
        complete(&client, "a", id, &[("1", &part)], &[condition]).status
    };
    let etag = format!("\"{}\"", s3.put("a", "0"));
    assert_eq!(finish(&id, ("if-none-match", "*")), 412);
    assert_eq!(finish(&id, ("if-match", "\"00\"")), 412);
    assert_eq!((s3.object("a").unwrap().content, s3.uploads().len()), ("0".into(), 1));
    assert_eq!(finish(&id, ("if-match", &etag)), 200);
    let id = start(&client, "a", &[]);
    assert_eq!(put_part(&client, "a", &id, "1", b"1").status, 200);
    s3.set(|rules| rules.complete_conditions = Conditions::Ignored);
    assert_eq!(finish(&id, ("if-none-match", "*")), 200);
}

#[test]
fn an_aborted_upload_is_gone() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let id = start(&client, "a", &[]);
    let abort = || client.call("DELETE", Some("a"), &[("uploadId", &id)], &[], b"");
    assert_eq!(abort().status, 204);
    assert_eq!(abort().code(), "NoSuchUpload");
    assert_eq!(put_part(&client, "a", &id, "1", b"").code(), "NoSuchUpload");
    assert_eq!(s3.uploads(), []);
}

#[test]
fn uploads_and_parts_are_listed_in_pages() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let started: Vec<(&str, String)> =
        ["b", "a", "d/x", "d/y", "a"].map(|key| (key, start(&client, key, &[]))).into();
    let list = |parameters: &[(&str, &str)]| {
        let mut query = vec![("uploads", "")];
        query.extend_from_slice(parameters);
        client.call("GET", None, &query, &[], b"")
    };
    let all = list(&[]);
    assert_eq!(all.all("Key"), ["a", "a", "b", "d/x", "d/y"]);
    assert_eq!(list(&[("delimiter", "/"), ("prefix", "d")]).all("Key"), Vec::<String>::new());
    let mut ids = Vec::new();
    let (mut key, mut id) = (String::new(), String::new());
    loop {
        let page = list(&[("max-uploads", "1"), ("key-marker", &key), ("upload-id-marker", &id)]);
        ids.push(page.only("UploadId"));
        if page.only("IsTruncated") == "false" {
            break;
        }
        (key, id) = (page.only("NextKeyMarker"), page.only("NextUploadIdMarker"));
    }
    assert_eq!(ids, all.all("UploadId"));
    assert_eq!(ids[..2], [started[1].1.clone(), started[4].1.clone()]);

    let id = &started[0].1;
    for number in ["1", "2", "7"] {
        put_part(&client, "b", id, number, number.as_bytes());
    }
    let parts = |marker: &str| {
        let query = [("uploadId", id.as_str()), ("max-parts", "2"), ("part-number-marker", marker)];
        client.call("GET", Some("b"), &query, &[], b"")
    };
    let page = parts("0");
    assert_eq!(
        (page.all("PartNumber"), page.only("IsTruncated")),
        (vec!["1".into(), "2".into()], "true".into())
    );
    assert_eq!(page.only("NextPartNumberMarker"), "2");
    let page = parts("2");
    assert_eq!(
        (page.all("PartNumber"), page.only("IsTruncated")),
        (vec!["7".into()], "false".into())
    );
    s3.set(|rules| rules.list_uploads_supported = false);
    assert_eq!(list(&[]).status, 501);
}

#[test]
fn checksums_of_parts_are_combined() {
    let s3 = S3Simulator::start();
    s3.set(|rules| rules.min_part_size = 1);
    let client = Client::new(&s3);
    let upload = |algorithm: &str, kind: &str| {
        let headers = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
        let id = start(&client, "a", &headers);
        let (one, two) =
            (put_part(&client, "a", &id, "1", b"hel"), put_part(&client, "a", &id, "2", b"lo"));
        let parts = [("1", one.etag()), ("2", two.etag())];
        assert_eq!(complete(&client, "a", &id, &parts, &[]).status, 200);
        let got = client.call("GET", Some("a"), &[], &[("x-amz-checksum-mode", "ENABLED")], b"");
        let name = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        (got.header(&name).to_owned(), got.header("x-amz-checksum-type").to_owned())
    };
    let full = "FULL_OBJECT".to_owned();
    assert_eq!(upload("CRC32", "FULL_OBJECT"), ("NhCmhg==".to_owned(), full.clone()));
    assert_eq!(upload("CRC64NVME", "FULL_OBJECT"), ("M3eFcAZSQlc=".to_owned(), full));
    let (value, kind) = upload("SHA256", "COMPOSITE");
    assert!(value.ends_with("-2"), "{value}");
    assert_eq!(kind, "COMPOSITE");
}

#[test]
fn an_object_is_copied_with_or_without_its_metadata() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let attributes = [("content-type", "text/plain"), ("x-amz-meta-x", "1")];
    client.call("PUT", Some("a ü+/%2F"), &[], &attributes, b"hello");
    let source = ("x-amz-copy-source", "/f9-test/a%20%C3%BC%2B/%252F");
    let copy = |to: &str, headers: &[(&str, &str)]| {
        let headers = [&[source][..], headers].concat();
        client.call("PUT", Some(to), &[], &headers, b"")
    };
    let copied = copy("b", &[("x-amz-meta-y", "2")]);
    assert_eq!(copied.status, 200, "{}", copied.text());
    let stored = s3.object("b").unwrap();
    assert_eq!(copied.only("ETag"), format!("\"{}\"", stored.etag));
    assert_eq!(
        (&*stored.content, stored.content_type.as_deref()),
        (&b"hello"[..], Some("text/plain"))
    );
    assert_eq!(stored.metadata, [("x".to_owned(), "1".to_owned())].into());

    let replace = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-y", "2")];
    assert_eq!(copy("b", &replace).status, 200);
    let stored = s3.object("b").unwrap();
    assert_eq!(
        (stored.content_type, stored.metadata),
        (None, [("y".to_owned(), "2".to_owned())].into())
    );

    assert_eq!(copy("a ü+/%2F", &[]).code(), "InvalidRequest");
    assert_eq!(copy("a ü+/%2F", &replace).status, 200);
    s3.set(|rules| rules.max_copy_size = 4);
    assert_eq!(copy("c", &[]).code(), "InvalidRequest");
    s3.remove("a ü+/%2F");
    assert_eq!(copy("c", &[]).code(), "NoSuchKey");
}

#[test]
fn a_part_is_copied_from_a_range() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let etag = format!("\"{}\"", s3.put("from", "0123456789"));
    let id = start(&client, "to", &[]);
    let copy = |headers: &[(&str, &str)]| {
        let headers = [&[("x-amz-copy-source", "f9-test/from")][..], headers].concat();
        client.call("PUT", Some("to"), &[("partNumber", "1"), ("uploadId", &id)], &headers, b"")
    };
    assert_eq!(copy(&[("x-amz-copy-source-range", "bytes=0-10")]).code(), "InvalidArgument");
    assert_eq!(copy(&[("x-amz-copy-source-range", "bytes=4-")]).code(), "InvalidArgument");
    assert_eq!(copy(&[("x-amz-copy-source-if-none-match", &etag)]).status, 412);
    let part = copy(&[("x-amz-copy-source-range", "bytes=2-4")]).only("ETag");
    let done = complete(&client, "to", &id, &[("1", part.trim_matches('"'))], &[]);
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(s3.object("to").unwrap().content, "234");
    s3.set(|rules| rules.part_copy_supported = false);
    assert_eq!(copy(&[]).status, 501);
}
