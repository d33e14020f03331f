//! The vector store on a simulated service that a measurement works on, and the files in it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use f9::OpenAIVectorStoreFileBackend;
use f9::prelude::*;
use f9::testing::openai::OpenAISimulator;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::original::DIRECTORY;
use crate::Result;
use crate::arena::Arena;
use crate::rounds::{Counted, Sample};

/// How long the service waits before it answers a measured request.
pub const LATENCY: Duration = Duration::from_millis(5);

/// How many requests f9 has in flight at a time.
pub const AT_A_TIME: usize = 16;

/// How long a listing of the store stays valid: longer than any measurement.
pub const CACHE_TTL: Duration = Duration::from_secs(3600);

/// The directory of all files.
pub const DIRECTORY_NAME: &str = "notes";

pub struct Fixture<'a> {
    arena: &'a Arena,
    pub service: OpenAISimulator,
    /// The paths, in the order of creation.
    pub paths: Arc<[String]>,
}

impl<'a> Fixture<'a> {
    /// Returns an empty store and `count` paths, 100 in each directory.
    pub fn new(arena: &'a Arena, count: usize) -> Self {
        let path = |n| format!("{DIRECTORY_NAME}/{:03}/{n:05}.md", n / 100);
        let paths = (0..count).map(path).collect();
        Self { arena, service: OpenAISimulator::lenient(), paths }
    }

    /// Returns a store that holds these files.
    pub fn with_files(arena: &'a Arena, count: usize) -> Self {
        let fixture = Self::new(arena, count);
        fixture.add_files();
        fixture
    }

    /// Adds the files in the form in which f9 writes them.
    pub fn add_files(&self) {
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

    /// Adds the placeholders that the Python original creates for directories.
    pub fn add_directories(&self) {
        let mut directories: Vec<&str> =
            self.paths.iter().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
        directories.dedup();
        for path in [DIRECTORY_NAME].into_iter().chain(directories) {
            let attributes = json!({
                "path": path, "is_dir": true, "size": 0, "modified_at": 1.7e9, "encoding": "raw",
            });
            self.attach(Bytes::from_static(DIRECTORY), attributes);
        }
    }

    fn attach(&self, content: Bytes, attributes: Value) {
        let id = self.service.add_file("upload.txt", "assistants", content);
        self.service.attach_file(&id, attributes);
    }

    /// Opens a backend that has not listed the store yet.
    pub fn open(&self) -> Result<OpenAIVectorStoreFileBackend> {
        let config = self.service.config().with_cache_ttl(CACHE_TTL).with_concurrency(AT_A_TIME);
        self.without_latency(OpenAIVectorStoreFileBackend::open(config))
    }

    /// Opens a backend that has listed the store.
    pub fn open_and_list(&self) -> Result<OpenAIVectorStoreFileBackend> {
        let backend = self.open()?;
        let f9 = backend.clone();
        assert!(!self.without_latency(async move { f9.exists("nothing").await })?);
        Ok(backend)
    }

    /// Runs `work` on a service that answers at once.
    pub fn without_latency<T, E>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Into<crate::Error>,
    {
        Ok(self.arena.timed(work)?.1)
    }

    /// Runs `work` on a service with latency, and counts the requests. Processor time is not measured: it would include the
    /// service's own.
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

    /// Checks that the files are attached with their content, and nothing else except placeholders of directories.
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

    /// Checks that the store is empty.
    pub fn assert_empty(&self) {
        assert!(self.service.vector_store_files().is_empty(), "something is still attached");
        assert!(self.service.files().is_empty(), "there are still files");
    }
}

/// Returns a text of 1 KiB.
pub fn content() -> Bytes {
    let lines = "A line of a note that nobody has to read.\n".repeat(25);
    Bytes::from(lines).slice(..1024)
}
