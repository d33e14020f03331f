//! Writes: the new version is uploaded and attached before the old one is removed.
//!
//! Content is taken in completely before anything is sent. A source that fails or is dropped leaves no trace, and an upload can be
//! repeated. From then on, a write runs to its end even if the caller is dropped.

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::CAPABILITIES;
use super::api::StoredFile;
use super::attributes::{Entry, FileMeta, Kind, check_path, parse_sha256};
use super::body::{self, BodyEncoding, Content, Measure, Spool};
use super::error::not_of_the_path;
use super::list::info_of_entry;
use super::store::Store;
use crate::backends::openai::OpenAIEncoding;
use crate::core::checksum::Checksum;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::info::FileInfo;
use crate::core::options::{CreateDirOptions, ReadOptions, WriteMode, WriteOptions};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, from_caller};
use crate::core::target::WriteTarget;
use crate::sys::{pool, random};

/// The content of a directory's placeholder: the service refuses empty files.
const PLACEHOLDER: &[u8] = b"# directory placeholder\n";

impl Store {
    /// Writes the file at `path` from a stream.
    pub(super) async fn stream_write(
        &self,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let (path, target) = self.check_target(path, &options).await?;
        let content = spool(data, &options, self.config.encoding).await?;
        self.publish(path, content, target).await
    }

    /// Writes the file at `path` from content in memory.
    pub(super) async fn write(
        &self,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let (path, target) = self.check_target(path, &options).await?;
        options.check_size(data.len() as u64)?;
        let content = Content::in_memory(vec![data], measure(&options)).await?;
        check_checksum(&options, &content)?;
        self.publish(path, content, target).await
    }

    /// Parses the path of a file to write, and checks the options and the tree.
    async fn check_target(
        &self,
        path: &str,
        options: &WriteOptions,
    ) -> Result<(FilePath, WriteTarget)> {
        let (path, target) = (writable(path)?, WriteTarget::from(options));
        CAPABILITIES.check_metadata(&options.metadata)?;
        options.expect_replace()?;
        self.index.refresh().await?;
        self.index.read(|entries| entries.check_write(&path, &target))?;
        Ok((path, target))
    }

    /// Writes `content` to `path`, or appends it, if `target` still allows it.
    pub(super) async fn publish(
        &self,
        path: FilePath,
        content: Content,
        target: WriteTarget,
    ) -> Result<FileInfo> {
        let encoding = content.encoding(self.config.encoding)?;
        let store = self.clone();
        pool::spawn_to_completion(Box::pin(async move {
            let _guard = store.shared.path_locks.lock(vec![path.clone()]).await;
            store.index.refresh_for_writing().await?;
            let old = store.index.read(|entries| {
                entries.check_write(&path, &target)?;
                Ok::<_, Error>(entries.file(&path).cloned())
            })?;
            if target.is_conditional() {
                store.check_unchanged(old.as_ref()).await?;
            }
            match old {
                Some(old) if target.mode == WriteMode::Append => {
                    store.append(&path, old, &content, &target).await
                }
                old => store.replace(&path, old, &content, encoding).await,
            }
        }))
        .await
    }

    /// Replaces the file at `path` by its content and then `tail`.
    async fn append(
        &self,
        path: &FilePath,
        old: Entry,
        tail: &Content,
        target: &WriteTarget,
    ) -> Result<FileInfo> {
        let mut options = ReadOptions::default();
        if target.is_conditional() {
            options = options.with_if_match(Etag::new(&*old.id));
        }
        let take = |content| Spool::read_all(content, self.config.encoding);
        // The file may have been replaced since the lookup; the content is appended to the new version.
        let (old, mut spool) = self.with_content(path, &options, take).await?;
        let mut tail = tail.pieces();
        while let Some(piece) = tail.try_next().await? {
            spool.push(piece).await?;
        }
        let content = spool.finish().await?;
        let encoding = content.encoding(self.config.encoding)?;
        self.replace(path, Some(old), &content, encoding).await
    }

