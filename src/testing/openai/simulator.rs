//! The handle that tests use: starts the server, changes its rules and reads its state.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::chunks::Chunking;
use super::fault::Fault;
use super::log::Request;
use super::records::{Entry, IndexingOutcome, Store};
use super::rules::Rules;
use super::server::{listen, serve};
use super::service::Service;
use super::state::State;
use crate::backends::openai::OpenAIConfig;
use crate::core::secret::Secret;

/// An HTTP server in the process with OpenAI's API of files and vector stores, for tests without an account.
///
/// By default it is as strict as OpenAI and uses the same error messages: files for the purpose `assistants` cannot be
/// downloaded, a vector store accepts only files with certain extensions, attributes have limits. [`Rules`] change its behaviour,
/// and [`Fault`]s make single requests fail. It runs on its own thread until it is dropped, so synchronous and asynchronous code
/// can use it.
///
/// It has no embeddings: a search finds the chunks that share words with the query.
///
/// # Examples
///
/// ```
/// use f9::testing::openai::{Fault, OpenAISimulator, Route};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> reqwest::Result<()> {
/// let openai = OpenAISimulator::start();
/// let id = openai.add_file("notes.txt", "user_data", "hello");
/// openai.attach_file(&id, serde_json::json!({ "path": "notes.txt" }));
///
/// // Any HTTP client works.
/// let url = format!("{}/files/{id}/content", openai.base_url());
/// let get = || reqwest::Client::new().get(&url).bearer_auth(openai.api_key()).send();
/// let refused = get().await?;
/// assert_eq!(refused.status(), 400);
/// assert!(refused.text().await?.contains("Not allowed to download files of purpose: user_data"));
///
/// openai.set(|rules| rules.forbidden_downloads.clear());
/// assert_eq!(get().await?.text().await?, "hello");
///
/// openai.inject(Fault::status(503).on(Route::Content));
/// assert_eq!(get().await?.status(), 503);
///
/// assert_eq!(openai.take_requests().len(), 3);
/// # Ok(())
/// # }
/// ```
pub struct OpenAISimulator {
    address: SocketAddr,
    vector_store_id: String,
    service: Arc<Service>,
    /// Both are set until the simulator is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A file that the service stores.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredFile {
    /// The id, `file-…`.
    pub id: String,
    /// The name in the upload.
    pub filename: String,
    /// The purpose in the upload.
    pub purpose: String,
    /// The content.
    pub bytes: Bytes,
    /// The time of the upload in seconds since 1970.
    pub created_at: u64,
    /// Whether the file is attached to the simulator's [vector store](OpenAISimulator::vector_store_id).
    pub attached: bool,
}

/// A file that is attached to the simulator's vector store.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttachedFile {
    /// The id of the file, `file-…`.
    pub id: String,
    /// The attributes in the last request that set them.
    pub attributes: Map<String, Value>,
    /// `in_progress`, `completed`, `failed` or `cancelled`.
    pub status: &'static str,
    /// The time of the attachment in seconds since 1970.
    pub created_at: u64,
}

impl OpenAISimulator {
    /// Starts a server that is as strict as OpenAI, with one empty vector store.
    ///
    /// # Panics
    ///
    /// If the system has no free port or cannot start a thread.
    #[must_use]
    pub fn start() -> Self {
        Self::with_rules(Rules::default())
    }

    /// Starts a server where files of every purpose can be downloaded, as from llama-stack and Azure.
    ///
    /// # Panics
    ///
    /// If the system has no free port or cannot start a thread.
    #[must_use]
    pub fn lenient() -> Self {
        Self::with_rules(Rules::lenient())
    }

