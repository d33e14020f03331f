//! Reads the uploaded file or the text that the service parsed from it, and verifies the content.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use futures::future;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::attributes::{Entry, FileMeta};
use super::body::{BodyEncoding, frame, text};
use super::config::OpenAIReadMode;
use super::list::{file_at, info_of_entry};
use super::store::Store;
use crate::core::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::core::content::FileContent;
use crate::core::error::{Error, ErrorKind, Result};
use crate::core::options::ReadOptions;
use crate::core::path::FilePath;
use crate::core::stream::{ByteStream, DEFAULT_CHUNK_SIZE, collect, rechunked, single};
use crate::core::target::FileState as _;
use crate::sys::pool;

/// How many versions of a file are tried if each is replaced before its content is read.
const MAX_VERSIONS: usize = 16;

impl Store {
    pub(super) async fn read(&self, path: &str, options: ReadOptions) -> Result<Bytes> {
        let path = FilePath::parse_entry(path)?;
        options.expect_current()?;
        options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        self.index.refresh().await?;
        let (_, content) = self.with_content(&path, &options, collect).await?;
        Ok(content)
    }

    pub(super) async fn open_file(&self, path: &str, options: ReadOptions) -> Result<FileContent> {
        let path = FilePath::parse_entry(path)?;
        options.expect_current()?;
        let chunk_size = options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        self.index.refresh().await?;
        // No piece was returned yet, so an interrupted download can restart.
        let take = |content| prefetch(rechunked(content, chunk_size));
        let (entry, content) = self.with_content(&path, &options, take).await?;
        let info = info_of_entry(path, &entry);
        let range = options.resolve_range(info.size.unwrap_or_default())?;
        Ok(FileContent::new(info, range, content))
    }

    /// Passes the content at `path` to `take` and returns the result with the entry. Restarts if the connection breaks.
    pub(super) async fn with_content<T, F: Future<Output = Result<T>>>(
        &self,
        path: &FilePath,
        options: &ReadOptions,
        take: impl Fn(ByteStream<'static>) -> F,
    ) -> Result<(Entry, T)> {
        let mut failures = 0;
        loop {
            let (store, path, options) = (self.clone(), path.clone(), options.clone());
            let open = async move { store.open_newest_version(&path, &options).await };
            // Failures to open were retried already.
            let (entry, content) = pool::spawn_abort_on_drop(open).await?;
            match take(content).await {
                Err(error) if failures < self.config.retries && is_interrupted(&error) => {
                    failures += 1;
                }
                taken => return Ok((entry, taken?)),
            }
        }
    }

    /// Returns the entry at `path` and its verified content as a stream.
    async fn open_newest_version(
        &self,
        path: &FilePath,
        options: &ReadOptions,
    ) -> Result<(Entry, ByteStream<'static>)> {
        let mut entry = self.index.read(|entries| file_at(entries, path))?;
        for _ in 0..MAX_VERSIONS {
            let error = match self.read_entry(&entry, options, false).await {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                content => return Ok((entry, content?)),
            };
            // It may have been replaced since the lookup.
            self.index.refresh_now().await?;
            let now = self.index.read(|entries| file_at(entries, path))?;
            if now.id != entry.id {
                entry = now;
                continue;
            }
            return match self.read_entry(&entry, options, true).await {
                Err(again) if again.kind() == ErrorKind::NotFound => {
                    Err(Error::new(ErrorKind::NotFound)
                        .with_message("the file is listed, but the service has lost its content")
                        .with_source(error))
                }
                content => Ok((entry, content?)),
            };
        }
        Err(Error::new(ErrorKind::Contention)
            .with_message("the file was replaced during each attempt to read it; try again"))
    }

    /// Returns the content of an entry from the first source that has it. `is_listed` if a listing has shown that it was not replaced.
    async fn read_entry(
        &self,
        entry: &Entry,
        options: &ReadOptions,
        is_listed: bool,
    ) -> Result<ByteStream<'static>> {
        let meta = entry.expect_file()?;
        if !options.condition.is_empty() {
            options.condition.check_read(entry.etag().as_ref(), Some(entry.modified_at))?;
        }
        let range = options.resolve_range(meta.size)?;
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let download = async || self.download(entry, meta).await;
        let parsed = async || self.parsed_content(entry, meta, is_listed).await.map(single);
        let is_download_forbidden = self.is_download_forbidden.load(Ordering::Relaxed);
        let content = match self.config.read {
            OpenAIReadMode::FilesContent => download().await,
            OpenAIReadMode::VectorStoreText => parsed().await,
            OpenAIReadMode::Auto if is_download_forbidden => match parsed().await {
                // The earlier refusal may have been for a file of another purpose.
                Err(text) if is_useless(&text) => download()
                    .await
                    .map_err(|download| self.error_of_both(meta, download, text, is_listed)),
                content => content,
            },
            OpenAIReadMode::Auto => match download().await {
                Err(download) if is_useless(&download) => parsed()
                    .await
                    .map_err(|text| self.error_of_both(meta, download, text, is_listed)),
                content => content,
            },
        };
        Ok(slice(content?, range))
    }

