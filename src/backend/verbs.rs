//! The table of verbs: one row for each method of the contract, with its arguments and its result.
//!
//! All other forms of the verbs are generated from this table: pointers to backends ([`forward`](super::forward)), the blocking facade,
//! `compat`, and the backend of the suite that calls the facade. A new verb is written in the trait, here, and in the backends that
//! override its default.
//!
//! A row is `kind name ['lifetimes] { argument(type), … } -> result, "documentation";`. The kind says what the result is: `value`, or
//! one that the facade wraps because the caller keeps it (`bytes`, `entries`, `session`), `many` for a value that concurrent tasks
//! compute, `source` for a verb that takes a stream of bytes, or `core` for the object-safe form of a verb that callers know from
//! [`AsyncFileBackendExt`](super::AsyncFileBackendExt).

/// Calls `$then!` with the verbs of [`AsyncFileBackend`](super::AsyncFileBackend).
macro_rules! file_verbs {
    ($then:ident) => {
        $then! {
            "AsyncFileBackend":
            source stream_write_with['a 'b] { path(&'a str), data(ByteStream<'b>), options(WriteOptions) } -> FileInfo,
                "Writes the file at `path` from a stream of bytes.";
            value create_dir_with['a] { path(&'a str), options(CreateDirOptions) } -> (),
                "Creates a directory and its parents.";
            bytes stream_read_with['a] { path(&'a str), options(ReadOptions) } -> ByteStream<'static>,
                "Streams the file at `path`, or a range of it.";
            core update_bytes['a] { path(&'a str), data(Bytes), options(UpdateOptions) } -> FileInfo,
                "Replaces the content of an existing file, or appends to it.";
            value delete_with['a] { path(&'a str), options(DeleteOptions) } -> (),
                "Deletes a file, a directory or a link.";
            value info_with['a] { path(&'a str), options(InfoOptions) } -> FileInfo,
                "Returns the metadata of `path`.";
            entries list_with['a] { prefix(&'a str), options(ListOptions) } -> InfoStream<'static>,
                "Lists the directory at `prefix`, in byte order of the paths.";
            value rename_with['a 'b] { from(&'a str), to(&'b str), options(RenameOptions) } -> FileInfo,
                "Moves a file, a directory or a link.";
            core create_bytes['a] { path(&'a str), data(Bytes), options(CreateOptions) } -> FileInfo,
                "Creates the file at `path` with `data`.";
            value read_with['a] { path(&'a str), options(ReadOptions) } -> Bytes,
                "Reads the file at `path`, or a range of it.";
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
            value push['a] { message(&'a str) } -> (),
                "Publishes all local changes, described by `message`.";
            value pull[] {} -> (),
                "Merges all changes of the remote.";
            value sync['a] { message(&'a str) } -> (),
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
            value create[] { path(&str), data(impl Into<Bytes> + Send) } -> FileInfo,
                "Creates a new file; fails if it exists.";
            value create_with[] { path(&str), data(impl Into<Bytes> + Send), options(CreateOptions) } -> FileInfo,
                "Creates the file at `path` with `data`.";
            value create_dir[] { path(&str) } -> (),
                "Creates a new directory; fails if it exists.";
            value read[] { path(&str) } -> Bytes,
                "Reads a whole file.";
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
            bytes stream_read[] { path(&str) } -> ByteStream<'static>,
                "Streams a whole file.";
            text stream_read_text[] { path(&str) } -> TextStream<'static>,
                "Streams a whole file as UTF-8 text; no chunk ends within a character.";
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
