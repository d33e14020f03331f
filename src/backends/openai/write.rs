//! Writing: the new version is uploaded and attached before the old one goes.
//!
//! Content is taken in whole before anything is sent, so that a source that fails or is dropped leaves no trace, and so that what was
//! sent can be sent again. From there on a write runs to its end, also when nobody waits for it any more.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};

use super::attributes::{Entry, FileKind, Kind, check_path, digest};
use super::body::{self, Body, BodyEncoding, Content, Spool};
use super::store::{Store, file_at, info_of_entry};
use crate::stream::ByteStream;
use crate::{
    Checksum, ChecksumAlgorithm, CreateDirOptions, Error, ErrorKind, FileInfo, FilePath, Hasher,
    OpenAIEncoding, ReadOptions, Result, UpdateMode, UpdateOptions, WriteMode, WriteOptions,
    offload,
};

/// What a directory's file holds: the service refuses empty ones.
const DIRECTORY: &[u8] = b"# directory placeholder\n";

impl Store {
    /// Creates the file at `path` from a stream.
    pub(super) async fn stream_write(
        self: &Arc<Self>,
        path: &str,
        data: ByteStream<'_>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let path = self.checked(path, &options.mode).await?;
        let content = spooled(data, &options, self.config.encoding).await?;
        self.publish(path, content, options.mode).await
    }

    /// Creates the file at `path` from content at hand.
    pub(super) async fn create(
        self: &Arc<Self>,
        path: &str,
        data: Bytes,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let path = self.checked(path, &options.mode).await?;
        let found = match &options.checksum {
            Some(expected) if expected.algorithm() != ChecksumAlgorithm::Sha256 => {
                let (algorithm, data) = (expected.algorithm(), data.clone());
                Some(offload::run(move || Ok(Checksum::of(algorithm, &data))).await?)
            }
            _ => None,
        };
        let content = Content::from_bytes(data).await?;
        expect(&options, &content, found)?;
        self.publish(path, content, options.mode).await
    }

    /// The path of a file to be written, if what is there allows it.
    async fn checked(self: &Arc<Self>, path: &str, mode: &WriteMode) -> Result<FilePath> {
        let path = writable(path)?;
        self.index.fresh().await?;
        self.index.read(|entries| entries.check_write(&path, mode))?;
        Ok(path)
    }

    /// Puts `content` at `path`, if `mode` allows what is there by then.
    pub(super) async fn publish(
        self: &Arc<Self>,
        path: FilePath,
        content: Content,
        mode: WriteMode,
    ) -> Result<FileInfo> {
        let encoding = content.encoding(self.config.encoding)?;
        let store = Arc::clone(self);
        offload::to_the_end(async move {
            let _claim = store.turns.claim(vec![path.clone()]).await;
            store.index.fresh_for_writing().await?;
            let old = store.index.read(|entries| {
                entries.check_write(&path, &mode)?;
                Ok::<_, Error>(entries.file(&path).cloned())
            })?;
            if matches!(mode, WriteMode::IfMatch(_)) {
                store.expect_unchanged(old.as_ref()).await?;
            }
            store.replace(&path, old, &content, encoding).await
        })
        .await
    }

    /// Replaces the content of a file, or adds to it.
    pub(super) async fn update(
        self: &Arc<Self>,
        path: &str,
        data: Bytes,
        options: UpdateOptions,
    ) -> Result<FileInfo> {
        let path = writable(path)?;
        self.index.fresh().await?;
        let store = Arc::clone(self);
        offload::to_the_end(async move {
            let _claim = store.turns.claim(vec![path.clone()]).await;
            store.index.fresh_for_writing().await?;
            let mut old = store.index.read(|entries| file_at(entries, &path))?;
            if let Some(etag) = &options.if_match {
                let mode = WriteMode::IfMatch(etag.clone());
                store.index.read(|entries| entries.check_write(&path, &mode))?;
                store.expect_unchanged(Some(&old)).await?;
            }
            let content = match options.mode {
                UpdateMode::Replace => Content::from_bytes(data).await?,
                UpdateMode::Append => {
                    let options = ReadOptions { if_match: options.if_match, ..Default::default() };
                    let take = |content| Spool::of(content, store.config.encoding);
                    let (entry, mut spool) = store.take_content(&path, &options, take).await?;
                    // It may have been replaced since it was looked up, and then this is what is added to.
                    old = entry;
                    spool.push(data).await?;
                    spool.finish().await?
                }
            };
            let encoding = content.encoding(store.config.encoding)?;
            store.replace(&path, Some(old), &content, encoding).await
        })
        .await
    }

