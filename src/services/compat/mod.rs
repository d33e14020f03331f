//! Adapters to other interfaces: [`std::io`] and the crate `object_store`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::backend::verbs::{ext_verbs, file_verbs, sync_verbs};
use crate::backend::{
    AsyncFileBackend, AsyncFileBackendExt as _, AsyncSyncFileBackend, Capabilities, SyncConflict,
    SyncSession,
};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::Error;
use crate::core::info::FileInfo;
use crate::core::options::{
    CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, GlobOptions, InfoOptions,
    ListOptions, ReadOptions, RenameOptions, SessionOptions, UpdateOptions, WriteOptions,
};
use crate::core::path::FilePath;

#[cfg(feature = "object-store")]
pub mod object_store;

/// A backend whose verbs return [`io::Result`], for code whose errors are [`io::Error`]s.
///
/// The verbs have the names and promises of [`AsyncFileBackend`] and [`AsyncFileBackendExt`](crate::AsyncFileBackendExt). An error has
/// the nearest [`io::ErrorKind`], see [`ErrorKind::to_io`](crate::ErrorKind::to_io), and contains the [`Error`], which
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
    // Written by hand below, because here it takes a stream with any error.
    (source $($row:tt)*) => {};
    // Callers use the form of the extension trait.
    (core $($row:tt)*) => {};
    (bytes $($row:tt)*) => { io_verb! { @stream Bytes, $($row)* } };
    (text $($row:tt)*) => { io_verb! { @stream String, $($row)* } };
    (entries $($row:tt)*) => { io_verb! { @stream FileInfo, $($row)* } };
    (value $($row:tt)*) => { io_verb! { @value $($row)* } };
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

    ext_verbs!(io_verbs);
    file_verbs!(io_verbs);

    /// Creates a new file from a stream of bytes, such as [`stream_read`](Self::stream_read) returns. See
    /// [`AsyncFileBackendExt::stream_write`](crate::AsyncFileBackendExt::stream_write).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn stream_write(
        &self,
        path: &str,
        data: impl Stream<Item = Result<Bytes, impl Into<Error>>> + Send,
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
        data: impl Stream<Item = Result<Bytes, impl Into<Error>>> + Send,
        options: WriteOptions,
    ) -> io::Result<FileInfo> {
        let data = data.map_err(Into::into).boxed();
        Ok(self.backend.stream_write_with(path, data, options).await?)
    }

    /// Opens a file as an [`AsyncRead`]. See [`AsyncFileBackendExt::reader`](crate::AsyncFileBackendExt::reader).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn reader(&self, path: &str) -> io::Result<Box<dyn AsyncBufRead + Send + Unpin>> {
        Ok(self.backend.reader(path).await?)
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

    /// Writes everything that `reader` returns. See
    /// [`AsyncFileBackendExt::create_from_reader_with`](crate::AsyncFileBackendExt::create_from_reader_with).
    ///
    /// # Errors
    ///
    /// The errors of that verb, each with the nearest [`io::ErrorKind`].
    pub async fn create_from_reader_with(
        &self,
        path: &str,
        reader: impl AsyncRead + Send,
        options: WriteOptions,
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
