//! Look-ups and reads.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::bucket::{Content, Get, Object, Part};
use super::metadata;
use super::store::{Found, Store};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::encoding::Encoding;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::info::{FileInfo, FileType};
use crate::core::options::{ByteRange, EncodingMode, InfoOptions, ReadOptions};
use crate::core::path::FilePath;
use crate::core::precondition::{Etags, Precondition};
use crate::core::stream::{ByteStream, DEFAULT_CHUNK_SIZE, checksum_and_sample, rechunked};

/// How often a read goes on after its connection was lost, without a byte in between.
pub(super) const RESUMPTIONS: u32 = 5;

impl Store {
    pub(super) async fn info(&self, path: &str, options: InfoOptions) -> Result<FileInfo> {
        let path = self.parse(path)?;
        if path.is_root() {
            options.condition.check_read(None, None)?;
            return Ok(FileInfo::new(path, FileType::Directory));
        }
        let found = match &options.version {
            Some(version) => {
                self.expect_versions()?;
                Found::File(self.bucket.head(&self.keys.file(&path), Some(version.as_str())).await?)
            }
            None => self.found(&path).await?,
        };
        let mut info = self.info_of(path.clone(), &found);
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        let Found::File(object) = found else { return Ok(info) };
        let known = options.checksum.and_then(|algorithm| known_checksum(&object, algorithm));
        let needs_content = options.checksum.is_some() && known.is_none();
        info.checksum = known;
        if !needs_content && options.encoding == EncodingMode::Skip {
            return Ok(info);
        }
        // The condition pins the version that was looked up.
        let mut read = ReadOptions { version: options.version, ..ReadOptions::default() };
        read.condition = options.condition;
        if let Some(etag) = &info.etag {
            read.condition.if_match = Some(Etags::from(etag.clone()));
        }
        let algorithm = options.checksum.filter(|_| needs_content);
        if algorithm.is_none() {
            read.range = Some(ByteRange::from(0..Encoding::SAMPLE_BYTES as u64));
        }
        let content = self.open_file(&path, &read).await?;
        let (checksum, sample) = checksum_and_sample(content.stream, algorithm).await?;
        info.checksum = checksum.or(info.checksum);
        if options.encoding == EncodingMode::Detect {
            info.encoding = Some(Encoding::detect(&sample, Some(sample.len() as u64) == info.size));
        }
        Ok(info)
    }

    pub(super) async fn checksum(
        &self,
        path: &str,
        algorithm: ChecksumAlgorithm,
    ) -> Result<Checksum> {
        self.parse_entry(path)?;
        let info = self.info(path, InfoOptions::default().with_checksum(algorithm)).await?;
        info.checksum.ok_or_else(|| ErrorKind::IsADirectory.into())
    }

    pub(super) async fn read(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        let path = self.parse_entry(path)?;
        let chunk_size = options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        let mut content = self.open_file(&path, &options).await?;
        content.stream = rechunked(content.stream, chunk_size);
        Ok(content)
    }

    /// Opens the file at a path. The stream has pieces of any size.
    async fn open_file(&self, path: &FilePath, options: &ReadOptions) -> Result<FileContent> {
        let key = self.keys.file(path);
        let version = options.version.as_ref().map(|version| version.as_str().to_owned());
        if version.is_some() {
            self.expect_versions()?;
        }
        let part = first_part(options.range.as_ref(), self.options.part_size);
        let Some(part) = part else { return self.open_nothing(path, options).await };
        let if_match = single_etag(&options.condition);
        let get = Get { part, if_match, version: version.clone() };
        let content = match self.bucket.get(&key, get).await {
            Ok(content) => content,
            Err(error) => {
                return match error.kind() {
                    ErrorKind::NotFound if version.is_none() => Err(self.no_file(path).await),
                    // The file is empty, or the range starts at its end or past it.
                    ErrorKind::InvalidRange => self.open_nothing(path, options).await,
                    _ => Err(error),
                };
            }
        };
        let info = metadata::info(path.clone(), &content.object);
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        let range = options.resolve_range(content.object.size)?;
        if content.range.start > range.start {
            let message = "the service sent another range than it was asked for";
            return Err(Error::new(ErrorKind::Remote).with_message(message));
        }
        let rest = content.range.end.max(range.start)..range.end;
        let object = Arc::new(content.object.clone());
        let first = content.range.start..content.range.end.min(range.end);
        let skipped = range.start - content.range.start;
        let reader = Reader { store: self.clone(), object, version };
        let head = reader.clone().resumed(content.stream, first.clone());
        let head = within(head, skipped, first.end.saturating_sub(first.start));
        let stream = if rest.is_empty() { head } else { head.chain(reader.parts(rest)).boxed() };
        Ok(FileContent::new(info, range, stream))
    }

    /// Opens a file of which no byte is to be read.
    async fn open_nothing(&self, path: &FilePath, options: &ReadOptions) -> Result<FileContent> {
        let object = match &options.version {
            Some(version) => {
                self.bucket.head(&self.keys.file(path), Some(version.as_str())).await?
            }
            None => self.file(path).await?,
        };
        let info = metadata::info(path.clone(), &object);
        options.condition.check_read(info.etag.as_ref(), info.modified_at)?;
        let range = options.resolve_range(object.size)?;
        if !range.is_empty() {
            // The file grew since the service refused the range.
            let message = "the file changed while it was opened";
            return Err(Error::new(ErrorKind::Contention).with_message(message));
        }
        Ok(FileContent::new(info, range, stream::empty().boxed()))
    }

