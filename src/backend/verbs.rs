//! The table of verbs: one row for each method of the contract, with its arguments and its result.
//!
//! All other forms of the verbs are generated from this table: pointers to backends ([`forward`](super::forward)), the blocking facade,
//! `compat`, and the backend of the suite that calls the facade. A new verb is written in the trait, here, and in the backends that
//! override its default.
//!
//! A row is `kind name ['lifetimes] { argument(type), … } -> result, "documentation";`. The kind says what the result is: `value`, or
//! one that the facade wraps because the caller keeps it (`bytes`, `text`, `content`, `opened`, `entries`, `paths`, `versions`, `changes`,
//! `session`), `many` for a value that concurrent tasks compute, `source` or `part` for a verb that takes a stream of bytes, `store` for one
//! that takes another store, or `core` for the object-safe form of a verb that callers know from
//! [`AsyncFileBackendExt`](super::AsyncFileBackendExt).

/// Calls `$then!` with the verbs of [`AsyncFileBackend`](super::AsyncFileBackend).
macro_rules! file_verbs {
    ($then:ident) => {
        $then! {
            "AsyncFileBackend":
            content open_with['a] { path(&'a str), options(ReadOptions) } -> FileContent,
                "Opens the file at `path`, or a range of it: the metadata and the content of one version.";
            source stream_write_with['a 'b] { path(&'a str), data(ByteStream<'b>), options(WriteOptions) } -> FileInfo,
                "Writes the file at `path` from a stream of bytes.";
            value create_dir_with['a] { path(&'a str), options(CreateDirOptions) } -> (),
                "Creates a directory and its parents.";
            bytes stream_read_with['a] { path(&'a str), options(ReadOptions) } -> ByteStream<'static>,
                "Streams the file at `path`, or a range of it.";
            value delete_with['a] { path(&'a str), options(DeleteOptions) } -> (),
                "Deletes a file, a directory or a link.";
            value info_with['a] { path(&'a str), options(InfoOptions) } -> FileInfo,
                "Returns the metadata of `path`.";
            entries list_with['a] { prefix(&'a str), options(ListOptions) } -> InfoStream<'static>,
                "Lists the directory at `prefix`, in byte order of the paths.";
            value rename_with['a 'b] { from(&'a str), to(&'b str), options(RenameOptions) } -> FileInfo,
                "Moves a file, a directory or a link.";
            core write_bytes['a] { path(&'a str), data(Bytes), options(WriteOptions) } -> FileInfo,
                "Writes the file at `path` with `data`.";
            value read_with['a] { path(&'a str), options(ReadOptions) } -> Bytes,
                "Reads the file at `path`, or a range of it.";
            value read_ranges_with['a 'b] { path(&'a str), ranges(&'b [ByteRange]), options(ReadOptions) } -> Vec<Bytes>,
                "Reads several ranges of one version of a file.";
            value copy_with['a 'b] { from(&'a str), to(&'b str), options(CopyOptions) } -> FileInfo,
                "Copies a file.";
            value exists['a] { path(&'a str) } -> bool,
                "Returns whether anything exists at `path`.";
            value glob_with['a] { pattern(&'a str), options(GlobOptions) } -> Vec<FilePath>,
                "Returns the paths that match a pattern.";
            value checksum['a] { path(&'a str), algorithm(ChecksumAlgorithm) } -> Checksum,
                "Computes the checksum of a file.";
            many checksum_many['a 'b] { paths(&'a [&'b str]), algorithm(ChecksumAlgorithm) } -> BTreeMap<FilePath, Checksum>,
                "Computes the checksums of many files concurrently, and skips missing files and directories.";
            value write_many_with[] { files(Vec<(String, Bytes)>), options(WriteOptions) } -> Vec<Result<FileInfo>>,
                "Writes many files, and returns one result for each.";
            value delete_many_with['a 'b] { paths(&'a [&'b str]), options(DeleteOptions) } -> Vec<Result<()>>,
                "Deletes many files, and returns one result for each.";
            paths glob_stream_with['a] { pattern(&'a str), options(GlobOptions) } -> PathStream<'static>,
                "Returns the paths that match a pattern, in the order of a listing.";
            value set_info['a] { path(&'a str), changes(InfoChanges) } -> FileInfo,
                "Changes metadata of an entry and leaves its content.";
            value create_link['a 'b] { path(&'a str), target(&'b str) } -> FileInfo,
                "Creates a symbolic link.";
            value read_link['a] { path(&'a str) } -> String,
                "Returns the path in a symbolic link.";
            store copy_from['a 'b 'c] { source(&'a dyn AsyncFileBackend), from(&'b str), to(&'c str), options(CopyOptions) } -> FileInfo,
                "Copies a file of another store into this one.";
            versions list_versions_with['a] { path(&'a str), options(VersionOptions) } -> VersionStream<'static>,
                "Lists the versions of a file, the newest first.";
            changes watch_with['a] { prefix(&'a str), options(WatchOptions) } -> ChangeStream<'static>,
                "Reports changes below a directory as they happen.";
            value presign['a] { path(&'a str), operation(PresignOperation), expires_in(Duration) } -> PresignedRequest,
                "Returns a request that works without f9.";
            value begin_upload['a] { path(&'a str), options(WriteOptions) } -> ResumableUpload,
                "Begins an upload that can continue in another process.";
            part continue_upload['a 'b] { upload(&'a ResumableUpload), data(ByteStream<'b>) } -> ResumableUpload,
                "Adds content to an upload.";
            value upload_state['a] { upload(&'a ResumableUpload) } -> ResumableUpload,
                "Returns the state of an upload as the store has it.";
            value finish_upload['a] { upload(&'a ResumableUpload) } -> FileInfo,
                "Publishes an upload.";
            value abandon_upload['a] { upload(&'a ResumableUpload) } -> (),
                "Removes the content of an upload that is not wanted any more.";
            session sync_session_with[] { options(SessionOptions) } -> SyncSession,
                "Waits for exclusive use of the store.";
        }
    };
}

