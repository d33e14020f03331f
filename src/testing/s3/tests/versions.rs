//! Versions of objects, and bulk deletes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::client::{Client, Response};
use crate::testing::s3::{Conditions, S3Simulator};

fn set_versioning(client: &Client, status: &str) -> Response {
    let body =
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    client.call("PUT", None, &[("versioning", "")], &[], body.as_bytes())
}

fn versions(client: &Client, parameters: &[(&str, &str)]) -> Response {
    let mut query = vec![("versions", "")];
    query.extend_from_slice(parameters);
    client.call("GET", None, &query, &[], b"")
}

#[test]
fn an_object_has_versions_and_delete_markers() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    let versioning = || client.call("GET", None, &[("versioning", "")], &[], b"").all("Status");
    assert_eq!(versioning(), Vec::<String>::new());
    assert_eq!(client.put("a", b"0").header("x-amz-version-id"), "");
    assert_eq!(set_versioning(&client, "Enabled").status, 200);
    assert_eq!(versioning(), ["Enabled"]);

    let first = client.put("a", b"1").header("x-amz-version-id").to_owned();
    let second = client.put("a", b"2").header("x-amz-version-id").to_owned();
    let read = |id: &str| client.call("GET", Some("a"), &[("versionId", id)], &[], b"");
    assert_eq!((read("null").text(), read(&first).text()), ("0".to_owned(), "1".to_owned()));
    assert_eq!((client.get("a").text(), read(&second).text()), ("2".to_owned(), "2".to_owned()));
    assert_eq!(read("unknown").code(), "NoSuchVersion");

    let deleted = client.delete("a");
    let marker = deleted.header("x-amz-version-id").to_owned();
    assert_eq!((deleted.status, deleted.header("x-amz-delete-marker")), (204, "true"));
    let gone = client.get("a");
    assert_eq!((gone.status, gone.header("x-amz-delete-marker")), (404, "true"));
    assert_eq!(client.list(&[]).all("Key"), Vec::<String>::new());
    assert_eq!(read(&marker).status, 405);
    assert_eq!(s3.object("a"), None);

    let all = versions(&client, &[]);
    // s3s writes the delete markers first.
    assert_eq!(all.all("VersionId"), [&marker, &second, &first, "null"]);
    assert_eq!(all.all("IsLatest"), ["true", "false", "false", "false"]);

    let remove = |id: &str| client.call("DELETE", Some("a"), &[("versionId", id)], &[], b"");
    assert_eq!(remove(&marker).header("x-amz-delete-marker"), "true");
    assert_eq!(client.get("a").text(), "2");
    assert_eq!(remove(&second).header("x-amz-delete-marker"), "");
    assert_eq!(client.get("a").text(), "1");
    let copy = [("x-amz-copy-source", "f9-test/a?versionId=null")];
    assert_eq!(client.call("PUT", Some("a"), &[], &copy, b"").status, 200);
    assert_eq!(client.get("a").text(), "0");
}

#[test]
fn a_suspended_bucket_replaces_its_null_version() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    set_versioning(&client, "Enabled");
    let kept = client.put("a", b"1").header("x-amz-version-id").to_owned();
    set_versioning(&client, "Suspended");
    client.put("a", b"2");
    client.put("a", b"3");
    assert_eq!(versions(&client, &[]).all("VersionId"), ["null", &kept]);
    client.delete("a");
    let all = versions(&client, &[]);
    assert_eq!(
        (all.all("VersionId"), all.all("DeleteMarker").len()),
        (vec!["null".to_owned(), kept], 1)
    );
}

#[test]
fn a_condition_looks_at_the_current_version() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    set_versioning(&client, "Enabled");
    client.put("a", b"1");
    client.delete("a");
    assert_eq!(s3.versions("a").len(), 1);
    let create = || client.call("PUT", Some("a"), &[], &[("if-none-match", "*")], b"2").status;
    assert_eq!((create(), create()), (200, 412));
}

