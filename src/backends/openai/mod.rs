//! Files in an OpenAI vector store.
//!
//! [`Store`] does the work, one file for each kind; this one is its face. `api` speaks HTTP, `body` knows how content is written,
//! `attributes` how a path is, `index` what is in the store, and `claims` whose turn it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::stream::{ByteStream, InfoStream};
use crate::tree::{PAGE, listing};
use crate::{
    AsyncFileBackend, Capabilities, Capability, Checksum, ChecksumAlgorithm, CopyOptions,
    CreateDirOptions, CreateOptions, DeleteOptions, Encoding, EncodingMode, Error, ErrorKind,
    FileInfo, FilePath, GlobOptions, GlobPattern, Hasher, InfoOptions, ListOptions, ReadOptions,
    RenameOptions, Result, SessionOptions, SyncSession, UpdateOptions, WriteOptions,
};

mod api;
mod attributes;
mod body;
mod claims;
mod config;
mod glob;
mod index;
mod indexing;
mod many;
mod read;
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

use attributes::FileKind;
use index::Entries;
use read::driven;
use repair::RepairMode;
use store::{Store, file_at, info_at, info_of, info_of_entry};

const NAME: &str = "openai";

/// Files in an OpenAI vector store, over HTTP.
///
/// A vector store is a flat list of uploaded files, made for search. f9 makes a tree of it: path, size, times, SHA-256 and encoding
/// stand in the attributes of each entry. So `info`, `list`, `glob` and `checksum` with SHA-256 need no download, whatever is listed
/// costs one request for each hundred entries, and nothing but f9 need know of the paths. Entries that the Python library
/// `f9_file_backend` wrote are read as well; entries without a path, of other programs, are left alone and not shown.
///
/// # What comes back
///
/// The service does not give back files that were uploaded for `assistants` or `user_data`, only the text it has parsed of them, in
/// pieces that overlap. f9 verifies size and SHA-256 of whatever it reads, and gives the content exactly or an error:
///
/// | written | read where downloads are allowed | where they are forbidden |
/// | --- | --- | --- |
/// | text, as it is ([`Auto`](OpenAIEncoding::Auto), [`Raw`](OpenAIEncoding::Raw)) | yes | if the pieces fit together: short texts mostly, long ones maybe; else [`DownloadForbidden`](ErrorKind::DownloadForbidden) |
/// | anything, [`Framed`](OpenAIEncoding::Framed) (other than text also by `Auto`) | yes | yes, as long as the service has parsed it |
///
/// A stream is compared as it passes: whoever takes pieces of a raw file from a stream has only verified content once the stream has ended
/// without an error. Its last piece is not given before that, and framed lines are verified one by one.
///
/// What the Python library wrote has no SHA-256: of the parsed text, it is given back only if that is one piece of the right size.
///
/// Framed content needs two thirds more space, and cannot be found by its words. Write text raw if it is to be searched and has a second
/// home, framed if this is its only one.
///
/// # Consistency
///
/// The store is looked at before each operation, or once in [`cache_ttl`](OpenAIConfig::cache_ttl). Operations of one process see
/// each other at once, and take turns at a path, also through several handles. The API has neither conditions nor locks, so two *processes*
/// that write one path at the same moment, or within `cache_ttl`, both succeed; the later version counts, and [`repair`](Self::repair)
/// removes the other. Sessions are for the tasks and threads of one process.
///
/// A new version is uploaded and attached before the old one is removed: whatever fails, the old or the new one is there, whole. An upload
/// is not finished twice: when an answer is lost, f9 looks what became of the request before it repeats it. A process that dies between the two
/// leaves an upload that [`repair`](Self::repair) finds. A directory is there as long as something lies below it, or if it was made by
/// [`create_dir`](crate::AsyncFileBackend::create_dir_with). Renaming a directory changes its entries one by one.
///
/// # Limits
///
/// Paths have up to 2,048 bytes, files up to 512 MiB as they are uploaded; more is [`TooLarge`](ErrorKind::TooLarge) before anything is
/// sent. What is written is kept in a temporary file beyond a mebibyte. The service parses up to 5,000,000 tokens of a file. It forgets a
/// vector store that has expired: f9 sets no expiry, and says [`RootGone`](ErrorKind::RootGone) of a store that has.
///
/// Clones share what they know of the store.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use f9::OpenAIVectorStoreFileBackend;
/// use f9::prelude::*;
/// use f9::testing::OpenAISimulator;
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
    store: Arc<Store>,
}

