//! Each call on the wire, and how its response is parsed.

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::super::{Attributes, Client};
use super::server::{KEY, Server, answer, client, not_found, ok, refused};
use crate::backends::openai::OpenAIChunking;
use crate::core::error::{ErrorKind, Result};

pub(super) fn attributes(path: &str) -> Attributes {
    json!({ "path": path }).as_object().unwrap().clone()
}

pub(super) fn entry(id: &str) -> Value {
    json!({"id": id, "object": "vector_store.file", "created_at": 7, "status": "in_progress",
           "attributes": {"path": "a"}})
}

/// Uploads `chunks` as `f9-a.txt`.
pub(super) async fn upload(client: &Client, chunks: &[&'static str]) -> Result<String> {
    let chunks = chunks.to_vec();
    let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let content = move || {
        let chunks = chunks.clone().into_iter().map(|chunk| Ok(Bytes::from(chunk)));
        (length, stream::iter(chunks).boxed())
    };
    client.upload("f9-a.txt", "text/plain", &content).await.map(|file| file.id)
}

#[tokio::test]
async fn an_upload_is_a_form_with_the_purpose_first_and_a_content_length() {
    let server = Server::script([ok(&json!({"id": "file-a", "bytes": 10}))]).await;
    let client = server.client();
    assert_eq!(upload(&client, &["hello", "", "world"]).await.unwrap(), "file-a");
    let request = &server.requests()[0];
    assert_eq!(request.line, "POST /v1/files");
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = [
        &format!("--{boundary}"),
        "Content-Disposition: form-data; name=\"purpose\"",
        "",
        "assistants",
        &format!("--{boundary}"),
        "Content-Disposition: form-data; name=\"file\"; filename=\"f9-a.txt\"",
        "Content-Type: text/plain",
        "",
        "helloworld",
        &format!("--{boundary}--"),
        "",
    ];
    assert_eq!(request.text(), expected.join("\r\n"));
    assert_eq!(request.header("openai-beta"), None);
    assert_eq!(client.requests(), 1);
}

#[tokio::test]
async fn each_request_carries_the_key_organization_and_project() {
    let replies = || [ok(&json!({"id": "file-a"})), ok(&entry("file-a")), answer(200, "", "b")];
    let server = Server::script(replies().into_iter().chain(replies())).await;
    let config = server.config().with_organization("org-1").with_project("proj_1");
    for config in [config.clone(), config.with_send_beta_header(false)] {
        let client = client(&config);
        client.file("file-a").await.unwrap();
        client.attached("file-a").await.unwrap();
        drop(client.content("file-a").await.unwrap());
    }
    let requests = server.requests();
    for request in &requests {
        let agent = concat!("f9/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.header("user-agent"), Some(agent));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.header("openai-organization"), Some("org-1"));
        assert_eq!(request.header("openai-project"), Some("proj_1"));
    }
    let all = |name: &str| -> Vec<_> {
        requests.iter().map(|r| r.header(name).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(all("openai-beta"), ["", "assistants=v2", "", "", "", ""]);
    let accepted = ["application/json", "application/json", "application/binary"];
    assert_eq!(all("accept"), [accepted, accepted].concat());
}

#[tokio::test]
async fn attaching_sends_the_file_id_the_attributes_and_the_chunking() {
    let batch = ok(&json!({"id": "vsfb_1", "status": "in_progress", "file_counts": null}));
    let server = Server::script([ok(&entry("file-a")), ok(&entry("file-a")), batch]).await;
    let attached = server.client().attach("file-a", &attributes("a")).await.unwrap();
    assert_eq!((attached.id.as_str(), attached.status.as_str()), ("file-a", "in_progress"));
    let cut = OpenAIChunking::Static { max_chunk_size_tokens: 100, chunk_overlap_tokens: 50 };
    let cutting = client(&server.config().with_chunking(cut));
    cutting.attach("file-a", &attributes("a")).await.unwrap();
    let files = [("file-a".to_owned(), attributes("a")), ("file-b".to_owned(), attributes("b"))];
    cutting.attach_batch(&files).await.unwrap();
    cutting.attach_batch(&[]).await.unwrap();
    let strategy = json!({
        "type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50}
    });
    let bodies: Vec<Value> = server.requests().iter().map(|r| r.json()).collect();
    let cut = |id, path| json!({"file_id": id, "attributes": {"path": path}, "chunking_strategy": strategy});
    assert_eq!(
        bodies,
        [
            json!({"file_id": "file-a", "attributes": {"path": "a"}}),
            cut("file-a", "a"),
            json!({"files": [cut("file-a", "a"), cut("file-b", "b")]}),
        ]
    );
    let lines = [
        "POST vector_stores/vs_1/files",
        "POST vector_stores/vs_1/files",
        "POST vector_stores/vs_1/file_batches",
    ];
    assert_eq!(server.lines(), lines);
}

#[tokio::test]
async fn an_entry_can_be_read_changed_and_detached() {
    let gone = json!({"id": "file-a", "object": "vector_store.file.deleted", "deleted": true});
    let server = Server::script([
        ok(&entry("file-a")),
        not_found(),
        ok(&entry("file-a")),
        ok(&gone),
        not_found(),
        refused(404, "No such File object: file-a"),
        answer(204, "", ""),
        ok(&json!({"id": "file-a", "deleted": false})),
    ])
    .await;
    let client = server.client();
    assert_eq!(client.attached("file-a").await.unwrap().unwrap().attributes, attributes("a"));
    assert_eq!(client.attached("file-a").await.unwrap(), None);
    client.set_attributes("file-a", &attributes("b")).await.unwrap();
    client.detach("file-a").await.unwrap();
    client.detach("file-a").await.unwrap();
    client.delete_file("file-a").await.unwrap();
    client.delete_file("file-a").await.unwrap();
    let kept = client.delete_file("file-a").await.unwrap_err();
    assert_eq!(kept.kind(), ErrorKind::Remote);
    assert_eq!(server.requests()[2].json(), json!({"attributes": {"path": "b"}}));
    let (entry, file) = ("vector_stores/vs_1/files/file-a", "files/file-a");
    let expected = ["GET", "GET", "POST", "DELETE", "DELETE"].map(|verb| format!("{verb} {entry}"));
    let deleted = format!("DELETE {file}");
    assert_eq!(server.lines()[..5], expected);
    assert_eq!(server.lines()[5..], [deleted.clone(), deleted.clone(), deleted]);
}

#[tokio::test]
async fn files_return_their_metadata_and_exact_bytes() {
    let described = json!({"id": "file-a", "object": "file", "bytes": 3, "created_at": 9,
        "filename": "a.txt", "purpose": "assistants", "status": "processed"});
    let server = Server::script([
        ok(&described),
        refused(404, "No such File object: file-a"),
        answer(200, "content-type: application/json\r\n", b"\0\xff{"),
        answer(200, "", ""),
        refused(404, "No such File object: file-a"),
    ])
    .await;
    let client = server.client();
    let file = client.file("file-a").await.unwrap().unwrap();
    assert_eq!((file.filename.as_str(), file.bytes, file.created_at), ("a.txt", Some(3), 9));
    assert_eq!(client.file("file-a").await.unwrap(), None);
    let content = client.content("file-a").await.unwrap();
    assert_eq!(crate::core::stream::collect(content).await.unwrap(), &b"\0\xff{"[..]);
    let empty: Vec<Bytes> = client.content("file-a").await.unwrap().try_collect().await.unwrap();
    assert!(empty.is_empty());
    let missing = client.content("file-a").await.err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(server.lines()[4], "GET files/file-a/content");
}

#[tokio::test]
async fn the_store_can_be_searched_and_read() {
    let found = json!({"search_query": ["x"], "data": [{
        "file_id": "file-a", "filename": "a.txt", "score": 0.5, "attributes": {"path": "a"},
        "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
    }], "has_more": false, "next_page": null});
    let server = Server::script([
        ok(&found),
        ok(&json!({"data": []})),
        ok(&json!({"id": "vs_1", "status": "expired"})),
    ])
    .await;
    let client = server.client();
    let filter = json!({"type": "eq", "key": "path", "value": "a"});
    let found = client.search("x y", Some(filter.clone()), 50).await.unwrap();
    assert_eq!((found.len(), found[0].score), (1, 0.5));
    assert_eq!(
        (&found[0].attributes, &found[0].texts[..]),
        (&attributes("a"), &["one".to_owned(), "two".to_owned()][..])
    );
    assert!(client.search("x", None, 1).await.unwrap().is_empty());
    assert!(client.is_vector_store_expired().await.unwrap());
    let requests = server.requests();
    let expected = json!({"query": "x y", "max_num_results": 50, "filters": filter});
    assert_eq!(requests[0].json(), expected);
    assert_eq!(requests[1].json(), json!({"query": "x", "max_num_results": 1}));
    assert_eq!(server.lines()[1..], ["POST vector_stores/vs_1/search", "GET vector_stores/vs_1"]);
}

#[tokio::test]
async fn ids_are_percent_encoded_and_never_change_the_path() {
    let server = Server::script([ok(&entry("a")), ok(&entry("a"))]).await;
    let mut config = server.config();
    config.vector_store_id = "vs/1?a".to_owned();
    let client = client(&config);
    client.attached("a/../b?c#d%2e é").await.unwrap();
    client.attached("...").await.unwrap();
    for invalid in ["", ".", ".."] {
        let error = client.delete_file(invalid).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    let store = "vector_stores/vs%2F1%3Fa/files";
    let encoded = format!("GET {store}/a%2F..%2Fb%3Fc%23d%252e%20%C3%A9");
    assert_eq!(server.lines(), [encoded, format!("GET {store}/...")]);
}
