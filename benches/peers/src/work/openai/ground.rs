//! A vector store on a simulated service, and what is put there before something is measured.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use f9::OpenAIVectorStoreFileBackend;
use f9::prelude::*;
use f9::testing::OpenAISimulator;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::original::DIRECTORY;
use crate::Result;
use crate::arena::Arena;
use crate::rounds::{Counted, Sample};

/// How long the service waits before it answers a request that is measured.
pub const LATENCY: Duration = Duration::from_millis(5);

/// How many requests f9 has under way at a time.
pub const AT_A_TIME: usize = 16;

/// For how long what is known of the store is believed: longer than anything here takes.
pub const KEPT: Duration = Duration::from_secs(3600);

/// The directory that all files lie below.
pub const TOP: &str = "notes";

pub struct Ground<'a> {
    arena: &'a Arena,
    pub service: OpenAISimulator,
    /// In their order.
    pub paths: Arc<[String]>,
}

impl<'a> Ground<'a> {
    /// An empty store, and the paths of so many files, 100 in each directory.
    pub fn new(arena: &'a Arena, count: usize) -> Self {
        let path = |n| format!("{TOP}/{:03}/{n:05}.md", n / 100);
        let paths = (0..count).map(path).collect();
        Self { arena, service: OpenAISimulator::lenient(), paths }
    }

    /// A store with these files.
    pub fn planted(arena: &'a Arena, count: usize) -> Self {
        let ground = Self::new(arena, count);
        ground.plant();
        ground
    }

    /// Puts the files there, as f9 writes them.
    pub fn plant(&self) {
        let (content, now) = (content(), "1700000000.123456789");
        let sha256 = hex::encode(Sha256::digest(&content));
        for path in self.paths.iter() {
            self.attach(
                content.clone(),
                json!({
                    "f9": 1, "path": path, "is_dir": false, "generation": 1, "created_at": now,
                    "modified_at": now, "size": content.len(), "encoding": "raw", "sha256": sha256,
                }),
            );
        }
    }

    /// Puts there what stands for the directories to the Python original.
    pub fn plant_directories(&self) {
        let mut directories: Vec<&str> =
            self.paths.iter().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
        directories.dedup();
        for path in [TOP].into_iter().chain(directories) {
            let attributes = json!({
                "path": path, "is_dir": true, "size": 0, "modified_at": 1.7e9, "encoding": "raw",
            });
            self.attach(Bytes::from_static(DIRECTORY), attributes);
        }
    }

    fn attach(&self, content: Bytes, attributes: Value) {
        let id = self.service.plant_file("upload.txt", "assistants", content);
        self.service.plant_attached(&id, attributes);
    }

    /// A backend that knows nothing of the store.
    pub fn open(&self) -> Result<OpenAIVectorStoreFileBackend> {
        let config = self.service.config().with_cache_ttl(KEPT).with_concurrency(AT_A_TIME);
        self.unmeasured(OpenAIVectorStoreFileBackend::open(config))
    }

    /// A backend that knows what is in the store.
    pub fn open_and_look(&self) -> Result<OpenAIVectorStoreFileBackend> {
        let backend = self.open()?;
        let f9 = backend.clone();
        assert!(!self.unmeasured(async move { f9.exists("nothing").await })?);
        Ok(backend)
    }

    /// Does something on a service that answers at once.
    pub fn unmeasured<T, E>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Into<crate::Error>,
    {
        Ok(self.arena.timed(work)?.1)
    }

    /// Does the work on a service that takes its time, and counts what it is asked. The processor time would be also that of the service.
    pub fn measured<T, E>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
    ) -> Result<(Sample, T)>
    where
        T: Send + 'static,
        E: Into<crate::Error>,
    {
        self.service.set(|rules| rules.latency = LATENCY);
        self.service.take_requests();
        let (took, done) = self.arena.timed(work)?;
        let requests = self.service.take_requests().len() as u64;
        self.service.set(|rules| rules.latency = Duration::ZERO);
        Ok((Sample::of(took.wall).counting(requests, Counted::Requests), done))
    }

    /// The files are attached with their content, and nothing else but what stands for directories.
    pub fn assert_written(&self) {
        let attached = self.service.vector_store_files();
        let files = attached.iter().filter(|entry| entry.attributes["is_dir"] == false);
        let mut paths: Vec<_> =
            files.filter_map(|entry| entry.attributes["path"].as_str()).collect();
        paths.sort_unstable();
        assert!(paths.iter().eq(self.paths.iter()), "the store has other files");
        let uploads = self.service.files();
        let files = uploads.iter().filter(|file| file.attached && file.bytes == content());
        assert_eq!(files.count(), self.paths.len(), "files have another content");
    }

    /// Nothing is left.
    pub fn assert_empty(&self) {
        assert!(self.service.vector_store_files().is_empty(), "something is still attached");
        assert!(self.service.files().is_empty(), "there are still files");
    }
}

/// A text of 1 KiB.
pub fn content() -> Bytes {
    let lines = "A line of a note that nobody has to read.\n".repeat(25);
    Bytes::from(lines).slice(..1024)
}
