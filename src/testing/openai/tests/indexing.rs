//! The rules of attachment, indexing, deletion and text.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::TestClient;
use crate::testing::openai::{ChunkOrder, DeletedFiles, DoubleAttach, IndexingFailure, TextShape};

#[tokio::test]
async fn an_attachment_is_in_progress_for_as_many_polls_as_the_rules_say() {
    let client = TestClient::strict();
    client.openai.set(|rules| {
        rules.in_progress_polls = 2;
        rules.poll_after = Some(Duration::from_millis(250));
    });
    let id = client.attach_new("some text").await;
    assert!(client.text(&id).await.is_empty());
    let path = client.at(&format!("/files/{id}"));
    let status = |entry: &Value| entry["status"].as_str().unwrap().to_owned();
    let polled = client.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(polled.headers()["openai-poll-after-ms"], "250");
    let listed = client.get(&client.at("/files?filter=in_progress")).await.ok();
    assert_eq!(status(&listed["data"][0]), "in_progress");
    let done = client.get(&path).await.ok();
    assert_eq!((status(&done), &done["usage_bytes"]), ("completed".to_owned(), &json!(9)));
    assert_eq!(client.text(&id).await, ["some text"]);
    assert!(client.listed("filter=in_progress").await.0.is_empty());

    // A batch counts its own polls.
    let ids = [
        client.upload("a.txt", "assistants", b"x").await,
        client.upload("a.txt", "assistants", b"x").await,
    ];
    let batch = client.post(&client.at("/file_batches"), json!({ "file_ids": ids })).await.ok();
    assert_eq!(batch["file_counts"]["in_progress"], 2);
    let path = client.at(&format!("/file_batches/{}", batch["id"].as_str().unwrap()));
    for expected in ["in_progress", "in_progress", "completed"] {
        assert_eq!(status(&client.get(&path).await.ok()), expected);
    }
}

#[tokio::test]
async fn the_counts_of_a_batch_in_progress_may_be_zero() {
    let client = TestClient::strict();
    client.openai.set(|rules| {
        rules.zero_batch_counts = true;
        rules.in_progress_polls = 1;
    });
    let id = client.upload("a.txt", "assistants", b"x").await;
    let batch = client.post(&client.at("/file_batches"), json!({ "file_ids": [id] })).await.ok();
    let path = client.at(&format!("/file_batches/{}", batch["id"].as_str().unwrap()));
    for reply in [batch, client.get(&path).await.ok()] {
        assert_eq!(
            (&reply["status"], &reply["file_counts"]["total"]),
            (&json!("in_progress"), &json!(0))
        );
    }
    assert_eq!(client.get(&path).await.ok()["file_counts"]["total"], 1);
}

#[tokio::test]
async fn a_failed_indexing_reports_its_error_and_keeps_the_attributes() {
    let client = TestClient::strict();
    let failure = IndexingFailure::new("server_error", "An internal error occurred.");
    client.openai.set(|rules| {
        rules.fail_indexing =
            vec![failure.clone().for_names_with("bad"), failure.for_content_with("poison")];
    });
    for (name, content, code) in [
        ("bad.txt", b"fine".as_slice(), Some("server_error")),
        ("fine.txt", b"some poison", Some("server_error")),
        ("fine.txt", b"fine", None),
        ("fine.txt", b"\x80", Some("invalid_file")),
        ("fine.pdf", b"no document", Some("invalid_file")),
    ] {
        let id = client.upload(name, "assistants", content).await;
        let attached = client.try_attach(&id, json!({ "a": 1 })).await.ok();
        assert_eq!(
            (&attached["status"], &attached["last_error"]),
            (&json!("in_progress"), &Value::Null)
        );
        let entry = client.get(&client.at(&format!("/files/{id}"))).await.ok();
        assert_eq!(entry["last_error"]["code"].as_str(), code, "{name}");
        assert_eq!(entry["status"], if code.is_some() { "failed" } else { "completed" });
        assert_eq!(entry["attributes"], json!({ "a": 1 }));
        assert_eq!(client.text(&id).await.is_empty(), code.is_some());
    }
    let counts = &client.get(&client.at("")).await.ok()["file_counts"];
    assert_eq!(
        (&counts["failed"], &counts["completed"], &counts["total"]),
        (&json!(4), &json!(1), &json!(5))
    );
}

#[tokio::test]
async fn new_files_and_attachments_may_be_missing_at_first() {
    let client = TestClient::strict();
    client.openai.set(|rules| {
        rules.missing_after_upload = 1;
        rules.missing_after_attach = 2;
    });
    let id = client.upload("a.txt", "assistants", b"x").await;
    assert_eq!(client.try_attach(&id, json!({})).await.status, 404);
    client.try_attach(&id, json!({})).await.ok();
    let path = client.at(&format!("/files/{id}"));
    let message = format!(
        "No file found with id '{id}' in vector store '{}'.",
        client.openai.vector_store_id()
    );
    for _ in 0..2 {
        assert_eq!(client.get(&path).await.error(), (404, message.as_str(), None));
    }
    client.get(&path).await.ok();
    let requests = client.openai.requests();
    assert_eq!(requests.iter().filter(|request| request.route == "status").count(), 3);
}

