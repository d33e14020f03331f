//! The blocking OpenAI backend.

use std::sync::Arc;
use std::time::Duration;

use super::{Blocking, Bridge};
use crate::Bytes;
use crate::backends::openai::{
    IndexingStatus, OpenAIConfig, RepairReport, SearchHit, SearchOptions,
};
use crate::core::error::Result;
use crate::core::info::FileInfo;
use crate::core::options::CreateOptions;

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
/// for hit in notes.search("What is to be done?")? {
///     println!("{}: {}", hit.path, hit.text);
/// }
/// # Ok(())
/// # }
/// ```
pub type OpenAIVectorStoreFileBackend =
    Blocking<crate::backends::openai::OpenAIVectorStoreFileBackend>;

#[expect(clippy::missing_errors_doc, reason = "they are those of the linked async method")]
impl OpenAIVectorStoreFileBackend {
    /// Opens a vector store. See [`open`](crate::OpenAIVectorStoreFileBackend::open).
    pub fn open(config: OpenAIConfig) -> Result<Self> {
        let bridge = Bridge::shared()?;
        let opened =
            bridge.wait(crate::backends::openai::OpenAIVectorStoreFileBackend::open(config))?;
        Ok(Self::with_bridge(Arc::new(opened), bridge))
    }

    /// Returns the number of requests sent. See [`requests_sent`](crate::OpenAIVectorStoreFileBackend::requests_sent).
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.backend().requests_sent()
    }

    /// Creates many files. See [`create_many`](crate::OpenAIVectorStoreFileBackend::create_many).
    pub fn create_many(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.create_many_with(files, CreateOptions::default())
    }

    /// Creates many files, with options. See [`create_many_with`](crate::OpenAIVectorStoreFileBackend::create_many_with).
    pub fn create_many_with(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
        options: CreateOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.bridge().wait(self.backend().create_many_with(files, options))
    }

    /// Searches the content of the files. See [`search`](crate::OpenAIVectorStoreFileBackend::search).
    pub fn search(&self, query: &str) -> Result<Vec<SearchHit>> {
        self.bridge().wait(self.backend().search(query))
    }

    /// Searches the content of the files, with options. See [`search_with`](crate::OpenAIVectorStoreFileBackend::search_with).
    pub fn search_with(&self, query: &str, options: SearchOptions) -> Result<Vec<SearchHit>> {
        self.bridge().wait(self.backend().search_with(query, options))
    }

    /// Returns how far the service is with parsing a file. See
    /// [`indexing_status`](crate::OpenAIVectorStoreFileBackend::indexing_status).
    pub fn indexing_status(&self, path: &str) -> Result<IndexingStatus> {
        self.bridge().wait(self.backend().indexing_status(path))
    }

    /// Waits until a file has been parsed. See [`wait_until_indexed`](crate::OpenAIVectorStoreFileBackend::wait_until_indexed).
    pub fn wait_until_indexed(&self, path: &str, timeout: Duration) -> Result<IndexingStatus> {
        self.bridge().wait(self.backend().wait_until_indexed(path, timeout))
    }

    /// Reports what [`repair`](Self::repair) would remove. See [`check`](crate::OpenAIVectorStoreFileBackend::check).
    pub fn check(&self) -> Result<RepairReport> {
        self.bridge().wait(self.backend().check())
    }

    /// Removes what crashes and races have left behind. See [`repair`](crate::OpenAIVectorStoreFileBackend::repair).
    pub fn repair(&self) -> Result<RepairReport> {
        self.bridge().wait(self.backend().repair())
    }
}
