//! Files in an OpenAI vector store.
//!
//! [`Store`](store::Store) does the work, one file per operation; this file implements the public traits. `api` speaks HTTP, `body`
//! encodes content, `attributes` encodes paths, `index` caches the tree, and `recent_writes` bridges the service's lag.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::backend::{
    AsyncFileBackend, Capabilities, Capability, Limits, StoreIdentity, SyncSession,
    check_options_of_many, write_each,
};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::{ErrorKind, Result};
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, DeleteOptions, GlobOptions, InfoOptions, ListOptions,
    ReadOptions, RenameOptions, SessionOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, InfoStream, in_context};

mod api;
mod attributes;
mod batch;
mod body;
mod config;
mod error;
mod index;
mod indexing;
mod kept;
mod list;
mod read;
mod recent_writes;
mod remove;
mod rename;
mod repair;
mod search;
mod store;
mod write;

pub use config::{
    OpenAIChunking, OpenAIConfig, OpenAIEncoding, OpenAIRates, OpenAIReadMode, OpenAITimeouts,
};
pub use indexing::IndexingStatus;
pub use repair::RepairReport;
pub use search::{SearchHit, SearchOptions};

use attributes::MAX_PATH_BYTES;
use body::MAX_BODY;
use error::CONTEXT;
use store::Store;

/// Files in an OpenAI vector store, over HTTP.
///
/// A vector store is a flat list of uploaded files, made for search. f9 presents it as a tree: path, size, times, SHA-256 and
/// encoding are kept in the attributes of each entry. So `info`, `list`, `glob` and `checksum` with SHA-256 need no download, and a
/// listing costs one request per hundred entries. Entries of the Python library `f9_file_backend` can be read as well. Entries of
/// other programs have no path; they are neither shown nor changed.
///
/// # Reading back
///
/// The service does not return files that were uploaded for `assistants` or `user_data`, only the text that it parsed from them, in
/// overlapping chunks. f9 verifies the size and the SHA-256 of everything it reads, and returns the exact content or an error:
///
/// | written as | if downloads are allowed | if downloads are forbidden |
/// | --- | --- | --- |
/// | text unchanged ([`Auto`](OpenAIEncoding::Auto), [`Raw`](OpenAIEncoding::Raw)) | readable | readable if the chunks fit together: usually for short texts, sometimes for long ones; else [`DownloadForbidden`](ErrorKind::DownloadForbidden) |
/// | anything [`Framed`](OpenAIEncoding::Framed) (and binary content with `Auto`) | readable | readable once the service has parsed it |
///
/// A stream is verified while it is read: content of a raw file is verified only when the stream has ended without an error. The
/// last piece is held back until then, and framed lines are verified one by one.
///
/// By default ([`OpenAIReadMode::Auto`]), a file that cannot be downloaded, or that the service has deleted, is read from its parsed text,
/// and a file without parsed text is downloaded. An entry that f9 wrote and that has lost its SHA-256 or another attribute is
/// [`Corrupted`](ErrorKind::Corrupted): one `Err` of a listing. It cannot be read, but replaced, and deleted if it has an id.
///
/// Entries of the Python library have no SHA-256: their parsed text is returned only if it is a single chunk of the right size.
///
/// Framed content needs two thirds more space, and search cannot find it by its words. Write text raw if it has to be searchable
/// and is also stored elsewhere; write it framed if this is its only copy.
///
/// # Consistency
///
/// f9 lists the store before each operation, or once per [`cache_ttl`](OpenAIConfig::cache_ttl). Operations of one process see each
/// other at once and lock the paths they change, also across handles. The API has neither conditions nor locks. If two *processes*
/// write one path at the same moment, or within `cache_ttl`, both succeed; the later version wins, and [`repair`](Self::repair)
/// removes the other. Sessions work between the tasks and threads of one process.
///
/// A new version is uploaded and attached before the old one is removed: after any failure, either the old or the new version is
/// complete. If the service reports success but did not keep the attributes, the new version is withdrawn and the write fails with
/// [`IntegrityMismatch`](ErrorKind::IntegrityMismatch). When a response is lost, f9 checks whether the request succeeded before it retries, so nothing is uploaded twice. A
/// process that dies between upload and attachment leaves an upload that [`repair`](Self::repair) finds. A directory exists while
/// an entry lies below it, or if it was created by [`create_dir`](crate::AsyncFileBackend::create_dir_with). Renaming a directory
/// changes its entries one by one.
///
/// # Limits
///
/// Paths have up to 2,048 bytes, and files up to 512 MiB in their uploaded form; larger content fails with
/// [`TooLarge`](ErrorKind::TooLarge) before anything is sent. Content above one mebibyte is buffered in a temporary file. The
/// service parses up to 5,000,000 tokens of a file. It deletes the content of a vector store that has expired. f9 sets no expiry,
/// and fails with [`RootGone`](ErrorKind::RootGone) for an expired store.
///
/// Clones share their cached tree.
///
#[doc = include_str!("guide.md")]
/// # Examples
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use f9::OpenAIVectorStoreFileBackend;
/// use f9::prelude::*;
/// use f9::testing::openai::OpenAISimulator;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let openai = OpenAISimulator::start(); // or OpenAIConfig::new("vs_123"), with the key in OPENAI_API_KEY
/// let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
/// notes.create("garden/plan.md", "Plant the tomatoes in May.").await?;
/// notes.create("kitchen/soup.md", "Cook the tomatoes for an hour.").await?;
/// assert_eq!(notes.read_text("garden/plan.md").await?, "Plant the tomatoes in May.");
/// assert_eq!(notes.glob("**/*.md").await?, ["garden/plan.md", "kitchen/soup.md"]);
///
/// let hits = notes.search("when are tomatoes planted?").await?;
/// assert_eq!(hits[0].path, "garden/plan.md");
/// # Ok(())
/// # }
/// # main().unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct OpenAIVectorStoreFileBackend {
    store: Store,
}

