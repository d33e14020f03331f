//! Records how the real service responds where its documentation is silent. Needs an account of your own.
//!
//! `F9_OPENAI_API_KEY=… F9_OPENAI_VECTOR_STORE=vs_… cargo test --all-features --test openai -- live --nocapture` makes some forty
//! calls in that vector store, prints the responses, and removes what it created. Without the two variables, the same calls go to
//! the simulator, so that their form is tested. `F9_OPENAI_BASE_URL` names another server.

#![allow(clippy::print_stdout, reason = "the answers are what is asked for")]

use std::time::Duration;

use f9::testing::openai::OpenAISimulator;
use f9::{OpenAIVectorStoreFileBackend, prelude::*};
use reqwest::header::{HeaderMap, RANGE};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// The client of the questions.
struct Probe {
    http: Client,
    base_url: String,
    key: String,
    vector_store: String,
    /// To be deleted at the end.
    files: Vec<String>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn id(&self) -> Option<String> {
        Some(self.json().get("id")?.as_str()?.to_owned())
    }
}

impl Probe {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.replace("{vs}", &self.vector_store);
        let request = self.http.request(method, format!("{}/{path}", self.base_url));
        request.bearer_auth(&self.key).header("openai-beta", "assistants=v2")
    }

    /// Sends a request and prints the question and the response.
    async fn ask(&self, question: &str, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        let shown: String = text.replace(&self.key, "***").chars().take(400).collect();
        println!("{question}\n    {status} {}", shown.replace('\n', "\\n"));
        Answer { status, headers, text }
    }

    async fn get(&self, question: &str, path: &str) -> Answer {
        self.ask(question, self.request(Method::GET, path)).await
    }

    async fn post(&self, question: &str, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.ask(question, request.body(body.to_string())).await
    }

    async fn upload(&mut self, purpose: &str, name: &str, content: &str) -> Option<String> {
        let file = Part::bytes(content.as_bytes().to_vec()).file_name(name.to_owned());
        let form = Form::new().text("purpose", purpose.to_owned()).part("file", file);
        let request = self.request(Method::POST, "files").multipart(form);
        let id = self.ask(&format!("upload `{name}` for {purpose}"), request).await.id()?;
        self.files.push(id.clone());
        Some(id)
    }

    async fn attach(&self, question: &str, file: &str, attributes: Value) -> Answer {
        let body = json!({"file_id": file, "attributes": attributes});
        self.post(question, "vector_stores/{vs}/files", body).await
    }

    /// Waits until a file has been parsed, for at most a minute.
    async fn parsed(&self, file: &str) {
        for _ in 0..60 {
            let asked = self.request(Method::GET, &format!("vector_stores/{{vs}}/files/{file}"));
            let text = asked.send().await.unwrap().text().await.unwrap();
            if !text.contains("in_progress") {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn downloads(&mut self) {
        for purpose in ["assistants", "user_data", "vision", "evals", "batch"] {
            let name = if purpose == "batch" { "lines.jsonl" } else { "note.txt" };
            let content = "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/responses\", \"body\": {}}\n";
            let Some(id) = self.upload(purpose, name, content).await else { continue };
            self.get(&format!("download, {purpose}"), &format!("files/{id}/content")).await;
            self.attach(&format!("attach, {purpose}"), &id, json!({})).await;
        }
    }

    /// Without an `.svg`: one of those is reported to have broken the listing of a store permanently.
    async fn names(&mut self) {
        let long = format!("{}.txt", "n".repeat(300));
        for name in ["no-extension", "with/slash.txt", "table.csv", "päth.txt", &long] {
            if let Some(id) = self.upload("assistants", name, "text\n").await {
                self.attach(&format!("attach `{:.20}`", name), &id, json!({})).await;
            }
        }
        self.upload("assistants", "empty.txt", "").await;
    }

    async fn attributes(&mut self) {
        let Some(id) = self.upload("assistants", "attributes.txt", "text\n").await else { return };
        let kept =
            json!({"kept": "before", "number": 14, "big": 9_007_199_254_740_993_u64, "yes": true});
        self.attach("attach with attributes", &id, kept).await;
        self.attach("attach again, with others", &id, json!({"kept": "again"})).await;
        let path = format!("vector_stores/{{vs}}/files/{id}");
        for (what, value) in [
            ("256 characters", "c".repeat(256)),
            ("257 characters", "c".repeat(257)),
            ("256 characters of two bytes", "é".repeat(256)),
            ("512 characters", "c".repeat(512)),
            ("513 characters", "c".repeat(513)),
        ] {
            self.post(
                &format!("a value of {what}"),
                &path,
                json!({"attributes": {"value": value}}),
            )
            .await;
        }
        self.post("other attributes", &path, json!({"attributes": {"other": "x"}})).await;
        self.get("are they added to the old ones, or do they replace them?", &path).await;
        let seventeen: serde_json::Map<_, _> =
            (0..17).map(|n| (format!("k{n}"), json!(n))).collect();
        self.post("17 attributes", &path, json!({"attributes": seventeen})).await;
    }

    async fn parsed_text(&mut self) {
        let lines: String =
            (0..4000).map(|n| format!("line {n} of a text that is cut into chunks\n")).collect();
        let Some(id) = self.upload("assistants", "long.txt", &lines).await else { return };
        self.attach("attach a long text", &id, json!({})).await;
        self.parsed(&id).await;
        let path = format!("vector_stores/{{vs}}/files/{id}/content");
        let answer = self.get("its parsed text", &path).await.json();
        let chunks: Vec<&str> = answer["data"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|part| part["text"].as_str())
            .collect();
        let joined: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        println!(
            "    {} bytes written, {} chunks of {joined} bytes in all",
            lines.len(),
            chunks.len()
        );
        println!("    has_more {}, next_page {}", answer["has_more"], answer["next_page"]);
        for (number, chunk) in chunks.iter().enumerate().take(3) {
            let (first, last) = (chunk.lines().next(), chunk.lines().last());
            println!(
                "    chunk {number}: {first:?} … {last:?}, newline at its end: {}",
                chunk.ends_with('\n')
            );
        }
        let ranged =
            self.request(Method::GET, &format!("files/{id}/content")).header(RANGE, "bytes=0-9");
        self.ask("ten bytes of a file", ranged).await;
    }

    async fn lists_and_errors(&mut self) {
        let page =
            self.get("a page of one entry", "vector_stores/{vs}/files?limit=1&order=asc").await;
        for (name, value) in &page.headers {
            if name.as_str().starts_with("x-ratelimit") || name.as_str().starts_with("openai-") {
                println!("    {name}: {value:?}");
            }
        }
        self.get("a page of 101", "vector_stores/{vs}/files?limit=101").await;
        self.get("after an entry that is not there", "vector_stores/{vs}/files?after=file-none")
            .await;
        self.get("a file that is not there", "files/file-none").await;
        self.get("an entry that is not there", "vector_stores/{vs}/files/file-none").await;
        self.get("a vector store that is not there", "vector_stores/vs_none/files").await;
        let upload = json!({"filename": "parts.txt", "purpose": "assistants", "bytes": 5, "mime_type": "text/plain"});
        let Some(upload) = self.post("an upload in parts", "uploads", upload).await.id() else {
            return;
        };
        let form = Form::new().part("data", Part::bytes(b"hello".to_vec()).file_name("data"));
        let part = self.request(Method::POST, &format!("uploads/{upload}/parts")).multipart(form);
        let Some(part) = self.ask("its part", part).await.id() else { return };
        let body = json!({"part_ids": [part], "md5": "5d41402abc4b2a76b9719d911017c592"});
        let path = format!("uploads/{upload}/complete");
        let done = self.post("its end, with the md5 in hexadecimal digits", &path, body);
        if let Some(file) = done.await.json()["file"]["id"].as_str() {
            self.files.push(file.to_owned());
        }
    }

    async fn containers(&mut self) {
        let Some(id) = self.upload("assistants", "contained.txt", "text\n").await else { return };
        let body = json!({"name": "f9", "file_ids": [id]});
        let Some(container) = self.post("a container with a file", "containers", body).await.id()
        else {
            return;
        };
        let files = self.get("its files", &format!("containers/{container}/files")).await.json();
        if let Some(file) = files["data"][0]["id"].as_str() {
            self.get("the file in it", &format!("containers/{container}/files/{file}/content"))
                .await;
        }
        let delete = self.request(Method::DELETE, &format!("containers/{container}"));
        self.ask("deleting it", delete).await;
    }

    /// Removes what was created. On the way it lists entries after one that was just detached.
    async fn clean_up(&mut self) {
        for (number, file) in std::mem::take(&mut self.files).into_iter().enumerate() {
            let path = format!("vector_stores/{{vs}}/files/{file}");
            let detached = self.request(Method::DELETE, &path).send().await.unwrap();
            if number == 0 && detached.status().is_success() {
                let path = format!("vector_stores/{{vs}}/files?limit=1&order=asc&after={file}");
                self.get("after an entry that was taken out", &path).await;
            }
            let deleted =
                self.request(Method::DELETE, &format!("files/{file}")).send().await.unwrap();
            assert!(deleted.status().is_success(), "{file} is left: {}", deleted.status());
        }
    }
}

/// Writes and reads through f9 with each encoding.
async fn round_trips(config: f9::OpenAIConfig) {
    let backend = OpenAIVectorStoreFileBackend::open(config).await.unwrap();
    let binary: Vec<u8> =
        (0..20_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    for (path, content) in [
        ("f9-live/short.md", b"# Short\n\nA text.\n".to_vec()),
        ("f9-live/long.md", "A line of a longer text.\n".repeat(2000).into_bytes()),
        ("f9-live/binary.bin", binary),
        ("f9-live/empty.txt", Vec::new()),
    ] {
        let written =
            backend.create_with(path, content.clone(), f9::CreateOptions::overwrite()).await;
        println!("f9 writes {path}: {written:?}");
        if written.is_ok() {
            match backend.read(path).await {
                Ok(read) => println!("f9 reads {path}: exactly: {}", read == content),
                Err(error) => println!("f9 reads {path}: {error}"),
            }
        }
    }
    println!("f9 searches: {:?}", backend.search("a short text").await);
    backend.delete_with("f9-live", f9::DeleteOptions::recursive()).await.unwrap();
}

#[tokio::test]
async fn live() {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (key, vector_store) = (variable("F9_OPENAI_API_KEY"), variable("F9_OPENAI_VECTOR_STORE"));
    let simulator = OpenAISimulator::start();
    let mut config = simulator.config();
    let mut probe = Probe {
        http: Client::new(),
        base_url: simulator.base_url(),
        key: simulator.api_key().to_owned(),
        vector_store: simulator.vector_store_id().to_owned(),
        files: Vec::new(),
    };
    if let (Some(key), Some(vector_store)) = (key, vector_store) {
        let base_url = variable("F9_OPENAI_BASE_URL");
        probe.base_url = base_url.unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
        config = f9::OpenAIConfig::new(&vector_store)
            .with_api_key(f9::Secret::new(&key))
            .with_base_url(&probe.base_url);
        (probe.key, probe.vector_store) = (key, vector_store);
    } else {
        println!("F9_OPENAI_API_KEY and F9_OPENAI_VECTOR_STORE are not set: this is the simulator");
    }
    let store = probe.get("the vector store", "vector_stores/{vs}").await;
    assert_eq!(store.status, 200, "there is no such vector store, or no such key");
    probe.downloads().await;
    probe.names().await;
    probe.attributes().await;
    probe.parsed_text().await;
    probe.lists_and_errors().await;
    probe.containers().await;
    probe.clean_up().await;
    round_trips(config).await;
    if probe.base_url == simulator.base_url() {
        assert!(simulator.files().is_empty(), "it removes what it made: {:?}", simulator.files());
    }
}