    fn with_rules(rules: Rules) -> Self {
        let listener = listen().unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State::new(rules);
        let vector_store_id = state.add_store();
        let key = format!("sk-simulator-{}", address.port());
        let service = Arc::new(Service::new(key, state));
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let serving = Arc::clone(&service);
        let run = move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                serve(listener, serving, stopped).await;
            });
        };
        let thread = thread::Builder::new().name("openai-simulator".to_owned()).spawn(run).unwrap();
        Self { address, vector_store_id, service, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns the URL of the service with its version: `http://127.0.0.1:…/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns the key that the service accepts.
    #[must_use]
    pub fn api_key(&self) -> &str {
        self.service.key()
    }

    /// Returns the id of the vector store that exists from the start, `vs_…`.
    #[must_use]
    pub fn vector_store_id(&self) -> &str {
        &self.vector_store_id
    }

    /// Returns the configuration of a backend on the simulator's vector store. Its first retry waits for one millisecond.
    #[must_use]
    pub fn config(&self) -> OpenAIConfig {
        OpenAIConfig::new(self.vector_store_id())
            .with_base_url(self.base_url())
            .with_api_key(Secret::new(self.api_key()))
            .with_retry_delay(Duration::from_millis(1))
    }

    /// Changes the rules of later requests.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(Arc::make_mut(&mut self.service.state().rules));
    }

    /// Makes a later request fail.
    pub fn inject(&self, fault: impl Into<Fault>) {
        self.service.state().faults.push(fault.into());
    }

    /// Returns how many injected faults have repetitions left.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.service.state().faults.len()
    }

    /// Removes the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.service.state().faults.clear();
    }

    /// Releases the requests that are [held](super::FaultKind::Held) now.
    pub fn release(&self) {
        self.service.release();
    }

    /// Returns how many requests never get a response because of a timeout [fault](super::FaultKind). A test can wait for this
    /// number and then advance its clock past the timeout of the client.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.service.state().unanswered
    }

    /// Returns the requests since the last [`take_requests`](Self::take_requests), in the order of arrival. They are kept with
    /// their files until then.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.service.state().log.all().to_vec()
    }

    /// Returns the same requests and empties the log.
    #[expect(clippy::must_use_candidate, reason = "also called to empty the log")]
    pub fn take_requests(&self) -> Vec<Request> {
        self.service.state().log.take()
    }

    /// Returns all files, in the order of creation.
    #[must_use]
    pub fn files(&self) -> Vec<StoredFile> {
        let state = self.service.state();
        let store = state.stores.get(&self.vector_store_id);
        let files = state.files.iter().map(|file| StoredFile {
            id: file.id.clone(),
            filename: file.filename.clone(),
            purpose: file.purpose.clone(),
            bytes: file.content.clone(),
            created_at: file.created_at,
            attached: store.is_some_and(|store| store.entry(&file.id).is_some()),
        });
        files.collect()
    }

    /// Returns the files attached to the simulator's vector store, in the order of attachment.
    #[must_use]
    pub fn vector_store_files(&self) -> Vec<AttachedFile> {
        let state = self.service.state();
        let Some(store) = state.stores.get(&self.vector_store_id) else { return Vec::new() };
        let entries = store.attached().map(|entry| AttachedFile {
            id: entry.file_id.clone(),
            attributes: entry.attributes.clone(),
            status: entry.status(),
            created_at: entry.created_at,
        });
        entries.collect()
    }

    /// Adds a file without checking the rules and returns its id.
    pub fn add_file(&self, filename: &str, purpose: &str, content: impl Into<Bytes>) -> String {
        let mut state = self.service.state();
        let id = state.add_file(filename, purpose, content.into());
        if let Some(file) = state.files.get_mut(&id) {
            file.misses_left = 0;
        }
        id
    }

    /// Attaches a file without checking the rules. `attributes` is a JSON object. A file that is attached already is listed twice.
    ///
    /// # Panics
    ///
    /// If there is no such file, the attributes are not an object, or the vector store was deleted.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass `json!({…})`")]
    pub fn attach_file(&self, id: &str, attributes: Value) {
        let mut state = self.service.state();
        let created_at = state.now();
        let rules = Arc::clone(&state.rules);
        let file = state.files.get(id).unwrap();
        let entry = Entry {
            file_id: id.to_owned(),
            filename: file.filename.clone(),
            content: file.content.clone(),
            attributes: attributes.as_object().unwrap().clone(),
            created_at,
            chunking: Chunking { size: rules.chunk_tokens, overlap: rules.chunk_overlap_tokens },
            batch: None,
            polls_left: 0,
            outcome: IndexingOutcome::of(&file.filename, &file.content, &rules),
            misses_left: 0,
            unlisted_left: 0,
            stale_listings_left: None,
        };
        state.stores.get_mut(&self.vector_store_id).unwrap().entries.insert(entry);
    }

    /// Moves the upload time of a file back.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    pub fn backdate_file(&self, id: &str, by: Duration) {
        let mut state = self.service.state();
        let file = state.files.get_mut(id).unwrap();
        file.created_at = file.created_at.saturating_sub(by.as_secs());
    }

    /// Expires a file: it is gone, but its entries in vector stores stay.
    pub fn expire_file(&self, id: &str) {
        drop(self.service.state().files.remove(id));
    }

    /// Detaches a file, as another client would. The file itself is kept.
    pub fn detach_file(&self, id: &str) {
        self.in_store(|store| drop(store.entries.remove(id)));
    }

    /// Expires the vector store: detaches all files and sets its status to `expired`.
    pub fn expire(&self) {
        self.in_store(|store| {
            store.entries.clear();
            store.expired = true;
        });
    }

    /// Removes all files, and all vector stores but the simulator's own, which is emptied. Keeps the rules, the faults
    /// and the log of requests.
    pub fn clear(&self) {
        let mut state = self.service.state();
        state.files.clear();
        let own = state.stores.remove(&self.vector_store_id);
        state.stores.clear();
        if let Some(mut own) = own {
            own.entries.clear();
            own.batches.clear();
            own.deleted_but_counted = 0;
            own.expired = false;
            state.stores.insert(own);
        }
    }

    fn in_store(&self, change: impl FnOnce(&mut Store)) {
        if let Some(store) = self.service.state().stores.get_mut(&self.vector_store_id) {
            change(store);
        }
    }
}

impl fmt::Debug for OpenAISimulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAISimulator")
            .field("base_url", &self.base_url())
            .field("vector_store_id", &self.vector_store_id)
            .finish_non_exhaustive()
    }
}

impl Drop for OpenAISimulator {
    /// Closes all connections, stops the server and joins its thread.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