/// Calls `$then!` with the verbs of [`AsyncSyncFileBackend`](super::AsyncSyncFileBackend).
macro_rules! sync_verbs {
    ($then:ident) => {
        $then! {
            "AsyncSyncFileBackend":
            value push_with[] { options(PushOptions) } -> SyncReport,
                "Publishes all local changes.";
            value pull_with[] { options(PullOptions) } -> SyncReport,
                "Merges all changes of the remote, with options.";
            value sync_with[] { options(SyncOptions) } -> SyncReport,
                "Pulls, then pushes, with options.";
            value push['a] { message(&'a str) } -> SyncReport,
                "Publishes all local changes, described by `message`.";
            value pull[] {} -> SyncReport,
                "Merges all changes of the remote.";
            value sync['a] { message(&'a str) } -> SyncReport,
                "Pulls, then pushes.";
            value conflict_report[] {} -> Vec<SyncConflict>,
                "Returns the files in conflict, in byte order.";
            value conflict_accept_local['a] { path(&'a str) } -> (),
                "Resolves the conflict at `path` with the local file.";
            value conflict_accept_remote['a] { path(&'a str) } -> (),
                "Resolves the conflict at `path` with the remote's file.";
            value conflict_resolve['a] { path(&'a str), data(Bytes) } -> (),
                "Resolves the conflict at `path` with `data`.";
        }
    };
}

/// Calls `$then!` with the verbs of [`AsyncFileBackendExt`](super::AsyncFileBackendExt) that take the same arguments in every form.
macro_rules! ext_verbs {
    ($then:ident) => {
        $then! {
            "AsyncFileBackendExt":
            opened open[] { path(&str) } -> FileContent,
                "Opens a file: its metadata and its content.";
            value write[] { path(&str), data(impl Into<Bytes> + Send) } -> FileInfo,
                "Creates a file or replaces its content.";
            value write_with[] { path(&str), data(impl Into<Bytes> + Send), options(WriteOptions) } -> FileInfo,
                "Writes a file with options.";
            value create[] { path(&str), data(impl Into<Bytes> + Send) } -> FileInfo,
                "Creates a new file; fails if it exists.";
            value create_with[] { path(&str), data(impl Into<Bytes> + Send), options(CreateOptions) } -> FileInfo,
                "Creates the file at `path` with `data`.";
            value create_dir[] { path(&str) } -> (),
                "Creates a new directory; fails if it exists.";
            value read[] { path(&str) } -> Bytes,
                "Reads a whole file.";
            value read_ranges[] { path(&str), ranges(&[ByteRange]) } -> Vec<Bytes>,
                "Reads several ranges of one version of a file.";
            value read_text[] { path(&str) } -> String,
                "Reads a whole file as UTF-8 text.";
            value update[] { path(&str), data(impl Into<Bytes> + Send) } -> FileInfo,
                "Replaces the content of an existing file.";
            value update_with[] { path(&str), data(impl Into<Bytes> + Send), options(UpdateOptions) } -> FileInfo,
                "Replaces the content of an existing file, or appends to it.";
            value delete[] { path(&str) } -> (),
                "Deletes a file, a link or an empty directory.";
            value info[] { path(&str) } -> FileInfo,
                "Returns the metadata of `path`.";
            entries list[] { prefix(&str) } -> InfoStream<'static>,
                "Lists the entries of a directory, without those of its subdirectories.";
            value glob[] { pattern(&str) } -> Vec<FilePath>,
                "Returns the paths that match a pattern.";
            value glob_files[] { pattern(&str) } -> Vec<FilePath>,
                "Returns the paths that match a pattern and are not directories.";
            value glob_dirs[] { pattern(&str) } -> Vec<FilePath>,
                "Returns the directories that match a pattern.";
            paths glob_stream[] { pattern(&str) } -> PathStream<'static>,
                "Returns the paths that match a pattern, in the order of a listing.";
            value delete_many[] { paths(&[&str]) } -> Vec<Result<()>>,
                "Deletes many files, and returns one result for each.";
            versions list_versions[] { path(&str) } -> VersionStream<'static>,
                "Lists the versions of a file, the newest first.";
            changes watch[] { prefix(&str) } -> ChangeStream<'static>,
                "Reports all changes below a directory as they happen.";
            bytes stream_read[] { path(&str) } -> ByteStream<'static>,
                "Streams a whole file.";
            text stream_read_text[] { path(&str) } -> TextStream<'static>,
                "Streams a whole file as UTF-8 text; no chunk ends within a character.";
            text stream_read_text_with[] { path(&str), options(ReadOptions) } -> TextStream<'static>,
                "Streams a file, or a range of it, as UTF-8 text.";
            value copy[] { from(&str), to(&str) } -> FileInfo,
                "Copies a file; fails if the target exists.";
            value rename[] { from(&str), to(&str) } -> FileInfo,
                "Moves a file or directory; fails if the target exists.";
            value verify[] { path(&str), expected(&str) } -> (),
                "Checks that a file has the checksum `expected`, such as `sha256:9f86…`.";
            session sync_session[] {} -> SyncSession,
                "Waits up to 30 seconds for exclusive use of the store.";
        }
    };
}

pub(crate) use {ext_verbs, file_verbs, sync_verbs};