impl OpenAIVectorStoreFileBackend {
    /// Opens a vector store. Sends nothing before the first operation.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with the name of the invalid field of the configuration.
    pub async fn open(config: OpenAIConfig) -> Result<Self> {
        let store = Store::open(config).await.map_err(CONTEXT.operation("open"))?;
        Ok(Self { store })
    }

    /// Returns the number of requests sent, including retries.
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.store.client.requests()
    }
}

impl fmt::Debug for OpenAIVectorStoreFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAIVectorStoreFileBackend")
            .field("config", &self.store.config)
            .finish_non_exhaustive()
    }
}

const CAPABILITIES: Capabilities = Capabilities::NONE
    .with(Capability::ExclusiveCreate)
    .with(Capability::ConditionalWrite)
    .with(Capability::Append)
    .with(Capability::EmptyDirectories)
    .with(Capability::Durable)
    .with(Capability::Sessions);

#[async_trait]
impl AsyncFileBackend for OpenAIVectorStoreFileBackend {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn limits(&self) -> Limits {
        Limits {
            path_bytes: MAX_PATH_BYTES,
            file_bytes: Some(MAX_BODY),
            user_metadata_bytes: 0,
            ..Limits::default()
        }
    }

    /// The address of the service, which holds no secret, and the id of the vector store.
    fn identity(&self) -> Option<StoreIdentity> {
        let address = self.store.client.base_url();
        let id = &self.store.config.vector_store_id;
        Some(StoreIdentity::new(format!("openai:{address}{id}")))
    }

    async fn open_with(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        let opened = self.store.open_file(path, options).await;
        let mut content = opened.map_err(CONTEXT.at("read", path))?;
        content.stream = in_context(content.stream, CONTEXT, "read", path);
        Ok(content)
    }

    async fn write_bytes(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let operation = options.mode.operation();
        self.store.write(path, data, options).await.map_err(CONTEXT.at(operation, path))
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let operation = options.mode.operation();
        self.store.stream_write(path, data, options).await.map_err(CONTEXT.at(operation, path))
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.store.create_dir(path, options).await.map_err(CONTEXT.at("create directory", path))
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        self.store.read(path, options).await.map_err(CONTEXT.at("read", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        let deleted = self.store.delete(path, &options).await;
        options.ignore_missing(deleted).map_err(CONTEXT.at("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.store.info(path, options).await.map_err(CONTEXT.at("get info of", path))
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.store.list(prefix, options).await.map_err(CONTEXT.at("list", prefix))
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        self.store.glob(pattern, options).await.map_err(CONTEXT.operation("glob"))
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        self.store.copy(from, to, options).await.map_err(CONTEXT.between("copy", from, to))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.store.rename(from, to, options).await.map_err(CONTEXT.between("rename", from, to))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<Checksum> {
        let options = InfoOptions::default().with_checksum(algorithm);
        let checksum = async {
            // The root has an info, but no checksum.
            FilePath::parse_entry(path)?;
            let info = self.store.info(path, options).await?;
            info.checksum.ok_or_else(|| ErrorKind::IsADirectory.into())
        };
        checksum.await.map_err(CONTEXT.at("checksum", path))
    }

    async fn write_many_with(
        &self,
        files: Vec<(String, Bytes)>,
        options: WriteOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        let failing = CONTEXT.operation(options.mode.operation());
        check_options_of_many(&options).map_err(failing)?;
        match self.store.should_batch(&files, &options).await.map_err(failing)? {
            true => self.store.create_many(files, options).await,
            false => write_each(self, files, options).await.map_err(failing),
        }
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let guard = self.store.shared.session.lock(options.timeout, async |_| Ok(None)).await;
        Ok(SyncSession::new(guard.map_err(CONTEXT.operation("open a session"))?))
    }
}
