//! Versions of files: the commits that changed them.

use std::future;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::error::{CONTEXT, corrupted};
use super::history::{self, Version};
use super::parse::{FILE, Oid, SYMLINK};
use super::shared::Shared;
use crate::backend::AsyncFileBackend as _;
use crate::core::content::FileContent;
use crate::core::encoding::Encoding;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::etag::Etag;
use crate::core::file_version::{FileVersion, VersionStream};
use crate::core::info::{FileInfo, FileType};
use crate::core::options::{EncodingMode, InfoOptions, LinkMode, ReadOptions, VersionOptions};
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, DEFAULT_CHUNK_SIZE, checksum_and_sample, rechunked};
use crate::core::version::VersionId;

impl Shared {
    pub(super) async fn list_versions(
        self: &Arc<Self>,
        path: &str,
        options: VersionOptions,
    ) -> Result<VersionStream<'static>> {
        let list = async {
            let file = FilePath::parse_entry(path)?;
            self.pull_before_read().await?;
            let limit = options.limit.unwrap_or(usize::MAX);
            let mut count = 0;
            let mut found = self
                .versions_until(&file, |_| {
                    count += 1;
                    count >= limit
                })
                .await?;
            if found.is_empty() {
                return Err(ErrorKind::NotFound.into());
            }
            // One version is read even with a limit of zero, to check that there is a file.
            found.truncate(limit);
            let mut versions = self.describe(&file, &found).await?;
            if let (Some(newest), Some(version)) = (versions.first_mut(), found.first()) {
                newest.is_current = self.is_unchanged(&file, version).await?;
            }
            Ok(stream::iter(versions.into_iter().map(Ok)).boxed())
        };
        list.await.map_err(CONTEXT.at("list versions of", path))
    }

    /// Opens a version of a file.
    pub(super) async fn open_version(
        self: &Arc<Self>,
        path: &str,
        id: &VersionId,
        options: &ReadOptions,
    ) -> Result<FileContent> {
        let file = FilePath::parse_entry(path)?;
        let chunk_size = options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        let version = self.find_version(&file, id).await?;
        let mut info = info_of(&file, &version).ok_or_else(is_deletion)?;
        if info.file_type == FileType::Symlink {
            let error = Error::new(ErrorKind::NotAFile);
            return Err(error.with_message("this version is a symbolic link"));
        }
        options.check(&info)?;
        let (size, content) = self.blob(&version).await?;
        info.size = Some(size);
        let range = options.resolve_range(size)?;
        let content = rechunked(part(content, range.clone()), chunk_size);
        Ok(FileContent::new(info, range, content))
    }

    pub(super) async fn info_of_version(
        self: &Arc<Self>,
        path: &str,
        id: &VersionId,
        options: &InfoOptions,
    ) -> Result<FileInfo> {
        let file = FilePath::parse(path)?;
        if file.is_root() {
            return Err(unknown_version());
        }
        let version = self.find_version(&file, id).await?;
        let mut info = info_of(&file, &version).ok_or_else(is_deletion)?;
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        let is_sampled = options.encoding == EncodingMode::Detect;
        if !info.is_file() || (options.checksum.is_none() && !is_sampled) {
            let size = self.sizes(slice::from_ref(&version)).await?.pop().flatten();
            info.size = Some(size.ok_or_else(|| corrupted("its blob is missing"))?);
            return Ok(info);
        }
        let (size, content) = self.blob(&version).await?;
        info.size = Some(size);
        let (checksum, sample) = checksum_and_sample(content, options.checksum).await?;
        info.checksum = checksum;
        info.encoding = is_sampled.then(|| Encoding::detect(&sample, sample.len() as u64 == size));
        Ok(info)
    }

    /// Returns the versions of a file, the newest first, up to the one for which `is_last` returns true.
    async fn versions_until(
        &self,
        path: &FilePath,
        is_last: impl FnMut(&Version) -> bool + Send,
    ) -> Result<Vec<Version>> {
        let Some(head) = self.repository.head().await? else { return Ok(Vec::new()) };
        history::versions(&self.repository.git, &head, path, is_last).await
    }

    /// Returns the version with this id. The id is compared with the history and never passed to git.
    async fn find_version(self: &Arc<Self>, path: &FilePath, id: &VersionId) -> Result<Version> {
        self.pull_before_read().await?;
        if id.as_str().parse::<Oid>().is_err() {
            return Err(unknown_version());
        }
        let is_wanted = |version: &Version| version.revision.id == id.as_str();
        let found = self.versions_until(path, is_wanted).await?;
        found.into_iter().next_back().filter(is_wanted).ok_or_else(unknown_version)
    }

    /// Returns the size and the content of a version.
    async fn blob(&self, version: &Version) -> Result<(u64, ByteStream<'static>)> {
        let (_, oid) = version.file.as_ref().ok_or_else(is_deletion)?;
        let request = format!("{oid}\n");
        let mut printed =
            self.repository.git.local(["cat-file", "--batch"]).input(request).stream()?;
        let mut first = printed.try_next().await?.unwrap_or_default();
        // The header is `<id> <type> <size>\n`; the content and a line break follow.
        let missing = || corrupted(format!("the blob {oid} is missing"));
        let end = first.iter().position(|&byte| byte == b'\n').ok_or_else(missing)?;
        let header = first.split_to(end + 1);
        let header = std::str::from_utf8(&header).unwrap_or_default();
        let size = header.trim_end().rsplit_once(" blob ").and_then(|(_, size)| size.parse().ok());
        let size: u64 = size.ok_or_else(missing)?;
        let content = stream::once(future::ready(Ok(first))).chain(printed).boxed();
        Ok((size, part(content, 0..size)))
    }

    /// Returns the size of each version that is not a deletion; `None` if its blob is missing.
    async fn sizes(&self, versions: &[Version]) -> Result<Vec<Option<u64>>> {
        let oids = versions.iter().filter_map(|version| version.file.as_ref());
        let request: String = oids.map(|(_, oid)| format!("{oid}\n")).collect();
        if request.is_empty() {
            return Ok(Vec::new());
        }
        let check = ["cat-file", "--buffer", "--batch-check=%(objectsize)"];
        let printed = self.repository.git.local(check).input(request).stdout().await?;
        Ok(String::from_utf8_lossy(&printed).lines().map(|line| line.parse().ok()).collect())
    }

    /// Describes versions, with the sizes of their content.
    async fn describe(&self, path: &FilePath, found: &[Version]) -> Result<Vec<FileVersion>> {
        let mut sizes = self.sizes(found).await?.into_iter();
        let described = found.iter().map(|version| {
            let mut info = info_of(path, version);
            if let Some(info) = &mut info {
                info.size = sizes.next().flatten();
            }
            let revision = &version.revision;
            let mut described = FileVersion::new(VersionId::new(&revision.id), info);
            described.created_at = Some(revision.authored_at);
            described.author =
                Some(format!("{} <{}>", revision.author_name, revision.author_email));
            described.message = Some(revision.message.clone());
            described
        });
        Ok(described.collect())
    }

    /// Returns whether the file in the working tree has the content of its newest version.
    async fn is_unchanged(&self, path: &FilePath, newest: &Version) -> Result<bool> {
        let Some((mode, oid)) = &newest.file else { return Ok(false) };
        let _guard = self.lock_tree().await?;
        let info = match self
            .tree
            .info_with(path, InfoOptions::default().with_links(LinkMode::Keep))
            .await
        {
            Ok(info) => info,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(false),
                    _ => Err(error),
                };
            }
        };
        let git = &self.repository.git;
        let hash = match info.file_type {
            // As git would store the file, which may have other line ends in the working tree.
            FileType::File if *mode != SYMLINK => git.local(["hash-object", "--", path.as_str()]),
            FileType::Symlink if *mode == SYMLINK => {
                // A target that is not UTF-8 is unknown.
                let Some(target) = info.link_target else { return Ok(false) };
                git.local(["hash-object", "--no-filters", "--stdin"]).input(target)
            }
            _ => return Ok(false),
        };
        let output = hash.output().await?;
        Ok(output.is_success() && output.stdout.trim_ascii() == oid.as_str().as_bytes())
    }
}

