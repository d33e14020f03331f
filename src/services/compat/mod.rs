//! Adapters to other interfaces: [`std::io`] and the crate `object_store`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::backend::verbs::{ext_verbs, file_verbs, sync_verbs};
use crate::backend::{
    AsyncFileBackend, AsyncFileBackendExt as _, AsyncSyncFileBackend, Capabilities, FileReader,
    FileWriter, Limits, StoreIdentity, SyncConflict, SyncReport, SyncSession,
};
use crate::core::change::Change;
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::content::FileContent;
use crate::core::error::Result;
use crate::core::file_version::FileVersion;
use crate::core::info::FileInfo;
use crate::core::options::{
    ByteRange, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, GlobOptions,
    InfoChanges, InfoOptions, ListOptions, PullOptions, PushOptions, ReadOptions, RenameOptions,
    SessionOptions, SyncOptions, UpdateOptions, VersionOptions, WatchOptions, WriteOptions,
};
use crate::core::path::FilePath;
use crate::core::presign::{PresignOperation, PresignedRequest};
use crate::core::stream::{IntoChunk, from_chunks};
use crate::core::upload::ResumableUpload;

#[cfg(feature = "object-store")]
pub mod object_store;

/// A backend whose verbs return [`io::Result`], for code whose errors are [`io::Error`]s.
///
/// The verbs have the names and promises of [`AsyncFileBackend`] and [`AsyncFileBackendExt`](crate::AsyncFileBackendExt). An error has
/// the nearest [`io::ErrorKind`], see [`ErrorKind::to_io`](crate::ErrorKind::to_io), and contains the [`Error`](crate::Error), which
/// `f9::Error::from` returns.
///
/// # Examples
///
/// ```
/// use std::io;
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let backend = f9::CompatibleFileBackend::new(Arc::new(f9::MemoryFileBackend::new()));
/// backend.create("a.txt", "hello").await?;
/// assert_eq!(backend.read_text("a.txt").await?, "hello");
///
/// let error = backend.read("b.txt").await.unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// assert_eq!(f9::Error::from(error).path(), Some("b.txt"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CompatibleFileBackend<B: ?Sized> {
    backend: Arc<B>,
}

impl<B: ?Sized> CompatibleFileBackend<B> {
    /// Wraps a backend. The backend stays usable by itself.
    #[must_use]
    pub fn new(backend: Arc<B>) -> Self {
        Self { backend }
    }

    /// Returns the wrapped backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }
}

impl<B: ?Sized> Clone for CompatibleFileBackend<B> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.backend))
    }
}

/// A stream whose errors are [`io::Error`]s.
type IoStream<T> = BoxStream<'static, io::Result<T>>;

/// Calls the verb of the same name and converts its error, or the errors of its stream.
macro_rules! io_verbs {
    ($trait:literal: $($kind:ident $verb:ident[$($life:lifetime)*] { $($argument:ident($($type:tt)*)),* } -> $output:ty, $doc:literal;)*) => {
        $(
            io_verb! {
                $kind
                #[doc = $doc]
                #[doc = concat!("See [`", $trait, "::", stringify!($verb), "`](crate::", $trait, "::", stringify!($verb), ").")]
                ///
                /// # Errors
                ///
                /// The errors of that verb, each with the nearest [`io::ErrorKind`].
                $verb[$($life),*] { $($argument: $($type)*),* } -> $output
            }
        )*
    };
}

