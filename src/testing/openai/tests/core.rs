//! Files and their attachment, as every client uses them.

use reqwest::{Client, Method};
use serde_json::json;

use super::client::TestClient;
use crate::testing::openai::Route;

#[tokio::test]
async fn a_file_can_be_uploaded_attached_listed_read_detached_and_deleted() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "assistants", b"hello").await;
    let attached = client.try_attach(&id, json!({ "path": "a", "size": 5 })).await.ok();
    assert_eq!(attached["status"], "in_progress");
    assert_eq!(attached["object"], "vector_store.file");

    let page = client.get(&client.at("/files")).await.ok();
    assert_eq!(page["data"][0]["id"], json!(id));
    assert_eq!(page["data"][0]["status"], "completed");
    assert_eq!(page["data"][0]["attributes"], json!({ "path": "a", "size": 5 }));
    assert_eq!((&page["first_id"], &page["last_id"]), (&json!(id), &json!(id)));
    assert_eq!(page["has_more"], false);

    let path = client.at(&format!("/files/{id}"));
    let updated = client.post(&path, json!({ "attributes": { "path": "b" } })).await.ok();
    assert_eq!(updated["attributes"], json!({ "path": "b" }));
    assert_eq!(client.get(&path).await.ok()["attributes"], json!({ "path": "b" }));
    assert_eq!(client.text(&id).await, ["hello"]);

    assert_eq!(client.delete(&path).await.ok()["object"], "vector_store.file.deleted");
    assert_eq!(client.listed("").await.0, [""; 0]);
    assert_eq!(client.get(&format!("files/{id}")).await.ok()["bytes"], 5);
    assert_eq!(client.delete(&format!("files/{id}")).await.ok()["deleted"], true);
    let gone = client.get(&format!("files/{id}")).await;
    assert_eq!(gone.error(), (404, format!("No such File object: {id}").as_str(), None));
}

#[tokio::test]
async fn only_some_purposes_allow_a_download() {
    let client = TestClient::strict();
    for (purpose, name, allowed) in [
        ("assistants", "a.txt", false),
        ("user_data", "a.txt", false),
        ("evals", "a.txt", false),
        ("fine-tune", "a.txt", false),
        ("batch", "a.jsonl", true),
        ("vision", "a.png", true),
    ] {
        let id = client.upload(name, purpose, b"\x00\xff").await;
        let got = client.request(Method::GET, &format!("files/{id}/content")).send().await.unwrap();
        assert_eq!(got.status() == 200, allowed, "{purpose}");
        let body = got.bytes().await.unwrap();
        if allowed {
            assert_eq!(body, b"\x00\xff"[..]);
        } else {
            let message = format!("Not allowed to download files of purpose: {purpose}");
            assert!(str::from_utf8(&body).unwrap().contains(&message));
        }
    }
    client.openai.add_file("out.jsonl", "batch_output", "x");
    let id = &client.openai.files().last().unwrap().id.clone();
    assert_eq!(client.get(&format!("files/{id}/content")).await.status, 200);
}

#[tokio::test]
async fn requests_need_the_key_and_the_log_does_not_contain_it() {
    let client = TestClient::strict();
    let url = format!("{}/files", client.openai.base_url());
    let without = Client::new().get(&url).send().await.unwrap();
    assert_eq!(without.status(), 401);
    let with_another = Client::new().get(&url).bearer_auth("sk-other").send().await.unwrap();
    assert_eq!(with_another.status(), 401);
    assert!(with_another.text().await.unwrap().contains("invalid_api_key"));
    client.get("files").await.ok();
    let shown = format!("{:?} {:?}", client.openai, client.openai.requests());
    assert!(!shown.contains(client.openai.api_key()), "{shown}");
    assert_eq!(client.openai.requests()[2].headers["authorization"], "Bearer ***");
}

#[tokio::test]
async fn the_log_has_every_request() {
    let client = TestClient::strict();
    let id = client.upload("a.txt", "user_data", b"hello").await;
    client.try_attach(&id, json!({ "path": "a" })).await.ok();
    client.listed("limit=5&order=asc").await;
    client.get("nothing/here").await;
    let log = client.openai.take_requests();
    let routes: Vec<&str> = log.iter().map(|request| request.route.name()).collect();
    assert_eq!(routes, ["upload", "attach", "list", "unknown"]);
    assert!(log[0].route == "upload" && log[0].route == Route::Upload);
    let file = log[0].file.as_ref().unwrap();
    assert_eq!((file.filename.as_str(), &file.bytes[..]), ("a.txt", &b"hello"[..]));
    assert_eq!(log[1].json, Some(json!({ "file_id": id, "attributes": { "path": "a" } })));
    assert_eq!(log[2].query, "limit=5&order=asc");
    assert_eq!(log[2].path, format!("/v1/{}", client.at("/files")));
    assert_eq!((log[2].status, log[3].status), (Some(200), Some(404)));
    assert!(client.openai.requests().is_empty());
    client.get("files").await.ok();
    assert_eq!(client.openai.requests()[0].status, Some(200));
}

#[tokio::test]
async fn a_test_can_add_attach_detach_and_expire_without_requests() {
    let client = TestClient::strict();
    let openai = &client.openai;
    // An upload of an empty file would be refused.
    let id = openai.add_file("upload", "assistants", "");
    assert!(!openai.files()[0].attached);
    openai.attach_file(&id, json!({ "path": "a" }));
    let file = &openai.files()[0];
    assert_eq!((file.filename.as_str(), file.purpose.as_str()), ("upload", "assistants"));
    assert!(file.attached && file.bytes.is_empty());
    let attached = &openai.vector_store_files()[0];
    assert_eq!((attached.id.as_str(), attached.status), (id.as_str(), "completed"));
    assert_eq!(attached.attributes["path"], "a");
    assert_eq!(client.listed("").await.0, [id.as_str()]);

    openai.detach_file(&id);
    assert!(openai.vector_store_files().is_empty());
    assert_eq!(client.get(&client.at(&format!("/files/{id}"))).await.status, 404);
    client.get(&format!("files/{id}")).await.ok();

    openai.attach_file(&id, json!({}));
    openai.expire();
    let expired = client.get(&client.at("/files")).await;
    let message = format!("Vector store '{}' has expired", openai.vector_store_id());
    assert_eq!(expired.error(), (400, message.as_str(), None));
    assert_eq!(client.get(&client.at("")).await.ok()["status"], "expired");

    openai.clear();
    assert!(openai.files().is_empty());
    assert_eq!(client.get(&client.at("")).await.ok()["status"], "completed");
    assert!(client.listed("").await.0.is_empty());
}
