//! The short forms of the verbs, and the conveniences built on them.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::reader::FileReader;
use super::writer::FileWriter;
use crate::backend::{AsyncFileBackend, SyncSession};
use crate::core::change::ChangeStream;
use crate::core::checksum::Checksum;
use crate::core::content::FileContent;
use crate::core::error::{Error, Result};
use crate::core::file_version::VersionStream;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, GlobOptions,
    InfoOptions, ListOptions, ReadOptions, RenameOptions, SessionOptions, UpdateOptions,
    VersionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::{
    self, ByteStream, DEFAULT_CHUNK_SIZE, InfoStream, IntoChunk, PathStream, TextStream,
    from_chunks,
};

/// The verbs as callers use them, on every backend and on `dyn AsyncFileBackend`.
///
/// A short verb calls its `_with` twin with default options; the documentation of the twin (errors, cancel safety) applies. Content
/// is `impl Into<Bytes>`, such as a `String`, a `Vec<u8>` or a `&'static str`; a `&str` that is not `'static` needs `.to_owned()`.
/// [`write`](Self::write), [`create`](Self::create) and [`update`](Self::update) convert it and call the object-safe
/// [`write_bytes`](AsyncFileBackend::write_bytes).
///
/// # Cost
///
/// That of the twin, unless a verb says otherwise.
///
/// # Examples
///
/// ```
/// use f9::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> f9::Result<()> {
/// let backend = f9::MemoryFileBackend::new();
/// backend.create("notes/a.txt", "hello").await?;
/// assert_eq!(backend.read_text("notes/a.txt").await?, "hello");
/// assert_eq!(backend.glob("**/*.txt").await?, ["notes/a.txt"]);
/// # Ok(())
/// # }
/// ```
pub trait AsyncFileBackendExt: AsyncFileBackend {
    /// Opens a file: its metadata and its content. See [`open_with`](AsyncFileBackend::open_with).
    fn open<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileContent>> {
        self.open_with(path, ReadOptions::default())
    }

