//! Invalid requests get an error that names the parameter.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::client::TestClient;

/// Asserts that each body is refused with an error about a parameter and with a code.
async fn assert_refused<const N: usize>(
    client: &TestClient,
    path: &str,
    bodies: [(Value, &str, &str); N],
) {
    for (body, param, code) in bodies {
        let reply = client.post(path, body.clone()).await;
        assert_eq!((reply.error().0, reply.error().2), (400, Some(code)), "{body}");
        assert_eq!(reply.json["error"]["param"], param, "{body}");
    }
}

#[tokio::test]
async fn an_invalid_attachment_is_refused() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "assistants", b"x").await;
    let with = |chunking: Value| json!({ "file_id": id, "chunking_strategy": chunking });
    let chunks = |size: u32, overlap: u32| {
        let sizes = json!({ "max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap });
        with(json!({ "type": "static", "static": sizes }))
    };
    let (kind, size, overlap) = (
        "chunking_strategy.type",
        "chunking_strategy.static.max_chunk_size_tokens",
        "chunking_strategy.static.chunk_overlap_tokens",
    );
    let bodies = [
        (json!({}), "file_id", "missing_required_parameter"),
        (json!({ "file_id": 1 }), "file_id", "invalid_type"),
        (json!({ "file_id": "x" }), "file_id", "invalid_value"),
        (json!({ "file_id": id, "more": 1 }), "more", "unknown_parameter"),
        (with(json!("auto")), "chunking_strategy", "invalid_type"),
        (with(json!({})), kind, "missing_required_parameter"),
        (with(json!({ "type": "best" })), kind, "invalid_value"),
        (chunks(99, 0), size, "integer_below_min_value"),
        (chunks(4097, 0), size, "integer_above_max_value"),
        (chunks(100, 51), overlap, "integer_above_max_value"),
    ];
    assert_refused(&client, &client.at("/files"), bodies).await;
    assert!(client.openai.vector_store_files().is_empty());
    for fits in [chunks(100, 50), chunks(4096, 0), with(json!({ "type": "auto" }))] {
        client.post(&client.at("/files"), fits).await.ok();
    }
}

#[tokio::test]
async fn an_invalid_update_or_batch_is_refused() {
    let client = TestClient::strict();
    let id = client.attach_new("x").await;
    let bodies = [
        (json!({}), "attributes", "missing_required_parameter"),
        (json!({ "attributes": "a" }), "attributes", "invalid_type"),
        (json!({ "attributes": {}, "more": 1 }), "more", "unknown_parameter"),
    ];
    assert_refused(&client, &client.at(&format!("/files/{id}")), bodies).await;
    let file = |file: Value| json!({ "files": [file] });
    let bodies = [
        (json!({}), "file_ids", "missing_required_parameter"),
        (json!({ "file_ids": [id], "files": [] }), "files", "invalid_value"),
        (json!({ "file_ids": [] }), "file_ids", "empty_array"),
        (json!({ "file_ids": [1] }), "file_ids", "invalid_type"),
        (json!({ "file_ids": [id, id] }), "file_ids", "invalid_value"),
        (json!({ "file_ids": vec![&id; 2001] }), "file_ids", "array_above_max_length"),
        (file(json!({})), "files[0].file_id", "missing_required_parameter"),
        (file(json!({ "file_id": id, "attributes": 1 })), "files[0].attributes", "invalid_type"),
    ];
    assert_refused(&client, &client.at("/file_batches"), bodies).await;
    // `attributes` is ignored beside `files`, where each file has its own.
    let body = json!({ "files": [{ "file_id": id }], "attributes": { "a": 1 } });
    client.openai.detach_file(&id);
    client.post(&client.at("/file_batches"), body).await.ok();
    assert!(client.openai.vector_store_files()[0].attributes.is_empty());
}

#[tokio::test]
async fn an_invalid_search_is_refused() {
    let client = TestClient::strict();
    let with = |name: &str, value: Value| json!({ "query": "a", name: value });
    let bodies = [
        (json!({}), "query", "missing_required_parameter"),
        (json!({ "query": 1 }), "query", "invalid_type"),
        (json!({ "query": [1] }), "query", "invalid_type"),
        (with("max_num_results", json!(0)), "max_num_results", "integer_below_min_value"),
        (with("max_num_results", json!("5")), "max_num_results", "invalid_type"),
        (with("rewrite_query", json!(1)), "rewrite_query", "invalid_type"),
        (with("filters", json!({ "type": "is" })), "filters.type", "invalid_value"),
        (
            with("ranking_options", json!({ "ranker": "x" })),
            "ranking_options.ranker",
            "invalid_value",
        ),
        (
            with("ranking_options", json!({ "score_threshold": 2 })),
            "ranking_options.score_threshold",
            "invalid_type",
        ),
    ];
    assert_refused(&client, &client.at("/search"), bodies).await;
}

#[tokio::test]
async fn an_invalid_vector_store_is_refused() {
    let client = TestClient::strict();
    let expiry =
        |days: u32, anchor: &str| json!({ "expires_after": { "anchor": anchor, "days": days } });
    let bodies = [
        (json!({ "name": 1 }), "name", "invalid_type"),
        (json!({ "more": 1 }), "more", "unknown_parameter"),
        (json!({ "metadata": { "a": 1 } }), "metadata.a", "invalid_type"),
        (expiry(0, "last_active_at"), "expires_after.days", "integer_below_min_value"),
        (expiry(366, "last_active_at"), "expires_after.days", "integer_above_max_value"),
        (expiry(1, "created_at"), "expires_after.anchor", "invalid_value"),
    ];
    assert_refused(&client, "vector_stores", bodies.clone()).await;
    assert_refused(&client, &client.at(""), bodies).await;
    let bodies = [
        (json!({ "file_ids": vec!["file-x"; 501] }), "file_ids", "array_above_max_length"),
        (json!({ "file_ids": ["x"] }), "file_ids", "invalid_value"),
    ];
    assert_refused(&client, "vector_stores", bodies).await;
    assert_eq!(client.get("vector_stores").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_not_json_or_not_a_form_is_refused() {
    let client = TestClient::strict();
    let post = |path: &str, kind: &'static str, body: &'static str| {
        client.request(Method::POST, path).header("content-type", kind).body(body)
    };
    let files = client.at("/files");
    let refused = client.send(post(&files, "application/json", "{")).await;
    assert!(refused.error().1.starts_with("We could not parse the JSON body of your request."));
    assert_eq!(client.send(post(&files, "application/json", "[]")).await.error().0, 400);
    let refused = client.send(post(&files, "text/plain", "{}")).await;
    assert_eq!(refused.error().2, Some("unsupported_content_type"));
    assert_eq!(client.send(post("files", "application/json", "{}")).await.error().0, 400);
    let broken = post("files", "multipart/form-data; boundary=x", "--x\r\nContent");
    assert_eq!(client.send(broken).await.error().0, 400);

    let file = || Part::bytes(b"x".to_vec()).file_name("a.txt");
    let send = |form| client.send(client.request(Method::POST, "files").multipart(form));
    let refused = send(Form::new().part("file", file())).await;
    assert_eq!(refused.error().1, "Missing required parameter: 'purpose'.");
    let refused = send(Form::new().text("purpose", "vision")).await;
    assert_eq!(refused.error().1, "Missing required parameter: 'file'.");
    let refused = send(Form::new().text("purpose", "x").part("file", file())).await;
    assert_eq!(
        refused.error().1,
        "'x' is not one of ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] - 'purpose'"
    );
    for (anchor, seconds) in [("created_at", "3599"), ("created_at", "2592001"), ("now", "3600")] {
        let form = Form::new().text("purpose", "vision").part("file", file());
        let form =
            form.text("expires_after[anchor]", anchor).text("expires_after[seconds]", seconds);
        assert_eq!(send(form).await.error().0, 400, "{anchor} {seconds}");
    }
    assert!(client.openai.files().is_empty());
    // The order of the fields does not matter.
    send(Form::new().part("file", file()).text("purpose", "vision")).await.ok();
}

#[tokio::test]
async fn a_missing_object_is_not_found() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "assistants", b"x").await;
    let store = client.openai.vector_store_id();
    let no_store = "No vector store found with id 'vs_x'.";
    let no_file = format!("No file found with id '{id}' in vector store '{store}'.");
    let no_batch = format!("No file batch found with id 'vsfb_x' in vector store '{store}'.");
    for (path, message) in [
        ("files/x".to_owned(), "No such File object: x"),
        ("files/file-x/content".to_owned(), "No such File object: file-x"),
        ("vector_stores/vs_x".to_owned(), no_store),
        ("vector_stores/vs_x/files".to_owned(), no_store),
        ("vector_stores/vs_x/files/file-x".to_owned(), no_store),
        (client.at(&format!("/files/{id}")), &no_file),
        (client.at(&format!("/files/{id}/content")), &no_file),
        (client.at("/file_batches/vsfb_x"), &no_batch),
        (client.at("/file_batches/vsfb_x/files"), &no_batch),
        ("models".to_owned(), "Invalid URL (GET /v1/models)"),
    ] {
        assert_eq!(client.get(&path).await.error(), (404, message, None), "{path}");
    }
    for (path, message) in [
        (
            "vector_stores/x".to_owned(),
            "Invalid 'vector_store_id': 'x'. Expected an ID that begins with 'vs_'.",
        ),
        (client.at("/files/x"), "Invalid 'file_id': 'x'. Expected an ID that begins with 'file'."),
        (
            client.at("/file_batches/x"),
            "Invalid 'batch_id': 'x'. Expected an ID that begins with 'vsfb_'.",
        ),
    ] {
        assert_eq!(client.get(&path).await.error(), (400, message, Some("invalid_value")));
    }
    for path in ["vector_stores/vs_x/files", "vector_stores/vs_x/search"] {
        assert_eq!(client.post(path, json!({ "file_id": id })).await.error().0, 404, "{path}");
    }
    let gone = client.try_attach("file-gone", Value::Null).await;
    assert_eq!(gone.error(), (404, "No such File object: file-gone", None));
}

#[tokio::test]
async fn a_list_has_first_and_last_ids_and_a_maximum_limit() {
    let client = TestClient::strict();
    let mut ids = Vec::new();
    for _ in 0..22 {
        ids.push(client.attach_new("x").await);
    }
    ids.reverse();
    let page = client.get(&client.at("/files")).await.ok();
    assert_eq!((&page["first_id"], &page["last_id"]), (&json!(ids[0]), &json!(ids[19])));
    assert_eq!(client.listed("").await, (ids[..20].to_vec(), true));
    assert_eq!(client.listed("limit=100").await, (ids.clone(), false));
    let above = client.get(&client.at("/files?limit=101")).await;
    assert_eq!(
        above.error(),
        (
            400,
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.",
            Some("integer_above_max_value")
        )
    );
    assert_eq!(client.get(&client.at("/files?filter=done")).await.error().0, 400);
    let files = client.get("files?limit=10000").await.ok();
    assert_eq!(files["data"].as_array().unwrap().len(), 22);
    assert_eq!(client.get("files?purpose=vision").await.ok()["data"], json!([]));
    let empty = client.get("files?purpose=vision").await.ok();
    assert_eq!((&empty["first_id"], &empty["has_more"]), (&Value::Null, &json!(false)));
}
