//! Reading: from the file, or from what the service has parsed of it, and never anything but what was written.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::attributes::{Entry, FileKind};
use super::body::{BodyEncoding, frame, text};
use super::config::OpenAIReadMode;
use super::store::{Store, file_at};
use crate::stream::{ByteStream, collect, rechunked};
use crate::{
    Checksum, ChecksumAlgorithm, DEFAULT_CHUNK_SIZE, Error, ErrorKind, Etag, FilePath, Hasher,
    ReadOptions, Result, offload,
};

/// How many versions of a file are tried, each of which is replaced and removed before its content is read.
const MAX_VERSIONS: usize = 16;

impl Store {
    pub(super) async fn read(self: &Arc<Self>, path: &str, options: ReadOptions) -> Result<Bytes> {
        let path = FilePath::parse_entry(path)?;
        options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        self.index.fresh().await?;
        let (_, content) = self.take_content(&path, &options, collect).await?;
        Ok(content)
    }

    pub(super) async fn stream_read(
        self: &Arc<Self>,
        path: &str,
        options: ReadOptions,
    ) -> Result<ByteStream<'static>> {
        let path = FilePath::parse_entry(path)?;
        let chunk_size = options.chunk_size_or(DEFAULT_CHUNK_SIZE)?;
        self.index.fresh().await?;
        // Nothing has been given away before the first piece is there.
        let take = |content| begun(rechunked(content, chunk_size));
        let (_, content) = self.take_content(&path, &options, take).await?;
        Ok(content)
    }

    /// What `take` makes of the content at `path`, and the entry that it is of. It is begun anew where the connection breaks half-way.
    pub(super) async fn take_content<T, F: Future<Output = Result<T>>>(
        self: &Arc<Self>,
        path: &FilePath,
        options: &ReadOptions,
        take: impl Fn(ByteStream<'static>) -> F,
    ) -> Result<(Entry, T)> {
        let mut failures = 0;
        loop {
            // What keeps it from beginning has been tried again already.
            let (entry, content) = self.content_at(path, options).await?;
            match take(content).await {
                Err(error) if is_broken_off(&error) && failures < self.config.retries => {
                    failures += 1;
                }
                taken => return Ok((entry, taken?)),
            }
        }
    }

    /// What is known to be at `path`, and its content, verified, in pieces as they come.
    async fn content_at(
        self: &Arc<Self>,
        path: &FilePath,
        options: &ReadOptions,
    ) -> Result<(Entry, ByteStream<'static>)> {
        let (store, path, options) = (Arc::clone(self), path.clone(), options.clone());
        driven(async move { store.find_content(&path, &options).await }).await
    }

    async fn find_content(
        self: &Arc<Self>,
        path: &FilePath,
        options: &ReadOptions,
    ) -> Result<(Entry, ByteStream<'static>)> {
        let mut entry = self.index.read(|entries| file_at(entries, path))?;
        for _ in 0..MAX_VERSIONS {
            let error = match self.read_entry(&entry, options).await {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                content => return Ok((entry, content?)),
            };
            // It may have been replaced since it was looked up.
            self.index.fresh_within(Duration::ZERO).await?;
            let now = self.index.read(|entries| file_at(entries, path))?;
            if now.id == entry.id {
                return Err(Error::new(ErrorKind::NotFound)
                    .with_message("it is listed, but the service has lost its content")
                    .with_source(error));
            }
            entry = now;
        }
        Err(Error::new(ErrorKind::Contention).with_message("it was replaced each time it was read"))
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
        let reads_file = self.reads_files();
        if reads_file {
            match self.client.content(&entry.id).await {
                Ok(body) => return Ok(part(verified(decoded(body, file), file), range)),
                Err(error) if self.falls_back(&error) => {
                    self.is_download_forbidden.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error),
            }
        }
        let content = match self.parsed_content(entry, file).await {
            Err(error) if !reads_file && self.may_be_allowed(&error) => {
                let Ok(body) = self.client.content(&entry.id).await else { return Err(error) };
                return Ok(part(verified(decoded(body, file), file), range));
            }
            content => content?,
        };
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

    /// Whether a file may be downloaded that does not come back as text: those that were refused may have had another purpose.
    fn may_be_allowed(&self, error: &Error) -> bool {
        let is_refused =
            matches!(error.kind(), ErrorKind::DownloadForbidden | ErrorKind::IntegrityMismatch);
        self.config.read == OpenAIReadMode::Auto && is_refused
    }

    /// The content put together from the text that the service has parsed.
    async fn parsed_content(&self, entry: &Entry, file: &FileKind) -> Result<Bytes> {
        if let Ok(content) = self.text_of(entry, file).await {
            return Ok(content);
        }
        // It may not have been parsed yet when it was asked for.
        let status = self.wait_until_indexed(&entry.id, self.config.timeouts.indexing).await?;
        let is_auto = self.config.read == OpenAIReadMode::Auto;
        if let Err(error) = status.into_result() {
            return Err(if is_auto { self.not_given_back(file, error) } else { error });
        }
        // Of framed content, the service gives back all or has damaged it; of other text, often only parts.
        let may_be_other = is_auto && file.encoding != BodyEncoding::Framed;
        self.text_of(entry, file).await.map_err(|error| match error.kind() {
            ErrorKind::IntegrityMismatch if may_be_other => self.not_given_back(file, error),
            _ => error,
        })
    }

    async fn text_of(&self, entry: &Entry, file: &FileKind) -> Result<Bytes> {
        let (chunks, file) = (self.client.text(&entry.id).await?, file.clone());
        offload::run(move || reassembled(&chunks, &file)).await
    }

    /// Why a file does not come back, and what would make it.
    fn not_given_back(&self, file: &FileKind, reason: Error) -> Error {
        let (is_unparsed, purpose) = (reason.kind() == ErrorKind::Remote, &self.config.purpose);
        let why = match reason.message() {
            Some(message) if is_unparsed => message.to_owned(),
            _ => "the text that was parsed of it is not the content".to_owned(),
        };
        let advice = match file.encoding {
            BodyEncoding::Raw if !is_unparsed => "write it with the encoding `framed`, or with",
            _ => "write it with",
        };
        Error::new(ErrorKind::DownloadForbidden)
            .with_message(format!(
                "files of purpose `{purpose}` cannot be downloaded, and {why}; {advice} a purpose that allows downloads"
            ))
            .with_source(reason)
    }
}

/// Drives calls on, also while nobody polls who waits for them: they hold turns that others wait for.
pub(super) async fn driven<T: Send + 'static>(
    calls: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    offload::detached(calls).await
}