    /// Creates a file or replaces its content. See [`write_bytes`](AsyncFileBackend::write_bytes).
    fn write<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.write_bytes(path, data.into(), WriteOptions::default())
    }

    /// Writes a file with options. See [`write_bytes`](AsyncFileBackend::write_bytes).
    fn write_with<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
        options: WriteOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.write_bytes(path, data.into(), options)
    }

    /// Creates a new file. Fails if anything exists at `path`. See [`write_bytes`](AsyncFileBackend::write_bytes).
    fn create<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.write_bytes(path, data.into(), CreateOptions::default().into())
    }

    /// Creates a file with options. See [`write_bytes`](AsyncFileBackend::write_bytes).
    fn create_with<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
        options: CreateOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.write_bytes(path, data.into(), options.into())
    }

    /// Creates a new directory. Fails if it exists. See [`create_dir_with`](AsyncFileBackend::create_dir_with).
    fn create_dir<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.create_dir_with(path, CreateDirOptions::default())
    }

    /// Reads a whole file. See [`read_with`](AsyncFileBackend::read_with).
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Bytes>> {
        self.read_with(path, ReadOptions::default())
    }

    /// Reads several ranges of one version of a file. See [`read_ranges_with`](AsyncFileBackend::read_ranges_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use f9::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// let files = f9::MemoryFileBackend::new();
    /// files.create("a.txt", "hello world").await?;
    /// let parts = files.read_ranges("a.txt", &[(0..2).into(), f9::ByteRange::Suffix(5)]).await?;
    /// assert_eq!(parts, ["he", "world"]);
    /// # Ok(())
    /// # }
    /// ```
    fn read_ranges<'a>(
        &'a self,
        path: &'a str,
        ranges: &'a [ByteRange],
    ) -> BoxFuture<'a, Result<Vec<Bytes>>> {
        self.read_ranges_with(path, ranges, ReadOptions::default())
    }

    /// Replaces the content of an existing file. See [`write_bytes`](AsyncFileBackend::write_bytes).
    fn update<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.write_bytes(path, data.into(), UpdateOptions::default().into())
    }

    /// Replaces the content of an existing file, or appends to it. See [`write_bytes`](AsyncFileBackend::write_bytes).
    fn update_with<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
        options: UpdateOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.write_bytes(path, data.into(), options.into())
    }

    /// Deletes a file, a link or an empty directory. See [`delete_with`](AsyncFileBackend::delete_with).
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.delete_with(path, DeleteOptions::default())
    }

    /// Returns the metadata of `path`. See [`info_with`](AsyncFileBackend::info_with).
    fn info<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileInfo>> {
        self.info_with(path, InfoOptions::default())
    }

    /// Lists the entries of a directory, without those of its subdirectories. See [`list_with`](AsyncFileBackend::list_with).
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<InfoStream<'static>>> {
        self.list_with(prefix, ListOptions::default())
    }

    /// Returns the paths that match a pattern. See [`glob_with`](AsyncFileBackend::glob_with).
    fn glob<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<Vec<FilePath>>> {
        self.glob_with(pattern, GlobOptions::default())
    }

    /// Returns the paths that match a pattern and are not directories. See [`glob_with`](AsyncFileBackend::glob_with).
    fn glob_files<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<Vec<FilePath>>> {
        self.glob_with(pattern, GlobOptions::files())
    }

    /// Returns the directories that match a pattern. See [`glob_with`](AsyncFileBackend::glob_with).
    fn glob_dirs<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<Vec<FilePath>>> {
        self.glob_with(pattern, GlobOptions::directories())
    }

    /// Returns the paths that match a pattern as a stream, in the order of a listing. See
    /// [`glob_stream_with`](AsyncFileBackend::glob_stream_with).
    fn glob_stream<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<PathStream<'static>>> {
        self.glob_stream_with(pattern, GlobOptions::default())
    }

    /// Creates or replaces many files, and returns one result for each. See [`write_many_with`](AsyncFileBackend::write_many_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use f9::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// let files = f9::MemoryFileBackend::new();
    /// let days = (1..=31).map(|day| (format!("2026-01-{day:02}.md"), format!("Day {day}")));
    /// for written in files.write_many(days).await? {
    ///     written?;
    /// }
    /// for deleted in files.delete_many(&["2026-01-01.md", "2026-01-02.md"]).await? {
    ///     deleted?;
    /// }
    /// assert_eq!(files.glob("*.md").await?.len(), 29);
    /// # Ok(())
    /// # }
    /// ```
    fn write_many<'a>(
        &'a self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> BoxFuture<'a, Result<Vec<Result<FileInfo>>>> {
        let files = files.into_iter().map(|(path, data)| (path.into(), data.into())).collect();
        self.write_many_with(files, WriteOptions::default())
    }

    /// Deletes many files, and returns one result for each. See [`delete_many_with`](AsyncFileBackend::delete_many_with).
    fn delete_many<'a>(&'a self, paths: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        self.delete_many_with(paths, DeleteOptions::default())
    }

    /// Lists the versions of a file, the newest first. See [`list_versions_with`](AsyncFileBackend::list_versions_with).
    fn list_versions<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<VersionStream<'static>>> {
        self.list_versions_with(path, VersionOptions::default())
    }

    /// Reports all changes below a directory as they happen. See [`watch_with`](AsyncFileBackend::watch_with).
    fn watch<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<ChangeStream<'static>>> {
        self.watch_with(prefix, WatchOptions::default())
    }

    /// Streams a whole file. See [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn stream_read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<ByteStream<'static>>> {
        self.stream_read_with(path, ReadOptions::default())
    }

    /// Creates a file or replaces its content, from a stream of bytes or text, such as a [`ByteStream`], a `tokio_util::io::ReaderStream`
    /// or the body of an HTTP request (in axum, `body.into_data_stream()`). See [`stream_write_with`](AsyncFileBackend::stream_write_with).
    fn stream_write<'a>(
        &'a self,
        path: &'a str,
        data: impl Stream<Item: IntoChunk> + Send + 'a,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.stream_write_with(path, from_chunks(data), WriteOptions::default())
    }

    /// Copies a file. Fails if anything exists at `to`. See [`copy_with`](AsyncFileBackend::copy_with).
    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<FileInfo>> {
        self.copy_with(from, to, CopyOptions::default())
    }

    /// Moves a file, a directory or a link. Fails if anything exists at `to`. See [`rename_with`](AsyncFileBackend::rename_with).
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<FileInfo>> {
        self.rename_with(from, to, RenameOptions::default())
    }

    /// Waits up to 30 s for exclusive use of the store. See [`sync_session_with`](AsyncFileBackend::sync_session_with).
    fn sync_session(&self) -> BoxFuture<'_, Result<SyncSession>> {
        self.sync_session_with(SessionOptions::default())
    }

    /// Reads a whole file as UTF-8 text.
    ///
    /// # Errors
    ///
    /// Those of [`read_with`](AsyncFileBackend::read_with); [`InvalidData`](crate::ErrorKind::InvalidData), with the offset of the
    /// first byte that is not UTF-8.
    ///
    /// # Cost
    ///
    /// That of [`read_with`](AsyncFileBackend::read_with).
    fn read_text<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<String>> {
        let content = self.read(path);
        Box::pin(
            async move { stream::into_text(content.await?).map_err(|error| reading(error, path)) },
        )
    }

    /// Streams a whole file as UTF-8 text. See [`stream_read_text_with`](Self::stream_read_text_with).
    fn stream_read_text<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<TextStream<'static>>> {
        self.stream_read_text_with(path, ReadOptions::default())
    }

    /// Streams the file at `path`, or a range of it, as UTF-8 text. No chunk ends within a character.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with); in the stream, [`InvalidData`](crate::ErrorKind::InvalidData) with
    /// the offset in the range of the first byte that is not UTF-8. A range that begins or ends within a character is not UTF-8 there.
    ///
    /// # Cost
    ///
    /// That of [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn stream_read_text_with<'a>(
        &'a self,
        path: &'a str,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<TextStream<'static>>> {
        let content = self.stream_read_with(path, options);
        Box::pin(async move {
            let path = path.to_owned();
            let text = stream::decode(content.await?);
            Ok(text.map(move |part| part.map_err(|error| reading(error, &path))).boxed())
        })
    }

    /// Opens a file for reading at any offset. See [`reader_with`](Self::reader_with).
    fn reader<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileReader<'a>>> {
        self.reader_with(path, ReadOptions::default())
    }

    /// Opens a file for reading at any offset, with options. The range of the options must be `None`.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](AsyncFileBackend::open_with). A failure while reading is an [`io::Error`](std::io::Error);
    /// `f9::Error::from` returns the [`Error`] inside it.
    ///
    /// # Cost
    ///
    /// That of [`open_with`](AsyncFileBackend::open_with), again for each seek out of the current chunk.
    fn reader_with<'a>(
        &'a self,
        path: &'a str,
        options: ReadOptions,
    ) -> BoxFuture<'a, Result<FileReader<'a>>> {
        Box::pin(async move {
            FileReader::start(self, path, options).await.map_err(|error| reading(error, path))
        })
    }

    /// Writes a file piece by piece. See [`writer_with`](Self::writer_with).
    fn writer<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileWriter<'a>>> {
        self.writer_with(path, WriteOptions::default())
    }

    /// Writes a file piece by piece, with options. [`commit`](FileWriter::commit) publishes it.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](AsyncFileBackend::stream_write_with), here or later.
    ///
    /// # Cost
    ///
    /// That of [`stream_write_with`](AsyncFileBackend::stream_write_with).
    fn writer_with<'a>(
        &'a self,
        path: &'a str,
        options: WriteOptions,
    ) -> BoxFuture<'a, Result<FileWriter<'a>>> {
        Box::pin(FileWriter::start(move |data| self.stream_write_with(path, data, options)))
    }

    /// Creates a new file with everything that `reader` returns.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](AsyncFileBackend::stream_write_with). If the reader fails, nothing changes.
    ///
    /// # Cost
    ///
    /// That of [`stream_write_with`](AsyncFileBackend::stream_write_with).
    fn create_from_reader<'a>(
        &'a self,
        path: &'a str,
        reader: impl AsyncRead + Send + 'a,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.create_from_reader_with(path, reader, CreateOptions::default())
    }

    /// Creates a file with everything that `reader` returns, with options.
    ///
    /// # Errors
    ///
    /// Those of [`create_from_reader`](Self::create_from_reader).
    ///
    /// # Cost
    ///
    /// That of [`stream_write_with`](AsyncFileBackend::stream_write_with).
    ///
    /// # Examples
    ///
    /// A size or checksum that the content must have:
    ///
    /// ```
    /// use f9::prelude::*;
    /// use f9::{Checksum, ChecksumAlgorithm, CreateOptions, ErrorKind};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// let files = f9::MemoryFileBackend::new();
    /// let checksum = Checksum::of(ChecksumAlgorithm::Sha256, b"hello");
    /// let options = CreateOptions::default().with_size(5).with_checksum(checksum);
    /// files.create_from_reader_with("a.txt", &b"hello"[..], options.clone()).await?;
    /// let error = files.create_from_reader_with("b.txt", &b"hallo"[..], options).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::IntegrityMismatch);
    /// assert!(!files.exists("b.txt").await?);
    /// # Ok(())
    /// # }
    /// ```
    fn create_from_reader_with<'a>(
        &'a self,
        path: &'a str,
        reader: impl AsyncRead + Send + 'a,
        options: CreateOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        let data = stream::from_reader(reader, DEFAULT_CHUNK_SIZE);
        self.stream_write_with(path, data, options.into())
    }

    /// Writes the content of a file to `writer`, flushes it, and returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with), and those of the writer.
    ///
    /// # Cost
    ///
    /// That of [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn read_to_writer<'a>(
        &'a self,
        path: &'a str,
        mut writer: impl AsyncWrite + Send + Unpin + 'a,
    ) -> BoxFuture<'a, Result<u64>> {
        let content = self.stream_read(path);
        Box::pin(async move {
            let mut content = content.await?;
            let mut written = 0;
            while let Some(chunk) = content.next().await {
                let chunk = chunk?;
                let sent = writer.write_all(&chunk).await;
                sent.map_err(|error| reading(error.into(), path))?;
                written += chunk.len() as u64;
            }
            writer.flush().await.map_err(|error| reading(error.into(), path))?;
            Ok(written)
        })
    }

    /// Checks that a file has the checksum `expected`, such as `"sha256:9f86…"`.
    ///
    /// # Errors
    ///
    /// [`IntegrityMismatch`](crate::ErrorKind::IntegrityMismatch), which shows both checksums;
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if `expected` is not a checksum; those of
    /// [`checksum`](AsyncFileBackend::checksum).
    ///
    /// # Cost
    ///
    /// That of [`checksum`](AsyncFileBackend::checksum).
    fn verify<'a>(&'a self, path: &'a str, expected: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let verified = async {
                let expected: Checksum = expected.parse()?;
                expected.expect(&self.checksum(path, expected.algorithm()).await?)
            };
            let named = |error: Error| error.with_operation("verify").with_path(path);
            verified.await.map_err(named)
        })
    }
}

impl<T: AsyncFileBackend + ?Sized> AsyncFileBackendExt for T {}

fn reading(error: Error, path: &str) -> Error {
    error.with_operation("read").with_path(path)
}