    /// Makes a directory that stays, also without entries.
    pub(super) async fn create_dir(
        self: &Arc<Self>,
        path: &str,
        options: CreateDirOptions,
    ) -> Result<()> {
        let path = writable(path)?;
        self.index.fresh().await?;
        let store = Arc::clone(self);
        offload::to_the_end(async move {
            let _claim = store.turns.claim(vec![path.clone()]).await;
            store.index.fresh_for_writing().await?;
            let is_missing = store.index.read(|entries| {
                let is_new = entries.check_create_dir(&path, options.mode)?;
                // One that is only on the way to others would go with them.
                Ok::<_, Error>(is_new || matches!(entries.directory(&path), Some(None)))
            })?;
            if is_missing {
                let placeholder = Content::from_bytes(Bytes::from_static(DIRECTORY)).await?;
                let id = store.upload(&path, &placeholder, BodyEncoding::Raw).await?;
                store.attach(&path, Self::new_entry(id, Kind::Directory, None)).await?;
            }
            Ok(())
        })
        .await
    }

    /// Uploads and attaches a version, then removes the one before.
    async fn replace(
        &self,
        path: &FilePath,
        old: Option<Entry>,
        content: &Content,
        encoding: BodyEncoding,
    ) -> Result<FileInfo> {
        let id = self.upload(path, content, encoding).await?;
        let kind = file_kind(content, encoding);
        let entry = self.attach(path, Self::new_entry(id, kind, old.as_ref())).await?;
        if let Some(old) = old {
            // The new version is the one that counts, whatever becomes of the old one: what is left of it is hidden, and goes with the
            // next repair.
            self.tidy(path, &old.id).await;
        }
        Ok(info_of_entry(path.clone(), &entry))
    }

    /// Uploads `content` under a name of its own.
    pub(super) async fn upload(
        &self,
        path: &FilePath,
        content: &Content,
        encoding: BodyEncoding,
    ) -> Result<String> {
        let name = body::upload_name(path, encoding, &self.upload_tag()?);
        let content_type = body::content_type(&name);
        let Body { length, .. } = content.body(encoding)?;
        let body = || match content.body(encoding) {
            Ok(Body { length, stream }) => (length, stream),
            Err(error) => (length, stream::once(async { Err(error.into()) }).boxed()),
        };
        self.client.upload(&name, content_type, &body).await.map_err(not_of_the_path)
    }

    /// Attaches an uploaded file as `entry`. One that cannot be attached is deleted again.
    async fn attach(&self, path: &FilePath, mut entry: Entry) -> Result<Entry> {
        let attributes = entry.to_attributes(path)?;
        match self.index.change(self.client.attach(&entry.id, &attributes)).await {
            Ok(attached) => {
                entry.attached_at = attached.created_at;
                self.index.insert(path, entry.clone());
                Ok(entry)
            }
            Err(error) => {
                self.withdraw(path, &entry.id).await;
                Err(not_of_the_path(error))
            }
        }
    }

    /// Makes sure that a file is still there which is known to have the etag asked for: another process may have replaced it.
    pub(super) async fn expect_unchanged(&self, old: Option<&Entry>) -> Result<()> {
        let Some(old) = old.filter(|_| !self.config.cache_ttl.is_zero()) else { return Ok(()) };
        if self.client.attached(&old.id).await?.is_some() {
            return Ok(());
        }
        // Another version may be there instead, which the next look shows.
        self.index.doubt();
        Err(Error::new(ErrorKind::PreconditionFailed).with_message("the etag has changed"))
    }
}

/// That the service does not find something it was to take must not pass for a file that is missing.
pub(super) fn not_of_the_path(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { error.with_kind(ErrorKind::Remote) } else { error }
}

/// The path of something to be written.
pub(super) fn writable(path: &str) -> Result<FilePath> {
    let path = FilePath::parse_entry(path)?;
    check_path(&path)?;
    Ok(path)
}

/// What is known of the content of a new file.
pub(super) fn file_kind(content: &Content, encoding: BodyEncoding) -> Kind {
    let sha256 = digest(&content.sha256);
    Kind::File(FileKind { size: content.size, encoding, sha256 })
}

/// Takes in all that a source gives.
async fn spooled(
    mut data: ByteStream<'_>,
    options: &WriteOptions,
    encoding: OpenAIEncoding,
) -> Result<Content> {
    let other = options.checksum.as_ref().map(Checksum::algorithm);
    // The spool computes this one anyway.
    let other = other.filter(|algorithm| *algorithm != ChecksumAlgorithm::Sha256);
    let mut hasher = other.map(Hasher::new);
    if let Some(declared) = options.size {
        BodyEncoding::Raw.check_size(declared)?;
    }
    let (mut spool, mut given) = (Spool::new(encoding), 0);
    while let Some(piece) = data.try_next().await? {
        given += piece.len() as u64;
        options.check_size_so_far(given)?;
        if let Some(hasher) = &mut hasher {
            hasher.update(&piece);
        }
        spool.push(piece).await?;
    }
    let content = spool.finish().await?;
    options.check_size(content.size)?;
    expect(options, &content, hasher.map(Hasher::finish))?;
    Ok(content)
}

/// Compares content with the checksum that was asked for; `found` is the one computed, where it is another than the content knows.
fn expect(options: &WriteOptions, content: &Content, found: Option<Checksum>) -> Result<()> {
    let Some(expected) = &options.checksum else { return Ok(()) };
    let found = match found {
        Some(found) => found,
        None => Checksum::new(ChecksumAlgorithm::Sha256, &content.sha256)?,
    };
    expected.expect(&found)
}
