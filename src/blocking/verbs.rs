//! The verbs of the contract, each a wait for the async one of the same name.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};

use super::streams::Chunks;
use super::{Blocking, ByteReader, Entries, SyncSession, TextChunks};
use crate::{
    AsyncFileBackend, AsyncFileBackendExt as _, AsyncSyncFileBackend, Capabilities,
    ChecksumAlgorithm, CopyOptions, CreateDirOptions, CreateOptions, DeleteOptions, Error,
    FileInfo, FilePath, GlobOptions, InfoOptions, ListOptions, ReadOptions, RenameOptions, Result,
    SessionOptions, SyncConflict, UpdateOptions, WriteOptions,
};

/// The async verb is called inside the wait as well, as it may begin its work before it is first polled.
macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(
            $(#[$doc])*
            pub fn $verb(&self, $($argument: $type),*) -> Result<$output> {
                self.bridge.wait(async { (*self.backend).$verb($($argument),*).await })
            }
        )*
    };
}

/// The same for verbs whose result the caller keeps, as a `$held`.
macro_rules! held_verbs {
    ($($(#[$doc:meta])* $verb:ident($($argument:ident: $type:ty),*) -> $held:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $verb(&self, $($argument: $type),*) -> Result<$held> {
                let held = self.bridge.wait(async { (*self.backend).$verb($($argument),*).await })?;
                Ok($held::new(held, self.bridge.clone()))
            }
        )*
    };
}

