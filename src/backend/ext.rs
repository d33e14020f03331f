//! The short forms of the verbs, and the conveniences built on them.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::backend::{AsyncFileBackend, SyncSession};
use crate::core::checksum::Checksum;
use crate::core::error::{Error, Result};
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, GlobOptions, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, SessionOptions, UpdateOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::stream::DEFAULT_CHUNK_SIZE;
use crate::core::stream::{self, ByteStream, InfoStream, TextStream};

/// The verbs as callers use them, on every backend and on `dyn AsyncFileBackend`.
///
/// A short verb calls its `_with` twin with default options; the documentation of the twin (errors, cancel safety) applies. Content
/// is `impl Into<Bytes>`, such as a `String`, a `Vec<u8>` or a `&'static str`; a `&str` that is not `'static` needs `.to_owned()`.
/// [`create_with`](Self::create_with) and [`update_with`](Self::update_with) convert it and call the object-safe forms
/// [`create_bytes`](AsyncFileBackend::create_bytes) and [`update_bytes`](AsyncFileBackend::update_bytes).
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
    /// Creates a new file. Fails if anything exists at `path`. See [`create_bytes`](AsyncFileBackend::create_bytes).
    fn create<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.create_bytes(path, data.into(), CreateOptions::default())
    }

    /// Creates a file with options. See [`create_bytes`](AsyncFileBackend::create_bytes).
    fn create_with<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
        options: CreateOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.create_bytes(path, data.into(), options)
    }

    /// Creates a new directory. Fails if it exists. See [`create_dir_with`](AsyncFileBackend::create_dir_with).
    fn create_dir<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.create_dir_with(path, CreateDirOptions::default())
    }

    /// Reads a whole file. See [`read_with`](AsyncFileBackend::read_with).
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Bytes>> {
        self.read_with(path, ReadOptions::default())
    }

    /// Replaces the content of an existing file. See [`update_bytes`](AsyncFileBackend::update_bytes).
    fn update<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.update_bytes(path, data.into(), UpdateOptions::default())
    }

    /// Replaces the content of an existing file, or appends to it. See [`update_bytes`](AsyncFileBackend::update_bytes).
    fn update_with<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
        options: UpdateOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.update_bytes(path, data.into(), options)
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

    /// Streams a whole file. See [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn stream_read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<ByteStream<'static>>> {
        self.stream_read_with(path, ReadOptions::default())
    }

    /// Creates a new file from a stream of bytes, such as a [`ByteStream`], a `tokio_util::io::ReaderStream` or the body of an HTTP
    /// request. See [`stream_write_with`](AsyncFileBackend::stream_write_with).
    fn stream_write<'a, S, E>(&'a self, path: &'a str, data: S) -> BoxFuture<'a, Result<FileInfo>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'a,
        E: Into<Error>,
    {
        let data = data.map(|chunk| chunk.map_err(Into::into)).boxed();
        self.stream_write_with(path, data, WriteOptions::default())
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

    /// Streams a whole file as UTF-8 text. No chunk ends within a character.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with); in the stream,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) with the offset of the first byte that is not UTF-8.
    ///
    /// # Cost
    ///
    /// That of [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn stream_read_text<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<TextStream<'static>>> {
        let content = self.stream_read(path);
        Box::pin(async move {
            let path = path.to_owned();
            let text = stream::decode(content.await?);
            Ok(text.map(move |part| part.map_err(|error| reading(error, &path))).boxed())
        })
    }

    /// Opens a file as an [`AsyncRead`].
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with). A failure while reading is an
    /// [`io::Error`](std::io::Error); `f9::Error::from` returns the [`Error`] inside it.
    ///
    /// # Cost
    ///
    /// That of [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn reader<'a>(
        &'a self,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncBufRead + Send + Unpin>>> {
        let content = self.stream_read(path);
        Box::pin(async move { Ok(Box::new(stream::into_reader(content.await?)) as _) })
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
        self.create_from_reader_with(path, reader, WriteOptions::default())
    }

    /// Writes everything that `reader` returns, with options.
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
    /// use f9::{Checksum, ChecksumAlgorithm, ErrorKind, WriteOptions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> f9::Result<()> {
    /// let files = f9::MemoryFileBackend::new();
    /// let checksum = Checksum::of(ChecksumAlgorithm::Sha256, b"hello");
    /// let options = WriteOptions::default().with_size(5).with_checksum(checksum);
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
        options: WriteOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.stream_write_with(path, stream::from_reader(reader, DEFAULT_CHUNK_SIZE), options)
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
