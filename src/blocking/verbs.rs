//! The verbs of the contract. Each waits for the async verb of the same name.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;

use super::streams::Chunks;
use super::{
    Blocking, Bridge, ByteReader, Changes, Entries, FileBackend, FileContent, FileReader,
    FileWriter, Paths, SyncSession, TextChunks, Versions,
};
use crate::backend::verbs::{ext_verbs, file_verbs, sync_verbs};
use crate::backend::{
    AsyncFileBackend, AsyncFileBackendExt as _, AsyncSyncFileBackend, Capabilities, Limits,
    StoreIdentity, SyncConflict, SyncReport,
};
use crate::core::checksum::{Checksum, ChecksumAlgorithm};
use crate::core::error::{Error, Result};
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

/// Calls the async verb inside the wait, because it may start its work before the first poll.
macro_rules! blocking_verbs {
    ($trait:literal: $($kind:ident $verb:ident[$($life:lifetime)*] { $($argument:ident($($type:tt)*)),* } -> $output:ty, $doc:literal;)*) => {
        $(
            blocking_verb! {
                $kind
                #[doc = $doc]
                #[doc = concat!("See [`", stringify!($verb), "`](crate::", $trait, "::", stringify!($verb), ").")]
                $verb[$($life),*] { $($argument: $($type)*),* } -> $output
            }
        )*
    };
}