#[expect(
    clippy::missing_errors_doc,
    reason = "they are those of the async verb, to which each line leads"
)]
impl<B: AsyncFileBackend + ?Sized> Blocking<B> {
    /// What the store can do; see [`capabilities`](AsyncFileBackend::capabilities).
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.backend.capabilities()
    }

    verbs! {
        /// Creates a new file; see [`create`](crate::AsyncFileBackendExt::create).
        create(path: &str, data: impl Into<Bytes>) -> FileInfo;
        /// Creates a file, or as the options say; see [`create_with`](AsyncFileBackend::create_with).
        create_with(path: &str, data: Bytes, options: CreateOptions) -> FileInfo;
        /// Creates a new directory; see [`create_dir`](crate::AsyncFileBackendExt::create_dir).
        create_dir(path: &str) -> ();
        /// Creates a directory, or as the options say; see [`create_dir_with`](AsyncFileBackend::create_dir_with).
        create_dir_with(path: &str, options: CreateDirOptions) -> ();
        /// Reads a whole file; see [`read`](crate::AsyncFileBackendExt::read).
        read(path: &str) -> Bytes;
        /// Reads a file or a part of it; see [`read_with`](AsyncFileBackend::read_with).
        read_with(path: &str, options: ReadOptions) -> Bytes;
        /// Reads a whole file as text; see [`read_text`](crate::AsyncFileBackendExt::read_text).
        read_text(path: &str) -> String;
        /// Replaces the content of an existing file; see [`update`](crate::AsyncFileBackendExt::update).
        update(path: &str, data: impl Into<Bytes>) -> FileInfo;
        /// Replaces the content of an existing file or adds to it; see [`update_with`](AsyncFileBackend::update_with).
        update_with(path: &str, data: Bytes, options: UpdateOptions) -> FileInfo;
        /// Deletes a file, a link or an empty directory; see [`delete`](crate::AsyncFileBackendExt::delete).
        delete(path: &str) -> ();
        /// Deletes as the options say; see [`delete_with`](AsyncFileBackend::delete_with).
        delete_with(path: &str, options: DeleteOptions) -> ();
        /// Tells what is at `path`; see [`info`](crate::AsyncFileBackendExt::info).
        info(path: &str) -> FileInfo;
        /// Tells what the options ask for; see [`info_with`](AsyncFileBackend::info_with).
        info_with(path: &str, options: InfoOptions) -> FileInfo;
        /// Whether anything is at `path`; see [`exists`](AsyncFileBackend::exists).
        exists(path: &str) -> bool;
        /// Finds what matches a pattern; see [`glob`](crate::AsyncFileBackendExt::glob).
        glob(pattern: &str) -> Vec<FilePath>;
        /// Finds what matches a pattern and is of a kind; see [`glob_with`](AsyncFileBackend::glob_with).
        glob_with(pattern: &str, options: GlobOptions) -> Vec<FilePath>;
        /// Finds everything but directories; see [`glob_files`](crate::AsyncFileBackendExt::glob_files).
        glob_files(pattern: &str) -> Vec<FilePath>;
        /// Finds directories; see [`glob_dirs`](crate::AsyncFileBackendExt::glob_dirs).
        glob_dirs(pattern: &str) -> Vec<FilePath>;
        /// Copies a file to where nothing is; see [`copy`](crate::AsyncFileBackendExt::copy).
        copy(from: &str, to: &str) -> FileInfo;
        /// Copies a file as the options say; see [`copy_with`](AsyncFileBackend::copy_with).
        copy_with(from: &str, to: &str, options: CopyOptions) -> FileInfo;
        /// Moves a file or directory to where nothing is; see [`rename`](crate::AsyncFileBackendExt::rename).
        rename(from: &str, to: &str) -> FileInfo;
        /// Moves a file or directory as the options say; see [`rename_with`](AsyncFileBackend::rename_with).
        rename_with(from: &str, to: &str, options: RenameOptions) -> FileInfo;
        /// Computes the checksum of a file; see [`checksum`](AsyncFileBackend::checksum).
        checksum(path: &str, algorithm: ChecksumAlgorithm) -> String;
        /// Checks that a file has a checksum; see [`verify`](crate::AsyncFileBackendExt::verify).
        verify(path: &str, expected: &str) -> ();
    }

    held_verbs! {
        /// Lists a directory's own entries; see [`list`](crate::AsyncFileBackendExt::list).
        list(prefix: &str) -> Entries;
        /// Lists a directory as the options say; see [`list_with`](AsyncFileBackend::list_with).
        list_with(prefix: &str, options: ListOptions) -> Entries;
        /// Streams a whole file; see [`stream_read`](crate::AsyncFileBackendExt::stream_read).
        stream_read(path: &str) -> ByteReader;
        /// Streams a file or a part of it; see [`stream_read_with`](AsyncFileBackend::stream_read_with).
        stream_read_with(path: &str, options: ReadOptions) -> ByteReader;
        /// Streams a whole file as text; see [`stream_read_text`](crate::AsyncFileBackendExt::stream_read_text).
        stream_read_text(path: &str) -> TextChunks;
        /// Waits up to 30 s for exclusive use; see [`sync_session`](crate::AsyncFileBackendExt::sync_session).
        sync_session() -> SyncSession;
        /// Waits for exclusive use; see [`sync_session_with`](AsyncFileBackend::sync_session_with).
        sync_session_with(options: SessionOptions) -> SyncSession;
    }

    /// Computes the checksums of many files, some at a time; see [`checksum_many`](AsyncFileBackend::checksum_many).
    pub fn checksum_many(
        &self,
        paths: &[&str],
        algorithm: ChecksumAlgorithm,
    ) -> Result<BTreeMap<FilePath, String>> {
        // On this thread they would be computed one after the other.
        self.bridge.wait_for_many(async { self.backend.checksum_many(paths, algorithm).await })
    }

    /// Creates a new file from chunks; see [`stream_write`](crate::AsyncFileBackendExt::stream_write).
    ///
    /// The iterator runs on this thread and may borrow; it must be `Send` because the backend sees it as a stream.
    pub fn stream_write<E: Into<Error>>(
        &self,
        path: &str,
        chunks: impl IntoIterator<Item = Result<Bytes, E>, IntoIter: Send>,
    ) -> Result<FileInfo> {
        self.stream_write_with(path, chunks, WriteOptions::default())
    }

    /// Writes chunks as the options say; see [`stream_write_with`](AsyncFileBackend::stream_write_with).
    ///
    /// The iterator is as in [`stream_write`](Self::stream_write).
    pub fn stream_write_with<E: Into<Error>>(
        &self,
        path: &str,
        chunks: impl IntoIterator<Item = Result<Bytes, E>, IntoIter: Send>,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        let chunks = chunks.into_iter().map(|chunk| chunk.map_err(Into::into));
        let chunks = stream::iter(chunks).boxed();
        self.bridge.wait(async { self.backend.stream_write_with(path, chunks, options).await })
    }

    /// Creates a new file from all that `reader` gives; see
    /// [`create_from_reader`](crate::AsyncFileBackendExt::create_from_reader).
    pub fn create_from_reader(&self, path: &str, reader: impl Read + Send) -> Result<FileInfo> {
        self.create_from_reader_with(path, reader, WriteOptions::default())
    }

    /// Writes all that `reader` gives, as the options say; see
    /// [`create_from_reader_with`](crate::AsyncFileBackendExt::create_from_reader_with).
    pub fn create_from_reader_with(
        &self,
        path: &str,
        reader: impl Read + Send,
        options: WriteOptions,
    ) -> Result<FileInfo> {
        self.stream_write_with(path, Chunks::of(reader), options)
    }

    /// Writes the content of a file to `writer` and flushes it; see
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

#[expect(
    clippy::missing_errors_doc,
    reason = "they are those of the async verb, to which each line leads"
)]
impl<B: AsyncSyncFileBackend + ?Sized> Blocking<B> {
    verbs! {
        /// Publishes all local changes; see [`push`](AsyncSyncFileBackend::push).
        push(message: &str) -> ();
        /// Brings in all changes of the remote; see [`pull`](AsyncSyncFileBackend::pull).
        pull() -> ();
        /// Pulls, then pushes; see [`sync`](AsyncSyncFileBackend::sync).
        sync(message: &str) -> ();
        /// The files in conflict; see [`conflict_report`](AsyncSyncFileBackend::conflict_report).
        conflict_report() -> Vec<SyncConflict>;
        /// Settles a conflict in favour of the local file; see
        /// [`conflict_accept_local`](AsyncSyncFileBackend::conflict_accept_local).
        conflict_accept_local(path: &str) -> ();
        /// Settles a conflict in favour of the remote's file; see
        /// [`conflict_accept_remote`](AsyncSyncFileBackend::conflict_accept_remote).
        conflict_accept_remote(path: &str) -> ();
        /// Settles a conflict with content of the caller's; see
        /// [`conflict_resolve`](AsyncSyncFileBackend::conflict_resolve).
        conflict_resolve(path: &str, data: Bytes) -> ();
    }
}