    /// Creates a directory that stays without entries.
    pub(super) async fn create_dir(&self, path: &str, options: CreateDirOptions) -> Result<()> {
        let path = writable(path)?;
        self.index.refresh().await?;
        let store = self.clone();
        pool::spawn_to_completion(async move {
            let _guard = store.shared.path_locks.lock(vec![path.clone()]).await;
            store.index.refresh_for_writing().await?;
            let is_missing = store.index.read(|entries| {
                let is_new = entries.check_create_dir(&path, options.mode)?;
                // A directory without an entry of its own would disappear with its last file.
                Ok::<_, Error>(is_new || matches!(entries.directory(&path), Some(None)))
            })?;
            if is_missing {
                let placeholder = vec![Bytes::from_static(PLACEHOLDER)];
                let placeholder = Content::in_memory(placeholder, Measure::new(None)).await?;
                let file = store.upload(&path, &placeholder, BodyEncoding::Raw).await?;
                store.attach(&path, Self::new_entry(file, Kind::Directory, None)).await?;
            }
            Ok(())
        })
        .await
    }

    /// Uploads and attaches a version, then removes the old one.
    async fn replace(
        &self,
        path: &FilePath,
        old: Option<Entry>,
        content: &Content,
        encoding: BodyEncoding,
    ) -> Result<FileInfo> {
        let file = self.upload(path, content, encoding).await?;
        let kind = file_meta(content, encoding);
        let entry = self.attach(path, Self::new_entry(file, kind, old.as_ref())).await?;
        if let Some(old) = old {
            // The new version is valid, even if the old one cannot be removed: the rest of it is hidden and the next repair removes
            // it.
            self.remove_old_version(path, &old.id).await;
        }
        Ok(info_of_entry(path.clone(), &entry))
    }

    /// Uploads `content` under a unique name.
    pub(super) async fn upload(
        &self,
        path: &FilePath,
        content: &Content,
        encoding: BodyEncoding,
    ) -> Result<StoredFile> {
        let tag = format!("{}-{}", self.store_tag(), random::hex::<8>()?);
        let (name, content_type) = body::upload_name(path, encoding, &tag);
        encoding.check_size(content.size)?;
        let body = || content.body(encoding);
        self.client.upload(&name, content_type, &body).await.map_err(not_of_the_path)
    }

    /// Attaches an uploaded file as `entry`. Deletes the upload if that fails.
    async fn attach(&self, path: &FilePath, mut entry: Entry) -> Result<Entry> {
        match self.index.change(self.attach_entry(path, &entry)).await {
            Ok(attached) => {
                entry.attached_at = attached.created_at;
                self.index.insert(path, entry.clone());
                Ok(entry)
            }
            Err(error) => Err(self.undo_upload(path, &entry.id, error).await),
        }
    }

    /// Checks that a file that is known to have the requested etag still exists: another process may have replaced it.
    pub(super) async fn check_unchanged(&self, old: Option<&Entry>) -> Result<()> {
        let Some(old) = old.filter(|_| !self.config.cache_ttl.is_zero()) else { return Ok(()) };
        if self.client.attached(&old.id).await?.is_some() {
            return Ok(());
        }
        // Another version may be there, which the next listing shows.
        self.index.invalidate();
        Err(Error::new(ErrorKind::PreconditionFailed).with_message("the etag has changed"))
    }
}

/// Parses a path to write to and checks its length.
pub(super) fn writable(path: &str) -> Result<FilePath> {
    let path = FilePath::parse_entry(path)?;
    check_path(&path)?;
    Ok(path)
}

/// Returns the metadata of new content.
pub(super) fn file_meta(content: &Content, encoding: BodyEncoding) -> Kind {
    let sha256 = parse_sha256(content.sha256.hex());
    Kind::File(FileMeta { size: content.size, encoding, sha256 })
}

/// Takes in the whole source.
async fn spool(
    data: ByteStream<'_>,
    options: &WriteOptions,
    encoding: OpenAIEncoding,
) -> Result<Content> {
    if let Some(declared) = options.size {
        BodyEncoding::Raw.check_size(declared)?;
    }
    let mut spool = Spool::new(encoding, measure(options));
    let mut data = from_caller(data);
    while let Some(piece) = data.try_next().await? {
        options.check_size_so_far(spool.size + piece.len() as u64)?;
        spool.push(piece).await?;
    }
    let content = spool.finish().await?;
    options.check_size(content.size)?;
    check_checksum(options, &content)?;
    Ok(content)
}

fn measure(options: &WriteOptions) -> Measure {
    Measure::new(options.checksum.as_ref().map(Checksum::algorithm))
}

/// Compares content with the expected checksum.
fn check_checksum(options: &WriteOptions, content: &Content) -> Result<()> {
    let computed = content.other_checksum.as_ref().unwrap_or(&content.sha256);
    options.checksum.as_ref().map_or(Ok(()), |expected| expected.expect(computed))
}
