//! The requests of the Python original, sent one after the other over one connection, without the time of Python itself.
//!
//! The comparison favours it: with its default `cache_ttl` it would start each operation with a full [refresh](Original::refresh).

use std::collections::BTreeSet;
use std::time::SystemTime;

use bytes::Bytes;
use f9::testing::openai::OpenAISimulator;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::Result;

const BETA: HeaderName = HeaderName::from_static("openai-beta");

/// The content that it uploads for a directory.
pub const DIRECTORY: &[u8] = b"# directory placeholder\n";

#[derive(Clone)]
pub struct Original {
    http: Client,
    url: String,
    key: String,
    store: String,
}

/// What it caches of an entry.
pub struct Entry {
    pub id: String,
    pub path: String,
}

impl Original {
    pub fn of(service: &OpenAISimulator) -> Result<Self> {
        Ok(Self {
            http: Client::builder().build()?,
            url: service.base_url(),
            key: service.api_key().to_owned(),
            store: format!("vector_stores/{}/files", service.vector_store_id()),
        })
    }

    /// Lists the store, newest first, and requests the file of each entry.
    pub async fn refresh(&self) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map(|entry| format!("&after={}", entry.id));
            let page = format!("{}?limit=100{}", self.store, after.unwrap_or_default());
            let page = self.json(Method::GET, &page).await?;
            for item in page["data"].as_array().ok_or("no page")? {
                let entry = Entry::of(item).ok_or("an entry without a path")?;
                self.json(Method::GET, &format!("files/{}", entry.id)).await?;
                entries.push(entry);
            }
            if page["has_more"] != true {
                return Ok(entries);
            }
        }
    }

    /// Creates a file, after the parent directories that are not cached.
    pub async fn create(
        &self,
        path: &str,
        content: &Bytes,
        directories: &mut BTreeSet<String>,
    ) -> Result<()> {
        for (end, _) in path.match_indices('/') {
            if directories.insert(path[..end].to_owned()) {
                self.put(&path[..end], &Bytes::from_static(DIRECTORY), true).await?;
            }
        }
        self.put(path, content, false).await
    }

    async fn put(&self, path: &str, content: &Bytes, is_dir: bool) -> Result<()> {
        let length = content.len() as u64;
        // The original sends no file name. The service refuses to attach files whose extension it does not know.
        let part = Part::stream_with_length(content.clone(), length).file_name("upload.txt");
        let form = Form::new().text("purpose", "assistants").part("file", part);
        let uploaded = self.request(Method::POST, "files").multipart(form);
        let id = &answer(uploaded).await?["id"];
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
        let (size, encoding) = (if is_dir { 0 } else { length }, "raw");
        let attributes = json!({
            "path": path, "is_dir": is_dir, "size": size, "modified_at": now, "encoding": encoding,
        });
        let body = json!({ "file_id": id, "attributes": attributes }).to_string();
        let attached = self.request(Method::POST, &self.store);
        answer(attached.header(CONTENT_TYPE, "application/json").body(body)).await.map(drop)
    }

    pub async fn read(&self, id: &str) -> Result<Bytes> {
        let content = self.request(Method::GET, &format!("files/{id}/content"));
        Ok(content.send().await?.error_for_status()?.bytes().await?)
    }

    /// Deletes a file or the placeholder of a directory.
    pub async fn delete(&self, id: &str) -> Result<()> {
        self.json(Method::DELETE, &format!("{}/{id}", self.store)).await?;
        self.json(Method::DELETE, &format!("files/{id}")).await.map(drop)
    }

    async fn json(&self, method: Method, path: &str) -> Result<Value> {
        answer(self.request(method, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}", self.url));
        let request = request.bearer_auth(&self.key);
        if path.starts_with("vector_stores/") {
            return request.header(BETA, HeaderValue::from_static("assistants=v2"));
        }
        request
    }
}

impl Entry {
    fn of(item: &Value) -> Option<Self> {
        let (id, path) = (item["id"].as_str()?, item["attributes"]["path"].as_str()?);
        Some(Self { id: id.to_owned(), path: path.to_owned() })
    }
}

async fn answer(request: RequestBuilder) -> Result<Value> {
    let body = request.send().await?.error_for_status()?.bytes().await?;
    Ok(serde_json::from_slice(&body)?)
}