/// Content whose first piece has come.
async fn begun(mut content: ByteStream<'static>) -> Result<ByteStream<'static>> {
    let first = content.try_next().await?;
    Ok(stream::iter(first.map(Ok)).chain(content).boxed())
}

/// Whether a download that failed so may succeed when it is begun anew.
fn is_broken_off(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::Unreachable)
}

/// What a body holds.
fn decoded(body: ByteStream<'static>, file: &FileKind) -> ByteStream<'static> {
    match file.encoding {
        BodyEncoding::Raw => body,
        BodyEncoding::Framed => unframed(body),
        BodyEncoding::Base64 => {
            let whole = async { from_base64(&collect(body).await?) };
            stream::once(whole).boxed()
        }
    }
}

fn unframed(body: ByteStream<'static>) -> ByteStream<'static> {
    let state = (body, Some(frame::Decoder::default()));
    let pieces = stream::try_unfold(state, async |(mut body, mut decoder)| {
        let Some(decoding) = &mut decoder else { return Ok(None) };
        if let Some(piece) = body.try_next().await? {
            return Ok(Some((decoding.push(&piece)?, (body, decoder))));
        }
        decoder.take().map_or(Ok(()), frame::Decoder::finish)?;
        Ok(None)
    });
    pieces.boxed()
}

fn from_base64(text: &[u8]) -> Result<Bytes> {
    let text = text.trim_ascii_end();
    STANDARD
        .decode(text)
        .map(Bytes::from)
        .map_err(|error| mismatch("it is no base64").with_source(error))
}

/// The text of all chunks as the content it was parsed from.
fn reassembled(chunks: &[String], file: &FileKind) -> Result<Bytes> {
    let check = Check::new(file);
    let not_it = || mismatch("the text that the service has parsed is not the content");
    let is_it = |content: &[u8]| check.clone().whole(content).is_ok();
    match file.encoding {
        BodyEncoding::Framed => {
            let content = frame::reassemble(chunks, file.size)?;
            check.whole(&content)?;
            Ok(content)
        }
        BodyEncoding::Raw if check.expected.is_none() => {
            let content = only(chunks).ok_or_else(not_it)?;
            check.whole(content.as_bytes())?;
            Ok(Bytes::copy_from_slice(content.as_bytes()))
        }
        BodyEncoding::Raw => text::reassemble(chunks, file.size, is_it).ok_or_else(not_it),
        BodyEncoding::Base64 => {
            let content = from_base64(only(chunks).ok_or_else(not_it)?.as_bytes())?;
            check.whole(&content)?;
            Ok(content)
        }
    }
}

/// The one chunk there is. Of more, the Python library leaves nothing by which it could be verified how they belong together.
fn only(chunks: &[String]) -> Option<&str> {
    match chunks {
        [only] => Some(only),
        _ => None,
    }
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

#[cfg(test)]
mod tests;
