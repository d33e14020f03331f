//! The short forms of the verbs, and what is built from them alone.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::stream::{self, ByteStream, InfoStream, TextStream};
use crate::{
    AsyncFileBackend, Checksum, CopyOptions, CreateDirOptions, CreateOptions, DEFAULT_CHUNK_SIZE,
    DeleteOptions, Error, FileInfo, FilePath, GlobOptions, InfoOptions, ListOptions, ReadOptions,
    RenameOptions, Result, SessionOptions, SyncSession, UpdateOptions, WriteOptions,
};

/// The verbs as they are mostly called, on every backend and on `dyn AsyncFileBackend`.
///
/// Each short verb is its `_with` twin with default options; what that documents (errors, cancel safety) holds here too.
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
    /// Creates a new file; refuses to replace one. A borrowed `&str` that is not `'static` needs `.to_owned()`. See [`create_with`](AsyncFileBackend::create_with).
    fn create<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.create_with(path, data.into(), CreateOptions::default())
    }

    /// Creates a new directory. See [`create_dir_with`](AsyncFileBackend::create_dir_with).
    fn create_dir<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.create_dir_with(path, CreateDirOptions::default())
    }

    /// Reads a whole file. See [`read_with`](AsyncFileBackend::read_with).
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Bytes>> {
        self.read_with(path, ReadOptions::default())
    }

    /// Replaces the content of an existing file. See [`update_with`](AsyncFileBackend::update_with).
    fn update<'a>(
        &'a self,
        path: &'a str,
        data: impl Into<Bytes>,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.update_with(path, data.into(), UpdateOptions::default())
    }

    /// Deletes a file, a link or an empty directory. See [`delete_with`](AsyncFileBackend::delete_with).
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        self.delete_with(path, DeleteOptions::default())
    }

    /// Tells what is at `path`. See [`info_with`](AsyncFileBackend::info_with).
    fn info<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<FileInfo>> {
        self.info_with(path, InfoOptions::default())
    }

    /// Lists a directory's own entries. See [`list_with`](AsyncFileBackend::list_with).
    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<InfoStream<'static>>> {
        self.list_with(prefix, ListOptions::default())
    }

    /// Finds what matches a pattern. See [`glob_with`](AsyncFileBackend::glob_with).
    fn glob<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<Vec<FilePath>>> {
        self.glob_with(pattern, GlobOptions::default())
    }

    /// Finds everything but directories that matches a pattern.
    fn glob_files<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<Vec<FilePath>>> {
        self.glob_with(pattern, GlobOptions::files())
    }

    /// Finds the directories that match a pattern.
    fn glob_dirs<'a>(&'a self, pattern: &'a str) -> BoxFuture<'a, Result<Vec<FilePath>>> {
        self.glob_with(pattern, GlobOptions::directories())
    }

    /// Streams a whole file. See [`stream_read_with`](AsyncFileBackend::stream_read_with).
    fn stream_read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<ByteStream<'static>>> {
        self.stream_read_with(path, ReadOptions::default())
    }

    /// Creates a new file from any stream of bytes, such as a [`ByteStream`], a `tokio_util::io::ReaderStream` or a request's
    /// body. See [`stream_write_with`](AsyncFileBackend::stream_write_with).
    fn stream_write<'a, S, E>(&'a self, path: &'a str, data: S) -> BoxFuture<'a, Result<FileInfo>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'a,
        E: Into<Error>,
    {
        let data = data.map(|chunk| chunk.map_err(Into::into)).boxed();
        self.stream_write_with(path, data, WriteOptions::default())
    }

    /// Copies a file to where nothing is. See [`copy_with`](AsyncFileBackend::copy_with).
    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<FileInfo>> {
        self.copy_with(from, to, CopyOptions::default())
    }

    /// Moves a file or directory to where nothing is. See [`rename_with`](AsyncFileBackend::rename_with).
    fn rename<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<FileInfo>> {
        self.rename_with(from, to, RenameOptions::default())
    }

    /// Waits up to 30 s for exclusive use. See [`sync_session_with`](AsyncFileBackend::sync_session_with).
    fn sync_session(&self) -> BoxFuture<'_, Result<SyncSession>> {
        self.sync_session_with(SessionOptions::default())
    }

    /// Reads a whole file as text.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](crate::ErrorKind::InvalidData), with the offset of the first byte that is not UTF-8.
    fn read_text<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<String>> {
        let content = self.read(path);
        Box::pin(
            async move { stream::into_text(content.await?).map_err(|error| reading(error, path)) },
        )
    }

    /// Streams a whole file as text, never splitting a character.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with); in the stream,
    /// [`InvalidData`](crate::ErrorKind::InvalidData) with the offset of the first byte that is not UTF-8.
    fn stream_read_text<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<TextStream<'static>>> {
        let content = self.stream_read(path);
        Box::pin(async move {
            let path = path.to_owned();
            let text = stream::decode(content.await?);
            Ok(text.map(move |part| part.map_err(|error| reading(error, &path))).boxed())
        })
    }

    /// Opens a file as an [`AsyncRead`], for whatever takes one.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with). A failure while reading arrives as an
    /// [`io::Error`](std::io::Error); `f9::Error::from` finds the [`Error`] in it again.
    fn reader<'a>(
        &'a self,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn AsyncBufRead + Send + Unpin>>> {
        let content = self.stream_read(path);
        Box::pin(async move { Ok(Box::new(stream::into_reader(content.await?)) as _) })
    }

    /// Creates a new file from all that `reader` gives.
    ///
    /// # Errors
    ///
    /// Those of [`stream_write_with`](AsyncFileBackend::stream_write_with); a failure of the reader leaves everything as it was.
    fn create_from_reader<'a>(
        &'a self,
        path: &'a str,
        reader: impl AsyncRead + Send + 'a,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.create_from_reader_with(path, reader, WriteOptions::default())
    }

    /// Writes all that `reader` gives, as the options say.
    ///
    /// # Errors
    ///
    /// Those of [`create_from_reader`](Self::create_from_reader).
    fn create_from_reader_with<'a>(
        &'a self,
        path: &'a str,
        reader: impl AsyncRead + Send + 'a,
        options: WriteOptions,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.stream_write_with(path, stream::from_reader(reader, DEFAULT_CHUNK_SIZE), options)
    }

    /// Writes the content of a file to `writer` and flushes it; gives the number of bytes.
    ///
    /// # Errors
    ///
    /// Those of [`stream_read_with`](AsyncFileBackend::stream_read_with), and the writer's.
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
    /// [`IntegrityMismatch`](crate::ErrorKind::IntegrityMismatch), showing both checksums;
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if `expected` is no checksum.
    fn verify<'a>(&'a self, path: &'a str, expected: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let verified = async {
                let expected: Checksum = expected.parse()?;
                let algorithm = expected.algorithm();
                let found = self.checksum(path, algorithm).await?;
                expected.expect(&Checksum::new(algorithm, &found)?)
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
