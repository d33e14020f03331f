//! Reading: from the file, or from what the service has parsed of it, and never anything but what was written.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::api::FileStatus;
use super::attributes::{Entry, FileKind};
use super::body::{self, BodyEncoding};
use super::config::OpenAIReadMode;
use super::store::{Store, file_at};
use crate::stream::{ByteStream, collect, rechunked};
use crate::{
    Checksum, ChecksumAlgorithm, DEFAULT_CHUNK_SIZE, Error, ErrorKind, Etag, FilePath, Hasher,
    ReadOptions, Result,
};

impl Store {
    /// Reads a file, or a range of it; tried again where the connection breaks half-way.
    pub(super) async fn read(self: &Arc<Self>, path: &str, options: ReadOptions) -> Result<Bytes> {
        let mut failures = 0;
        loop {
            let read = async { collect(self.stream_read(path, options.clone()).await?).await };
            match read.await {
                Err(error) if is_broken_off(&error) && failures < self.config.retries => {
                    failures += 1
                }
                read => return read,
            }
        }
    }

    pub(super) async fn stream_read(
        self: &Arc<Self>,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let path = FilePath::parse_entry(path)?;
        let chunk_size = options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        self.index.fresh().await?;
        let mut entry = self.index.read(|entries| file_at(entries, &path))?;
        let content = match self.read_entry(&entry, &options).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // It may have been replaced since it was looked up.
                self.index.fresh_within(Duration::ZERO).await?;
                let now = self.index.read(|entries| file_at(entries, &path))?;
                if now.id == entry.id {
                    return Err(
                        error.with_message("it is listed, but the service has lost its content")
                    );
                }
                entry = now;
                self.read_entry(&entry, &options).await?
            }
            content => content?,
        };
        Ok(rechunked(content, chunk_size))
    }

    /// The content of an entry, whole and verified, in pieces as they come.
    pub(super) async fn content_of(&self, entry: &Entry) -> Result<ByteStream<'static>> {
        self.read_entry(entry, &ReadOptions::default()).await
    }

    async fn read_entry(
        &self,
        entry: &Entry,
        options: &ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let file = entry.file().ok_or(ErrorKind::IsADirectory)?;
        options.check_etag(Some(&Etag::new(&*entry.id)))?;
        let range = options.resolve_range(file.size)?;
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        if self.reads_files() {
            match self.client.content(&entry.id).await {
                Ok(body) => return Ok(part(verified(decoded(body, file), file), range)),
                Err(error) if self.falls_back(&error) => {
                    self.is_download_forbidden.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let content = self.parsed_content(entry, file).await?;
        let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(content.len());
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(content.len());
        Ok(stream::iter([Ok(content.slice(start..end))]).boxed())
    }

    fn reads_files(&self) -> bool {
        match self.config.read {
            OpenAIReadMode::FilesContent => true,
            OpenAIReadMode::VectorStoreText => false,
            OpenAIReadMode::Auto => !self.is_download_forbidden.load(Ordering::Relaxed),
        }
    }

    fn falls_back(&self, error: &Error) -> bool {
        self.config.read == OpenAIReadMode::Auto && error.kind() == ErrorKind::DownloadForbidden
    }

    /// The content put together from the text that the service has parsed.
    async fn parsed_content(&self, entry: &Entry, file: &FileKind) -> Result<Bytes> {
        let first = self.client.text(&entry.id).await;
        if let Ok(chunks) = &first {
            if let Ok(content) = reassembled(chunks, file) {
                return Ok(content);
            }
        }
        // It may not have been parsed yet.
        let parsed_meanwhile = self.wait_until_parsed(entry).await?;
        let chunks = if parsed_meanwhile { self.client.text(&entry.id).await? } else { first? };
        reassembled(&chunks, file).map_err(|error| match self.config.read {
            OpenAIReadMode::Auto => self.not_given_back(error),
            _ => error,
        })
    }

    /// Waits until the service has parsed a file. `false` if it had before.
    async fn wait_until_parsed(&self, entry: &Entry) -> Result<bool> {
        let status = self.client.attached(&entry.id).await?.ok_or(ErrorKind::NotFound)?;
        if status.status == FileStatus::Completed {
            // It may have come to that between the two looks.
            return Ok(true);
        }
        self.wait_until_indexed(&entry.id, self.config.timeouts.indexing).await?.into_result()?;
        Ok(true)
    }

    /// Why a file does not come back, and what would make it.
    fn not_given_back(&self, reason: Error) -> Error {
        Error::new(ErrorKind::DownloadForbidden)
            .with_message(format!(
                "files of purpose `{}` cannot be downloaded, and the text that was parsed of it is not the content; write it with the \
                 encoding `framed`, or use a purpose that allows downloads",
                self.config.purpose
            ))
            .with_source(reason)
    }
}

/// Whether a download that failed so may succeed when it is begun anew.
fn is_broken_off(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::Unreachable)
}

/// What a body holds.
fn decoded(body: ByteStream<'static>, file: &FileKind) -> ByteStream<'static> {
    match file.encoding {
        BodyEncoding::Raw => body,
        BodyEncoding::Framed => body::unframed(body),
        BodyEncoding::Base64 => {
            stream::once(async { body::from_base64(&collect(body).await?) }).boxed()
        }
    }
}

/// The text of all chunks as the content it was parsed from.
fn reassembled(chunks: &[String], file: &FileKind) -> Result<Bytes> {
    let check = Check::new(file);
    let content =
        match file.encoding {
            BodyEncoding::Framed => body::frame::reassemble(chunks, file.size)?,
            BodyEncoding::Raw => body::text::reassemble(chunks, file.size, |bytes| {
                check.clone().whole(bytes).is_ok()
            })
            .ok_or_else(|| mismatch("the text that the service has parsed is not the content"))?,
            BodyEncoding::Base64 => body::from_base64(chunks.concat().as_bytes())?,
        };
    check.whole(&content)?;
    Ok(content)
}

/// Compares content, as it comes, with what is known of it.
#[derive(Clone)]
struct Check {
    size: u64,
    left: u64,
    expected: Option<Checksum>,
    hasher: Hasher,
}

impl Check {
    fn new(file: &FileKind) -> Self {
        let hasher = Hasher::new(ChecksumAlgorithm::Sha256);
        Self { size: file.size, left: file.size, expected: file.checksum(), hasher }
    }

    fn push(&mut self, piece: &[u8]) -> Result<()> {
        let left = self.left.checked_sub(piece.len() as u64);
        self.left =
            left.ok_or_else(|| mismatch(format!("more than the {} bytes written", self.size)))?;
        if self.expected.is_some() {
            self.hasher.update(piece);
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        if self.left > 0 {
            return Err(mismatch(format!("{} of {} bytes are missing", self.left, self.size)));
        }
        self.expected.map_or(Ok(()), |expected| expected.expect(&self.hasher.finish()))
    }

    fn whole(mut self, content: &[u8]) -> Result<()> {
        self.push(content)?;
        self.finish()
    }
}

fn mismatch(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::IntegrityMismatch).with_message(message)
}

/// The same content, whose last piece is given only when all of it has been found to be what was written.
fn verified(content: ByteStream<'static>, file: &FileKind) -> ByteStream<'static> {
    let state = (content, Some(Check::new(file)), None::<Bytes>);
    let pieces = stream::try_unfold(state, async |(mut content, mut check, mut held)| {
        loop {
            let Some(checking) = &mut check else { return Ok(None) };
            match content.try_next().await? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    checking.push(&piece)?;
                    if let Some(before) = held.replace(piece) {
                        return Ok(Some((before, (content, check, held))));
                    }
                }
                None => {
                    if let Some(check) = check.take() {
                        check.finish()?;
                    }
                    return Ok(held.take().map(|last| (last, (content, None, None))));
                }
            }
        }
    });
    pieces.boxed()
}

/// A range of content that is read to its end all the same, so that it is verified.
fn part(content: ByteStream<'static>, range: Range<u64>) -> ByteStream<'static> {
    let mut at = 0;
    let pieces = content.map_ok(move |mut piece| {
        let begins = at;
        at += piece.len() as u64;
        let offset = |position: u64| {
            let within = position.saturating_sub(begins).min(piece.len() as u64);
            usize::try_from(within).unwrap_or(usize::MAX)
        };
        let (start, end) = (offset(range.start), offset(range.end));
        piece.truncate(end);
        piece.split_off(start)
    });
    pieces.boxed()
}
