//! Runs the conformance suite on a server with the API of OpenAI's vector stores. `run` starts such servers.
//!
//! `F9_OPENAI_BASE_URL` and `F9_OPENAI_API_KEY` name the server. Each case creates a vector store there.

#![allow(clippy::unwrap_used, reason = "a test fails if the server does not answer")]

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use f9::testing::{Fixture, Scale, every_case};
use f9::{AsyncFileBackend, OpenAIConfig, OpenAIVectorStoreFileBackend, Secret};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

every_case!(server, VectorStore::new());

/// A vector store on the server.
struct VectorStore {
    base_url: String,
    key: String,
    id: OnceLock<String>,
}

impl VectorStore {
    fn new() -> Self {
        let variable = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let (base_url, key) =
            (variable("F9_OPENAI_BASE_URL").unwrap(), variable("F9_OPENAI_API_KEY").unwrap());
        Self { base_url, key, id: OnceLock::new() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = Client::new().request(method, format!("{}/{path}", self.base_url));
        request.bearer_auth(&self.key).timeout(Duration::from_secs(300))
    }

    async fn open(&self) -> Arc<dyn AsyncFileBackend> {
        let config = OpenAIConfig::new(self.id.get().unwrap())
            .with_base_url(&self.base_url)
            .with_api_key(Secret::new(&self.key));
        Arc::new(OpenAIVectorStoreFileBackend::open(config).await.unwrap())
    }
}

#[async_trait]
impl Fixture for VectorStore {
    async fn backend(&self) -> Arc<dyn AsyncFileBackend> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // llama-stack takes the name for the id.
        let name = format!("f9-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let request = self.request(Method::POST, "vector_stores").json(&json!({ "name": name }));
        let answer = request.send().await.unwrap();
        let store: Value = answer.error_for_status().unwrap().json().await.unwrap();
        self.id.set(store["id"].as_str().unwrap().to_owned()).unwrap();
        self.open().await
    }

    async fn second_handle(&self) -> Option<Arc<dyn AsyncFileBackend>> {
        Some(self.open().await)
    }

    fn scale(&self) -> Scale {
        Scale::Small
    }

    /// The servers answer one request at a time, in up to half a second.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(1800)
    }
}