    async fn download(&self, entry: &Entry, meta: &FileMeta) -> Result<ByteStream<'static>> {
        let body = self.client.content(&entry.id).await.inspect_err(|error| {
            if error.kind() == ErrorKind::DownloadForbidden {
                self.is_download_forbidden.store(true, Ordering::Relaxed);
            }
        })?;
        Ok(verified(decoded(body, meta), meta))
    }

    /// Rebuilds the content from the text that the service parsed. Waits for that text if `is_listed`; a missing file may otherwise have
    /// been replaced.
    async fn parsed_content(
        &self,
        entry: &Entry,
        meta: &FileMeta,
        is_listed: bool,
    ) -> Result<Bytes> {
        match self.parsed_text(entry, meta).await {
            Err(error) if error.kind() == ErrorKind::NotFound && !is_listed => return Err(error),
            Ok(content) => return Ok(content),
            // It may not have been parsed yet.
            Err(_) => {}
        }
        let status = self.wait_until_indexed(&entry.id, self.config.timeouts.indexing).await?;
        if let Err(error) = status.into_result() {
            let is_auto = self.config.read == OpenAIReadMode::Auto;
            return Err(if is_auto { self.cannot_be_read(meta, error) } else { error });
        }
        self.parsed_text(entry, meta).await
    }

    async fn parsed_text(&self, entry: &Entry, meta: &FileMeta) -> Result<Bytes> {
        let (chunks, meta) = (self.client.text(&entry.id).await?, meta.clone());
        pool::run(move || reassembled(&chunks, &meta)).await
    }

    /// Returns the error of a read after both sources failed.
    fn error_of_both(
        &self,
        meta: &FileMeta,
        download: Error,
        text: Error,
        is_listed: bool,
    ) -> Error {
        // After a temporary failure, the source may still have the content.
        if text.is_temporary() || download.is_temporary() {
            return if text.is_temporary() { text } else { download };
        }
        match (download.kind(), text.kind()) {
            (ErrorKind::DownloadForbidden, ErrorKind::NotFound) if !is_listed => text,
            (ErrorKind::DownloadForbidden, ErrorKind::NotFound) => self.cannot_be_read(meta, text),
            // The service returns framed content completely or damaged, and of other text often only parts.
            (ErrorKind::DownloadForbidden, ErrorKind::IntegrityMismatch)
                if meta.encoding != BodyEncoding::Framed =>
            {
                self.cannot_be_read(meta, text)
            }
            (ErrorKind::DownloadForbidden, _) => text,
            // Some of the content is left. Before a listing has shown the opposite, the file may only have been replaced.
            (ErrorKind::NotFound, ErrorKind::IntegrityMismatch) if is_listed => text,
            _ => download,
        }
    }

    /// Returns why a file cannot be read, and what to do about it.
    fn cannot_be_read(&self, meta: &FileMeta, reason: Error) -> Error {
        let (is_unparsed, purpose) = (reason.kind() == ErrorKind::Remote, &self.config.purpose);
        let why = match reason.message() {
            Some(message) if is_unparsed => message.to_owned(),
            _ if reason.kind() == ErrorKind::NotFound => {
                "the service has no parsed text of it".to_owned()
            }
            _ => "its parsed text does not match the content".to_owned(),
        };
        let advice = match meta.encoding {
            BodyEncoding::Raw if reason.kind() == ErrorKind::IntegrityMismatch => {
                "write the file with the encoding `framed` or with"
            }
            _ => "write the file with",
        };
        Error::new(ErrorKind::DownloadForbidden)
            .with_message(format!(
                "files with the purpose `{purpose}` cannot be downloaded, and {why}; {advice} a purpose that allows downloads"
            ))
            .with_source(reason)
    }
}

/// Whether it is useless to try this source again, so that the other one should be tried.
fn is_useless(error: &Error) -> bool {
    let kinds = [
        ErrorKind::DownloadForbidden,
        ErrorKind::IntegrityMismatch,
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::Remote,
    ];
    kinds.contains(&error.kind()) && !error.is_temporary()
}

