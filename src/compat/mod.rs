//! The contract for code that speaks another one: that of [`std::io`], or of the crate `object_store`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite};

use crate::stream::ByteStream;
use crate::{
    AsyncFileBackend, AsyncFileBackendExt as _, AsyncSyncFileBackend, Capabilities,
    ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Error,
    FileInfo, FilePath, GlobOptions, InfoOptions, ListOptions, ReadOptions, RenameOptions,
    SessionOptions, SyncConflict, SyncSession, UpdateOptions, WriteOptions,
};

#[cfg(feature = "object-store")]
pub mod object_store;

/// A backend whose every verb returns [`io::Result`], so that `?` works where errors are [`io::Error`]s.
///
/// The verbs have the names and promises of [`AsyncFileBackend`] and [`AsyncFileBackendExt`](crate::AsyncFileBackendExt). An
/// error has the [`io::ErrorKind`] that is nearest to its own kind, see
/// [`ErrorKind::to_io`](crate::ErrorKind::to_io); the [`Error`] itself is inside, and `f9::Error::from` takes it out again.
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
    /// Wraps a backend; it stays usable by itself.
    #[must_use]
    pub fn new(backend: Arc<B>) -> Self {
        Self { backend }
    }

    /// The backend as it is.
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

fn into_io<T: 'static>(stream: BoxStream<'static, crate::Result<T>>) -> IoStream<T> {
    stream.err_into().boxed()
}

fn from_io<'a, E: Into<Error> + 'a>(
    stream: impl Stream<Item = Result<Bytes, E>> + Send + 'a,
) -> ByteStream<'a> {
    stream.map_err(Into::into).boxed()
}

