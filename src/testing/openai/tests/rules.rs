//! Each rule, as it is by default and as it can be set.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Talk;
use crate::testing::{
    AttributeUpdates, BetaHeader, ChunkOrder, DeletedFiles, DoubleAttach, ErrorShape, FaultKind,
    IndexingFailure, OpenAISimulator, PageIds, Rules, TextShape, UnknownAfter,
};

/// How often each kind of request was seen.
fn seen(openai: &OpenAISimulator, route: &str) -> usize {
    openai.requests().iter().filter(|request| request.route == route).count()
}

#[tokio::test]
async fn the_lenient_rules_differ_in_downloads_alone() {
    let talk = Talk::with(OpenAISimulator::lenient());
    let id = talk.upload("a.txt", "assistants", b"hello").await;
    let content = talk.request(Method::GET, &format!("files/{id}/content")).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), "hello");
    let mut lenient = Rules::lenient();
    lenient.forbidden_downloads = Rules::default().forbidden_downloads;
    assert_eq!(lenient, Rules::default());
}

#[tokio::test]
async fn files_are_refused_by_their_names_and_sizes() {
    let talk = Talk::strict();
    let refused = talk.try_upload("a.txt", "assistants", b"").await;
    assert_eq!(refused.refused(), (400, "File is empty.", None));
    for name in ["a.vb", "upload", "a.txt.", ".txt.exe"] {
        assert_eq!(talk.try_upload(name, "assistants", b"x").await.status, 400, "{name}");
        talk.upload(name, "user_data", b"x").await;
    }
    let refused = talk.try_upload("a.vb", "assistants", b"x").await;
    let formats = r#"Invalid extension vb. Supported formats: "c", "cpp", "css", "csv", "docx", "gif", "go", "html", "java", "jpeg", "jpg", "js", "json", "md", "pdf", "php", "pkl", "png", "pptx", "py", "rb", "tar", "tex", "ts", "txt", "webp", "xlsx", "xml", "zip""#;
    assert_eq!(refused.refused(), (400, formats, None));
    talk.upload("A.TXT", "assistants", b"x").await;
    let refused = talk.try_upload("a.txt", "batch", b"x").await;
    assert_eq!(refused.refused().1, "Invalid file format for Batch API. Must be .jsonl");

    talk.openai.set(|rules| {
        rules.refuse_empty_files = false;
        rules.upload_extensions = None;
        rules.max_file_bytes = 3;
    });
    talk.upload("a.vb", "assistants", b"").await;
    talk.upload("a.vb", "assistants", b"123").await;
    assert_eq!(talk.try_upload("a.vb", "assistants", b"1234").await.status, 413);
}

#[tokio::test]
async fn a_vector_store_takes_files_with_certain_endings() {
    let talk = Talk::strict();
    let endings = "c cpp cs css doc docx go html java js json md pdf php pptx py rb sh tex ts txt";
    for ending in endings.split(' ') {
        let id = talk.upload(&format!("a.{ending}"), "user_data", b"x").await;
        talk.try_attach(&id, json!({})).await.ok();
    }
    for (name, said) in [("a.csv", ".csv"), ("a.xml", ".xml"), ("a.rs", ".rs"), ("upload", "none")]
    {
        let id = talk.upload(name, "user_data", b"x").await;
        let refused = talk.try_attach(&id, json!({})).await;
        let message = format!(
            "Files with extensions [{said}] are not supported for retrieval. See \
             https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
        );
        assert_eq!(refused.refused(), (400, message.as_str(), Some("unsupported_file")));
        assert_eq!(refused.json["error"]["param"], "file_ids");
        let batch = talk.post(&talk.at("/file_batches"), json!({ "file_ids": [id] })).await;
        assert_eq!(batch.refused().2, Some("unsupported_file"));
    }
    talk.openai.set(|rules| rules.attach_extensions = None);
    let id = talk.upload("upload", "user_data", b"x").await;
    talk.try_attach(&id, json!({})).await.ok();
}