#[tokio::test]
async fn a_new_attachment_may_be_left_out_of_listings_at_first() {
    let client = TestClient::strict();
    let first = client.attach_new("x").await;
    client.openai.set(|rules| rules.unlisted_after_attach = 2);
    let id = client.attach_new("y").await;
    client.get(&client.at(&format!("/files/{id}"))).await.ok();
    for _ in 0..2 {
        assert_eq!(client.listed("").await.0, [first.as_str()]);
    }
    assert_eq!(client.listed("").await.0.len(), 2);
    client.delete(&client.at(&format!("/files/{id}"))).await.ok();
    assert_eq!(client.listed("").await.0, [first.as_str()]);
}

#[tokio::test]
async fn a_detached_file_may_stay_in_listings_at_first() {
    let client = TestClient::strict();
    client.openai.set(|rules| rules.stale_after_delete = 2);
    let id = client.attach_new("x").await;
    let path = client.at(&format!("/files/{id}"));
    client.delete(&path).await.ok();
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.delete(&path).await.status, 404);
    assert!(client.openai.vector_store_files().is_empty());
    for expected in [1, 1, 0] {
        assert_eq!(client.listed("").await.0.len(), expected);
    }
    // After a new attachment it stays in listings.
    client.try_attach(&id, json!({})).await.ok();
    client.delete(&path).await.ok();
    client.try_attach(&id, json!({ "a": 1 })).await.ok();
    for _ in 0..3 {
        assert_eq!(client.listed("").await.0, [id.as_str()]);
    }
}

#[tokio::test]
async fn a_second_attachment_is_ignored_replaces_the_first_or_is_listed_too() {
    for (rule, listed, number) in [
        (DoubleAttach::KeepsOld, 1, 1),
        (DoubleAttach::Replaces, 1, 2),
        (DoubleAttach::ListsTwice, 2, 2),
    ] {
        let client = TestClient::strict();
        client.openai.set(|rules| rules.double_attach = rule);
        let id = client.upload("a.txt", "assistants", b"x").await;
        client.try_attach(&id, json!({ "number": 1 })).await.ok();
        let second = client.try_attach(&id, json!({ "number": 2 })).await.ok();
        assert_eq!(second["attributes"]["number"], number, "{rule:?}");
        assert_eq!(client.listed("").await.0.len(), listed, "{rule:?}");
        let path = client.at(&format!("/files/{id}"));
        assert_eq!(client.get(&path).await.ok()["attributes"]["number"], number, "{rule:?}");
        client.delete(&path).await.ok();
        assert!(client.listed("").await.0.is_empty());
    }
}

#[tokio::test]
async fn a_deleted_file_is_detached_counted_or_listed_as_the_rules_say() {
    for (rule, listed, counted) in [
        (DeletedFiles::Detached, 0, 0),
        (DeletedFiles::Counted, 0, 1),
        (DeletedFiles::Listed, 1, 1),
    ] {
        let client = TestClient::strict();
        client.openai.set(|rules| rules.deleted_files = rule);
        let id = client.attach_new("some text").await;
        client.delete(&format!("files/{id}")).await.ok();
        assert_eq!(client.listed("").await.0.len(), listed, "{rule:?}");
        let total = &client.get(&client.at("")).await.ok()["file_counts"]["total"];
        assert_eq!(total, counted, "{rule:?}");
        let path = client.at(&format!("/files/{id}"));
        assert_eq!(client.delete(&path).await.status, if listed == 1 { 200 } else { 404 });
    }
}

#[tokio::test]
async fn text_has_the_format_and_the_pages_of_the_rules() {
    let client = TestClient::strict();
    client.openai.set(|rules| {
        rules.chunk_tokens = 1;
        rules.chunk_overlap_tokens = 0;
    });
    let id = client.attach_new("ddddccccbbbbaaaa\n").await;
    assert_eq!(client.text(&id).await, ["dddd", "cccc", "bbbb", "aaaa"]);
    client.openai.set(|rules| {
        rules.chunk_order = ChunkOrder::Lexicographic;
        rules.text_page = Some(3);
    });
    let path = client.at(&format!("/files/{id}/content"));
    let first = client.get(&path).await.ok();
    assert_eq!((&first["data"][2]["text"], &first["has_more"]), (&json!("cccc"), &json!(true)));
    let next = format!("{path}?page={}", first["next_page"].as_str().unwrap());
    let rest = client.get(&next).await.ok();
    assert_eq!(
        (&rest["data"], &rest["has_more"]),
        (&json!([{ "type": "text", "text": "dddd" }]), &json!(false))
    );
    assert_eq!(client.get(&format!("{path}?page=x")).await.status, 400);

    client.openai.set(|rules| {
        rules.text_shape = TextShape::Legacy;
        rules.text_page = None;
    });
    let legacy = client.get(&path).await.ok();
    assert_eq!((&legacy["file_id"], &legacy["content"][0]["text"]), (&json!(id), &json!("aaaa")));
}