/// Wraps results that the caller keeps in a type of this module; the first word of a row selects it.
macro_rules! blocking_verb {
    // Written by hand below, because here they take an iterator or another blocking store.
    (source $($row:tt)*) => {};
    (part $($row:tt)*) => {};
    (store $($row:tt)*) => {};
    // In the trait `OpenFile`, because each backend has a constructor of this name.
    (opened $($row:tt)*) => {};
    // Callers use the form of the extension trait.
    (core $($row:tt)*) => {};
    (bytes $($row:tt)*) => { blocking_verb! { @kept ByteReader $($row)* } };
    (text $($row:tt)*) => { blocking_verb! { @kept TextChunks $($row)* } };
    (entries $($row:tt)*) => { blocking_verb! { @kept Entries $($row)* } };
    (paths $($row:tt)*) => { blocking_verb! { @kept Paths $($row)* } };
    (versions $($row:tt)*) => { blocking_verb! { @kept Versions $($row)* } };
    (changes $($row:tt)*) => { blocking_verb! { @kept Changes $($row)* } };
    (session $($row:tt)*) => { blocking_verb! { @kept SyncSession $($row)* } };
    (content $($row:tt)*) => { blocking_verb! { @kept FileContent $($row)* } };
    (value $($row:tt)*) => { blocking_verb! { @wait wait $($row)* } };
    // On the calling thread alone the tasks would run one after the other.
    (many $($row:tt)*) => { blocking_verb! { @wait wait_for_many $($row)* } };
    (@kept $kept:ident $(#[$doc:meta])* $verb:ident[$($life:lifetime),*] { $($argument:ident: $type:ty),* } -> $output:ty) => {
        $(#[$doc])*
        pub fn $verb<$($life),*>(&self, $($argument: $type),*) -> Result<$kept> {
            let kept = self.bridge.wait(async { (*self.backend).$verb($($argument),*).await })?;
            Ok($kept::new(kept, self.bridge.clone()))
        }
    };
    (@wait $wait:ident $(#[$doc:meta])* $verb:ident[$($life:lifetime),*] { $($argument:ident: $type:ty),* } -> $output:ty) => {
        $(#[$doc])*
        pub fn $verb<$($life),*>(&self, $($argument: $type),*) -> Result<$output> {
            self.bridge.$wait(async { (*self.backend).$verb($($argument),*).await })
        }
    };
}

#[expect(clippy::missing_errors_doc, reason = "they are those of the linked async verb")]
impl<B: AsyncFileBackend + ?Sized> Blocking<B> {
    /// Returns what the store can do. See [`capabilities`](AsyncFileBackend::capabilities).
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    /// Returns the bounds of the store. See [`limits`](AsyncFileBackend::limits).
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.backend.limits()
    }

    /// Returns the name of the store. See [`identity`](AsyncFileBackend::identity).
    #[must_use]
    pub fn identity(&self) -> Option<StoreIdentity> {
        self.backend.identity()
    }

    /// Returns the verbs of a store that syncs with a remote, or `None`. See [`as_sync`](AsyncFileBackend::as_sync).
    #[must_use]
    pub fn as_sync(&self) -> Option<SyncVerbs<'_>> {
        Some(SyncVerbs { backend: self.backend.as_sync()?, bridge: self.bridge.clone() })
    }

    ext_verbs!(blocking_verbs);
    file_verbs!(blocking_verbs);

    /// Creates a file or replaces its content, from chunks. See [`stream_write`](crate::AsyncFileBackendExt::stream_write).
    ///
    /// The iterator runs on the calling thread and may borrow. It must be `Send` because the backend receives it as a stream.
    pub fn stream_write(
        &self,
        path: &str,
        chunks: impl IntoIterator<Item: IntoChunk, IntoIter: Send>,
    ) -> Result<FileInfo> {
        self.stream_write_with(path, chunks, WriteOptions::default())
    }

    /// Writes a file from chunks, with options. See [`stream_write_with`](AsyncFileBackend::stream_write_with).
    ///
    /// The iterator is as in [`stream_write`](Self::stream_write).
    pub fn stream_write_with(
        &self,
        path: &str,
        chunks: impl IntoIterator<Item: IntoChunk, IntoIter: Send>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let chunks = from_chunks(stream::iter(chunks));
        self.bridge.wait(async { self.backend.stream_write_with(path, chunks, options).await })
    }

    /// Opens a file for reading at any offset. See [`reader`](crate::AsyncFileBackendExt::reader).
    pub fn reader<'a>(&'a self, path: &'a str) -> Result<FileReader<'a>> {
        self.reader_with(path, ReadOptions::default())
    }

    /// Opens a file for reading at any offset, with options. See [`reader_with`](crate::AsyncFileBackendExt::reader_with).
    pub fn reader_with<'a>(
        &'a self,
        path: &'a str,
        options: ReadOptions,
    ) -> Result<FileReader<'a>> {
        let reader = self.bridge.wait(self.backend.reader_with(path, options))?;
        Ok(FileReader::new(reader, self.bridge.clone()))
    }

    /// Writes a file piece by piece. See [`writer`](crate::AsyncFileBackendExt::writer).
    pub fn writer<'a>(&'a self, path: &'a str) -> Result<FileWriter<'a>> {
        self.writer_with(path, WriteOptions::default())
    }

    /// Writes a file piece by piece, with options. See [`writer_with`](crate::AsyncFileBackendExt::writer_with).
    pub fn writer_with<'a>(
        &'a self,
        path: &'a str,
        options: WriteOptions,
    ) -> Result<FileWriter<'a>> {
        let writer = self.bridge.wait(self.backend.writer_with(path, options))?;
        Ok(FileWriter::new(writer, self.bridge.clone()))
    }

    /// Creates a new file with everything that `reader` returns. See
    /// [`create_from_reader`](crate::AsyncFileBackendExt::create_from_reader).
    pub fn create_from_reader(&self, path: &str, reader: impl Read + Send) -> Result<FileInfo> {
        self.create_from_reader_with(path, reader, CreateOptions::default())
    }

    /// Creates a file with everything that `reader` returns, with options. See
    /// [`create_from_reader_with`](crate::AsyncFileBackendExt::create_from_reader_with).
    pub fn create_from_reader_with(
        &self,
        path: &str,
        reader: impl Read + Send,
        options: CreateOptions,
    ) -> Result<FileInfo> {
        self.stream_write_with(path, Chunks::of(reader), options.into())
    }

    /// Creates or replaces many files, and returns one result for each. See [`write_many`](crate::AsyncFileBackendExt::write_many).
    pub fn write_many(
        &self,
        files: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>,
    ) -> Result<Vec<Result<FileInfo>>> {
        self.bridge.wait(self.backend.write_many(files))
    }

    /// Copies a file of another store into this one. See [`copy_from`](AsyncFileBackend::copy_from).
    pub fn copy_from<S: AsyncFileBackend + ?Sized>(
        &self,
        source: &Blocking<S>,
        from: &str,
        to: &str,
        options: CopyOptions,
    ) -> Result<FileInfo> {
        self.bridge.wait(async { self.backend.copy_from(&source.backend, from, to, options).await })
    }

    /// Adds chunks to an upload. See [`continue_upload`](AsyncFileBackend::continue_upload).
    ///
    /// The iterator is as in [`stream_write`](Self::stream_write).
    pub fn continue_upload(
        &self,
        upload: &ResumableUpload,
        chunks: impl IntoIterator<Item: IntoChunk, IntoIter: Send>,
    ) -> Result<ResumableUpload> {
        let chunks = from_chunks(stream::iter(chunks));
        self.bridge.wait(async { self.backend.continue_upload(upload, chunks).await })
    }

    /// Returns a view of the store for a service. See [`private_view`](AsyncFileBackend::private_view).
    pub fn private_view(&self, name: &str) -> Result<FileBackend> {
        Ok(Blocking::with_bridge(self.backend.private_view(name)?, self.bridge.clone()))
    }

    /// Writes the content of a file to `writer`, flushes it, and returns the number of bytes. See
    /// [`read_to_writer`](crate::AsyncFileBackendExt::read_to_writer).
    pub fn read_to_writer(&self, path: &str, mut writer: impl Write) -> Result<u64> {
        let failing = |error| Error::from(error).with_operation("read").with_path(path);
        let mut written = 0;
        for chunk in self.stream_read(path)? {
            let chunk = chunk?;
            writer.write_all(&chunk).map_err(failing)?;
            written += chunk.len() as u64;
        }
        writer.flush().map_err(failing)?;
        Ok(written)
    }
}

#[expect(clippy::missing_errors_doc, reason = "they are those of the linked async verb")]
impl<B: AsyncSyncFileBackend + ?Sized> Blocking<B> {
    sync_verbs!(blocking_verbs);
}

/// The verbs of a store that syncs with a remote, from [`as_sync`](Blocking::as_sync).
///
/// # Examples
///
/// ```no_run
/// # fn main() -> f9::Result<()> {
/// let files = f9::blocking::resolve_backend("git+https://host/org/notes@main")?;
/// if let Some(remote) = files.as_sync() {
///     remote.sync("Back up the notes")?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SyncVerbs<'a> {
    backend: &'a dyn AsyncSyncFileBackend,
    bridge: Bridge,
}

#[expect(clippy::missing_errors_doc, reason = "they are those of the linked async verb")]
impl SyncVerbs<'_> {
    sync_verbs!(blocking_verbs);
}