#[tokio::test]
async fn attributes_keep_to_their_limits() {
    let talk = Talk::strict();
    let id = talk.upload("a.txt", "assistants", b"x").await;
    let many = |count: usize| -> Value {
        (0..count)
            .map(|key| (format!("k{key}"), json!(key)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let text = |length| json!({ "a": "ü".repeat(length) });
    for (fits, too_much, code) in [
        (many(16), many(17), "object_above_max_properties"),
        (json!({ "k".repeat(64): 1 }), json!({ "k".repeat(65): 1 }), "string_above_max_length"),
        (text(512), text(513), "string_above_max_length"),
        (json!({ "a": true }), json!({ "a": {} }), "invalid_type"),
        (json!({ "a": 1.5 }), json!({ "a": null }), "invalid_type"),
        (Value::Null, json!(["a"]), "invalid_type"),
    ] {
        talk.try_attach(&id, fits.clone()).await.ok();
        assert_eq!(talk.try_attach(&id, too_much.clone()).await.refused().2, Some(code));
        let path = talk.at(&format!("/files/{id}"));
        let updated = talk.post(&path, json!({ "attributes": fits })).await.ok();
        assert_eq!(updated["attributes"], fits);
        let refused = talk.post(&path, json!({ "attributes": too_much })).await;
        assert_eq!(refused.refused().2, Some(code));
        assert_eq!(talk.get(&path).await.ok()["attributes"], fits);
    }
    talk.openai.set(|rules| rules.max_attribute_value = 256);
    talk.try_attach(&id, text(256)).await.ok();
    assert_eq!(talk.try_attach(&id, text(257)).await.status, 400);
    talk.openai.set(|rules| rules.attribute_values_in_bytes = true);
    talk.try_attach(&id, text(128)).await.ok();
    assert_eq!(talk.try_attach(&id, text(129)).await.status, 400);
}

#[tokio::test]
async fn numbers_are_doubles_and_may_look_like_them() {
    let talk = Talk::strict();
    let id = talk.attached("x").await;
    let path = talk.at(&format!("/files/{id}"));
    let numbers =
        json!({ "a": 14, "b": 9_007_199_254_740_993_i64, "c": 1.5, "d": -2.0, "e": "14" });
    let update = || talk.post(&path, json!({ "attributes": numbers }));
    let expected = json!({ "a": 14, "b": 9_007_199_254_740_992_i64, "c": 1.5, "d": -2, "e": "14" });
    assert_eq!(update().await.ok()["attributes"], expected);
    talk.openai.set(|rules| rules.numbers_as_floats = true);
    let expected =
        json!({ "a": 14.0, "b": 9_007_199_254_740_992.0, "c": 1.5, "d": -2.0, "e": "14" });
    assert_eq!(update().await.ok()["attributes"], expected);
    // The log of what a client has sent stays as it was.
    assert_eq!(talk.openai.vector_store_files()[0].attributes["a"], json!(14));
}

#[tokio::test]
async fn an_update_replaces_attributes_or_merges_them() {
    let talk = Talk::strict();
    let id = talk.attached("x").await;
    let path = talk.at(&format!("/files/{id}"));
    talk.post(&path, json!({ "attributes": { "a": 1, "b": 1 } })).await.ok();
    let replaced = talk.post(&path, json!({ "attributes": { "b": 2 } })).await.ok();
    assert_eq!(replaced["attributes"], json!({ "b": 2 }));
    talk.openai.set(|rules| rules.attribute_updates = AttributeUpdates::Merge);
    let merged = talk.post(&path, json!({ "attributes": { "a": 3 } })).await.ok();
    assert_eq!(merged["attributes"], json!({ "a": 3, "b": 2 }));
}

#[tokio::test]
async fn indexing_takes_as_many_answers_as_it_should() {
    let talk = Talk::strict();
    talk.openai.set(|rules| {
        rules.in_progress_polls = 2;
        rules.poll_after = Some(Duration::from_millis(250));
    });
    let id = talk.attached("some text").await;
    assert!(talk.text(&id).await.is_empty());
    let path = talk.at(&format!("/files/{id}"));
    let status = |entry: &Value| entry["status"].as_str().unwrap().to_owned();
    let polled = talk.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(polled.headers()["openai-poll-after-ms"], "250");
    let listed = talk.get(&talk.at("/files?filter=in_progress")).await.ok();
    assert_eq!(status(&listed["data"][0]), "in_progress");
    let done = talk.get(&path).await.ok();
    assert_eq!((status(&done), &done["usage_bytes"]), ("completed".to_owned(), &json!(9)));
    assert_eq!(talk.text(&id).await, ["some text"]);
    assert!(talk.listed("filter=in_progress").await.0.is_empty());

    // A batch has its own answers.
    let ids = [
        talk.upload("a.txt", "assistants", b"x").await,
        talk.upload("a.txt", "assistants", b"x").await,
    ];
    let batch = talk.post(&talk.at("/file_batches"), json!({ "file_ids": ids })).await.ok();
    assert_eq!(batch["file_counts"]["in_progress"], 2);
    let path = talk.at(&format!("/file_batches/{}", batch["id"].as_str().unwrap()));
    for expected in ["in_progress", "in_progress", "completed"] {
        assert_eq!(status(&talk.get(&path).await.ok()), expected);
    }
}

#[tokio::test]
async fn the_counts_of_a_batch_may_be_zero_while_it_is_in_progress() {
    let talk = Talk::strict();
    talk.openai.set(|rules| {
        rules.zero_batch_counts = true;
        rules.in_progress_polls = 1;
    });
    let id = talk.upload("a.txt", "assistants", b"x").await;
    let batch = talk.post(&talk.at("/file_batches"), json!({ "file_ids": [id] })).await.ok();
    let path = talk.at(&format!("/file_batches/{}", batch["id"].as_str().unwrap()));
    for reply in [batch, talk.get(&path).await.ok()] {
        assert_eq!(
            (&reply["status"], &reply["file_counts"]["total"]),
            (&json!("in_progress"), &json!(0))
        );
    }
    assert_eq!(talk.get(&path).await.ok()["file_counts"]["total"], 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_indexed_says_why_and_keeps_its_attributes() {
    let talk = Talk::strict();
    let failure = IndexingFailure::new("server_error", "An internal error occurred.");
    talk.openai.set(|rules| {
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
        let id = talk.upload(name, "assistants", content).await;
        let attached = talk.try_attach(&id, json!({ "a": 1 })).await.ok();
        assert_eq!(
            (&attached["status"], &attached["last_error"]),
            (&json!("in_progress"), &Value::Null)
        );
        let entry = talk.get(&talk.at(&format!("/files/{id}"))).await.ok();
        assert_eq!(entry["last_error"]["code"].as_str(), code, "{name}");
        assert_eq!(entry["status"], if code.is_some() { "failed" } else { "completed" });
        assert_eq!(entry["attributes"], json!({ "a": 1 }));
        assert_eq!(talk.text(&id).await.is_empty(), code.is_some());
    }
    let counts = &talk.get(&talk.at("")).await.ok()["file_counts"];
    assert_eq!(
        (&counts["failed"], &counts["completed"], &counts["total"]),
        (&json!(4), &json!(1), &json!(5))
    );
}

#[tokio::test]
async fn what_is_fresh_may_be_missing_for_a_while() {
    let talk = Talk::strict();
    talk.openai.set(|rules| {
        rules.missing_after_upload = 1;
        rules.missing_after_attach = 2;
    });
    let id = talk.upload("a.txt", "assistants", b"x").await;
    assert_eq!(talk.try_attach(&id, json!({})).await.status, 404);
    talk.try_attach(&id, json!({})).await.ok();
    let path = talk.at(&format!("/files/{id}"));
    let message = format!(
        "No file found with id '{id}' in vector store '{}'.",
        talk.openai.vector_store_id()
    );
    for _ in 0..2 {
        assert_eq!(talk.get(&path).await.refused(), (404, message.as_str(), None));
    }
    talk.get(&path).await.ok();
    assert_eq!(seen(&talk.openai, "status"), 3);
}

#[tokio::test]
async fn what_is_attached_may_not_be_listed_for_a_while() {
    let talk = Talk::strict();
    let first = talk.attached("x").await;
    talk.openai.set(|rules| rules.unlisted_after_attach = 2);
    let id = talk.attached("y").await;
    talk.get(&talk.at(&format!("/files/{id}"))).await.ok();
    for _ in 0..2 {
        assert_eq!(talk.listed("").await.0, [first.as_str()]);
    }
    assert_eq!(talk.listed("").await.0.len(), 2);
    talk.delete(&talk.at(&format!("/files/{id}"))).await.ok();
    assert_eq!(talk.listed("").await.0, [first.as_str()]);
}

#[tokio::test]
async fn what_was_detached_may_be_listed_for_a_while() {
    let talk = Talk::strict();
    talk.openai.set(|rules| rules.stale_after_delete = 2);
    let id = talk.attached("x").await;
    let path = talk.at(&format!("/files/{id}"));
    talk.delete(&path).await.ok();
    assert_eq!(talk.get(&path).await.status, 404);
    assert_eq!(talk.delete(&path).await.status, 404);
    assert!(talk.openai.vector_store_files().is_empty());
    for expected in [1, 1, 0] {
        assert_eq!(talk.listed("").await.0.len(), expected);
    }
    // Attached again it is there for good.
    talk.try_attach(&id, json!({})).await.ok();
    talk.delete(&path).await.ok();
    talk.try_attach(&id, json!({ "a": 1 })).await.ok();
    for _ in 0..3 {
        assert_eq!(talk.listed("").await.0, [id.as_str()]);
    }
}

#[tokio::test]
async fn a_second_attachment_is_ignored_replaces_the_first_or_is_listed_too() {
    for (rule, listed, number) in [
        (DoubleAttach::KeepsOld, 1, 1),
        (DoubleAttach::Replaces, 1, 2),
        (DoubleAttach::ListsTwice, 2, 2),
    ] {
        let talk = Talk::strict();
        talk.openai.set(|rules| rules.double_attach = rule);
        let id = talk.upload("a.txt", "assistants", b"x").await;
        talk.try_attach(&id, json!({ "number": 1 })).await.ok();
        let second = talk.try_attach(&id, json!({ "number": 2 })).await.ok();
        assert_eq!(second["attributes"]["number"], number, "{rule:?}");
        assert_eq!(talk.listed("").await.0.len(), listed, "{rule:?}");
        let path = talk.at(&format!("/files/{id}"));
        assert_eq!(talk.get(&path).await.ok()["attributes"]["number"], number, "{rule:?}");
        talk.delete(&path).await.ok();
        assert!(talk.listed("").await.0.is_empty());
    }
}

#[tokio::test]
async fn a_deleted_file_leaves_what_the_rules_say() {
    for (rule, listed, counted) in [
        (DeletedFiles::Detached, 0, 0),
        (DeletedFiles::Counted, 0, 1),
        (DeletedFiles::Listed, 1, 1),
    ] {
        let talk = Talk::strict();
        talk.openai.set(|rules| rules.deleted_files = rule);
        let id = talk.attached("some text").await;
        talk.delete(&format!("files/{id}")).await.ok();
        assert_eq!(talk.listed("").await.0.len(), listed, "{rule:?}");
        let total = &talk.get(&talk.at("")).await.ok()["file_counts"]["total"];
        assert_eq!(total, counted, "{rule:?}");
        let path = talk.at(&format!("/files/{id}"));
        assert_eq!(talk.delete(&path).await.status, if listed == 1 { 200 } else { 404 });
    }
}

#[tokio::test]
async fn a_size_may_be_null() {
    let talk = Talk::strict();
    talk.openai.set(|rules| rules.null_bytes = true);
    let id = talk.upload("a.txt", "assistants", b"x").await;
    assert_eq!(talk.get(&format!("files/{id}")).await.ok()["bytes"], Value::Null);
}

#[tokio::test]
async fn lists_follow_the_rules_of_pages() {
    let talk = Talk::strict();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(talk.attached("x").await);
    }
    let after = format!("order=asc&limit=2&after={}", ids[1]);
    assert_eq!(talk.listed(&after).await, (ids[2..4].to_vec(), true));
    talk.openai.set(|rules| {
        rules.repeated_items = true;
        rules.page_ids = PageIds::Null;
        rules.unknown_after = UnknownAfter::Restarts;
    });
    assert_eq!(talk.listed(&after).await, (ids[1..3].to_vec(), true));
    let page = talk.get(&talk.at("/files?order=asc&limit=2&after=file-x")).await.ok();
    assert_eq!((&page["data"][0]["id"], &page["last_id"]), (&json!(ids[0]), &Value::Null));
    let files = talk.get(&format!("files?order=asc&limit=1&after={}", ids[3])).await.ok();
    assert_eq!(
        (&files["data"][0]["id"], &files["data"][1]["id"]),
        (&json!(ids[3]), &json!(ids[4]))
    );
}

#[tokio::test]
async fn text_comes_in_the_shape_and_the_pages_that_the_rules_say() {
    let talk = Talk::strict();
    talk.openai.set(|rules| {
        rules.chunk_tokens = 1;
        rules.chunk_overlap_tokens = 0;
    });
    let id = talk.attached("ddddccccbbbbaaaa\n").await;
    assert_eq!(talk.text(&id).await, ["dddd", "cccc", "bbbb", "aaaa"]);
    talk.openai.set(|rules| {
        rules.chunk_order = ChunkOrder::Lexicographic;
        rules.text_page = Some(3);
    });
    let path = talk.at(&format!("/files/{id}/content"));
    let first = talk.get(&path).await.ok();
    assert_eq!((&first["data"][2]["text"], &first["has_more"]), (&json!("cccc"), &json!(true)));
    let next = format!("{path}?page={}", first["next_page"].as_str().unwrap());
    let rest = talk.get(&next).await.ok();
    assert_eq!(
        (&rest["data"], &rest["has_more"]),
        (&json!([{ "type": "text", "text": "dddd" }]), &json!(false))
    );
    assert_eq!(talk.get(&format!("{path}?page=x")).await.status, 400);

    talk.openai.set(|rules| {
        rules.text_shape = TextShape::Obsolete;
        rules.text_page = None;
    });
    let obsolete = talk.get(&path).await.ok();
    assert_eq!(
        (&obsolete["file_id"], &obsolete["content"][0]["text"]),
        (&json!(id), &json!("aaaa"))
    );
}

#[tokio::test]
async fn errors_have_the_shape_of_another_server() {
    let talk = Talk::strict();
    talk.openai.set(|rules| rules.error_shape = ErrorShape::FastApi);
    let missing = talk.get("files/file-x").await;
    assert_eq!(
        (missing.status, missing.json),
        (400, json!({ "detail": "No such File object: file-x" }))
    );
}

#[test]
fn each_refusal_may_be_followed_by_a_reset() {
    let openai = OpenAISimulator::start();
    openai.set(|rules| rules.reset_after_4xx = true);
    let address = openai.base_url().replace("http://", "").replace("/v1", "");
    // Asks and reads until the connection ends: what was read, and the error it ended with.
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
        // The answer is whole, and nothing in it says that the connection will not last.
        assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("}}"), "{answer}");
        assert!(!answer.contains("connection:"), "{answer}");
    }
    assert_eq!(get("files", "connection: close\r\n").1, None);
}

#[tokio::test]
async fn the_beta_header_may_be_required_or_forbidden() {
    let talk = Talk::strict();
    let status = |path: String, header: bool| {
        let request = talk.request(Method::GET, &path);
        let request = if header { request.header("openai-beta", "assistants=v2") } else { request };
        async { request.send().await.unwrap().status().as_u16() }
    };
    for (rule, without, with) in [
        (BetaHeader::Optional, 200, 200),
        (BetaHeader::Required, 400, 200),
        (BetaHeader::Forbidden, 200, 400),
    ] {
        talk.openai.set(|rules| rules.beta_header = rule);
        assert_eq!(status(talk.at("/files"), false).await, without, "{rule:?}");
        assert_eq!(status(talk.at("/files"), true).await, with, "{rule:?}");
        assert_eq!(status("files".to_owned(), false).await, 200, "{rule:?}");
    }
    assert_eq!(talk.openai.requests()[1].headers["openai-beta"], "assistants=v2");
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let talk = Talk::strict();
    talk.openai.inject(FaultKind::Html { status: 502 });
    let mut ids = std::collections::HashSet::new();
    for path in ["files", "files", "files/file-x", "nowhere"] {
        let answer = talk.request(Method::GET, path).send().await.unwrap();
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert!(id.starts_with("req_") && ids.insert(id));
    }
}