/// Waits for the first piece and returns the whole stream.
async fn prefetch(mut content: ByteStream<'static>) -> Result<ByteStream<'static>> {
    let first = content.try_next().await?;
    Ok(stream::iter(first.map(Ok)).chain(content).boxed())
}

/// Whether a failed download may succeed if it is restarted.
fn is_interrupted(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::Unreachable)
}

/// Decodes a body.
fn decoded(body: ByteStream<'static>, meta: &FileMeta) -> ByteStream<'static> {
    match meta.encoding {
        BodyEncoding::Raw => body,
        BodyEncoding::Framed => unframed(body),
        BodyEncoding::Base64 => {
            let whole = async { from_base64(&collect(body).await?) };
            stream::once(whole).boxed()
        }
    }
}

fn unframed(body: ByteStream<'static>) -> ByteStream<'static> {
    let mut decoder = frame::Decoder::default();
    let pieces = body.map_ok(Some).chain(stream::iter([Ok(None)]));
    let decoded = pieces.map(move |piece| match piece? {
        Some(piece) => decoder.push(&piece),
        None => decoder.finish().map(|()| Bytes::new()),
    });
    decoded.boxed()
}

fn from_base64(text: &[u8]) -> Result<Bytes> {
    let decoded = STANDARD.decode(text.trim_ascii_end()).map(Bytes::from);
    decoded.map_err(|error| mismatch("the body is not valid base64").with_source(error))
}

/// Rebuilds the content from the text of all chunks.
fn reassembled(chunks: &[String], meta: &FileMeta) -> Result<Bytes> {
    let verifier = Verifier::new(meta);
    let no_match = || mismatch("the parsed text does not match the content");
    let matches = |content: &[u8]| verifier.clone().check_all(content).is_ok();
    // Several chunks of a file of the Python library cannot be verified.
    let only_chunk = || match chunks {
        [only] => Ok(only.as_bytes()),
        _ => Err(no_match()),
    };
    let content = match meta.encoding {
        BodyEncoding::Framed => frame::reassemble(chunks, meta.size)?,
        BodyEncoding::Raw if verifier.expected.is_some() => {
            return text::reassemble(chunks, meta.size, matches).ok_or_else(no_match);
        }
        BodyEncoding::Raw => Bytes::copy_from_slice(only_chunk()?),
        BodyEncoding::Base64 => from_base64(only_chunk()?)?,
    };
    verifier.check_all(&content)?;
    Ok(content)
}

/// Compares streamed content with its metadata.
#[derive(Clone)]
struct Verifier {
    size: u64,
    left: u64,
    /// `None` if the checksum is unknown.
    expected: Option<Checksum>,
    hasher: Hasher,
}

impl Verifier {
    fn new(meta: &FileMeta) -> Self {
        let hasher = Hasher::new(ChecksumAlgorithm::Sha256);
        Self { size: meta.size, left: meta.size, expected: meta.checksum(), hasher }
    }

    fn push(&mut self, piece: &[u8]) -> Result<()> {
        let left = self.left.checked_sub(piece.len() as u64);
        self.left = left.ok_or_else(|| {
            mismatch(format!("the content has more than the expected {} bytes", self.size))
        })?;
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

    fn check_all(mut self, content: &[u8]) -> Result<()> {
        self.push(content)?;
        self.finish()
    }
}

fn mismatch(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::IntegrityMismatch).with_message(message)
}

/// Holds back the last piece until the whole content is verified.
fn verified(content: ByteStream<'static>, meta: &FileMeta) -> ByteStream<'static> {
    let content = content.try_filter(|piece| future::ready(!piece.is_empty())).boxed();
    let state = (content, Some(Verifier::new(meta)), None::<Bytes>);
    let pieces = stream::try_unfold(state, async |(mut content, mut verifier, held)| {
        let Some(current) = &mut verifier else { return Ok(None) };
        let next = content.try_next().await?;
        match &next {
            Some(piece) => current.push(piece)?,
            None => verifier.take().map_or(Ok(()), Verifier::finish)?,
        }
        Ok(Some((held, (content, verifier, next))))
    });
    pieces.try_filter_map(|piece| future::ready(Ok(piece))).boxed()
}

/// Returns a range of the content, but reads all of it so that it is verified.
fn slice(content: ByteStream<'static>, range: Range<u64>) -> ByteStream<'static> {
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

#[cfg(test)]
mod tests;
