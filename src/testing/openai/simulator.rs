//! The simulator as its users hold it.

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

use super::faults::Fault;
use super::log::Request;
use super::rules::Rules;
use super::server::{Service, listen, serve};
use super::state::{Chunking, Entry, State, Store, indexed};
use crate::{OpenAIConfig, Secret};

/// A server within the process that speaks OpenAI's API of files, uploads and vector stores, for tests without an account.
///
/// It is as strict as OpenAI is known to be, down to the words of its errors: files for the purpose `assistants` are not given
/// back, a vector store takes only files with certain endings, attributes have limits. [`Rules`] change how it behaves, and
/// [`Fault`]s make single requests go wrong. It serves on a thread of its own, so it may be used from synchronous and from
/// asynchronous code, until it is dropped.
///
/// What it cannot do is to know what words mean: a search finds the chunks that share words with the query.
///
/// # Examples
///
/// ```
/// use f9::testing::{Fault, OpenAISimulator, Route};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> reqwest::Result<()> {
/// let openai = OpenAISimulator::start();
/// let id = openai.plant_file("notes.txt", "user_data", "hello");
/// openai.plant_attached(&id, serde_json::json!({ "path": "notes.txt" }));
///
/// // Any client will do.
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
    /// Both are there until the simulator is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A file as the service has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredFile {
    /// The id, `file-…`.
    pub id: String,
    /// The name it was given when it was uploaded.
    pub filename: String,
    /// What it was uploaded for.
    pub purpose: String,
    /// Its content.
    pub bytes: Bytes,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Whether it is attached to the simulator's [vector store](OpenAISimulator::vector_store_id).
    pub attached: bool,
}

/// A file as the simulator's vector store has it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AttachedFile {
    /// The id of the file, `file-…`.
    pub id: String,
    /// The attributes as the client sent them last.
    pub attributes: Map<String, Value>,
    /// `in_progress`, `completed`, `failed` or `cancelled`.
    pub status: &'static str,
    /// When it was attached, in seconds since 1970.
    pub created_at: u64,
}

impl OpenAISimulator {
    /// Starts a server that is as strict as OpenAI, with one empty vector store.
    ///
    /// # Panics
    ///
    /// If this machine has no port or no thread left.
    #[must_use]
    pub fn start() -> Self {
        Self::with_rules(Rules::default())
    }

    /// Starts a server that gives back files of every purpose, as llama-stack and Azure do.
    ///
    /// # Panics
    ///
    /// If this machine has no port or no thread left.
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

    /// Where the service is, with its version: `http://127.0.0.1:…/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The one key that is accepted.
    #[must_use]
    pub fn api_key(&self) -> &str {
        self.service.key()
    }

    /// The vector store that is there from the start, `vs_…`.
    #[must_use]
    pub fn vector_store_id(&self) -> &str {
        &self.vector_store_id
    }

    /// What it takes to open a backend on the simulator's vector store. Repetitions wait for a millisecond at first.
    #[must_use]
    pub fn config(&self) -> OpenAIConfig {
        OpenAIConfig::new(self.vector_store_id())
            .with_base_url(self.base_url())
            .with_api_key(Secret::new(self.api_key()))
            .with_retry_delay(Duration::from_millis(1))
    }

    /// Changes the rules, for requests that come from now on.
    pub fn set(&self, change: impl FnOnce(&mut Rules)) {
        change(Arc::make_mut(&mut self.service.state().rules));
    }

    /// Lets something go wrong with a request to come.
    pub fn inject(&self, fault: impl Into<Fault>) {
        self.service.state().faults.push(fault.into());
    }

    /// How many of the injected faults have not happened yet, or not as often as they should.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.service.state().faults.len()
    }

    /// Forgets the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.service.state().faults.clear();
    }

    /// Lets the requests go on that are [held](super::FaultKind::Held) now.
    pub fn release(&self) {
        self.service.release();
    }

    /// How many requests have come so far that get no answer, however long it is waited for: the time-outs among the
    /// [faults](super::FaultKind). A test need not wait for real until its client gives up, if it can move the clock.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.service.state().unanswered
    }

    /// Every request that has come since they were last taken, in the order in which they began to come. They are kept until then,
    /// with the files they brought.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.service.state().log.all().to_vec()
    }

    /// The same requests, which are then forgotten.
    #[expect(clippy::must_use_candidate, reason = "also called to forget what came before")]
    pub fn take_requests(&self) -> Vec<Request> {
        self.service.state().log.take()
    }

    /// Every file there is, in the order of creation.
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

    /// What is attached to the simulator's vector store, in the order of attachment.
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

    /// Puts a file there as it is, whatever the rules say of it, and gives its id.
    pub fn plant_file(&self, filename: &str, purpose: &str, content: impl Into<Bytes>) -> String {
        let mut state = self.service.state();
        let id = state.add_file(filename, purpose, content.into());
        if let Some(file) = state.files.get_mut(&id) {
            file.missing = 0;
        }
        id
    }

    /// Attaches a file with attributes, a JSON object, whatever the rules say of it. It is listed once more if it is attached already.
    ///
    /// # Panics
    ///
    /// If there is no such file, the attributes are no object, or the vector store was deleted.
    #[expect(clippy::needless_pass_by_value, reason = "`json!({…})` is what it is called with")]
    pub fn plant_attached(&self, id: &str, attributes: Value) {
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
            outcome: indexed(&file.filename, &file.content, &rules),
            missing: 0,
            unlisted: 0,
            detached: None,
        };
        state.stores.get_mut(&self.vector_store_id).unwrap().entries.insert(entry);
    }

    /// Lets a file have been uploaded so much earlier.
    ///
    /// # Panics
    ///
    /// If there is no such file.
    pub fn back_date(&self, id: &str, by: Duration) {
        let mut state = self.service.state();
        let file = state.files.get_mut(id).unwrap();
        file.created_at = file.created_at.saturating_sub(by.as_secs());
    }

    /// Detaches a file, as somebody else would. The file itself stays.
    pub fn remove_attachment(&self, id: &str) {
        self.in_store(|store| drop(store.entries.remove(id)));
    }

    /// Lets the vector store expire: nothing is attached to it any more, and its status is `expired`.
    pub fn expire(&self) {
        self.in_store(|store| {
            store.entries.clear();
            store.expired = true;
        });
    }

    /// Removes every file, upload and vector store but the simulator's own, which is then empty. Rules, faults and the log of
    /// requests stay.
    pub fn clear(&self) {
        let mut state = self.service.state();
        state.files.clear();
        state.uploads.clear();
        let own = state.stores.remove(&self.vector_store_id);
        state.stores.clear();
        if let Some(mut own) = own {
            own.entries.clear();
            own.batches.clear();
            own.ghosts = 0;
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
    /// Stops the server: open connections are closed, and its thread is gone.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