/// Returns the metadata of a version without its size; `None` for a deletion.
fn info_of(path: &FilePath, version: &Version) -> Option<FileInfo> {
    let (mode, oid) = version.file.as_ref()?;
    let is_link = *mode == SYMLINK;
    let file_type = if is_link { FileType::Symlink } else { FileType::File };
    let mut info = FileInfo::new(path.clone(), file_type);
    info.modified_at = Some(version.revision.authored_at);
    info.etag = Some(Etag::new(oid.as_str()));
    info.version = Some(VersionId::new(&version.revision.id));
    if !is_link {
        info.permissions = Some(if *mode == FILE { 0o644 } else { 0o755 });
    }
    if version.revision.path != *path {
        info.extra.insert("git.path".to_owned(), version.revision.path.to_string());
    }
    Some(info)
}

/// Returns the part of `content` at these offsets, which must not be past its end.
fn part(content: ByteStream<'static>, range: Range<u64>) -> ByteStream<'static> {
    let state = (content, range.start, range.end - range.start);
    stream::try_unfold(state, |(mut content, mut skipped, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        loop {
            let Some(mut chunk) = content.try_next().await? else {
                return Err(ErrorKind::UnexpectedEof.into());
            };
            let before = at_most(skipped, &chunk);
            chunk.advance(before);
            skipped -= before as u64;
            chunk.truncate(at_most(left, &chunk));
            if !chunk.is_empty() {
                let left = left - chunk.len() as u64;
                return Ok(Some((chunk, (content, skipped, left))));
            }
        }
    })
    .boxed()
}

/// Returns `count`, or the length of the chunk if it is shorter.
fn at_most(count: u64, chunk: &Bytes) -> usize {
    usize::try_from(count).map_or(chunk.len(), |count| count.min(chunk.len()))
}

fn unknown_version() -> Error {
    Error::new(ErrorKind::NotFound).with_message("it has no such version")
}

fn is_deletion() -> Error {
    Error::new(ErrorKind::NotFound).with_message("this version is a deletion")
}
