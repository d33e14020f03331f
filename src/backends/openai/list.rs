//! Metadata: `info`, `list` and `glob`, which read the cached tree.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};

use super::attributes::{Entry, FileMeta, corrupted};
use super::glob;
use super::index::Entries;
use super::store::Store;
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::core::encoding::Encoding;
use crate::core::error::{Error, Result};
use crate::core::etag::Etag;
use crate::core::glob::GlobPattern;
use crate::core::info::{FileInfo, FileType};
use crate::core::options::{EncodingMode, GlobOptions, InfoOptions, ListOptions, ReadOptions};
use crate::core::path::FilePath;
use crate::core::rfc3339;
use crate::core::selection::Selection;
use crate::core::stream::{ByteStream, InfoStream};
use crate::core::tree::{Node, dir_key, listing, path_of};

/// A path and its entry.
pub(super) type Located = (FilePath, Entry);

impl Store {
    pub(super) async fn info(
        self: &Arc<Self>,
        path: &str,
        options: InfoOptions,
    ) -> Result<FileInfo> {
        let path = FilePath::parse(path)?;
        options.expect_current()?;
        self.index.refresh().await?;
        let (mut info, entry) = self.index.read(|entries| {
            let info = info_at(entries, &path).and_then(intact)?;
            Ok::<_, Error>((info, entries.file(&path).cloned()))
        })?;
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        let Some(entry) = entry else { return Ok(info) };
        let algorithm = options.checksum;
        let cached = entry.meta().and_then(FileMeta::checksum);
        let cached = cached.filter(|cached| algorithm == Some(cached.algorithm()));
        if algorithm.is_some() == cached.is_some() && options.encoding == EncodingMode::Skip {
            info.checksum = cached;
            return Ok(info);
        }
        let take = |content| checksum_and_sample(content, algorithm);
        // The file may have been replaced since the lookup, so the condition and all of the result are about the version that is read.
        let read = ReadOptions::default().with_condition(options.condition);
        let (entry, (checksum, sample)) = self.with_content(&path, &read, take).await?;
        let mut info = info_of_entry(path, &entry);
        info.checksum = checksum;
        if options.encoding == EncodingMode::Detect {
            info.encoding = Some(Encoding::detect(&sample, Some(sample.len() as u64) == info.size));
        }
        Ok(info)
    }

    pub(super) async fn list(
        self: &Arc<Self>,
        prefix: &str,
        options: ListOptions,
    ) -> Result<InfoStream<'static>> {
        let (directory, selection) = (FilePath::parse(prefix)?, Selection::of(&options)?);
        self.index.refresh().await?;
        let store = Arc::clone(self);
        let listed = listing(selection, move |after, size| {
            let page =
                |entries: &Entries| entries.page(&directory, options.depth, after, size, info_of);
            store.index.read(page)
        })?;
        Ok(listed.map(|info| info.and_then(intact)).boxed())
    }

    pub(super) async fn glob(
        self: &Arc<Self>,
        pattern: &str,
        options: GlobOptions,
    ) -> Result<Vec<FilePath>> {
        let pattern = GlobPattern::parse(pattern)?;
        self.index.refresh().await?;
        Ok(self.index.read(|entries| glob::matching(entries, &pattern, options.kind)))
    }

    /// Returns the cached info of `path`.
    pub(super) fn cached_info(&self, path: &FilePath) -> Result<FileInfo> {
        self.index.read(|entries| info_at(entries, path))
    }
}

/// Returns the checksum of content, if `algorithm` is given, and its first bytes.
async fn checksum_and_sample(
    mut content: ByteStream<'_>,
    algorithm: Option<ChecksumAlgorithm>,
) -> Result<(Option<Checksum>, Vec<u8>)> {
    let (mut hasher, mut sample) = (algorithm.map(Hasher::new), Vec::new());
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

fn info_at(entries: &Entries, path: &FilePath) -> Result<FileInfo> {
    if path.is_root() {
        return Ok(FileInfo::new(FilePath::root(), FileType::Directory));
    }
    Ok(info_of(path, entries.found(path)?))
}

/// Returns the metadata of a node, as [`info`](crate::AsyncFileBackend::info_with) and listings return it.
pub(super) fn info_of(key: &str, node: &Node<Option<Entry>, Entry>) -> FileInfo {
    match node {
        Node::File(entry) => info_of_entry(path_of(key), entry),
        Node::Directory(Some(entry)) => info_of_entry(path_of(key), entry),
        Node::Directory(None) => FileInfo::new(path_of(key), FileType::Directory),
    }
}

pub(super) fn info_of_entry(path: FilePath, entry: &Entry) -> FileInfo {
    let file_type = if entry.is_dir() { FileType::Directory } else { FileType::File };
    let mut info = FileInfo::new(path, file_type);
    info.created_at = Some(entry.created_at);
    info.modified_at = Some(entry.modified_at);
    if let Some(meta) = entry.meta() {
        info.size = Some(meta.size);
        info.etag = Some(Etag::new(&*entry.id));
    }
    info.extra.insert("file_id".to_owned(), entry.id.clone());
    if let Some(time) = entry.expires_at {
        info.extra.insert("expires_at".to_owned(), rfc3339::nearest(time).to_string());
    }
    info
}

/// Fails for a corrupted file, the only one without a size.
fn intact(info: FileInfo) -> Result<FileInfo> {
    if info.file_type == FileType::Directory || info.size.is_some() {
        return Ok(info);
    }
    let id = info.extra.get("file_id").map_or("", String::as_str);
    Err(corrupted(id).with_path(info.path.as_str()))
}

/// Returns the entry of the file or directory at `path`, if it has one.
pub(super) fn entry_at<'a>(entries: &'a Entries, path: &FilePath) -> Option<&'a Entry> {
    entries.file(path).or_else(|| entries.directory(path)?.as_ref())
}

/// Returns the entry of the file at `path`.
pub(super) fn file_at(entries: &Entries, path: &FilePath) -> Result<Entry> {
    entries.existing(path).cloned()
}

/// Returns the entries at and below `path`: those of directories, and the files.
pub(super) fn at_and_below(entries: &Entries, path: &FilePath) -> (Vec<Located>, Vec<Located>) {
    let keys = entries.below(path).into_iter().chain([dir_key(path), path.to_string()]);
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    for key in keys {
        match entries.at(&key) {
            Some(Node::File(entry)) => files.push((path_of(&key), entry.clone())),
            Some(Node::Directory(Some(entry))) => directories.push((path_of(&key), entry.clone())),
            Some(Node::Directory(None)) | None => {}
        }
    }
    (directories, files)
}
