//! The rules for files, attributes, pages and errors: the default rules and changed ones.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::TestClient;
use crate::testing::openai::{
    AttributeUpdates, BetaHeader, ErrorShape, FaultKind, OpenAISimulator, PageIds, Rules,
    UnknownAfter,
};

#[tokio::test]
async fn the_lenient_rules_differ_only_in_downloads() {
    let client = TestClient::with(OpenAISimulator::lenient());
    let id = client.upload("a.txt", "assistants", b"hello").await;
    let content = client.request(Method::GET, &format!("files/{id}/content")).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), "hello");
    let mut lenient = Rules::lenient();
    lenient.forbidden_downloads = Rules::default().forbidden_downloads;
    assert_eq!(lenient, Rules::default());
}

#[tokio::test]
async fn files_with_wrong_names_or_sizes_are_refused() {
    let client = TestClient::strict();
    let refused = client.try_upload("a.txt", "assistants", b"").await;
    assert_eq!(refused.error(), (400, "File is empty.", None));
    for name in ["a.vb", "upload", "a.txt.", ".txt.exe"] {
        assert_eq!(client.try_upload(name, "assistants", b"x").await.status, 400, "{name}");
        client.upload(name, "user_data", b"x").await;
    }
    let refused = client.try_upload("a.vb", "assistants", b"x").await;
    let formats = r#"Invalid extension vb. Supported formats: "c", "cpp", "css", "csv", "docx", "gif", "go", "html", "java", "jpeg", "jpg", "js", "json", "md", "pdf", "php", "pkl", "png", "pptx", "py", "rb", "tar", "tex", "ts", "txt", "webp", "xlsx", "xml", "zip""#;
    assert_eq!(refused.error(), (400, formats, None));
    client.upload("A.TXT", "assistants", b"x").await;
    let refused = client.try_upload("a.txt", "batch", b"x").await;
    assert_eq!(refused.error().1, "Invalid file format for Batch API. Must be .jsonl");

    client.openai.set(|rules| {
        rules.refuse_empty_files = false;
        rules.upload_extensions = None;
        rules.max_file_bytes = 3;
    });
    client.upload("a.vb", "assistants", b"").await;
    client.upload("a.vb", "assistants", b"123").await;
    assert_eq!(client.try_upload("a.vb", "assistants", b"1234").await.status, 413);
}

#[tokio::test]
async fn a_vector_store_accepts_only_certain_extensions() {
    let client = TestClient::strict();
    let endings = "c cpp cs css doc docx go html java js json md pdf php pptx py rb sh tex ts txt";
    for ending in endings.split(' ') {
        let id = client.upload(&format!("a.{ending}"), "user_data", b"x").await;
        client.try_attach(&id, json!({})).await.ok();
    }
    for (name, shown) in [("a.csv", ".csv"), ("a.xml", ".xml"), ("a.rs", ".rs"), ("upload", "none")]
    {
        let id = client.upload(name, "user_data", b"x").await;
        let refused = client.try_attach(&id, json!({})).await;
        let message = format!(
            "Files with extensions [{shown}] are not supported for retrieval. See \
             https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
        );
        assert_eq!(refused.error(), (400, message.as_str(), Some("unsupported_file")));
        assert_eq!(refused.json["error"]["param"], "file_ids");
        let batch = client.post(&client.at("/file_batches"), json!({ "file_ids": [id] })).await;
        assert_eq!(batch.error().2, Some("unsupported_file"));
    }
    client.openai.set(|rules| rules.attach_extensions = None);
    let id = client.upload("upload", "user_data", b"x").await;
    client.try_attach(&id, json!({})).await.ok();
}