impl OpenAIVectorStoreFileBackend {
    /// Opens a vector store. Nothing is sent before the first operation.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) naming the field of the configuration that cannot be.
    pub async fn open(config: OpenAIConfig) -> Result<Self> {
        let opened = Store::open(config).await;
        let failing = |error: Error| error.with_operation("open").with_backend(NAME);
        Ok(Self { store: opened.map_err(failing)? })
    }

    /// How many requests have been sent, repetitions included.
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.store.client.requests()
    }

    /// Creates many files, with a request for each hundred attachments instead of one for each.
    ///
    /// Uploads run side by side, as many as [`concurrency`](OpenAIConfig::concurrency) says. Of a hundred that the service refuses together,
    /// each is attached by itself. What became of each file is told in the
    /// order in which they were given; one that fails keeps none of the others from being created.
    ///
    /// # Errors
    ///
    /// Those of a look at the vector store, such as [`RootGone`](ErrorKind::RootGone). All others are told of each file: those of
    /// `create`, and [`InvalidInput`](ErrorKind::InvalidInput) for a path that is named twice, or lies below another.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it goes on to its end when the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// # use f9::{OpenAIVectorStoreFileBackend, testing::OpenAISimulator};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// # let openai = OpenAISimulator::start();
    /// # let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
    /// let files = (0..250).map(|day| (format!("2026/{day}.md"), format!("Day {day}")));
    /// for created in notes.create_many(files).await? {
    ///     created?;
    /// }
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    pub async fn create_many(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.create_many_with(files, CreateOptions::default()).await
    }

    /// Creates or replaces many files; see [`create_many`](Self::create_many).
    ///
    /// # Errors
    ///
    /// Those of [`create_many`](Self::create_many), and [`InvalidInput`](ErrorKind::InvalidInput) for an etag or a checksum in
    /// the options: they are of one file.
    pub async fn create_many_with(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
        options: CreateOptions,
    ) -> Result<Vec<Result<FileInfo>>> {
        let files = files.into_iter().map(|(path, data)| (path.into(), data.into())).collect();
        let named = |error: Error| error.with_operation("create").with_backend(NAME);
        let created = self.store.create_many(files, options).await.map_err(named)?;
        Ok(created.into_iter().map(|created| created.map_err(named)).collect())
    }

    /// Finds the passages that fit a question best, the best first.
    ///
    /// The service finds a file some time after it was written, when it has [parsed](Self::indexing_status) it.
    ///
    /// # Errors
    ///
    /// What the service answers, see [`ErrorKind`].
    pub async fn search(&self, query: &str) -> Result<Vec<SearchHit>> {
        self.search_with(query, SearchOptions::default()).await
    }

    /// Finds the passages that fit a question best, in the files that the options name.
    ///
    /// Up to a hundred files that a prefix or a glob names are searched by themselves; of more, those are found that are among the
    /// best 50 passages of the whole store.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a number of results that the service does not give, and what it answers.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// # use f9::{OpenAIVectorStoreFileBackend, SearchOptions, prelude::*, testing::OpenAISimulator};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// # let openai = OpenAISimulator::start();
    /// # let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
    /// # notes.create("garden/plan.md", "Plant the tomatoes in May.").await?;
    /// # notes.create("kitchen/soup.md", "Cook the tomatoes for an hour.").await?;
    /// let options = SearchOptions::default().with_glob("kitchen/**".parse()?).with_max_results(3);
    /// let hits = notes.search_with("tomatoes", options).await?;
    /// assert_eq!(hits[0].path, "kitchen/soup.md");
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    pub async fn search_with(&self, query: &str, options: SearchOptions) -> Result<Vec<SearchHit>> {
        let found = self.store.search(query, options).await;
        found.map_err(|error| error.with_operation("search").with_backend(NAME))
    }

    /// Tells how far the service is with parsing a file, which is what search needs. One request.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`IsADirectory`](ErrorKind::IsADirectory).
    pub async fn indexing_status(&self, path: &str) -> Result<IndexingStatus> {
        let status = async {
            let id = self.store.id_of(path).await?;
            let client = self.store.client.clone();
            let attachment = driven(async move { client.attached(&id).await }).await?;
            let attachment = attachment.ok_or(ErrorKind::NotFound)?;
            Ok(IndexingStatus::of(attachment))
        };
        status.await.map_err(failing("get the indexing status of", path))
    }

    /// Waits until the service is done with parsing a file, whether it could or not.
    ///
    /// # Errors
    ///
    /// Those of [`indexing_status`](Self::indexing_status), and [`Timeout`](ErrorKind::Timeout); that comes up to a second later where the
    /// service does not answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "testing")] {
    /// # use f9::{IndexingStatus, OpenAIVectorStoreFileBackend, prelude::*, testing::OpenAISimulator};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// # let openai = OpenAISimulator::start();
    /// # let notes = OpenAIVectorStoreFileBackend::open(openai.config()).await?;
    /// notes.create("plan.md", "Plant the tomatoes in May.").await?;
    /// match notes.wait_until_indexed("plan.md", Duration::from_secs(60)).await? {
    ///     IndexingStatus::Completed => {}
    ///     other => eprintln!("it cannot be searched: {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    pub async fn wait_until_indexed(
        &self,
        path: &str,
        timeout: Duration,
    ) -> Result<IndexingStatus> {
        let waited = async {
            let id = self.store.id_of(path).await?;
            let store = Arc::clone(&self.store);
            driven(async move { store.wait_until_indexed(&id, timeout).await }).await
        };
        waited.await.map_err(failing("wait for the indexing of", path))
    }

    /// Reports what [`repair`](Self::repair) would remove, and removes nothing. Other operations of this process wait meanwhile, if they
    /// write.
    ///
    /// # Errors
    ///
    /// What the service answers, see [`ErrorKind`].
    pub async fn survey(&self) -> Result<RepairReport> {
        let surveyed = self.store.repair(RepairMode::Report).await;
        surveyed.map_err(|error| error.with_operation("survey").with_backend(NAME))
    }

    /// Removes what crashes, races and removals that failed have left behind: older versions of files that there is a newer one of, entries
    /// whose content is gone, and uploads for this vector store that for an hour have not been attached to it.
    ///
    /// It needs a request for each hundred entries, one for each ten thousand files of the project, and two for each removal. Other operations of
    /// this process wait meanwhile, if they write. Do not run it while another *process* writes.
    ///
    /// # Errors
    ///
    /// What the service answers, see [`ErrorKind`]. What has been removed by then stays removed.
    pub async fn repair(&self) -> Result<RepairReport> {
        let repaired = self.store.repair(RepairMode::Remove).await;
        repaired.map_err(|error| error.with_operation("repair").with_backend(NAME))
    }
}