    pub(super) fn expect_versions(&self) -> Result<()> {
        if self.abilities.versions {
            return Ok(());
        }
        let message = "the bucket keeps only the current version of a file";
        Err(Error::new(ErrorKind::Unsupported).with_message(message))
    }
}

/// Returns what the first request asks for. `None` if there is nothing to ask for.
fn first_part(range: Option<&ByteRange>, part_size: u64) -> Option<Part> {
    match range {
        None => Some(Part::Range(0..part_size)),
        Some(ByteRange::Bounded(range)) if range.start >= range.end => None,
        Some(ByteRange::Bounded(range)) => {
            let end = range.end.min(range.start.saturating_add(part_size));
            Some(Part::Range(range.start..end))
        }
        Some(&ByteRange::From(start)) => {
            start.checked_add(part_size).map(|end| Part::Range(start..end))
        }
        Some(ByteRange::Suffix(0)) => None,
        // Where it starts is not known, so it is one request.
        Some(&ByteRange::Suffix(count)) => Some(Part::Last(count)),
    }
}

/// The etag of a condition that the service itself can check.
fn single_etag(condition: &Precondition) -> Option<String> {
    match &condition.if_match {
        Some(Etags::OneOf(etags)) if etags.len() == 1 => Some(etags[0].as_str().to_owned()),
        _ => None,
    }
}

/// The checksum of the whole content, if the service has it.
fn known_checksum(object: &Object, algorithm: ChecksumAlgorithm) -> Option<Checksum> {
    let hex = object.sha256.as_deref().filter(|_| algorithm == ChecksumAlgorithm::Sha256)?;
    Checksum::new(algorithm, hex).ok()
}

/// Reads further parts of the version of an object that was opened.
#[derive(Clone)]
struct Reader {
    store: Store,
    object: Arc<Object>,
    version: Option<String>,
}

impl Reader {
    async fn get(&self, range: Range<u64>) -> Result<Content> {
        let (if_match, version) = (self.object.etag.clone(), self.version.clone());
        let get = Get { part: Part::Range(range.clone()), if_match, version };
        let got = self.store.bucket.get(&self.object.key, get).await;
        let content = got.map_err(|error| match error.kind() {
            ErrorKind::PreconditionFailed | ErrorKind::NotFound | ErrorKind::InvalidRange => {
                error.with_kind(ErrorKind::PreconditionFailed).with_message(CHANGED)
            }
            _ => error,
        })?;
        let is_same = content.object.etag == self.object.etag
            && content.object.size == self.object.size
            && content.range.start == range.start;
        if is_same { Ok(content) } else { Err(changed()) }
    }

    /// Reads parts concurrently, and returns them in order.
    fn parts(self, range: Range<u64>) -> ByteStream<'static> {
        let (size, count) = (self.store.options.part_size, self.store.options.parts);
        let starts = std::iter::successors(Some(range.start), move |start| start.checked_add(size));
        let starts = starts.take_while(move |start| *start < range.end);
        let parts = stream::iter(starts).map(move |start| {
            let (reader, part) = (self.clone(), start..range.end.min(start + size));
            async move {
                let content = reader.get(part.clone()).await?;
                let length = usize::try_from(part.end - part.start).unwrap_or_default();
                let mut stream = within(reader.resumed(content.stream, part), 0, u64::MAX);
                let mut bytes = BytesMut::with_capacity(length);
                while let Some(chunk) = stream.try_next().await? {
                    bytes.extend_from_slice(&chunk);
                }
                Ok(bytes.freeze())
            }
        });
        parts.buffered(count).boxed()
    }

    /// Continues a stream of a range when its connection is lost.
    fn resumed(self, stream: ByteStream<'static>, range: Range<u64>) -> ByteStream<'static> {
        let state = (self, stream, range, 0_u32);
        let chunks =
            stream::try_unfold(state, async |(reader, mut stream, mut range, mut losses)| {
                loop {
                    match stream.try_next().await {
                        Ok(Some(chunk)) => {
                            range.start = range.start.saturating_add(chunk.len() as u64);
                            return Ok(Some((chunk, (reader, stream, range, 0))));
                        }
                        Ok(None) if range.is_empty() => return Ok(None),
                        Ok(None) => return Err(Error::new(ErrorKind::UnexpectedEof)),
                        Err(error)
                            if losses < RESUMPTIONS
                                && error.is_temporary()
                                && !range.is_empty() =>
                        {
                            losses += 1;
                            stream = reader.get(range.clone()).await?.stream;
                        }
                        Err(error) => return Err(error),
                    }
                }
            });
        chunks.boxed()
    }
}

const CHANGED: &str = "the file was replaced during the read";

fn changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed).with_message(CHANGED)
}

/// Returns the part of a stream after `skipped` bytes, with at most `length` bytes in all, skipped ones included.
fn within(stream: ByteStream<'static>, skipped: u64, length: u64) -> ByteStream<'static> {
    let state = (stream, skipped, length);
    let chunks = stream::try_unfold(state, async |(mut stream, mut skipped, mut left)| {
        while left > 0 {
            let Some(mut chunk) = stream.try_next().await? else { return Ok(None) };
            let kept = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            chunk.truncate(kept);
            left -= kept as u64;
            let cut = usize::try_from(skipped).map_or(chunk.len(), |skip| skip.min(chunk.len()));
            skipped -= cut as u64;
            let chunk: Bytes = chunk.slice(cut..);
            if !chunk.is_empty() {
                return Ok(Some((chunk, (stream, skipped, left))));
            }
        }
        Ok(None)
    });
    chunks.boxed()
}
