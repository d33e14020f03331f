//! Files and their attachment, as every client uses them.

use reqwest::{Client, Method};
use serde_json::json;

use super::client::Talk;
use crate::testing::Route;

#[tokio::test]
async fn a_file_is_uploaded_attached_listed_described_read_detached_and_deleted() {
    let talk = Talk::strict();
    let id = talk.upload("a.txt", "assistants", b"hello").await;
    let attached = talk.try_attach(&id, json!({ "path": "a", "size": 5 })).await.ok();
    assert_eq!(attached["status"], "in_progress");
    assert_eq!(attached["object"], "vector_store.file");

    let page = talk.get(&talk.at("/files")).await.ok();
    assert_eq!(page["data"][0]["id"], json!(id));
    assert_eq!(page["data"][0]["status"], "completed");
    assert_eq!(page["data"][0]["attributes"], json!({ "path": "a", "size": 5 }));
    assert_eq!((&page["first_id"], &page["last_id"]), (&json!(id), &json!(id)));
    assert_eq!(page["has_more"], false);

    let path = talk.at(&format!("/files/{id}"));
    let updated = talk.post(&path, json!({ "attributes": { "path": "b" } })).await.ok();
    assert_eq!(updated["attributes"], json!({ "path": "b" }));
    assert_eq!(talk.get(&path).await.ok()["attributes"], json!({ "path": "b" }));
    assert_eq!(talk.text(&id).await, ["hello"]);

    assert_eq!(talk.delete(&path).await.ok()["object"], "vector_store.file.deleted");
    assert_eq!(talk.listed("").await.0, [""; 0]);
    assert_eq!(talk.get(&format!("files/{id}")).await.ok()["bytes"], 5);
    assert_eq!(talk.delete(&format!("files/{id}")).await.ok()["deleted"], true);
    let gone = talk.get(&format!("files/{id}")).await;
    assert_eq!(gone.refused(), (404, format!("No such File object: {id}").as_str(), None));
}

#[tokio::test]
async fn content_comes_back_for_the_purposes_that_allow_it() {
    let talk = Talk::strict();
    for (purpose, name, allowed) in [
        ("assistants", "a.txt", false),
        ("user_data", "a.txt", false),
        ("evals", "a.txt", false),
        ("fine-tune", "a.txt", false),
        ("batch", "a.jsonl", true),
        ("vision", "a.png", true),
    ] {
        let id = talk.upload(name, purpose, b"\x00\xff").await;
        let got = talk.request(Method::GET, &format!("files/{id}/content")).send().await.unwrap();
        assert_eq!(got.status() == 200, allowed, "{purpose}");
        let body = got.bytes().await.unwrap();
        if allowed {
            assert_eq!(body, b"\x00\xff"[..]);
        } else {
            let message = format!("Not allowed to download files of purpose: {purpose}");
            assert!(str::from_utf8(&body).unwrap().contains(&message));
        }
    }
    talk.openai.plant_file("out.jsonl", "batch_output", "x");
    let id = &talk.openai.files().last().unwrap().id.clone();
    assert_eq!(talk.get(&format!("files/{id}/content")).await.status, 200);
}

#[tokio::test]
async fn only_the_key_opens_and_it_is_in_no_log() {
    let talk = Talk::strict();
    let url = format!("{}/files", talk.openai.base_url());
    let without = Client::new().get(&url).send().await.unwrap();
    assert_eq!(without.status(), 401);
    let with_another = Client::new().get(&url).bearer_auth("sk-other").send().await.unwrap();
    assert_eq!(with_another.status(), 401);
    assert!(with_another.text().await.unwrap().contains("invalid_api_key"));
    talk.get("files").await.ok();
    let shown = format!("{:?} {:?}", talk.openai, talk.openai.requests());
    assert!(!shown.contains(talk.openai.api_key()), "{shown}");
    assert_eq!(talk.openai.requests()[2].headers["authorization"], "Bearer ***");
}

#[tokio::test]
async fn the_log_tells_every_request() {
    let talk = Talk::strict();
    let id = talk.upload("a.txt", "user_data", b"hello").await;
    talk.try_attach(&id, json!({ "path": "a" })).await.ok();
    talk.listed("limit=5&order=asc").await;
    talk.get("nothing/here").await;
    let log = talk.openai.take_requests();
    let routes: Vec<&str> = log.iter().map(|request| request.route.name()).collect();
    assert_eq!(routes, ["upload", "attach", "list", "unknown"]);
    assert!(log[0].route == "upload" && log[0].route == Route::Upload);
    let file = log[0].file.as_ref().unwrap();
    assert_eq!((file.filename.as_str(), &file.bytes[..]), ("a.txt", &b"hello"[..]));
    assert_eq!(log[1].json, Some(json!({ "file_id": id, "attributes": { "path": "a" } })));
    assert_eq!(log[2].query, "limit=5&order=asc");
    assert_eq!(log[2].path, format!("/v1/{}", talk.at("/files")));
    assert_eq!((log[2].status, log[3].status), (Some(200), Some(404)));
    assert!(talk.openai.requests().is_empty());
    talk.get("files").await.ok();
    assert_eq!(talk.openai.requests()[0].status, Some(200));
}

#[tokio::test]
async fn what_is_planted_is_there_and_can_be_looked_at() {
    let talk = Talk::strict();
    let openai = &talk.openai;
    // No client could have done that.
    let id = openai.plant_file("upload", "assistants", "");
    assert!(!openai.files()[0].attached);
    openai.plant_attached(&id, json!({ "path": "a" }));
    let file = &openai.files()[0];
    assert_eq!((file.filename.as_str(), file.purpose.as_str()), ("upload", "assistants"));
    assert!(file.attached && file.bytes.is_empty());
    let attached = &openai.vector_store_files()[0];
    assert_eq!((attached.id.as_str(), attached.status), (id.as_str(), "completed"));
    assert_eq!(attached.attributes["path"], "a");
    assert_eq!(talk.listed("").await.0, [id.as_str()]);

    openai.remove_attachment(&id);
    assert!(openai.vector_store_files().is_empty());
    assert_eq!(talk.get(&talk.at(&format!("/files/{id}"))).await.status, 404);
    talk.get(&format!("files/{id}")).await.ok();

    openai.plant_attached(&id, json!({}));
    openai.expire();
    let expired = talk.get(&talk.at("/files")).await;
    let message = format!("Vector store '{}' has expired", openai.vector_store_id());
    assert_eq!(expired.refused(), (400, message.as_str(), None));
    assert_eq!(talk.get(&talk.at("")).await.ok()["status"], "expired");

    openai.clear();
    assert!(openai.files().is_empty());
    assert_eq!(talk.get(&talk.at("")).await.ok()["status"], "completed");
    assert!(talk.listed("").await.0.is_empty());
}
