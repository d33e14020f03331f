//! The blocking OpenAI backend.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocking, Bridge};
use crate::{
    Bytes, CreateOptions, FileInfo, IndexingStatus, OpenAIConfig, RepairReport, Result, SearchHit,
    SearchOptions,
};

/// Files in an OpenAI vector store; the twin of [`f9::OpenAIVectorStoreFileBackend`](crate::OpenAIVectorStoreFileBackend).
///
/// # Examples
///
/// ```no_run
/// use f9::OpenAIConfig;
/// use f9::blocking::OpenAIVectorStoreFileBackend;
///
/// # fn main() -> f9::Result<()> {
/// let notes = OpenAIVectorStoreFileBackend::open(OpenAIConfig::new("vs_123"))?;
/// notes.create("today.md", "# Today: water the plants")?;
/// for hit in notes.search("what is to be done?")? {
///     println!("{}: {}", hit.path, hit.text);
/// }
/// # Ok(())
/// # }
/// ```
pub type OpenAIVectorStoreFileBackend = Blocking<crate::OpenAIVectorStoreFileBackend>;

#[expect(
    clippy::missing_errors_doc,
    reason = "they are those of the async method, to which each line leads"
)]
impl OpenAIVectorStoreFileBackend {
    /// Opens a vector store; see [`open`](crate::OpenAIVectorStoreFileBackend::open).
    pub fn open(config: OpenAIConfig) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let opened = bridge.wait(crate::OpenAIVectorStoreFileBackend::open(config))?;
        Ok(Self::with_bridge(Arc::new(opened), bridge))
    }

    /// How many requests have been sent; see [`requests_sent`](crate::OpenAIVectorStoreFileBackend::requests_sent).
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.backend().requests_sent()
    }

    /// Creates many files; see [`create_many`](crate::OpenAIVectorStoreFileBackend::create_many).
    pub fn create_many(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.create_many_with(files, CreateOptions::default())
    }

    /// Creates many files, with options; see [`create_many_with`](crate::OpenAIVectorStoreFileBackend::create_many_with).
    pub fn create_many_with(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
        options: CreateOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.bridge().wait(self.backend().create_many_with(files, options))
    }

    /// Searches the content of the files; see [`search`](crate::OpenAIVectorStoreFileBackend::search).
    pub fn search(&self, query: &str) -> Result<Vec<SearchHit>> {
        self.bridge().wait(self.backend().search(query))
    }

    /// Searches, with options; see [`search_with`](crate::OpenAIVectorStoreFileBackend::search_with).
    pub fn search_with(&self, query: &str, options: SearchOptions) -> Result<Vec<SearchHit>> {
        self.bridge().wait(self.backend().search_with(query, options))
    }

    /// How far the service is with a file; see [`indexing_status`](crate::OpenAIVectorStoreFileBackend::indexing_status).
    pub fn indexing_status(&self, path: &str) -> Result<IndexingStatus> {
        self.bridge().wait(self.backend().indexing_status(path))
    }

    /// Waits until a file has been parsed; see
    /// [`wait_until_indexed`](crate::OpenAIVectorStoreFileBackend::wait_until_indexed).
    pub fn wait_until_indexed(&self, path: &str, timeout: Duration) -> Result<IndexingStatus> {
        self.bridge().wait(self.backend().wait_until_indexed(path, timeout))
    }

    /// Reports what [`repair`](Self::repair) would remove; see [`survey`](crate::OpenAIVectorStoreFileBackend::survey).
    pub fn survey(&self) -> Result<RepairReport> {
        self.bridge().wait(self.backend().survey())
    }

    /// Removes what crashes and races have left behind; see [`repair`](crate::OpenAIVectorStoreFileBackend::repair).
    pub fn repair(&self) -> Result<RepairReport> {
        self.bridge().wait(self.backend().repair())
    }
}