impl fmt::Debug for OpenAIVectorStoreFileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAIVectorStoreFileBackend")
            .field("config", &self.store.config)
            .finish_non_exhaustive()
    }
}

/// Completes the errors of one verb.
fn failing<'a>(operation: &'static str, path: &'a str) -> impl Fn(Error) -> Error + 'a {
    move |error| error.with_operation(operation).with_path(path).with_backend(NAME)
}

/// The same for a verb of two paths.
fn failing_pair<'a>(
    operation: &'static str,
    from: &'a str,
    to: &'a str,
) -> impl Fn(Error) -> Error + 'a {
    move |error| failing(operation, from)(error.between(from, to))
}

/// The checksum of content, if one is wanted, and what it begins with.
async fn examined(
    mut content: ByteStream<'_>,
    wanted: Option<ChecksumAlgorithm>,
) -> Result<(Option<Checksum>, Vec<u8>)> {
    let (mut hasher, mut sample) = (wanted.map(Hasher::new), Vec::new());
    while let Some(piece) = content.try_next().await? {
        let left = Encoding::SAMPLE_BYTES - sample.len();
        sample.extend_from_slice(&piece[..left.min(piece.len())]);
        match &mut hasher {
            Some(hasher) => hasher.update(&piece),
            None if sample.len() == Encoding::SAMPLE_BYTES => break,
            None => {}
        }
    }
    Ok((hasher.map(Hasher::finish), sample))
}

impl Store {
    /// The id of the file at `path`.
    async fn id_of(self: &Arc<Self>, path: &str) -> Result<String> {
        let path = FilePath::parse_entry(path)?;
        self.index.fresh().await?;
        Ok(self.index.read(|entries| file_at(entries, &path))?.id)
    }