#[test]
fn versions_are_listed_in_pages() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    set_versioning(&client, "Enabled");
    for key in ["a", "b", "a", "c/1", "c/2", "b", "a"] {
        client.put(key, b"1");
    }
    let all = versions(&client, &[]);
    assert_eq!(all.all("Key"), ["a", "a", "a", "b", "b", "c/1", "c/2"]);
    let list = |size: &str, delimiter: &str| {
        let (mut ids, mut prefixes) = (Vec::new(), Vec::new());
        let (mut key, mut id) = (String::new(), String::new());
        loop {
            let mut query =
                vec![("max-keys", size), ("key-marker", key.as_str()), ("delimiter", delimiter)];
            if !id.is_empty() {
                query.push(("version-id-marker", &id));
            }
            let page = versions(&client, &query);
            ids.extend(page.all("VersionId"));
            prefixes.extend(page.all("CommonPrefixes"));
            if page.only("IsTruncated") == "false" {
                return (ids, prefixes);
            }
            let next = page.all("NextVersionIdMarker").into_iter().next().unwrap_or_default();
            (key, id) = (page.only("NextKeyMarker"), next);
        }
    };
    for size in ["1", "2", "3", "7"] {
        assert_eq!(list(size, "").0, all.all("VersionId"), "{size}");
        let (ids, prefixes) = list(size, "/");
        assert_eq!((ids.as_slice(), prefixes.len()), (&all.all("VersionId")[..5], 1), "{size}");
    }
    assert_eq!(versions(&client, &[("prefix", "b")]).all("Key"), ["b", "b"]);
    // Without a version, the next page begins with the next key.
    assert_eq!(versions(&client, &[("key-marker", "b")]).all("Key"), ["c/1", "c/2"]);
    let contents = s3.versions("b").into_iter().map(|version| version.content);
    assert_eq!(contents.collect::<Vec<_>>(), ["1", "1"]);
    s3.set(|rules| rules.versioning_supported = false);
    assert_eq!(versions(&client, &[]).status, 501);
    assert_eq!(set_versioning(&client, "Enabled").status, 501);
}

/// Deletes the keys in this XML, with an MD5.
fn delete_many(client: &Client, objects: &str) -> Response {
    let body = format!("<Delete>{objects}</Delete>");
    let md5 = STANDARD.encode(Md5::digest(&body));
    client.call("POST", None, &[("delete", "")], &[("content-md5", &md5)], body.as_bytes())
}

#[test]
fn many_objects_are_deleted_at_once() {
    let s3 = S3Simulator::start();
    let client = Client::new(&s3);
    for key in ["a", "b&<", "c", " d ", "e\r\n"] {
        s3.put(key, "1");
    }
    let object = |key: &str| format!("<Object><Key>{key}</Key></Object>");
    let deleted = delete_many(&client, &[object("a"), object("b&amp;&lt;"), object("x")].concat());
    assert_eq!(
        (deleted.status, deleted.all("Key")),
        (200, vec!["a".into(), "b&<".into(), "x".into()])
    );
    let quiet = delete_many(&client, &format!("<Quiet>true</Quiet>{}", object("c")));
    assert_eq!((quiet.status, quiet.all("Key").len()), (200, 0));
    let odd = delete_many(&client, &[object(" d "), object("e&#13;&#10;")].concat());
    assert_eq!(odd.all("Key"), [" d ", "e&#xd;&#xa;"]);
    assert_eq!(s3.objects(), []);

    let stale = "<Object><Key>a</Key><ETag>\"00\"</ETag></Object>";
    s3.put("a", "1");
    s3.put("b", "1");
    let mixed = delete_many(&client, &[stale.to_owned(), object("b")].concat());
    assert_eq!((mixed.status, mixed.only("Code")), (200, "PreconditionFailed".to_owned()));
    assert_eq!(s3.objects().len(), 1);
    s3.set(|rules| rules.delete_conditions = Conditions::Ignored);
    assert_eq!(delete_many(&client, stale).all("Code"), Vec::<String>::new());

    s3.put("a", "1");
    s3.put("b", "1");
    s3.set(|rules| drop(rules.undeletable_keys.insert("a".to_owned(), "InternalError".to_owned())));
    let partly = delete_many(&client, &[object("a"), object("b")].concat());
    assert_eq!((partly.status, partly.all("Code")), (200, vec!["InternalError".to_owned()]));
    assert_eq!((partly.all("Key"), client.delete("a").status), (vec!["b".into(), "a".into()], 500));
    assert_eq!(s3.objects().len(), 1);

    let too_many: String = (0..1001).map(|number| object(&number.to_string())).collect();
    assert_eq!(delete_many(&client, &too_many).code(), "MalformedXML");
}

#[test]
fn a_bulk_delete_needs_a_right_digest() {
    let s3 = S3Simulator::start();
    s3.put("a", "1");
    let client = Client::new(&s3);
    let body = b"<Delete><Object><Key>a</Key></Object></Delete>";
    let delete = |headers: &[(&str, &str)]| {
        client.call("POST", None, &[("delete", "")], headers, body).code()
    };
    assert_eq!(delete(&[]), "InvalidRequest");
    assert_eq!(delete(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]), "BadDigest");
    assert_eq!(delete(&[("x-amz-checksum-crc32", "AAAAAA==")]), "BadDigest");
    assert_eq!(s3.objects().len(), 1);
    s3.set(|rules| rules.bulk_delete_supported = false);
    assert_eq!(delete_many(&client, "<Object><Key>a</Key></Object>").status, 501);
}