#[tokio::test]
async fn attributes_beyond_the_limits_are_refused() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "assistants", b"x").await;
    let many = |count: usize| -> Value {
        (0..count)
            .map(|key| (format!("k{key}"), json!(key)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let text = |length| json!({ "a": "ü".repeat(length) });
    for (valid, invalid, code) in [
        (many(16), many(17), "object_above_max_properties"),
        (json!({ "k".repeat(64): 1 }), json!({ "k".repeat(65): 1 }), "string_above_max_length"),
        (text(512), text(513), "string_above_max_length"),
        (json!({ "a": true }), json!({ "a": {} }), "invalid_type"),
        (json!({ "a": 1.5 }), json!({ "a": null }), "invalid_type"),
        (Value::Null, json!(["a"]), "invalid_type"),
    ] {
        client.try_attach(&id, valid.clone()).await.ok();
        assert_eq!(client.try_attach(&id, invalid.clone()).await.error().2, Some(code));
        let path = client.at(&format!("/files/{id}"));
        let updated = client.post(&path, json!({ "attributes": valid })).await.ok();
        assert_eq!(updated["attributes"], valid);
        let refused = client.post(&path, json!({ "attributes": invalid })).await;
        assert_eq!(refused.error().2, Some(code));
        assert_eq!(client.get(&path).await.ok()["attributes"], valid);
    }
    client.openai.set(|rules| rules.max_attribute_value = 256);
    client.try_attach(&id, text(256)).await.ok();
    assert_eq!(client.try_attach(&id, text(257)).await.status, 400);
    client.openai.set(|rules| rules.attribute_values_in_bytes = true);
    client.try_attach(&id, text(128)).await.ok();
    assert_eq!(client.try_attach(&id, text(129)).await.status, 400);
}

#[tokio::test]
async fn numbers_are_doubles_and_may_be_shown_as_floats() {
    let client = TestClient::strict();
    let id = client.attach_new("x").await;
    let path = client.at(&format!("/files/{id}"));
    let numbers =
        json!({ "a": 14, "b": 9_007_199_254_740_993_i64, "c": 1.5, "d": -2.0, "e": "14" });
    let update = || client.post(&path, json!({ "attributes": numbers }));
    let expected = json!({ "a": 14, "b": 9_007_199_254_740_992_i64, "c": 1.5, "d": -2, "e": "14" });
    assert_eq!(update().await.ok()["attributes"], expected);
    client.openai.set(|rules| rules.numbers_as_floats = true);
    let expected =
        json!({ "a": 14.0, "b": 9_007_199_254_740_992.0, "c": 1.5, "d": -2.0, "e": "14" });
    assert_eq!(update().await.ok()["attributes"], expected);
    // The simulator keeps the attributes as the client sent them.
    assert_eq!(client.openai.vector_store_files()[0].attributes["a"], json!(14));
}

#[tokio::test]
async fn an_update_replaces_or_merges_attributes() {
    let client = TestClient::strict();
    let id = client.attach_new("x").await;
    let path = client.at(&format!("/files/{id}"));
    client.post(&path, json!({ "attributes": { "a": 1, "b": 1 } })).await.ok();
    let replaced = client.post(&path, json!({ "attributes": { "b": 2 } })).await.ok();
    assert_eq!(replaced["attributes"], json!({ "b": 2 }));
    client.openai.set(|rules| rules.attribute_updates = AttributeUpdates::Merge);
    let merged = client.post(&path, json!({ "attributes": { "a": 3 } })).await.ok();
    assert_eq!(merged["attributes"], json!({ "a": 3, "b": 2 }));
}

#[tokio::test]
async fn file_sizes_may_be_null() {
    let client = TestClient::strict();
    client.openai.set(|rules| rules.null_file_sizes = true);
    let id = client.upload("a.txt", "assistants", b"x").await;
    assert_eq!(client.get(&format!("files/{id}")).await.ok()["bytes"], Value::Null);
}

#[tokio::test]
async fn pages_follow_the_rules() {
    let client = TestClient::strict();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(client.attach_new("x").await);
    }
    let after = format!("order=asc&limit=2&after={}", ids[1]);
    assert_eq!(client.listed(&after).await, (ids[2..4].to_vec(), true));
    client.openai.set(|rules| {
        rules.repeated_items = true;
        rules.page_ids = PageIds::Null;
        rules.unknown_after = UnknownAfter::Restarts;
    });
    assert_eq!(client.listed(&after).await, (ids[1..3].to_vec(), true));
    let page = client.get(&client.at("/files?order=asc&limit=2&after=file-x")).await.ok();
    assert_eq!((&page["data"][0]["id"], &page["last_id"]), (&json!(ids[0]), &Value::Null));
    let files = client.get(&format!("files?order=asc&limit=1&after={}", ids[3])).await.ok();
    assert_eq!(
        (&files["data"][0]["id"], &files["data"][1]["id"]),
        (&json!(ids[3]), &json!(ids[4]))
    );
}

#[tokio::test]
async fn errors_may_have_the_format_of_fastapi() {
    let client = TestClient::strict();
    client.openai.set(|rules| rules.error_shape = ErrorShape::FastApi);
    let missing = client.get("files/file-x").await;
    assert_eq!(
        (missing.status, missing.json),
        (400, json!({ "detail": "No such File object: file-x" }))
    );
}

#[test]
fn the_connection_may_be_reset_after_each_4xx_response() {
    let openai = OpenAISimulator::start();
    openai.set(|rules| rules.reset_after_4xx = true);
    let address = openai.base_url().replace("http://", "").replace("/v1", "");
    // Sends a request. Returns all bytes up to the end of the connection, and the error that ended it, if any.
    let get = |path: &str, header: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let key = openai.api_key();
        let head = format!("GET /v1/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n");
        stream.write_all(format!("{head}{header}\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).map_err(|error| error.kind()).err();
        (String::from_utf8(answer).unwrap(), ended)
    };
    for _ in 0..20 {
        let (answer, ended) = get("files/file-x", "");
        assert_eq!(ended, Some(ErrorKind::ConnectionReset));
        // The response is complete and does not announce the end of the connection.
        assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("}}"), "{answer}");
        assert!(!answer.contains("connection:"), "{answer}");
    }
    assert_eq!(get("files", "connection: close\r\n").1, None);
}

#[tokio::test]
async fn the_beta_header_may_be_required_or_forbidden() {
    let client = TestClient::strict();
    let status = |path: String, header: bool| {
        let request = client.request(Method::GET, &path);
        let request = if header { request.header("openai-beta", "assistants=v2") } else { request };
        async { request.send().await.unwrap().status().as_u16() }
    };
    for (rule, without, with) in [
        (BetaHeader::Optional, 200, 200),
        (BetaHeader::Required, 400, 200),
        (BetaHeader::Forbidden, 200, 400),
    ] {
        client.openai.set(|rules| rules.beta_header = rule);
        assert_eq!(status(client.at("/files"), false).await, without, "{rule:?}");
        assert_eq!(status(client.at("/files"), true).await, with, "{rule:?}");
        assert_eq!(status("files".to_owned(), false).await, 200, "{rule:?}");
    }
    assert_eq!(client.openai.requests()[1].headers["openai-beta"], "assistants=v2");
}

#[tokio::test]
async fn every_response_has_a_unique_id() {
    let client = TestClient::strict();
    client.openai.inject(FaultKind::Html { status: 502 });
    let mut ids = std::collections::HashSet::new();
    for path in ["files", "files", "files/file-x", "nowhere"] {
        let answer = client.request(Method::GET, path).send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.starts_with("req_") && ids.insert(id));
    }
}