/// Writes verbs that call those of the same name in a trait. `=> turn` names what is done to the result, or to one argument.
macro_rules! verbs {
    ($trait:literal: $(
        $(#[$doc:meta])*
        $verb:ident($($argument:ident: $type:ty $(=> $from:ident)?),*) -> $output:ty $(=> $into:ident)?;
    )*) => {
        $(
            $(#[$doc])*
            #[doc = concat!("See [`", $trait, "::", stringify!($verb), "`](crate::", $trait, "::", stringify!($verb), ").")]
            ///
            /// # Errors
            ///
            /// The same, each of the nearest [`io::ErrorKind`].
            pub async fn $verb(&self, $($argument: $type),*) -> io::Result<$output> {
                let done = self.backend.$verb($($($from)? ($argument)),*).await?;
                Ok($($into)? (done))
            }
        )*
    };
}

impl<B: AsyncFileBackend + ?Sized> CompatibleFileBackend<B> {
    /// What the backend can do. See [`AsyncFileBackend::capabilities`].
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    verbs! { "AsyncFileBackendExt":
        /// Creates a new file; refuses to replace one.
        create(path: &str, data: impl Into<Bytes> + Send) -> FileInfo;
        /// Creates a new directory.
        create_dir(path: &str) -> ();
        /// Reads a whole file.
        read(path: &str) -> Bytes;
        /// Reads a whole file as text.
        read_text(path: &str) -> String;
        /// Replaces the content of an existing file.
        update(path: &str, data: impl Into<Bytes> + Send) -> FileInfo;
        /// Deletes a file, a link or an empty directory.
        delete(path: &str) -> ();
        /// Tells what is at `path`.
        info(path: &str) -> FileInfo;
        /// Lists a directory's own entries.
        list(prefix: &str) -> IoStream<FileInfo> => into_io;
        /// Finds what matches a pattern.
        glob(pattern: &str) -> Vec<FilePath>;
        /// Finds everything but directories that matches a pattern.
        glob_files(pattern: &str) -> Vec<FilePath>;
        /// Finds the directories that match a pattern.
        glob_dirs(pattern: &str) -> Vec<FilePath>;
        /// Streams a whole file.
        stream_read(path: &str) -> IoStream<Bytes> => into_io;
        /// Streams a whole file as text, never splitting a character.
        stream_read_text(path: &str) -> IoStream<String> => into_io;
        /// Creates a new file from any stream of bytes; [`stream_read`](Self::stream_read) gives one.
        stream_write(
            path: &str,
            data: impl Stream<Item = Result<Bytes, impl Into<Error>>> + Send
        ) -> FileInfo;
        /// Copies a file to where nothing is.
        copy(from: &str, to: &str) -> FileInfo;
        /// Moves a file or directory to where nothing is.
        rename(from: &str, to: &str) -> FileInfo;
        /// Waits up to 30 s for exclusive use. What ends the session returns an [`Error`], which `?` turns.
        sync_session() -> SyncSession;
        /// Opens a file as an [`AsyncRead`].
        reader(path: &str) -> Box<dyn AsyncBufRead + Send + Unpin>;
        /// Creates a new file from all that `reader` gives.
        create_from_reader(path: &str, reader: impl AsyncRead + Send) -> FileInfo;
        /// Writes all that `reader` gives, as the options say.
        create_from_reader_with(
            path: &str,
            reader: impl AsyncRead + Send,
            options: WriteOptions
        ) -> FileInfo;
        /// Writes the content of a file to `writer` and flushes it; gives the number of bytes.
        read_to_writer(path: &str, writer: impl AsyncWrite + Send + Unpin) -> u64;
        /// Checks that a file has the checksum `expected`, such as `"sha256:9f86…"`.
        verify(path: &str, expected: &str) -> ();
    }

    verbs! { "AsyncFileBackend":
        /// Creates the file at `path` with `data`.
        create_with(path: &str, data: Bytes, options: CreateOptions) -> FileInfo;
        /// Creates a directory.
        create_dir_with(path: &str, options: CreateDirOptions) -> ();
        /// Reads the file at `path`, or a range of it.
        read_with(path: &str, options: ReadOptions) -> Bytes;
        /// Replaces the content of an existing file, or adds to its end.
        update_with(path: &str, data: Bytes, options: UpdateOptions) -> FileInfo;
        /// Deletes a file, a directory or a link.
        delete_with(path: &str, options: DeleteOptions) -> ();
        /// Tells what is at `path`.
        info_with(path: &str, options: InfoOptions) -> FileInfo;
        /// Lists the directory at `prefix`, in byte order of the paths.
        list_with(prefix: &str, options: ListOptions) -> IoStream<FileInfo> => into_io;
        /// Finds the paths that match a pattern.
        glob_with(pattern: &str, options: GlobOptions) -> Vec<FilePath>;
        /// Streams the file at `path`, or a range of it.
        stream_read_with(path: &str, options: ReadOptions) -> IoStream<Bytes> => into_io;
        /// Creates the file at `path` from a stream.
        stream_write_with(
            path: &str,
            data: impl Stream<Item = Result<Bytes, impl Into<Error>>> + Send => from_io,
            options: WriteOptions
        ) -> FileInfo;
        /// Computes the checksum of a file, as lower-case hexadecimal digits.
        checksum(path: &str, algorithm: ChecksumAlgorithm) -> String;
        /// Computes the checksums of many files, and leaves out those that are missing or are directories.
        checksum_many(
            paths: &[&str],
            algorithm: ChecksumAlgorithm
        ) -> BTreeMap<FilePath, String>;
        /// Copies a file.
        copy_with(from: &str, to: &str, options: CopyOptions) -> FileInfo;
        /// Moves a file, a directory with all it holds, or a link.
        rename_with(from: &str, to: &str, options: RenameOptions) -> FileInfo;
        /// Whether anything is at `path`.
        exists(path: &str) -> bool;
        /// Waits for exclusive use of the store.
        sync_session_with(options: SessionOptions) -> SyncSession;
    }
}

impl<B: AsyncSyncFileBackend + ?Sized> CompatibleFileBackend<B> {
    verbs! { "AsyncSyncFileBackend":
        /// Publishes all local changes, described by `message`.
        push(message: &str) -> ();
        /// Brings in all changes of the remote.
        pull() -> ();
        /// Pulls, then pushes.
        sync(message: &str) -> ();
        /// The files in which local and remote changes contradict each other, in byte order.
        conflict_report() -> Vec<SyncConflict>;
        /// Settles the conflict at `path` in favour of the local file.
        conflict_accept_local(path: &str) -> ();
        /// Settles the conflict at `path` in favour of the remote's file.
        conflict_accept_remote(path: &str) -> ();
        /// Settles the conflict at `path` with content of the caller's.
        conflict_resolve(path: &str, data: Bytes) -> ();
    }
}

#[cfg(test)]
mod tests;