macro_rules! io_verb {
    // Written by hand below, because here they take a stream with any error.
    (source $($row:tt)*) => {};
    (part $($row:tt)*) => {};
    // Callers use the form of the extension trait.
    (core $($row:tt)*) => {};
    (bytes $($row:tt)*) => { io_verb! { @stream Bytes, $($row)* } };
    (text $($row:tt)*) => { io_verb! { @stream String, $($row)* } };
    (entries $($row:tt)*) => { io_verb! { @stream FileInfo, $($row)* } };
    (paths $($row:tt)*) => { io_verb! { @stream FilePath, $($row)* } };
    (versions $($row:tt)*) => { io_verb! { @stream FileVersion, $($row)* } };
    (changes $($row:tt)*) => { io_verb! { @stream Change, $($row)* } };
    (store $($row:tt)*) => { io_verb! { @value $($row)* } };
    (value $($row:tt)*) => { io_verb! { @value $($row)* } };
    (content $($row:tt)*) => { io_verb! { @value $($row)* } };
    (opened $($row:tt)*) => { io_verb! { @value $($row)* } };
    (many $($row:tt)*) => { io_verb! { @value $($row)* } };
    (session $($row:tt)*) => { io_verb! { @value $($row)* } };
    (@stream $item:ty, $(#[$doc:meta])* $verb:ident[$($life:lifetime),*] { $($argument:ident: $type:ty),* } -> $output:ty) => {
        $(#[$doc])*
        pub async fn $verb<$($life),*>(&self, $($argument: $type),*) -> io::Result<IoStream<$item>> {
            Ok(self.backend.$verb($($argument),*).await?.err_into().boxed())
        }
    };
    (@value $(#[$doc:meta])* $verb:ident[$($life:lifetime),*] { $($argument:ident: $type:ty),* } -> $output:ty) => {
        $(#[$doc])*
        pub async fn $verb<$($life),*>(&self, $($argument: $type),*) -> io::Result<$output> {
            Ok(self.backend.$verb($($argument),*).await?)
        }
    };
}

impl<B: AsyncFileBackend + ?Sized> CompatibleFileBackend<B> {
    /// Returns what the backend can do. See [`AsyncFileBackend::capabilities`].
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    /// Returns the bounds of the store. See [`AsyncFileBackend::limits`].
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.backend.limits()
    }

    /// Returns the name of the store. See [`AsyncFileBackend::identity`].
    #[must_use]
    pub fn identity(&self) -> Option<StoreIdentity> {
        self.backend.identity()
    }

    /// Returns a view of the store for a service. See [`AsyncFileBackend::private_view`].
    ///
    /// # Errors
    ///
    /// The errors of that method, each with the nearest [`io::ErrorKind`].
    pub fn private_view(
        &self,
        name: &str,
    ) -> io::Result<CompatibleFileBackend<dyn AsyncFileBackend>> {
        Ok(CompatibleFileBackend::new(self.backend.private_view(name)?))
    }

    ext_verbs!(io_verbs);
    file_verbs!(io_verbs);

    /// Creates a file or replaces its content, from a stream of bytes, such as [`stream_read`](Self::stream_read) returns. See
    /// [`AsyncFileBackendExt::stream_write`](crate::AsyncFileBackendExt::stream_write).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn stream_write(
        &self,
        path: &str,
        data: impl Stream<Item: IntoChunk> + Send,
    ) -> io::Result<FileInfo> {
        self.stream_write_with(path, data, WriteOptions::default()).await
    }

    /// Writes a file from a stream of bytes. See [`AsyncFileBackend::stream_write_with`].
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn stream_write_with(
        &self,
        path: &str,
        data: impl Stream<Item: IntoChunk> + Send,
        options: WriteOptions,
    ) -> io::Result<FileInfo> {
        Ok(self.backend.stream_write_with(path, from_chunks(data), options).await?)
    }

    /// Writes many files, and returns one result for each. See
    /// [`AsyncFileBackendExt::write_many`](crate::AsyncFileBackendExt::write_many).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn write_many(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> io::Result<Vec<Result<FileInfo>>> {
        Ok(self.backend.write_many(files).await?)
    }

    /// Adds content to an upload. See [`AsyncFileBackend::continue_upload`].
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn continue_upload(
        &self,
        upload: &ResumableUpload,
        data: impl Stream<Item: IntoChunk> + Send,
    ) -> io::Result<ResumableUpload> {
        Ok(self.backend.continue_upload(upload, from_chunks(data)).await?)
    }

    /// Opens a file for reading at any offset. See [`AsyncFileBackendExt::reader`](crate::AsyncFileBackendExt::reader).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn reader<'a>(&'a self, path: &'a str) -> io::Result<FileReader<'a>> {
        Ok(self.backend.reader(path).await?)
    }

    /// Opens a file for reading at any offset, with options. See
    /// [`AsyncFileBackendExt::reader_with`](crate::AsyncFileBackendExt::reader_with).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn reader_with<'a>(
        &'a self,
        path: &'a str,
        options: ReadOptions,
    ) -> io::Result<FileReader<'a>> {
        Ok(self.backend.reader_with(path, options).await?)
    }

    /// Writes a file piece by piece. See [`AsyncFileBackendExt::writer`](crate::AsyncFileBackendExt::writer).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn writer<'a>(&'a self, path: &'a str) -> io::Result<FileWriter<'a>> {
        Ok(self.backend.writer(path).await?)
    }

    /// Writes a file piece by piece, with options. See [`AsyncFileBackendExt::writer_with`](crate::AsyncFileBackendExt::writer_with).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn writer_with<'a>(
        &'a self,
        path: &'a str,
        options: WriteOptions,
    ) -> io::Result<FileWriter<'a>> {
        Ok(self.backend.writer_with(path, options).await?)
    }

    /// Creates a new file with everything that `reader` returns. See
    /// [`AsyncFileBackendExt::create_from_reader`](crate::AsyncFileBackendExt::create_from_reader).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn create_from_reader(
        &self,
        path: &str,
        reader: impl AsyncRead + Send,
    ) -> io::Result<FileInfo> {
        Ok(self.backend.create_from_reader(path, reader).await?)
    }

    /// Creates a file with everything that `reader` returns, with options. See
    /// [`AsyncFileBackendExt::create_from_reader_with`](crate::AsyncFileBackendExt::create_from_reader_with).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn create_from_reader_with(
        &self,
        path: &str,
        reader: impl AsyncRead + Send,
        options: CreateOptions,
    ) -> io::Result<FileInfo> {
        Ok(self.backend.create_from_reader_with(path, reader, options).await?)
    }

    /// Writes the content of a file to `writer`, flushes it, and returns the number of bytes. See
    /// [`AsyncFileBackendExt::read_to_writer`](crate::AsyncFileBackendExt::read_to_writer).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn read_to_writer(
        &self,
        path: &str,
        writer: impl AsyncWrite + Send + Unpin,
    ) -> io::Result<u64> {
        Ok(self.backend.read_to_writer(path, writer).await?)
    }
}

impl<B: AsyncSyncFileBackend + ?Sized> CompatibleFileBackend<B> {
    sync_verbs!(io_verbs);
}

#[cfg(test)]
mod tests;
