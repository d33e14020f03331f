//! A plain HTTP client of the simulator.

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::testing::openai::OpenAISimulator;

/// A simulator, and an HTTP client with its key.
pub(super) struct TestClient {
    pub(super) openai: OpenAISimulator,
    client: Client,
}

/// A response. Its JSON is `null` if the body is something else.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl Reply {
    /// Returns the body, and panics unless the status is 200.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json
    }

    /// Returns the status, the message and the code of an error.
    #[track_caller]
    pub(super) fn error(&self) -> (u16, &str, Option<&str>) {
        let error = &self.json["error"];
        assert!(error["type"].is_string() && error.get("param").is_some(), "{}", self.json);
        (self.status, error["message"].as_str().unwrap(), error["code"].as_str())
    }
}

impl TestClient {
    pub(super) fn strict() -> Self {
        Self::with(OpenAISimulator::start())
    }

    pub(super) fn with(openai: OpenAISimulator) -> Self {
        // The simulator speaks plain HTTP, and certificates take long to load.
        let client = Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        Self { openai, client }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/{path}", self.openai.base_url());
        self.client.request(method, url).bearer_auth(self.openai.api_key())
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        Reply { status, json: serde_json::from_slice(&body).unwrap_or_default() }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Reply {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// Returns a path below the simulator's vector store.
    pub(super) fn at(&self, below: &str) -> String {
        format!("vector_stores/{}{below}", self.openai.vector_store_id())
    }

    pub(super) async fn try_upload(&self, name: &str, purpose: &str, content: &[u8]) -> Reply {
        let file = Part::bytes(content.to_vec()).file_name(name.to_owned());
        let form = Form::new().text("purpose", purpose.to_owned()).part("file", file);
        self.send(self.request(Method::POST, "files").multipart(form)).await
    }

    /// Uploads a file and returns its id.
    pub(super) async fn upload(&self, name: &str, purpose: &str, content: &[u8]) -> String {
        self.try_upload(name, purpose, content).await.ok()["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn try_attach(&self, id: &str, attributes: Value) -> Reply {
        let body = json!({ "file_id": id, "attributes": attributes });
        self.post(&self.at("/files"), body).await
    }

    /// Uploads and attaches a text and returns its id.
    pub(super) async fn attach_new(&self, content: &str) -> String {
        let id = self.upload("a.txt", "assistants", content.as_bytes()).await;
        self.try_attach(&id, json!({})).await.ok();
        id
    }

    /// Lists the vector store, and returns the ids on the page and `has_more`.
    pub(super) async fn listed(&self, query: &str) -> (Vec<String>, bool) {
        let page = self.get(&self.at(&format!("/files?{query}"))).await.ok();
        let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
        let ids = page["data"].as_array().unwrap().iter().map(id).collect();
        (ids, page["has_more"].as_bool().unwrap())
    }

    /// Returns the texts of the content endpoint of the vector store.
    pub(super) async fn text(&self, id: &str) -> Vec<String> {
        let page = self.get(&self.at(&format!("/files/{id}/content"))).await.ok();
        let text = |item: &Value| item["text"].as_str().unwrap().to_owned();
        page["data"].as_array().unwrap().iter().map(text).collect()
    }
}