    async fn info_with(self: &Arc<Self>, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let path = FilePath::parse(path)?;
        self.index.fresh().await?;
        let (mut info, entry) = self.index.read(|entries| {
            Ok::<_, Error>((info_at(entries, &path)?, entries.file(&path).cloned()))
        })?;
        let Some(entry) = entry else { return Ok(info) };
        let wanted = options.checksum;
        let known = entry.file().and_then(FileKind::checksum);
        let known = known.filter(|known| wanted == Some(known.algorithm()));
        if wanted.is_some() == known.is_some() && options.encoding == EncodingMode::Skip {
            info.checksum = known;
            return Ok(info);
        }
        let take = |content| examined(content, wanted);
        let (entry, (checksum, sample)) =
            self.take_content(&path, &ReadOptions::default(), take).await?;
        // All of it about one version: it may have been replaced since it was looked up.
        let mut info = info_of_entry(path, &entry);
        info.checksum = checksum;
        if options.encoding == EncodingMode::Detect {
            info.encoding = Some(Encoding::detect(&sample, Some(sample.len() as u64) == info.size));
        }
        Ok(info)
    }

    async fn list(
        self: &Arc<Self>,
        prefix: &str,
        options: ListOptions,
    ) -> Result<InfoStream<'static>> {
        let directory = FilePath::parse(prefix)?;
        self.index.fresh().await?;
        let store = Arc::clone(self);
        listing(move |after| {
            let page =
                |entries: &Entries| entries.page(&directory, options.depth, after, PAGE, info_of);
            store.index.read(page)
        })
    }
}

#[async_trait]
impl AsyncFileBackend for OpenAIVectorStoreFileBackend {
    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[
            Capability::ExclusiveCreate,
            Capability::ConditionalWrite,
            Capability::Append,
            Capability::EmptyDirectories,
            Capability::Durable,
            Capability::Sessions,
        ])
    }

    async fn create_with(
        &self,
        path: &str,
        data: Bytes,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        self.store.create(path, data, options.into()).await.map_err(failing("create", path))
    }

    async fn stream_write_with(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.store.stream_write(path, data, options).await.map_err(failing("write", path))
    }

    async fn create_dir_with(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        self.store.create_dir(path, options).await.map_err(failing("create directory", path))
    }

    async fn read_with(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        self.store.read(path, options).await.map_err(failing("read", path))
    }

    async fn stream_read_with(
        &self,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let path = path.to_owned();
        let content =
            self.store.stream_read(&path, options).await.map_err(failing("read", &path))?;
        Ok(content.map(move |piece| piece.map_err(failing("read", &path))).boxed())
    }

    async fn update_with(
        &self,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        self.store.update(path, data, options).await.map_err(failing("update", path))
    }

    async fn delete_with(&self, path: &str, options: DeleteOptions) -> Result<()> {
        self.store.delete(path, options.depth).await.map_err(failing("delete", path))
    }

    async fn info_with(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        self.store.info_with(path, options).await.map_err(failing("get info of", path))
    }

    async fn list_with(&self, prefix: &str, options: ListOptions) -> Result<InfoStream<'static>> {
        self.store.list(prefix, options).await.map_err(failing("list", prefix))
    }

    async fn glob_with(&self, pattern: &str, options: GlobOptions) -> Result<Vec<FilePath>> {
        let failing = |error: Error| error.with_operation("glob").with_backend(NAME);
        let pattern = GlobPattern::parse(pattern).map_err(failing)?;
        self.store.index.fresh().await.map_err(failing)?;
        Ok(self.store.index.read(|entries| glob::matching(entries, &pattern, options.kind)))
    }

    async fn copy_with(&self, from: &str, to: &str, options: CopyOptions) -> Result<FileInfo> {
        self.store.copy(from, to, options).await.map_err(failing_pair("copy", from, to))
    }

    async fn rename_with(&self, from: &str, to: &str, options: RenameOptions) -> Result<FileInfo> {
        self.store.rename(from, to, options).await.map_err(failing_pair("rename", from, to))
    }

    async fn checksum(&self, path: &str, algorithm: ChecksumAlgorithm) -> Result<String> {
        let options = InfoOptions::default().with_checksum(algorithm);
        let summed = async {
            // Before the root, which has an info, and no checksum.
            FilePath::parse_entry(path)?;
            let info = self.store.info_with(path, options).await?;
            info.checksum.map(Checksum::into_hex).ok_or_else(|| ErrorKind::IsADirectory.into())
        };
        summed.await.map_err(failing("checksum", path))
    }

    async fn sync_session_with(&self, options: SessionOptions) -> Result<SyncSession> {
        let guard = self.store.turns.session.lock(options.timeout, async |_| Ok(None)).await;
        let named = |error: Error| error.with_operation("open a session").with_backend(NAME);
        Ok(SyncSession::new(guard.map_err(named)?))
    }
}
